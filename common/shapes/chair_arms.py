"""Arms of chairs."""

import numpy as np

from common.shapes.build import Builder, smooth_path
from common.shapes.chair_frame import ARM, Frame
from common.shapes.randomness import Draw


def add_arms(b: Builder, d: Draw, f: Frame, kind: str, back_height: float, **more) -> None:
    """A pair of thin arms of the given kind (posts, loops, T, scroll), from the back or the seat to its front."""
    high = min(d.around(0.33, 0.35, 0.1, 0.7), max(0.9 * back_height, 0.15))
    thick = d.uniform(0.03, 0.09)
    front = f.depth * (d.uniform(0.42, 0.55) if d.chance(0.8) else d.uniform(0.1, 0.38))
    inner = min(f.half(0.9 * front), 0.5 * f.back) - 0.01  # the inner face meets the seat and the back
    x, y = inner + 0.5 * thick, f.top + high
    rear = f.on_back(0, high / np.cos(np.radians(f.recline)), 0.03)[2]
    flare, overhang = d.uniform(0.0, 0.08), d.uniform(0.0, 0.08)
    for s in (-1, 1):
        if kind == "posts":
            wide = thick * d.uniform(1.0, 2.0)
            outer = s * (inner + 0.5 * wide)
            b.bar(ARM, (outer, y, rear - overhang), (outer, y, front), thick, wide, **more)
            b.bar(ARM, (s * x, f.bottom + 0.02, 0.9 * front), (s * x, y, 0.9 * front), thick, **more)
        elif kind == "loops":
            out, low = s * (f.half(0) + flare + 0.02), f.bottom + 0.3 * f.thickness
            path = [
                (s * (f.half(-0.3 * f.depth) - 0.01), low, -0.3 * f.depth),
                (out, y, -0.35 * f.depth),
                (out, y, 0.6 * front),
                (s * (f.half(0.4 * f.depth) - 0.01), low, 0.4 * f.depth),
            ]
            b.tube(ARM, smooth_path(path, 14), 0.5 * thick, **more)
        elif kind == "T":
            out = s * (f.half(0) + flare)
            b.rod(ARM, (0.6 * out, f.bottom + 0.01, 0), (out, f.bottom + 0.01, 0), 0.5 * thick, **more)
            b.rod(ARM, (out, f.bottom + 0.01, 0), (out, y, 0), 0.6 * thick, **more)
            b.box(ARM, (out, y, 0.02), (2 * thick, thick, d.uniform(0.5, 0.8) * f.depth), 0.4 * thick, **more)
        else:  # a scroll
            path = [
                (s * inner, y, rear),
                (s * (x + flare), f.top + 1.02 * high, 0),
                (s * x, f.top + 0.9 * high, front),
                (s * inner, f.bottom + 0.3 * f.thickness, 0.85 * front),
            ]
            b.tube(ARM, smooth_path(path, 14), 0.5 * thick, **more)


def add_arm_blocks(
    b: Builder, d: Draw, f: Frame, high: float, wide: float, low: float, rolled: bool = False, **more
) -> tuple[float, float]:
    """Solid sides of an upholstered or boxy chair, ``wide`` each, from height ``low`` to ``high`` above the seat.

    Returns:
        the lowest and highest z that they reach.
    """
    y = f.top + high
    rear = -0.5 * f.depth - d.uniform(-0.1, 0.25)
    front = 0.5 * f.depth + (d.uniform(-0.25, 0.0) if d.chance(0.35) else d.uniform(-0.03, 0.02))
    corner = d.uniform(0.0, 0.4) * wide
    for s in (-1, 1):
        x = s * (f.half(0) + 0.5 * wide - 0.02)
        b.box(ARM, (x, (low + y) / 2, (rear + front) / 2), (wide, y - low, front - rear), corner, **more)
        if rolled:
            x = s * (f.half(0) + 0.5 * wide)
            b.rod(ARM, (x, y - 0.1 * wide, rear), (x, y - 0.1 * wide, front + 0.01), 0.6 * wide, **more)
    return rear, front
