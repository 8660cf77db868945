"""Legs and bases of chairs."""

import numpy as np

from common.shapes.build import Builder, rotation_xyz, smooth_path
from common.shapes.chair_frame import BASE, LEG, SEAT, Frame
from common.shapes.randomness import Draw


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
