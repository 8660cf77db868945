"""Seats, backs, legs, arms and headrests that chairs are put together from.

Lengths are in seat widths. The floor is y = 0, the seat's top y = ``frame.top``, its front edge z = +depth / 2.
"""

from dataclasses import dataclass

import numpy as np

from common.shapes.build import (
    LYING,
    SIDEWAYS,
    Builder,
    rotation_xyz,
    rounded_rectangle,
    smooth_path,
)
from common.shapes.randomness import Draw

PART_NAMES = ("back", "seat", "leg", "arm", "base", "headrest")
BACK, SEAT, LEG, ARM, BASE, HEADREST = range(6)


@dataclass(frozen=True)
class Frame:
    """The measures that parts of one chair agree on."""

    width: float  # of the seat, x
    depth: float  # of the seat, z
    top: float  # height of the seat's upper side
    thickness: float  # of the seat
    recline: float  # of the back from the vertical, degrees

    @property
    def bottom(self) -> float:
        """Height of the seat's lower side."""
        return self.top - self.thickness

    def on_back(self, x: float, up: float, out: float = 0.0) -> np.ndarray:
        """The point ``up`` along the reclined back from the seat's rear edge, ``out`` behind it."""
        a = np.radians(self.recline)
        return np.array([x, self.top + up * np.cos(a) + out * np.sin(a), -self.depth / 2 - up * np.sin(a) + out * np.cos(a)])


# --- seats --------------------------------------------------------------------------------------------------------


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


# --- backs --------------------------------------------------------------------------------------------------------


def add_back(b: Builder, d: Draw, f: Frame, kind: str, height: float, **more) -> None:
    """A back of the given kind, ``height`` above the seat along its recline."""
    thick = d.uniform(0.03, 0.09)
    tilt = rotation_xyz(x=-f.recline)
    width = f.width * d.uniform(0.8, 1.05)
    middle = f.on_back(0, 0.5 * height, 0.5 * thick)
    if kind == "panel":
        outline = rounded_rectangle(width, height + 0.06, d.uniform(0, 0.3), d.uniform(0.75, 1.15), steps=5)
        b.prism(BACK, outline, thick, middle, tilt, **more)
    elif kind == "cushion":
        thick = d.uniform(0.1, 0.3)
        b.box(BACK, f.on_back(0, 0.5 * height, 0.35 * thick), (width, height + 0.05, thick),
              d.uniform(0.2, 0.45) * thick, (-f.recline, 0, 0), **more)
    elif kind == "curved":
        _curved_panel(b, d, f, height, thick, **more)
    elif kind == "pierced":
        _pierced_panel(b, d, f, width, height, thick, tilt, **more)
    elif kind == "hoop":
        _hoop(b, d, f, width, height, **more)
    else:
        _framed_back(b, d, f, kind, width, height, thick, **more)


def _curved_panel(b, d, f, height, thick, **more):
    """A panel bent around the sitter: part of a turned ring, at the top or over the whole height."""
    sweep = d.uniform(50, 130)
    radius = 0.5 * f.width / np.sin(np.radians(sweep / 2)) * d.uniform(0.9, 1.1)
    low = d.uniform(0.0, 0.55) * height
    ring = [(radius, 0), (radius + thick, 0), (radius + thick, height - low), (radius, height - low)]
    sag = radius * np.cos(np.radians(sweep / 2))
    at = f.on_back(0, low) + (0, 0, sag)
    b.turned(BACK, ring, at, rotation_xyz(y=180.0) @ rotation_xyz(x=f.recline), sweep, **more)
    if low > 0.02:
        for s in _spread(d.integer(2, 4), 0.36 * f.width):
            lean = sag - np.sqrt(max(radius**2 - s**2, 0.0))
            end = f.on_back(s, low + 0.08) + (0, 0, lean * 0.9 - 0.5 * thick)
            b.rod(BACK, (s, f.bottom + 0.3 * f.thickness, -0.46 * f.depth), end, d.uniform(0.015, 0.035), **more)


def _pierced_panel(b, d, f, width, height, thick, tilt, **more):
    """A panel with a window: four bars around an opening, so that the hole is real."""
    side, top = d.uniform(0.12, 0.35) * width, d.uniform(0.12, 0.4) * height
    for s in (-1, 1):
        b.box(BACK, f.on_back(s * (width - side) / 2, 0.5 * height, thick / 2), (side, height, thick),
              turn=(-f.recline, 0, 0), **more)
    for up in (0.5 * top - 0.02, height - 0.5 * top):
        b.box(BACK, f.on_back(0, up, thick / 2), (width - 1.9 * side, top, 0.96 * thick), turn=(-f.recline, 0, 0), **more)


