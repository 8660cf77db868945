"""Backs and headrests of chairs."""

import numpy as np

from common.shapes.build import Builder, rotation_xyz, rounded_rectangle, smooth_path
from common.shapes.chair_frame import BACK, HEADREST, Frame
from common.shapes.randomness import Draw

ROOT = 0.04  # how far backs reach down into the seat


def add_back(b: Builder, d: Draw, f: Frame, kind: str, height: float, **more) -> None:
    """A back of the given kind, ``f.back`` wide, ``height`` above the seat along its recline."""
    thick = d.uniform(0.03, 0.1)
    tilt = rotation_xyz(x=-f.recline)
    if kind == "panel":
        outline = rounded_rectangle(f.back, height + ROOT, d.uniform(0, 0.25), d.uniform(0.78, 1.1), steps=5)
        b.prism(BACK, outline, thick, f.on_back(0, 0.5 * (height - ROOT), 0.4 * thick), tilt, **more)
    elif kind == "cushion":
        thick = d.uniform(0.1, 0.3)
        root = ROOT + 0.5 * thick
        size = (f.back, height + root, thick)
        middle = f.on_back(0, 0.5 * (height - root), d.uniform(0.0, 0.35) * thick)
        if d.chance(0.25):
            b.superquadric(BACK, middle, 0.5 * np.array(size), d.uniform(0.25, 0.5), d.uniform(0.3, 0.6), tilt, **more)
        else:
            b.box(BACK, middle, size, d.uniform(0.2, 0.45) * thick, (-f.recline, 0, 0), **more)
    elif kind == "curved":
        _curved_panel(b, d, f, height, thick, **more)
    elif kind == "pierced":
        _pierced_panel(b, d, f, height, thick, **more)
    elif kind == "hoop":
        _hoop(b, d, f, height, **more)
    else:
        _framed_back(b, d, f, kind, height, thick, **more)


def _curved_panel(b, d, f, height, thick, **more):
    """A panel bent around the sitter: part of a turned ring, on the seat or, on rods, above it."""
    sweep = d.uniform(50, 160)
    radius = 0.5 * f.back / np.sin(np.radians(sweep / 2)) * d.uniform(0.95, 1.05)
    low = d.uniform(0.05, 0.55) * height if d.chance(0.5) else 0.0
    bottom = low or -max(ROOT, 0.5 * f.thickness)
    ring = [(radius, 0), (radius + thick, 0), (radius + thick, height - bottom), (radius, height - bottom)]
    bulge = radius - radius * np.cos(np.radians(sweep / 2))
    out = radius + thick - d.uniform(0.0, 0.2) * bulge  # of the ring's axis; its middle may hang behind the seat
    tilt = rotation_xyz(x=-f.recline)
    b.turned(BACK, ring, f.on_back(0, bottom, out), tilt @ rotation_xyz(y=180.0), sweep, **more)
    for s in _spread(d.integer(2, 4), 0.36 * f.back) if low else ():
        behind = out - np.sqrt((radius + 0.5 * thick) ** 2 - s**2)
        foot = (s, f.bottom + 0.3 * f.thickness, max(f.on_back(0, 0, behind)[2], -0.46 * f.depth))
        b.rod(BACK, foot, f.on_back(s, low + 0.3 * (height - low), behind), d.uniform(0.015, 0.035), **more)


def _pierced_panel(b, d, f, height, thick, **more):
    """A panel with a window: four bars around an opening, so that the hole is real."""
    side, top = d.uniform(0.12, 0.35) * f.back, d.uniform(0.12, 0.4) * height
    turn = (-f.recline, 0, 0)
    for s in (-1, 1):
        at = f.on_back(s * (f.back - side) / 2, 0.5 * (height - ROOT), 0.4 * thick)
        b.box(BACK, at, (side, height + ROOT, thick), turn=turn, **more)
    for up in (0.5 * top - ROOT, height - 0.5 * top):
        size = (f.back - 1.9 * side, top, 0.96 * thick)
        b.box(BACK, f.on_back(0, up, 0.4 * thick), size, turn=turn, **more)


def _hoop(b, d, f, height, **more):
    """A bent bow (Windsor or bentwood) with or without spindles inside."""
    radius = d.uniform(0.018, 0.045)
    square, waist = d.uniform(0.45, 1.0), d.uniform(0.75, 0.95)
    turn = np.linspace(np.pi, 0, 25)
    bow = np.stack([np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** square, np.sin(turn) ** square], 1)
    bow *= (0.5 * f.back - radius, height)
    bow[:, 0] *= waist + (1 - waist) * (bow[:, 1] / height)
    bow[[0, -1], 1] = -ROOT
    b.tube(BACK, [f.on_back(x, up, radius) for x, up in bow], radius, **more)
    inner = d.pick({"spindles": 0.55, "inner bow": 0.25, "splat": 0.2})
    if inner == "spindles":
        for x in _spread(d.integer(3, 8), 0.36 * f.back):
            up = float(np.interp(abs(x), bow[:12:-1, 0][::-1], bow[:12:-1, 1][::-1]))
            b.rod(BACK, f.on_back(0.85 * x, -ROOT, radius), f.on_back(x, up, radius), 0.5 * radius, **more)
    elif inner == "inner bow":
        low = np.where(bow[:, 1] < 0, 2 * bow[:, 1], 0.72 * bow[:, 1])
        b.tube(
            BACK, [f.on_back(0.6 * x, up, radius) for x, up in zip(bow[:, 0], low, strict=True)], 0.8 * radius, **more
        )
    else:
        _splat(b, d, f, height, **more)


