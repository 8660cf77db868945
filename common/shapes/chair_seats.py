"""Seats of chairs."""

import numpy as np

from common.shapes.build import LYING, Builder, rounded_rectangle
from common.shapes.chair_frame import SEAT, Frame
from common.shapes.randomness import Draw


def add_seat(b: Builder, d: Draw, f: Frame, kind: str, **more) -> None:
    """A seat of the given kind: flat, trapezoid, horseshoe, round, cushion, pillow, saddle, slats."""
    y = f.top - f.thickness / 2
    if kind == "round":
        r = f.width / 2
        lip = min(0.3 * f.thickness, 0.1)
        low, high = -f.thickness / 2, f.thickness / 2
        b.turned(SEAT, [(0, low), (r - lip, low), (r, 0), (r - lip, high), (0, high)], (0, y, 0), **more)
    elif kind in ("trapezoid", "horseshoe"):
        outline = (
            _horseshoe(f) if kind == "horseshoe" else rounded_rectangle(f.width, f.depth, d.uniform(0.01, 0.1), f.rear)
        )
        b.prism(SEAT, outline, f.thickness, (0, y, 0), LYING, **more)
    elif kind == "cushion":
        b.box(SEAT, (0, y, 0), (f.width, f.thickness, f.depth), d.uniform(0.2, 0.48) * f.thickness, **more)
    elif kind == "pillow":
        radii = (0.5 * f.width, 0.5 * f.thickness, 0.5 * f.depth)
        b.superquadric(SEAT, (0, y, 0), radii, d.uniform(0.35, 0.7), d.uniform(0.2, 0.4), **more)
    elif kind == "saddle":
        dip = d.uniform(0.1, 0.5) * f.thickness
        x = np.linspace(-f.width / 2, f.width / 2, 9)
        upper = np.stack([x, f.thickness / 2 - dip * np.cos(np.pi * x / f.width)], 1)
        outline = np.concatenate([[[-f.width / 2, -f.thickness / 2], [f.width / 2, -f.thickness / 2]], upper[::-1]])
        b.prism(SEAT, outline, f.depth, (0, y, 0), **more)
    elif kind == "slats":
        _slats(b, d, f, y, **more)
    else:
        b.box(SEAT, (0, y, 0), (f.width, f.thickness, f.depth), d.uniform(0, 0.3) * f.thickness, **more)


def _horseshoe(f: Frame) -> np.ndarray:
    """Outline (M, 2) of a seat that is round in front and straight behind, counter-clockwise; +y is the rear."""
    angle = np.linspace(np.pi, 2 * np.pi, 25)
    front = np.stack([np.cos(angle) * f.width / 2, np.sin(angle) * 0.45 * f.depth - 0.05 * f.depth], 1)
    side = f.rear * f.width / 2
    return np.concatenate([front, [[side, 0.5 * f.depth], [-side, 0.5 * f.depth]]])


def _slats(b, d, f, y, **more):
    """Slats along or across, on a frame of four bars that carries them."""
    count, along = d.integer(3, 7), d.chance(0.5)
    thin, gap = min(f.thickness, 0.06), 0.7 / count
    y = f.top - thin / 2
    for t in np.linspace(-0.5, 0.5, count):
        at = (t * f.width * (1 - gap), y, 0) if along else (0, y, t * f.depth * (1 - gap))
        b.box(SEAT, at, (f.width * gap, thin, f.depth) if along else (f.width, thin, f.depth * gap), **more)
    high = max(f.thickness - 0.6 * thin, 0.04)
    level = f.bottom + high / 2
    for s in (-1, 1):
        b.box(SEAT, (0, level, s * (f.depth / 2 - 0.04)), (0.99 * f.width, high, 0.08), **more)
        b.box(SEAT, (s * (f.width / 2 - 0.04), level, 0), (0.08, high, 0.99 * f.depth), **more)


def add_apron(b: Builder, d: Draw, f: Frame, x: float, z: float, **more) -> None:
    """Boards under the rim of the seat that tie the legs, which stand at (+-x, +-z)."""
    high = d.uniform(0.06, 0.22) * min(1.0, f.bottom)
    y = f.bottom - 0.5 * high + 0.01
    rear = f.half(-z) - f.half(z)
    b.bar(SEAT, (-x, y, z), (x, y, z), 0.03, high, **more)
    b.bar(SEAT, (-x - rear, y, -z), (x + rear, y, -z), 0.03, high, **more)
    for s in (-1, 1):
        b.bar(SEAT, (s * x, y, z), (s * (x + rear), y, -z), 0.03, high, **more)