def _hoop(b, d, f, width, height, **more):
    """A bent bow (Windsor or bentwood) with or without spindles inside."""
    radius = d.uniform(0.018, 0.04)
    square, waist = d.uniform(0.45, 1.0), d.uniform(0.75, 1.0)
    turn = np.linspace(np.pi, 0, 25)
    bow = np.stack([0.5 * width * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** square, height * np.sin(turn) ** square], 1)
    bow[:, 0] *= waist + (1 - waist) * (bow[:, 1] / height)
    bow[[0, -1], 1] = -0.04
    b.tube(BACK, [f.on_back(x, up) for x, up in bow], radius, **more)
    inner = d.pick({"spindles": 0.55, "inner bow": 0.25, "splat": 0.2})
    if inner == "spindles":
        for x in _spread(d.integer(3, 8), 0.36 * width):
            up = float(np.interp(abs(x), bow[12:, 0], bow[12:, 1]))
            b.rod(BACK, f.on_back(0.85 * x, -0.04), f.on_back(x, up), 0.5 * radius, **more)
    elif inner == "inner bow":
        b.tube(BACK, [f.on_back(0.6 * x, 0.72 * up) for x, up in bow], 0.8 * radius, **more)
    else:
        _splat(b, d, f, height * 0.97, **more)


def _splat(b, d, f, height, **more):
    """A vase-shaped board in the middle of a frame."""
    up = np.linspace(-0.03, height, 9)
    half = smooth_path([[d.uniform(0.05, 0.16)] for _ in range(5)], 9)[:, 0].clip(0.04)
    outline = np.concatenate([np.stack([half, up], 1), np.stack([-half, up], 1)[::-1]])
    b.prism(BACK, outline, 0.03, f.on_back(0, 0), rotation_xyz(x=-f.recline), **more)


def _framed_back(b, d, f, kind, width, height, thick, **more):
    """Two stiles with a top rail, filled with slats across (ladder), spindles, a splat, or a panel."""
    stile = d.uniform(0.03, 0.09)
    x = 0.5 * (width - stile)
    rail = d.uniform(0.08, 0.35) * height
    round_stile = d.chance(0.4)
    bow = d.uniform(0, 0.08) if d.chance(0.4) else 0.0
    for s in (-x, x):
        ends = f.on_back(s, -f.thickness), f.on_back(s, height)
        b.rod(BACK, *ends, stile / 2, **more) if round_stile else b.bar(BACK, *ends, stile, **more)
    _rail(b, f, width + d.uniform(-stile, 0.1), height - 0.5 * rail, rail, 0.8 * thick, bow, **more)
    free = height - rail
    if kind == "ladder":
        count = d.integer(1, 5)
        slat = min(d.uniform(0.05, 0.16), 0.6 * free / count)
        for i in range(count):
            _rail(b, f, 2 * x, free * (i + 0.5) / count + 0.02, slat, 0.5 * thick, bow, **more)
    elif kind == "spindles":
        lower = d.uniform(0.08, 0.25) * free
        flat = d.chance(0.4)
        for s in _spread(d.integer(2, 8), x * 0.8):
            ends = f.on_back(s, lower), f.on_back(s, free + 0.03)
            b.bar(BACK, *ends, 0.02, d.uniform(0.03, 0.08), **more) if flat else b.rod(BACK, *ends, 0.015, **more)
        _rail(b, f, 2 * x, lower, 0.06, 0.6 * thick, 0.0, **more)
    elif kind == "splat":
        _splat(b, d, f, free + 0.03, **more)
    elif kind == "stiles with panel":
        low = d.uniform(0.05, 0.5) * free
        middle = f.on_back(0, 0.5 * (free + low) + 0.01)
        b.box(BACK, middle, (2 * x, free - low + 0.04, 0.6 * thick), turn=(-f.recline, 0, 0), **more)


def _rail(b, f, width, up, height, thick, bow, **more):
    """A board across the back at height ``up``, its middle set back by ``bow``."""
    if bow <= 0.01:
        b.box(BACK, f.on_back(0, up), (width, height, thick), turn=(-f.recline, 0, 0), **more)
        return
    x = np.linspace(-0.5, 0.5, 9) * width
    z = bow * (4 * (x / width) ** 2 - 1)
    outline = np.concatenate([np.stack([x, z - thick / 2], 1), np.stack([x, z + thick / 2], 1)[::-1]])
    turn = rotation_xyz(x=-f.recline) @ rotation_xyz(x=90.0)
    b.prism(BACK, outline, height, f.on_back(0, up), turn, **more)