def _splat(b, d, f, height, **more):
    """A vase-shaped board in the middle of a frame."""
    up = np.linspace(-ROOT, height, 9)
    half = smooth_path([[d.uniform(0.05, 0.16)] for _ in range(5)], 9)[:, 0].clip(0.04)
    outline = np.concatenate([np.stack([half, up], 1), np.stack([-half, up], 1)[::-1]])
    b.prism(BACK, outline, 0.03, f.on_back(0, 0, 0.02), rotation_xyz(x=-f.recline), **more)


def _framed_back(b, d, f, kind, height, thick, **more):
    """Two stiles with a top rail, filled with slats across (ladder), spindles, a splat, or a panel."""
    stile = d.uniform(0.03, 0.1)
    x, out = 0.5 * (f.back - stile), 0.5 * stile
    rail = d.uniform(0.08, 0.35) * height
    round_stile = d.chance(0.4)
    bow = d.uniform(0, 0.08) if d.chance(0.4) else 0.0
    for s in (-x, x):
        ends = f.on_back(s, -0.8 * f.thickness, out), f.on_back(s, height, out)
        b.rod(BACK, *ends, stile / 2, **more) if round_stile else b.bar(BACK, *ends, stile, **more)
    _rail(b, f, f.back, height - 0.5 * rail, out, rail, 0.8 * thick, bow, **more)
    free = height - rail
    if kind == "ladder":
        count = d.integer(1, 4)
        slat = min(d.uniform(0.05, 0.16), 0.6 * free / count)
        for i in range(count):
            _rail(b, f, 2 * x, free * (i + 0.5) / count + 0.02, out, slat, 0.5 * thick, bow, **more)
    elif kind == "spindles":
        lower = d.uniform(0.08, 0.25) * free
        flat = d.chance(0.4)
        for s in _spread(d.integer(2, 7), x * 0.8):
            behind = out - bow * (1 - (s / x) ** 2)
            ends = f.on_back(s, lower, out), f.on_back(s, free + 0.03, behind)
            b.bar(BACK, *ends, 0.02, d.uniform(0.03, 0.08), **more) if flat else b.rod(BACK, *ends, 0.015, **more)
        _rail(b, f, 2 * x, lower, out, 0.06, 0.6 * thick, 0.0, **more)
    elif kind == "splat":
        _splat(b, d, f, free + 0.5 * rail, **more)
    else:  # a panel between the stiles
        low = d.uniform(0.05, 0.5) * free
        middle = f.on_back(0, 0.5 * (free + low) + 0.01, out)
        b.box(BACK, middle, (2 * x, free - low + 0.04, 0.6 * thick), turn=(-f.recline, 0, 0), **more)


def _rail(b, f, width, up, out, height, thick, bow, **more):
    """A board across the back at height ``up``, ``out`` in front of it, its middle set back by ``bow``."""
    if bow <= 0.01:
        b.box(BACK, f.on_back(0, up, out), (width, height, thick), turn=(-f.recline, 0, 0), **more)
        return
    x = np.linspace(-0.5, 0.5, 9) * width
    z = bow * (1 - 4 * (x / width) ** 2)
    outline = np.concatenate([np.stack([x, z - thick / 2], 1), np.stack([x, z + thick / 2], 1)[::-1]])
    turn = rotation_xyz(x=-f.recline) @ rotation_xyz(x=-90.0)  # the outline's y becomes the way behind the back
    b.prism(BACK, outline, height, f.on_back(0, up, out), turn, **more)


def _spread(count: int, half: float) -> np.ndarray:
    return np.linspace(-half, half, count) if count > 1 else np.zeros(1)


def add_headrest(b: Builder, d: Draw, f: Frame, back_height: float, out: float = 0.02, **more) -> None:
    """A pad above the back on two short posts that reach down into it, ``out`` in front of its rear side."""
    high, wide, thick = d.uniform(0.14, 0.28), f.width * d.uniform(0.35, 0.75), d.uniform(0.07, 0.16)
    gap = d.uniform(0.0, 0.1)
    middle = f.on_back(0, back_height + gap + 0.5 * high, out + 0.2 * thick)
    b.box(HEADREST, middle, (wide, high, thick), 0.4 * thick, (-f.recline, 0, 0), **more)
    for s in (-0.15, 0.15):
        low, top = (f.on_back(s * wide, back_height + up, out) for up in (-0.2, gap + 0.5 * high))
        b.rod(HEADREST, low, top, 0.015, **more)
