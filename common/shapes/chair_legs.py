"""Legs and bases of chairs."""

import numpy as np

from common.shapes.build import Builder, rotation_xyz, smooth_path
from common.shapes.chair_frame import BASE, LEG, Frame
from common.shapes.chair_seats import add_apron
from common.shapes.randomness import Draw


def add_legs(
    b: Builder,
    d: Draw,
    f: Frame,
    kind: str,
    splay: float | None = None,
    apron: bool = False,
    beside: bool = False,
    **more,
) -> None:
    """Legs of the given kind, from the floor to just inside the seat.

    Args:
        splay: how far the feet of four legs stand outside their heads; drawn when None.
        apron: whether boards under the seat may tie four legs.
        beside: whether four legs stand beside the seat, as those of armchairs, rather than under its corners.
    """
    inset = d.uniform(-0.02, 0.025)
    up = f.bottom + min(0.3 * f.thickness, 0.1)
    x, z = f.half(0) - inset, f.depth / 2 - inset
    if kind in ("straight", "round", "tapered", "turned", "curved"):
        _four_legs(b, d, kind, inset, up, f, splay, apron, beside, **more)
    elif kind == "sled":
        _sled(b, d, f.half(-z) - max(inset, 0) - 0.01, z - 0.04, up, **more)
    elif kind == "crossed":
        _crossed(b, d, f.half(-z) - max(inset, 0) - 0.02, z - 0.02, up, **more)
    elif kind == "slabs":
        _slabs(b, d, f, up, **more)
    elif kind == "pedestal":
        _pedestal(b, d, f, up, **more)
    elif kind == "star":
        _star(b, d, f, up, **more)
    else:  # a block
        b.box(LEG, (0, up / 2, 0), (2 * x * d.uniform(0.75, 0.98), up, f.depth * d.uniform(0.7, 0.98)), **more)


def _four_legs(b, d, kind, inset, up, f, splay, apron, beside, **more):
    radius = d.around(0.05, 0.4, 0.015, 0.13)
    if splay is None:
        splay = d.uniform(0, 0.16) if d.chance(0.5) else 0.0
    back_splay = d.uniform(0, 0.34) if d.chance(0.75 if beside else 0.55) else splay
    z = f.depth / 2 - inset - radius
    inset = -0.65 * radius if beside else inset + radius
    up = f.top - 0.1 * f.thickness if beside else up
    swell = [d.uniform(0.55, 1.25) for _ in range(6)]
    bend = d.uniform(-0.12, 0.12)
    taper = d.uniform(0.45, 0.7)
    feet = {}
    three = kind == "round" and d.chance(0.07)
    for sx, sz in [(0, 1), (-0.9, -0.6), (0.9, -0.6)] if three else [(-1, 1), (1, 1), (-1, -1), (1, -1)]:
        x = f.half(sz * z) - inset
        head = np.array([sx * x, up, sz * z])
        foot = np.array([sx * (x + splay), 0, sz * (z + (back_splay if sz < 0 else splay))])
        foot[1] = 0.9 * radius * np.linalg.norm(foot - head * (1, 0, 1)) / up  # its tilted end stands on the floor
        feet[(sx, sz)] = (foot, head)
        if kind == "straight":
            b.bar(LEG, foot, head, 1.8 * radius, **more)
        elif kind == "turned":
            _turned_leg(b, foot, head, radius, swell, **more)
        elif kind == "curved":
            side = np.array([sx, 0, sz]) * bend
            foot[1] = 0.8 * radius
            b.tube(LEG, smooth_path([foot, foot * 0.6 + head * 0.4 + side, head], 12), 0.8 * radius, **more)
        else:
            b.rod(LEG, foot, head, radius * (taper if kind == "tapered" else 1.0), radius, **more)
    if len(feet) == 4 and kind != "curved" and d.chance(0.4):
        _stretchers(b, d, feet, 0.5 * radius, **more)
    if apron and not beside and f.bottom > 0.35 and d.chance(0.5):
        add_apron(b, d, f, f.half(z) - inset, z, **more)


def _turned_leg(b, foot, head, radius, swell, **more):
    length = np.linalg.norm(head - foot)
    up = np.linspace(-0.5, 0.5, 13) * length
    r = radius * smooth_path([[s] for s in swell], 13)[:, 0].clip(0.4)
    profile = np.concatenate([[[0, up[0]]], np.stack([r, up], 1), [[0, up[-1]]]])
    direction = (head - foot) / length
    across = rotation_xyz(z=-np.degrees(np.arcsin(np.clip(direction[0], -1, 1))))
    rotation = across @ rotation_xyz(x=np.degrees(np.arctan2(direction[2], direction[1])))
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
    low = thick * z / np.hypot(2 * z, up)  # its tilted end stands on the floor
    for s in (-1, 1):
        b.bar(LEG, (s * x, low, z), (s * x, up, -z), thick, **more)
        b.bar(LEG, (s * (x - 0.99 * thick), low, -z), (s * (x - 0.99 * thick), up, z), thick, **more)
    b.rod(LEG, (-x, 0.15 * up, 0.7 * z), (x, 0.15 * up, 0.7 * z), 0.4 * thick, **more)


def _slabs(b, d, f, up, **more):
    thick, deep = d.uniform(0.03, 0.14), f.depth * d.uniform(0.8, 1.0)
    x = f.half(-deep / 2) - thick / 2 - 0.005
    for s in (-1, 1):
        b.box(LEG, (s * x, up / 2, 0), (thick, up, deep), **more)
    if d.chance(0.5):
        b.box(LEG, (0, up * d.uniform(0.3, 0.7), -0.42 * deep), (2 * x, up * d.uniform(0.2, 0.5), 0.04), **more)


def _pedestal(b, d, f, up, **more):
    foot, neck = f.width * d.uniform(0.28, 0.54), d.uniform(0.03, 0.12)
    disc, flare = d.uniform(0.03, 0.08), d.uniform(0.1, 0.5) * up
    stem = smooth_path([(foot * 0.9, disc + 0.005), (neck * 1.3, flare), (neck, 0.7 * up)], 9)
    b.turned(BASE, [(0, 0), (foot, 0), (foot, disc), *stem, (neck, up), (0, up)], **more)


def _star(b, d, f, up, **more):
    count = d.pick({3: 0.08, 4: 0.22, 5: 0.6, 6: 0.1})
    reach, radius = f.width * d.uniform(0.45, 0.68), d.uniform(0.025, 0.06)
    wheel = d.uniform(0.035, 0.07) if d.chance(0.7) else 0.0
    hub, drop = 2 * wheel + d.uniform(0.04, 0.16), d.uniform(0.0, 0.08)
    b.rod(BASE, (0, hub - 0.05, 0), (0, up, 0), d.uniform(0.03, 0.07), **more)
    phase = d.uniform(0, 2 * np.pi)
    level = max(2 * wheel + 0.5 * radius, hub - drop - 0.02) if wheel else 0.7 * radius
    for angle in phase + np.arange(count) * 2 * np.pi / count:
        out = np.array([np.sin(angle), 0, np.cos(angle)]) * reach
        b.rod(BASE, (0, hub, 0), out + (0, level, 0), radius, 0.7 * radius, **more)
        if wheel:
            b.rod(BASE, out * 0.96 + (0, wheel, 0), out * 0.96 + (0, level, 0), 0.3 * wheel, **more)
            turn = (0, np.degrees(angle), 0)
            b.ellipsoid(BASE, out * 0.96 + (0, wheel, 0), (0.7 * wheel, wheel, wheel), turn, **more)