def _spread(count: int, half: float) -> np.ndarray:
    return np.linspace(-half, half, count) if count > 1 else np.zeros(1)


# --- legs and bases ------------------------------------------------------------------------------------------------


def add_legs(b: Builder, d: Draw, f: Frame, kind: str, **more) -> None:
    """Legs of the given kind, from the floor to just inside the seat."""
    inset = d.uniform(0.02, 0.1)
    x, z, up = f.width / 2 - inset, f.depth / 2 - inset, f.bottom + 0.3 * f.thickness
    if kind in ("straight", "round", "tapered", "turned", "curved"):
        _four_legs(b, d, kind, x, z, up, f, **more)
    elif kind == "sled":
        _sled(b, d, x, z, up, **more)
    elif kind == "crossed":
        _crossed(b, d, x, z, up, **more)
    elif kind == "slabs":
        thick = d.uniform(0.03, 0.12)
        for s in (-1, 1):
            b.box(LEG, (s * (f.width / 2 - thick / 2 - 0.005), up / 2, 0), (thick, up, f.depth * d.uniform(0.8, 0.97)), **more)
        if d.chance(0.5):
            b.box(LEG, (0, up * d.uniform(0.3, 0.7), -z), (f.width - thick, up * d.uniform(0.2, 0.5), 0.04), **more)
    elif kind == "pedestal":
        _pedestal(b, d, f, up, **more)
    elif kind == "star":
        _star(b, d, f, up, **more)
    elif kind == "block":
        b.box(LEG, (0, up / 2, 0), (f.width * d.uniform(0.7, 0.98), up, f.depth * d.uniform(0.7, 0.98)), **more)


def _four_legs(b, d, kind, x, z, up, f, **more):
    radius = d.around(0.045, 0.35, 0.015, 0.11)
    splay = d.uniform(0, 0.16) if d.chance(0.5) else 0.0
    back_splay = d.uniform(0, 0.2) if d.chance(0.4) else splay
    feet = {}
    count = 3 if kind == "round" and d.chance(0.07) else 4
    corners = [(-1, 1), (1, 1), (-1, -1), (1, -1)] if count == 4 else [(0, 1), (-0.9, -0.6), (0.9, -0.6)]
    swell = [d.uniform(0.55, 1.25) for _ in range(6)]
    bend = d.uniform(-0.12, 0.12)
    for sx, sz in corners:
        out = back_splay if sz < 0 else splay
        foot, head = np.array([sx * (x + splay), 0, sz * (z + out)]), np.array([sx * x, up, sz * z])
        feet[(sx, sz)] = (foot, head)
        if kind == "straight":
            b.bar(LEG, foot, head, 1.8 * radius, **more)
        elif kind == "turned":
            _turned_leg(b, foot, head, radius, swell, **more)
        elif kind == "curved":
            side = np.array([sx, 0, sz]) * bend
            b.tube(LEG, smooth_path([foot, foot * 0.6 + head * 0.4 + side, head], 12), 0.8 * radius, **more)
        else:
            b.rod(LEG, foot, head, radius * (d.uniform(0.45, 0.6) if kind == "tapered" else 1.0), radius, **more)
    if count == 4 and kind != "curved" and d.chance(0.4):
        _stretchers(b, d, feet, 0.5 * radius, **more)
    if kind in ("straight", "tapered") and f.top > 0.5 and d.chance(0.35):
        _apron(b, d, f, x, z, **more)


def _turned_leg(b, foot, head, radius, swell, **more):
    length = np.linalg.norm(head - foot)
    up = np.linspace(-0.5, 0.5, 13) * length
    r = radius * smooth_path([[s] for s in swell], 13)[:, 0].clip(0.4)
    profile = np.concatenate([[[0, up[0]]], np.stack([r, up], 1), [[0, up[-1]]]])
    direction = (head - foot) / length
    rotation = rotation_xyz(z=-np.degrees(np.arcsin(np.clip(direction[0], -1, 1)))) @ rotation_xyz(
        x=np.degrees(np.arctan2(direction[2], direction[1]))
    )
    b.turned(LEG, profile, (foot + head) / 2, rotation, **more)


