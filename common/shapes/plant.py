"""A potted plant: many thin leaves, for pictures with fine detail."""

import numpy as np

from common.shapes.build import Builder, rotation_to, shell_profile
from common.shapes.primitives import Ellipsoid
from common.shapes.shape import Material, Part, Shape


def plant(seed: int = 0) -> Shape:
    """A potted plant: a turned pot with earth, stems that lean apart, and leaves along them."""
    generator = np.random.default_rng(seed)
    clay, earth = Material("clay", (0.72, 0.38, 0.25)), Material("earth", (0.25, 0.17, 0.12))
    wood = Material("wood", (0.42, 0.45, 0.22))
    b = Builder(clay)
    wall = np.array([(0.30, 0.0), (0.34, 0.1), (0.44, 0.55), (0.50, 0.56), (0.50, 0.66), (0.46, 0.66)])
    b.turned(0, shell_profile(wall, 0.05), (0, -1.0, 0))
    b.rod(0, (0, -0.95, 0), (0, -0.42, 0), 0.30, 0.40, material=earth)
    for k in range(7):
        angle, lean = 2 * np.pi * k / 7 + generator.uniform(-0.3, 0.3), generator.uniform(0.25, 0.75)
        tip = np.array([lean * np.cos(angle), generator.uniform(0.35, 0.95), lean * np.sin(angle)])
        foot = np.array([0.12 * np.cos(angle), -0.45, 0.12 * np.sin(angle)])
        bend = (foot + tip) / 2 + (0, 0.15, 0)
        share = np.linspace(0, 1, 9)[:, None]
        path = (1 - share) ** 2 * foot + 2 * share * (1 - share) * bend + share**2 * tip
        b.tube(0, path, 0.018, material=wood)
        for n in range(3, 9):
            green = Material("leaf", (0.16 + 0.1 * generator.random(), 0.45 + 0.25 * generator.random(), 0.16))
            turn = angle + np.pi * n * 0.76
            out = np.array([np.cos(turn), 0.35, np.sin(turn)])
            middle = path[n] + 0.13 * out / np.linalg.norm(out)
            b.parts.append(_leaf(middle, out, green))
    return Shape("plant", "potted", tuple(b.parts), ("plant",), "a potted plant")


def _leaf(middle: np.ndarray, direction: np.ndarray, material: Material) -> Part:
    return Part(Ellipsoid((0.055, 0.15, 0.012)), 0, material, rotation_to(direction), middle)
