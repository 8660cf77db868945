"""The car family: nine styles of road cars over the parts of ``car_body`` and ``car_parts``, in metres.

The ranges follow data sheets: saloons are 4.35 to 5.05 long, 1.74 to 1.92 wide and 1.4 to 1.5 high.
"""

from dataclasses import replace

import numpy as np

from common.shapes.build import Builder
from common.shapes.car_body import PART_NAMES, TRIM, Frame, add_body, add_glass, add_pillars, add_roof, draw_frame
from common.shapes.car_parts import (
    DARK,
    add_doors,
    add_ends,
    add_mirrors,
    add_open_screen,
    add_pipes,
    add_roof_lip,
    add_roof_rails,
    add_seats,
    add_spoiler,
    add_wheels,
)
from common.shapes.randomness import FABRICS, PAINTS, Draw, article
from common.shapes.shape import Shape

# Metres; belt, nose and tail are heights as shares of the car's, the belt's and the belt's; base is the wheelbase as a
# share of the length; hood and deck reach from the ends to the cabin, screen and back are how far its windows lean.
_RANGES = {
    "sedan": {
        "length": (4.35, 5.05), "width": (1.74, 1.92), "height": (1.4, 1.5), "radius": (0.3, 0.345),
        "clearance": (0.15, 0.2), "overhang": (0.8, 0.95), "base": (0.58, 0.61), "hood": (1.05, 1.35),
        "screen": (0.65, 0.95), "back": (0.6, 0.95), "deck": (0.35, 0.6), "belt": (0.63, 0.68), "nose": (0.7, 0.8),
        "tail": (0.98, 1.06), "tumble": (0.28, 0.4), "tail_taper": (0.2, 0.3),
    },
}  # fmt: skip


