"""Arms of chairs."""

from common.shapes.build import Builder, smooth_path
from common.shapes.chair_frame import ARM, Frame
from common.shapes.randomness import Draw


def add_arms(b: Builder, d: Draw, f: Frame, kind: str, back_height: float, **more) -> None:
    """A pair of arms of the given kind beside the seat."""
    high = min(d.around(0.34, 0.3, 0.12, 0.7), max(0.9 * back_height, 0.2))
    rear = f.on_back(0, high)
    front = f.depth * d.uniform(0.1, 0.5)
    x = f.width / 2 + d.uniform(0.0, 0.06)
    thick = d.uniform(0.03, 0.08)
    for s in (-1, 1):
        if kind == "posts":
            b.bar(ARM, (s * x, f.top + high, rear[2]), (s * x, f.top + high, front), thick, 1.5 * thick, **more)
            b.bar(ARM, (s * x, f.bottom, 0.9 * front), (s * x, f.top + high, 0.9 * front), thick, **more)
        elif kind == "loops":
            path = [(s * 0.95 * x, f.bottom + 0.01, -0.3 * f.depth), (s * (x + 0.06), f.top + high, -0.35 * f.depth),
                    (s * (x + 0.06), f.top + high, 0.6 * front), (s * 0.95 * x, f.bottom + 0.01, 0.5 * front)]
            b.tube(ARM, smooth_path(path, 14), 0.5 * thick, **more)
        elif kind == "T":
            b.rod(ARM, (s * 0.7 * x, f.bottom + 0.01, 0), (s * (x + 0.05), f.bottom + 0.05, 0), 0.5 * thick, **more)
            b.rod(ARM, (s * (x + 0.05), f.bottom + 0.03, 0), (s * (x + 0.05), f.top + high, 0), 0.6 * thick, **more)
            b.box(ARM, (s * (x + 0.05), f.top + high, 0.02), (2 * thick, thick, 0.5 * f.depth), 0.4 * thick, **more)
        elif kind == "scroll":
            path = [rear + (s * x, 0, -0.01), (s * (x + 0.03), f.top + 1.02 * high, 0), (s * x, f.top + 0.9 * high, front),
                    (s * 0.97 * x, f.bottom + 0.02, 0.8 * front)]
            b.tube(ARM, smooth_path(path, 14), 0.5 * thick, **more)
        else:  # slabs: solid sides of an upholstered chair
            _arm_block(b, f, s, kind, high, front, d, **more)


def _arm_block(b, f, s, kind, high, front, d, **more):
    wide = f.width * (0.16 if kind == "thin slabs" else 0.26)
    low = f.bottom - 0.02
    at = (s * (f.width / 2 + 0.45 * wide), (low + f.top + high) / 2, -0.03 * f.depth)
    size = (wide, f.top + high - low, f.depth * 1.02)
    b.box(ARM, at, size, 0.25 * wide, **more)
    if kind == "rolled slabs":
        end = (s * (f.width / 2 + 0.5 * wide), f.top + high, 0.5 * f.depth)
        b.rod(ARM, (end[0], end[1], -0.5 * f.depth), end, 0.62 * wide, **more)
