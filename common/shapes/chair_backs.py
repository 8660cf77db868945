"""Backs and headrests of chairs."""

import numpy as np

from common.shapes.build import Builder, rotation_xyz, rounded_rectangle, smooth_path
from common.shapes.chair_frame import BACK, HEADREST, Frame
from common.shapes.randomness import Draw


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


def add_headrest(b: Builder, d: Draw, f: Frame, back_height: float, **more) -> None:
    """A pad above the back on two short posts, or bolted against its top."""
    high, wide, thick = d.uniform(0.14, 0.28), f.width * d.uniform(0.35, 0.75), d.uniform(0.07, 0.16)
    gap = d.uniform(0.0, 0.1)
    middle = f.on_back(0, back_height + gap + 0.5 * high, 0.3 * thick)
    b.box(HEADREST, middle, (wide, high, thick), 0.4 * thick, (-f.recline, 0, 0), **more)
    for s in (-0.25, 0.25):
        b.rod(HEADREST, f.on_back(s * wide, back_height - 0.05), f.on_back(s * wide, back_height + gap + 0.05), 0.015, **more)
