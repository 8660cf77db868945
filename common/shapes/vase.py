"""The vase family: vessels turned on a wheel or built from boards, with handles, spouts, lids, feet and flowers."""

import numpy as np

from common.shapes.build import LYING, Builder, rounded_rectangle, shell_profile, smooth_path
from common.shapes.randomness import CERAMICS, METALS, Draw, article
from common.shapes.shape import Material, Shape

PART_NAMES = ("body", "handle", "foot", "lid", "plant")
BODY, HANDLE, FOOT, LID, PLANT = range(5)
LEAF = Material("leaves", (0.20, 0.48, 0.20))
STYLES = {
    "bottle": 0.13,
    "amphora": 0.13,
    "jar": 0.14,
    "bowl": 0.13,
    "beaker": 0.1,
    "trumpet": 0.09,
    "goblet": 0.09,
    "jug": 0.08,
    "pot": 0.05,
    "square": 0.06,
}

# Knots of the outer wall from foot to rim: (height, radius) ranges, in shares of the height and of the widest radius.
_WALLS = {
    "bottle": [
        ((0, 0), (0.5, 0.95)),
        ((0.2, 0.35), (0.9, 1.0)),
        ((0.5, 0.65), (0.3, 0.7)),
        ((0.75, 0.85), (0.16, 0.35)),
        ((1, 1), (0.18, 0.5)),
    ],
    "amphora": [
        ((0, 0), (0.3, 0.6)),
        ((0.35, 0.65), (0.95, 1.0)),
        ((0.75, 0.82), (0.4, 0.7)),
        ((0.86, 0.92), (0.3, 0.55)),
        ((1, 1), (0.35, 0.7)),
    ],
    "jar": [((0, 0), (0.5, 0.8)), ((0.35, 0.65), (0.95, 1.0)), ((0.85, 0.93), (0.6, 0.9)), ((1, 1), (0.55, 0.95))],
    "bowl": [((0, 0), (0.3, 0.6)), ((0.15, 0.4), (0.6, 0.9)), ((0.6, 0.8), (0.88, 1.0)), ((1, 1), (0.9, 1.0))],
    "beaker": [((0, 0), (0.6, 1.0)), ((0.4, 0.6), (0.65, 1.0)), ((1, 1), (0.7, 1.0))],
    "trumpet": [((0, 0), (0.4, 0.8)), ((0.1, 0.3), (0.3, 0.6)), ((0.5, 0.7), (0.2, 0.5)), ((1, 1), (0.8, 1.0))],
    "goblet": [((0, 0), (0.3, 0.5)), ((0.15, 0.35), (0.7, 0.95)), ((0.5, 0.8), (0.9, 1.0)), ((1, 1), (0.75, 1.0))],
    "jug": [((0, 0), (0.5, 0.8)), ((0.25, 0.45), (0.95, 1.0)), ((0.65, 0.8), (0.4, 0.65)), ((1, 1), (0.45, 0.75))],
    "pot": [((0, 0), (0.5, 0.8)), ((0.35, 0.6), (0.95, 1.0)), ((0.85, 0.95), (0.4, 0.75)), ((1, 1), (0.35, 0.6))],
}
# Height over widest radius: median, log-spread, lowest, highest.
_SLENDER = {
    "bottle": (3.2, 0.3, 1.7, 6.5),
    "amphora": (2.7, 0.25, 1.7, 4.5),
    "jar": (2.1, 0.25, 1.2, 3.6),
    "bowl": (0.95, 0.3, 0.45, 1.6),
    "beaker": (2.1, 0.45, 0.9, 5.0),
    "trumpet": (3.2, 0.3, 1.6, 6.0),
    "goblet": (1.5, 0.3, 0.8, 2.6),
    "jug": (2.2, 0.25, 1.4, 3.6),
    "pot": (1.5, 0.25, 0.9, 2.4),
    "square": (2.2, 0.5, 0.8, 6.0),
}