def _like(style: str, **changes: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return _RANGES[style] | changes


_RANGES["estate"] = _like("sedan", back=(0.25, 0.5), deck=(0.04, 0.12), height=(1.43, 1.55), slope=(1, 2))
_RANGES["coupe"] = _like(
    "sedan", length=(4.2, 4.75), height=(1.24, 1.38), width=(1.78, 1.94), back=(0.9, 1.3), deck=(0.2, 0.45),
    overhang=(0.75, 0.9), hood=(1.15, 1.45), screen=(0.75, 1.0), clearance=(0.11, 0.15), tumble=(0.35, 0.5),
    fender=(0.01, 0.05), belt=(0.63, 0.68), nose=(0.66, 0.78),
)  # fmt: skip
_RANGES["sports"] = _like(
    "coupe", height=(1.08, 1.22), width=(1.84, 2.0), radius=(0.32, 0.35), clearance=(0.09, 0.13), base=(0.56, 0.6),
    overhang=(0.9, 1.1), hood=(0.95, 1.4), screen=(0.85, 1.1), back=(1.0, 1.5), nose=(0.6, 0.72), fender=(0.03, 0.07),
    tail=(1.0, 1.12), belt=(0.62, 0.68),
)  # fmt: skip
_RANGES["convertible"] = _like(
    "coupe", length=(3.95, 4.7), height=(1.26, 1.38), deck=(0.7, 1.0), back=(0.3, 0.4), belt=(0.64, 0.69)
)
_RANGES["hatchback"] = _like(
    "sedan", length=(3.5, 4.35), width=(1.62, 1.82), height=(1.42, 1.58), overhang=(0.65, 0.85), base=(0.6, 0.65),
    hood=(0.75, 1.05), back=(0.25, 0.55), deck=(0.03, 0.1), belt=(0.6, 0.66), tumble=(0.2, 0.34), nose=(0.7, 0.84),
)  # fmt: skip
_RANGES["suv"] = _like(
    "hatchback", length=(4.2, 5.05), width=(1.8, 2.02), height=(1.62, 1.9), radius=(0.35, 0.41), overhang=(0.75, 0.95),
    clearance=(0.22, 0.32), hood=(1.0, 1.3), screen=(0.45, 0.8), back=(0.12, 0.45), nose=(0.78, 0.9), base=(0.57, 0.61),
    belt=(0.62, 0.67), tumble=(0.15, 0.3), tail_taper=(0.12, 0.25),
)  # fmt: skip
_RANGES["pickup"] = _like(
    "suv", length=(5.0, 5.8), width=(1.82, 2.05), height=(1.72, 1.95), deck=(1.45, 2.1), back=(0.06, 0.2),
    radius=(0.37, 0.43), tail=(0.96, 1.0), base=(0.57, 0.62), clearance=(0.28, 0.4), tail_taper=(0.04, 0.1),
    belt=(0.6, 0.65),
)  # fmt: skip
_RANGES["van"] = _like(
    "suv", length=(4.5, 5.7), width=(1.8, 2.05), height=(1.85, 2.5), radius=(0.31, 0.36), hood=(0.45, 0.9),
    screen=(0.5, 0.85), back=(0.04, 0.14), deck=(0.03, 0.06), belt=(0.49, 0.56), tumble=(0.05, 0.14),
    clearance=(0.17, 0.25), overhang=(0.75, 0.95), base=(0.57, 0.64), tail_taper=(0.04, 0.1), nose=(0.76, 0.88),
)  # fmt: skip


def sample_car(generator: np.random.Generator, style: str | None = None) -> Shape:
    """Draw one car: metres, wheels on y = 0, its middle over the origin, +z its nose. Labels: ``PART_NAMES``."""
    d = Draw(generator)
    style = style or d.pick(STYLES)
    b = Builder(d.material(PAINTS))
    f = draw_frame(d, _RANGES[style])
    words = _BUILDERS[style][1](b, d, f)
    add_wheels(b, d, f)
    add_ends(b, d, f, style in ("suv", "pickup", "van") and d.chance(0.5), style in ("van", "pickup"))
    if d.chance(0.4):
        add_pipes(b, d, f)
    noun = {"sports": "sports car", "suv": "suv"}.get(style, style)
    caption = f"{article(noun)} {noun} in {b.material.name}" + (f" with {' and '.join(words)}" if words else "")
    return Shape("car", style, tuple(b.parts), PART_NAMES, caption)


def _closed(b: Builder, d: Draw, f: Frame, doors: int, rear: tuple[float, float], thick: float) -> list[str]:
    """Body, glass, roof, pillars, mirrors and handles of a car with a roof.

    Args:
        rear: how far forward of the foot of the rear window the rear pillar reaches at the belt, in shares of the
            window's own length (lowest, highest). thick: how far pillars reach over the rear window, metres.
    """
    add_body(b, f)
    add_glass(b, f)
    rail = d.uniform(0.07, 0.11)
    add_roof(b, f, rail)
    add_pillars(b, f, [(f.screens[1] - 0.06, rail), (f.roof[-1, 0], 0.06)], d.uniform(0.02, 0.05))
    foot, edge = f.roof[0, 0], f.screens[0]
    start = foot + d.uniform(*rear) * (edge - foot)
    tall = f.roof[:, 1].max() - f.top(edge)
    slant = max(edge, start) + d.uniform(0.05, 0.25)
    add_pillars(b, f, [(foot, 2.0), (start, 2.0), (start + 0.02, tall), (slant, rail)], thick)
    splits = _splits(d, f, doors, start)
    for z in splits:
        add_pillars(b, f, [(z - 0.035, 2.0), (z + 0.035, 2.0)], 0.01, material=DARK if d.chance(0.5) else b.material)
    add_mirrors(b, d, f)
    add_doors(b, d, f, [z + 0.14 for z in splits[: max(1, doors - 1)]])
    return ["four doors" if doors == 2 else "two doors"]


def _splits(d: Draw, f: Frame, doors: int, start: float) -> list[float]:
    """z of the pillars between the side windows, from the front backwards."""
    front = f.screens[1] + 0.25 * (f.roof[-1, 0] - f.screens[1])
    first = front - d.uniform(0.85, 1.0) - (0.2 if doors == 1 else 0.0)
    return [z for z in (first - k * d.uniform(0.78, 0.92) for k in range(doors)) if z > start + 0.25]


def _sedan(b: Builder, d: Draw, f: Frame) -> list[str]:
    words = _closed(b, d, f, 2, (0.75, 1.1), d.uniform(0.05, 0.14))
    if d.chance(0.12):
        add_spoiler(b, d, f)
        words.append("a spoiler")
    return words


def _hatchback(b: Builder, d: Draw, f: Frame) -> list[str]:
    words = _closed(b, d, f, d.integer(1, 2), (0.8, 1.6), d.uniform(0.04, 0.12))
    if d.chance(0.5):
        add_roof_lip(b, d, f)
    return words


def _long_roof(b: Builder, d: Draw, f: Frame) -> list[str]:
    words = _closed(b, d, f, 3, (0.6, 1.1), d.uniform(0.04, 0.12))
    if d.chance(0.55):
        add_roof_rails(b, f, DARK if d.chance(0.5) else b.material)
        words.append("roof rails")
    if d.chance(0.35):
        add_roof_lip(b, d, f)
    return ["four doors", *words[1:]]


def _coupe(b: Builder, d: Draw, f: Frame) -> list[str]:
    words = _closed(b, d, f, 1, (0.6, 0.95), d.uniform(0.06, 0.2))
    if d.chance(0.35):
        add_spoiler(b, d, f)
        words.append("a spoiler")
    return words


def _pickup(b: Builder, d: Draw, f: Frame) -> list[str]:
    covered = d.chance(0.2)
    foot, tail = f.roof[0, 0], -f.length / 2
    if not covered:
        f = replace(f, tub=(tail + d.uniform(0.06, 0.1), foot - 0.06, f.radius + f.arch + d.uniform(0.03, 0.08)))
    long = f.screens[1] - f.screens[0] > 1.2
    words = _closed(b, d, f, 2 if long else 1, (0.9, 1.6), d.uniform(0.03, 0.08))
    if not covered and d.chance(0.3):
        y, x, z = f.top(foot), f.pane(foot - 0.2, 0.0) * 0.95, foot - 0.2
        high = d.uniform(0.3, 0.5)
        for s in (1, -1):
            b.bar(TRIM, (s * x, y - 0.05, z), (s * 0.9 * x, y + high, z), 0.06, material=DARK)
        b.bar(TRIM, (-0.9 * x - 0.03, y + high, z), (0.9 * x + 0.03, y + high, z), 0.06, material=DARK)
        words.append("a roll bar")
    return [*words, "a covered bed" if covered else "an open bed"]


def _van(b: Builder, d: Draw, f: Frame) -> list[str]:
    boarded = d.chance(0.5)
    _closed(b, d, f, 1 if boarded else d.integer(2, 3), (0.9, 1.1), d.uniform(0.04, 0.12))
    if boarded:  # boards instead of windows behind the front doors
        front = f.screens[1] - d.uniform(0.35, 0.8)
        add_pillars(b, f, [(f.roof[0, 0], 2.0), (front, 2.0)], 0.05)
        return ["no rear windows"]
    return ["rear windows"]


def _convertible(b: Builder, d: Draw, f: Frame) -> list[str]:
    front = f.roof[-1, 0] - d.uniform(0.2, 0.35)
    rear = max(f.roof[0, 0] + d.uniform(-0.1, 0.2), f.rear + f.arch + 0.03)
    f = replace(f, tub=(rear, front, f.clearance + d.uniform(0.2, 0.3)))
    add_body(b, f)
    add_open_screen(b, d, f, f.roof[:, 1].max() - f.top(f.roof[-1, 0]))
    two = front - rear < 1.65
    add_seats(b, d, f, [max(front - 1.15, rear + 0.2)] if two else [front - 0.85, front - 1.5], d.material(FABRICS))
    if d.chance(0.6):
        b.box(TRIM, (0, f.top(rear) + 0.02, rear - 0.02), (1.5 * f.pane(rear, 0.0), 0.12, 0.3), 0.0, material=DARK)
    add_mirrors(b, d, f, (0.02, 0.035))  # there are no side windows to carry them
    add_doors(b, d, f, [front - 0.95])
    return ["two seats" if two else "four seats", "no roof"]


# How often each style is drawn, and what builds it and says what it has.
_BUILDERS = {
    "sedan": (0.26, _sedan),
    "hatchback": (0.14, _hatchback),
    "suv": (0.16, _long_roof),
    "estate": (0.08, _long_roof),
    "coupe": (0.1, _coupe),
    "sports": (0.1, _coupe),
    "convertible": (0.06, _convertible),
    "pickup": (0.05, _pickup),
    "van": (0.05, _van),
}
STYLES = {style: share for style, (share, _) in _BUILDERS.items()}
