"""Seats of chairs."""

import numpy as np

from common.shapes.build import LYING, Builder, rounded_rectangle
from common.shapes.chair_frame import SEAT, Frame
from common.shapes.randomness import Draw


def add_seat(b: Builder, d: Draw, f: Frame, kind: str, label: int = SEAT, **more) -> None:
    """A seat of the given kind: flat, trapezoid, round, cushion, saddle, slats."""
    y = f.top - f.thickness / 2
    if kind == "round":
        r = f.width / 2
        lip = min(0.3 * f.thickness, 0.1)
        b.turned(label, [(0, -f.thickness / 2), (r - lip, -f.thickness / 2), (r, 0), (r - lip, f.thickness / 2),
                         (0, f.thickness / 2)], (0, y, 0), np.diag([1, 1, 1.0]), **more)
    elif kind == "trapezoid":
        outline = rounded_rectangle(f.width, f.depth, d.uniform(0.02, 0.25), d.uniform(0.72, 1.0))
        b.prism(label, outline, f.thickness, (0, y, 0), LYING, **more)
    elif kind == "cushion":
        b.box(label, (0, y, 0), (f.width, f.thickness, f.depth), d.uniform(0.2, 0.48) * f.thickness, **more)
    elif kind == "saddle":
        dip = d.uniform(0.1, 0.5) * f.thickness
        x = np.linspace(-f.width / 2, f.width / 2, 9)
        upper = np.stack([x, f.thickness / 2 - dip * np.cos(np.pi * x / f.width)], 1)
        outline = np.concatenate([[[-f.width / 2, -f.thickness / 2], [f.width / 2, -f.thickness / 2]], upper[::-1]])
        b.prism(label, outline, f.depth, (0, y, 0), **more)
    elif kind == "slats":
        count, along = d.integer(3, 7), d.chance(0.5)
        for t in np.linspace(-0.5, 0.5, count):
            gap = 0.7 / count
            at = (t * f.width * (1 - gap), y, 0) if along else (0, y, t * f.depth * (1 - gap))
            size = (f.width * gap, f.thickness, f.depth) if along else (f.width, f.thickness, f.depth * gap)
            b.box(label, at, size, **more)
        for z in (-0.35, 0.35):
            at, size = ((0, y - 0.5 * f.thickness, z * f.depth), (f.width * 0.95, 0.8 * f.thickness, 0.05))
            b.box(label, at, size if along else (0.05, 0.8 * f.thickness, f.depth * 0.95), **more)
    else:
        b.box(label, (0, y, 0), (f.width, f.thickness, f.depth), d.uniform(0, 0.3) * f.thickness, **more)