def sample_vase(generator: np.random.Generator, style: str | None = None) -> Shape:
    """Draw one vase: widest radius about 1, bottom at y = 0. Labels: ``PART_NAMES``."""
    d = Draw(generator)
    style = style or d.pick(STYLES)
    b = Builder(d.material(CERAMICS, CERAMICS, CERAMICS, METALS))
    height = d.around(*_SLENDER[style])
    words: list[str] = []
    wall = _square_body(b, d, height) if style == "square" else _turned_body(b, d, style, height)
    if d.chance({"goblet": 1.0, "bowl": 0.3, "amphora": 0.3, "trumpet": 0.2}.get(style, 0.12)):
        wall = _raise_on_foot(b, d, wall)
        words.append("a foot")
    handles = {"amphora": 0.65, "jug": 1.0, "pot": 1.0, "goblet": 0.25, "bowl": 0.22, "jar": 0.2, "bottle": 0.1}
    if d.chance(handles.get(style, 0.05)):
        count = 1 if style in ("jug", "pot") else 2
        _handles(b, d, wall, count)
        words.append("one handle" if count == 1 else "two handles")
    if style == "pot" or (style == "jug" and d.chance(0.5)):
        _spout(b, d, wall)
        words.append("a spout")
    covered = d.chance({"pot": 0.9, "jar": 0.3, "amphora": 0.15}.get(style, 0.0))
    if covered:
        _lid(b, d, wall)
        words.append("a lid")
    elif style != "bowl" and d.chance(0.16):
        _plant(b, d, wall)
        words.append("a plant in it")
    noun = f"{style} vase" if style in ("square", "trumpet") else style
    caption = f"{article(noun)} {noun} of {b.material.name}" + (f" with {' and '.join(words)}" if words else "")
    return Shape("vase", style, tuple(b.parts), PART_NAMES, caption)


def _turned_body(b: Builder, d: Draw, style: str, height: float) -> np.ndarray:
    """A turned vessel. Returns its outer wall (M, 2) of (radius, y), from the bottom up."""
    knots = [(d.uniform(*r), d.uniform(*y) * height) for y, r in _WALLS[style]]
    if d.chance(0.3):  # a flared lip
        radius, top = knots[-1]
        knots += [(radius * d.uniform(1.1, 1.45), top * d.uniform(1.02, 1.06))]
    wall = smooth_path(knots, 28)
    wall[:, 0] = wall[:, 0].clip(0.1)
    wall[:, 1] = np.maximum.accumulate(wall[:, 1] + np.arange(28) * 1e-6)
    if d.chance(0.2):  # throwing rings or ribs
        wall[:, 0] *= 1 + d.uniform(0.01, 0.05) * np.sin(np.arange(28) * d.uniform(1.0, 2.5))
    thickness = min(d.uniform(0.03, 0.09), 0.5 * float(wall[:, 0].min()))
    b.turned(BODY, shell_profile(wall, thickness))
    return wall


def _square_body(b: Builder, d: Draw, height: float) -> np.ndarray:
    """Four boards and a floor, or a prism with rounded corners; returns a wall as a turned body has."""
    half = d.uniform(0.6, 0.8)
    other, thick = half * d.uniform(0.5, 1.0), d.uniform(0.04, 0.1)
    flare = d.uniform(-8, 14) if height < 3 else 0.0
    lean = np.tan(np.radians(flare)) * height / 2
    for s in (-1, 1):
        b.box(
            BODY,
            (s * (half + lean), height / 2, 0),
            (thick, height, 2 * (other + max(2 * lean, 0))),
            turn=(0, 0, -s * flare),
        )
        b.box(
            BODY,
            (0, height / 2, s * (other + lean)),
            (2 * (half + max(2 * lean, 0)), height, thick),
            turn=(s * flare, 0, 0),
        )
    b.prism(BODY, rounded_rectangle(2 * half, 2 * other, 0.02), thick, (0, thick / 2, 0), LYING)
    return np.array([[half, 0], [half + lean, height / 2], [half + 2 * lean, height]])


def _raise_on_foot(b: Builder, d: Draw, wall: np.ndarray) -> np.ndarray:
    """Lift all that is built so far onto a stem with a disc, or onto a plinth."""
    lift = d.uniform(0.15, 1.0)
    base, stem = d.uniform(0.35, 0.8), d.uniform(0.1, 0.3)
    b.parts[:] = [_lifted(part, lift) for part in b.parts]
    if d.chance(0.25):
        b.box(FOOT, (0, 0.06, 0), (1.7 * base, 0.14, 1.7 * base))
    outer = smooth_path(
        [(base, 0.0), (base * 0.9, 0.06), (stem, 0.5 * lift), (max(stem, 0.6 * wall[0, 0]), lift + 0.02)], 12
    )
    b.turned(FOOT, [(0, 0), *outer, (0, lift + 0.02)])
    return wall + (0, lift)


