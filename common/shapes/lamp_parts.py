"""What lamps are put together from: labels, shades, disc feet and reflectors."""

import numpy as np

from common.shapes.build import Builder, rotation_to, smooth_path
from common.shapes.randomness import Draw
from common.shapes.shape import Material

PART_NAMES = ("foot", "stem", "shade", "bulb", "canopy")
FOOT, STEM, SHADE, BULB, CANOPY = range(5)
GLOW = Material("frosted glass", (0.98, 0.94, 0.82))
UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0])


def add_shade(b: Builder, d: Draw, at, radius: float, height: float, kind: str, cloth: Material, rotation=None) -> None:
    """A thin open shade hung around ``at`` (its middle), opening along -y of ``rotation``."""
    half, wall = height / 2, max(0.03 * radius, 0.008)
    top = radius * d.uniform(0.3, 0.8)
    outer = {
        "cone": [(radius, -half), (top, half)],
        "drum": [(radius, -half), (radius * d.uniform(0.85, 1.0), half)],
        "bell": smooth_path(
            [(radius, -half), (0.62 * (radius + top) / 2 + 0.2 * radius, -0.1 * half), (0.5 * top, half)], 12
        ),
        "dome": [(radius * np.cos(a), -half + height * np.sin(a)) for a in np.linspace(0, 1.5, 12)],
        "tube": [(0.5 * radius, -half), (0.5 * radius, half)],
    }[kind]
    outer = np.asarray(outer, float)
    inner = outer - (wall, 0)
    closed = kind in ("dome", "tube") or (kind == "cone" and d.chance(0.25))
    if closed:  # the top is shut: the wall runs to the axis
        end = outer[-1, 1]
        ring = np.concatenate([outer, [[0, end], [0, end - wall]], inner[inner[:, 1] < end - wall][::-1]])
    else:
        ring = np.concatenate([outer, inner[::-1]])
    b.turned(SHADE, ring, at, rotation, material=cloth)


def add_disc_foot(b: Builder, d: Draw, radius: float) -> None:
    """A flat foot on the floor: a disc, a dome or a block."""
    kind = d.pick({"disc": 0.5, "dome": 0.3, "block": 0.2})
    high = d.uniform(0.03, 0.1)
    if kind == "disc":
        b.turned(FOOT, [(0, 0), (radius, 0), (radius * d.uniform(0.8, 1.0), high), (0, high)])
    elif kind == "dome":
        dome = [(radius * np.cos(a), (high + 0.15 * radius) * np.sin(a)) for a in np.linspace(0, 1.45, 9)]
        b.turned(FOOT, [(0, 0), *dome, (0, high + 0.15 * radius)])
    else:
        b.box(FOOT, (0, high / 2, 0), (1.6 * radius, high, 1.6 * radius * d.uniform(0.6, 1.0)), 0.2 * high)


def add_reflector(b: Builder, d: Draw, at, direction, cloth: Material) -> None:
    """A small reflector at ``at`` that shines along ``direction``, with a neck behind it."""
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    radius, high = d.uniform(0.13, 0.3), d.uniform(0.18, 0.42)
    kind = d.pick({"cone": 0.4, "bell": 0.2, "dome": 0.25, "tube": 0.15})
    middle = np.asarray(at) + direction * high * 0.45
    add_shade(b, d, middle, radius, high, kind, cloth, rotation_to(-direction))
    b.rod(SHADE, np.asarray(at) - direction * 0.06, middle, 0.05, material=cloth)
    b.ellipsoid(BULB, middle, (0.06, 0.06, 0.06), material=GLOW)