def _stretchers(b, d, feet, radius, **more):
    style = d.pick({"box": 0.35, "H": 0.4, "sides": 0.25})
    level, shift = d.uniform(0.15, 0.5), d.uniform(-0.1, 0.1)
    at = {key: foot + (head - foot) * (level + shift * key[1]) for key, (foot, head) in feet.items()}
    pairs = [((-1, 1), (-1, -1)), ((1, 1), (1, -1))]
    if style == "box":
        pairs += [((-1, 1), (1, 1)), ((-1, -1), (1, -1))]
    for one, two in pairs:
        b.rod(LEG, at[one], at[two], radius, **more)
    if style == "H":
        b.rod(LEG, (at[-1, 1] + at[-1, -1]) / 2, (at[1, 1] + at[1, -1]) / 2, radius, **more)


def _apron(b, d, f, x, z, **more):
    high = d.uniform(0.06, 0.16)
    y = f.bottom - 0.4 * high
    for s in (-1, 1):
        b.box(SEAT, (0, y, s * (z - 0.01)), (2 * x, high, 0.03), **more)
        b.box(SEAT, (s * (x - 0.01), y, 0), (0.03, high, 2 * z), **more)


def _sled(b, d, x, z, up, **more):
    radius = d.uniform(0.015, 0.04)
    back = d.uniform(-0.1, 0.15)
    for s in (-1, 1):
        path = [(s * x, up, z), (s * x, radius, z + 0.05), (s * x, radius, -z - back), (s * x, up, -z)]
        b.tube(LEG, path, radius, **more)
    for end in (z + 0.05, -z - back):
        if d.chance(0.5):
            b.rod(LEG, (-x, radius, end), (x, radius, end), radius, **more)


def _crossed(b, d, x, z, up, **more):
    thick = d.uniform(0.03, 0.08)
    for s in (-1, 1):
        b.bar(LEG, (s * x, 0, z), (s * x, up, -z), thick, **more)
        b.bar(LEG, (s * (x - 1.05 * thick), 0, -z), (s * (x - 1.05 * thick), up, z), thick, **more)
    b.rod(LEG, (-x, 0.15 * up, 0.7 * z), (x, 0.15 * up, 0.7 * z), 0.4 * thick, **more)


def _pedestal(b, d, f, up, **more):
    foot, neck = f.width * d.uniform(0.25, 0.5), d.uniform(0.03, 0.12)
    disc, flare = d.uniform(0.03, 0.08), d.uniform(0.1, 0.5) * up
    outer = [(foot, 0), (foot, disc), *smooth_path([(foot * 0.9, disc + 0.005), (neck * 1.3, flare), (neck, 0.7 * up)], 9),
             (neck, up)]
    b.turned(BASE, [(0, 0), *outer, (0, up)], **more)


def _star(b, d, f, up, **more):
    count = d.pick({3: 0.08, 4: 0.22, 5: 0.6, 6: 0.1})
    reach, radius = f.width * d.uniform(0.42, 0.65), d.uniform(0.025, 0.06)
    wheel = d.uniform(0.035, 0.07) if d.chance(0.7) else 0.0
    hub, drop = 2 * wheel + d.uniform(0.04, 0.16), d.uniform(0.0, 0.08)
    b.rod(BASE, (0, hub - 0.05, 0), (0, up, 0), d.uniform(0.03, 0.07), **more)
    phase = d.uniform(0, 2 * np.pi)
    for angle in phase + np.arange(count) * 2 * np.pi / count:
        out = np.array([np.sin(angle), 0, np.cos(angle)])
        tip = out * reach + (0, max(2 * wheel + 0.5 * radius, hub - drop - 0.02), 0)
        b.rod(BASE, (0, hub, 0), tip, radius, 0.7 * radius, **more)
        if wheel:
            b.ellipsoid(BASE, out * reach + (0, wheel, 0), (wheel, wheel, 0.7 * wheel), (0, np.degrees(angle), 0), **more)


# --- arms and headrests ---------------------------------------------------------------------------------------------


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


def add_headrest(b: Builder, d: Draw, f: Frame, back_height: float, **more) -> None:
    """A pad above the back on two short posts, or bolted against its top."""
    high, wide, thick = d.uniform(0.14, 0.28), f.width * d.uniform(0.35, 0.75), d.uniform(0.07, 0.16)
    gap = d.uniform(0.0, 0.1)
    middle = f.on_back(0, back_height + gap + 0.5 * high, 0.3 * thick)
    b.box(HEADREST, middle, (wide, high, thick), 0.4 * thick, (-f.recline, 0, 0), **more)
    for s in (-0.25, 0.25):
        b.rod(HEADREST, f.on_back(s * wide, back_height - 0.05), f.on_back(s * wide, back_height + gap + 0.05), 0.015, **more)