def _lifted(part, lift):
    return type(part)(
        part.primitive, part.label, part.material, part.rotation, part.translation + (0, lift, 0), part.scale
    )


def _handles(b: Builder, d: Draw, wall: np.ndarray, count: int) -> None:
    low, high = sorted(wall[[d.integer(len(wall) // 4, len(wall) // 2), -d.integer(1, max(1, len(wall) // 4))], 1])
    bulge = d.uniform(0.2, 0.55)
    rise = d.uniform(0.0, 0.35) if d.chance(0.4) else 0.0
    radius = d.uniform(0.03, 0.08)
    r_low, r_high = (float(np.interp(y, wall[:, 1], wall[:, 0])) for y in (low, high))
    out = max(r_low, r_high) + bulge
    side = [
        (r_low - 0.3 * radius, low),
        (out, low + 0.35 * (high - low)),
        (out, high + rise),
        (r_high - 0.3 * radius, high),
    ]
    path = smooth_path(side, 16)
    turn = d.uniform(0, 2 * np.pi)
    for k in range(count):
        a = turn + np.pi * k
        b.tube(HANDLE, np.stack([path[:, 0] * np.sin(a), path[:, 1], path[:, 0] * np.cos(a)], 1), radius)


def _spout(b: Builder, d: Draw, wall: np.ndarray) -> None:
    y = float(wall[:, 1].max()) * d.uniform(0.35, 0.6)
    r = float(np.interp(y, wall[:, 1], wall[:, 0]))
    tip = (r + d.uniform(0.4, 0.9), float(wall[:, 1].max()) * d.uniform(0.8, 1.05))
    path = smooth_path([(r - 0.05, y), (r + 0.3, y + 0.15 * tip[1]), tip], 10)
    b.tube(BODY, np.stack([path[:, 0], path[:, 1], np.zeros(10)], 1), d.uniform(0.06, 0.13))


def _lid(b: Builder, d: Draw, wall: np.ndarray) -> None:
    radius, top = float(wall[-1, 0]) * d.uniform(1.0, 1.12), float(wall[:, 1].max())
    high = radius * d.uniform(0.2, 0.9)
    dome = smooth_path([(radius, top - 0.01), (0.75 * radius, top + 0.6 * high), (0.12, top + high)], 10)
    b.turned(LID, [(0, top - 0.01), *dome, (0, top + high)])
    knob = d.uniform(0.07, 0.18)
    b.ellipsoid(LID, (0, top + high + 0.7 * knob, 0), (knob, knob * d.uniform(0.8, 1.6), knob))


def _plant(b: Builder, d: Draw, wall: np.ndarray) -> None:
    """Stems that fan out of the mouth, each with a leaf or a flower at its end."""
    top, mouth = float(wall[-1, 1]), float(wall[-1, 0])
    for _ in range(d.integer(3, 9)):
        angle, reach, high = d.uniform(0, 2 * np.pi), d.uniform(0.1, 1.0), d.uniform(0.5, 1.8)
        out = np.array([np.sin(angle), 0, np.cos(angle)])
        start = (0, top * 0.7, 0) + out * 0.2 * mouth
        tip = (0, top + high, 0) + out * reach
        b.tube(PLANT, smooth_path([start, (0, top + 0.4 * high, 0) + out * 0.45 * mouth, tip], 8), 0.02, material=LEAF)
        size = d.uniform(0.08, 0.28)
        flat = d.uniform(0.25, 1.0)
        b.ellipsoid(
            PLANT,
            tip,
            (size, size * flat, size * d.uniform(0.5, 1.0)),
            (d.uniform(-60, 60), np.degrees(angle), 0),
            material=LEAF,
        )


def vessel_wall(d: Draw, style: str, height: float) -> np.ndarray:
    """An outer wall (20, 2) of (radius, y) in a vase style, widest radius 1: lamp feet borrow it."""
    wall = smooth_path([(d.uniform(*r), d.uniform(*y) * height) for y, r in _WALLS[style]], 20)
    wall[:, 1] = np.maximum.accumulate(wall[:, 1] + np.arange(20) * 1e-6)
    return wall.clip(0.05 * np.array([1.0, 0.0]))
