"""The lamp family: table, floor, desk, gooseneck, street, pendant and other lamps."""

import numpy as np

from common.shapes.build import Builder, smooth_path
from common.shapes.lamp_parts import (
    BULB,
    CANOPY,
    FOOT,
    GLOW,
    PART_NAMES,
    SHADE,
    STEM,
    UPSIDE_DOWN,
    add_disc_foot,
    add_reflector,
    add_shade,
)
from common.shapes.randomness import CERAMICS, METALS, SHADES, WOODS, Draw
from common.shapes.shape import Material, Shape
from common.shapes.vase import vessel_wall


def sample_lamp(generator: np.random.Generator, style: str | None = None) -> Shape:
    """Draw one lamp: about 1 to 3 high, standing on (or hanging above) y = 0. Labels: ``PART_NAMES``."""
    d = Draw(generator)
    style = style or d.pick(STYLES)
    b = Builder(d.material(METALS, METALS, CERAMICS, WOODS))
    words = _BUILDERS[style][1](b, d, d.material(SHADES))
    caption = f"a {style} lamp of {b.material.name} with {' and '.join(words)}"
    return Shape("lamp", style, tuple(b.parts), PART_NAMES, caption)


def _table(b: Builder, d: Draw, cloth: Material) -> list[str]:
    body, scale = d.uniform(0.5, 1.1), d.uniform(0.16, 0.45)
    kind = d.pick({"vessel": 0.45, "column": 0.25, "stem": 0.3})
    if kind == "vessel":
        vessel = d.pick({"bottle": 1, "amphora": 1, "jar": 1, "jug": 1, "trumpet": 0.5})
        wall = vessel_wall(d, vessel, body) * (scale, 1)
        b.turned(FOOT, [(0, 0), *wall, (0, wall[-1, 1])])
        if d.chance(0.4):
            b.turned(FOOT, [(0, -0.06), (1.1 * wall[0, 0], -0.06), (1.1 * wall[0, 0], 0.01), (0, 0.01)])
    elif kind == "column":
        add_disc_foot(b, d, scale)
        r = smooth_path([[d.uniform(0.04, 0.14)] for _ in range(6)], 20)[:, 0].clip(0.03)
        b.turned(STEM, [(0, 0.02), *np.stack([r, np.linspace(0.02, body, 20)], 1), (0, body)])
    else:
        add_disc_foot(b, d, scale)
        b.rod(STEM, (0, 0.01, 0), (0, body, 0), d.uniform(0.015, 0.04))
    radius, high = d.around(0.45, 0.25, 0.25, 0.8), d.around(0.5, 0.25, 0.22, 0.9)
    overlap = d.uniform(-0.05, 0.35) * high
    middle = body + high / 2 - overlap
    b.rod(STEM, (0, body - 0.05, 0), (0, middle + 0.3 * high, 0), 0.012)
    shade = d.pick({"cone": 0.45, "drum": 0.2, "bell": 0.2, "dome": 0.15})
    add_shade(b, d, (0, middle, 0), radius, high, shade, cloth)
    if shade != "dome":
        _harp(b, d, radius, middle, high)
    return [f"a {kind} foot", f"a {shade} shade"]


def _harp(b: Builder, d: Draw, radius: float, middle: float, high: float) -> None:
    """The bulb, the spokes that carry the shade and the knob on top."""
    b.ellipsoid(BULB, (0, middle, 0), (0.07, 0.1, 0.07), material=GLOW)
    if d.chance(0.5):
        top = middle + 0.3 * high
        for a in np.arange(3) * 2 * np.pi / 3:
            b.rod(STEM, (0, top, 0), (0.6 * radius * np.sin(a), top, 0.6 * radius * np.cos(a)), 0.008)
    if d.chance(0.4):
        b.ellipsoid(STEM, (0, middle + 0.5 * high + 0.03, 0), (0.03, 0.05, 0.03))
        b.rod(STEM, (0, middle + 0.2 * high, 0), (0, middle + 0.5 * high + 0.03, 0), 0.01)


def _floor(b: Builder, d: Draw, cloth: Material) -> list[str]:
    high = d.uniform(1.6, 3.2)
    feet = d.pick({"disc": 0.65, "tripod": 0.35})
    if feet == "disc":
        add_disc_foot(b, d, d.uniform(0.18, 0.4))
        low = 0.01
    else:
        low, reach = d.uniform(0.15, 0.9) * high, d.uniform(0.25, 0.55)
        for a in np.arange(3) * 2 * np.pi / 3:
            b.rod(FOOT, (reach * np.sin(a), 0, reach * np.cos(a)), (0, low, 0), d.uniform(0.012, 0.03))
        low -= 0.03
    b.rod(STEM, (0, low, 0), (0, high, 0), d.uniform(0.012, 0.035))
    radius, tall = d.uniform(0.2, 0.5), d.uniform(0.2, 0.6)
    kind = d.pick({"cone": 0.35, "drum": 0.25, "bell": 0.1, "uplight": 0.3})
    if kind == "uplight":
        bowl = "dome" if d.chance(0.5) else "cone"
        add_shade(b, d, (0, high, 0), radius, tall * 0.6, bowl, cloth, UPSIDE_DOWN)
    else:
        add_shade(b, d, (0, high - 0.1 * tall, 0), radius, tall, kind, cloth)
        b.ellipsoid(BULB, (0, high, 0), (0.06, 0.09, 0.06), material=GLOW)
    return [f"a {feet} foot", f"a {kind} shade"]


def _desk(b: Builder, d: Draw, cloth: Material) -> list[str]:
    if d.chance(0.8):
        add_disc_foot(b, d, d.uniform(0.18, 0.36))
    else:
        b.box(FOOT, (0, 0.06, 0), (0.16, 0.2, 0.16), 0.02)
    radius, turn = d.uniform(0.012, 0.03), d.uniform(-0.4, 0.4)
    elbow = np.array([d.uniform(-0.1, 0.55), d.uniform(0.5, 1.0), 0])
    wrist = elbow + np.array([-d.uniform(0.35, 0.9), d.uniform(-0.15, 0.6), turn])
    double = d.chance(0.35)
    for z in (-0.035, 0.035) if double else (0,):
        for one, two in (((0, 0.03, 0), elbow), (elbow, wrist)):
            b.rod(STEM, np.asarray(one) + (0, 0, z), two + (0, 0, z), radius)
    for joint in (elbow, wrist):
        b.ellipsoid(STEM, joint, (0.04, 0.04, 0.06))
    add_reflector(b, d, wrist, (-d.uniform(0.0, 0.9), -1, 0.5 * turn), cloth)
    return ["two arms", "a reflector"]


def _gooseneck(b: Builder, d: Draw, cloth: Material) -> list[str]:
    add_disc_foot(b, d, d.uniform(0.15, 0.38))
    high, reach = d.uniform(0.8, 2.2), d.uniform(0.25, 0.9)
    drop = d.uniform(0.1, 0.45) * min(high, 1.2)
    knots = [(0, 0.02, 0), (d.uniform(-0.05, 0.12), 0.6 * high, 0), (0.45 * reach, high, 0), (reach, high - drop, 0)]
    path = smooth_path(knots, 22)
    b.tube(STEM, path, d.uniform(0.012, 0.035))
    if d.chance(0.2):  # a scroll on the way
        a = np.linspace(0, 5, 14)
        spiral = np.stack([-0.12 - 0.03 * a * np.cos(a), 0.4 * high + 0.035 * a * np.sin(a), 0 * a], 1)
        b.tube(STEM, [path[8], *spiral[::-1]], 0.02)
    if d.chance(0.7):
        add_reflector(b, d, path[-1], path[-1] - path[-3] + (0, -0.02, 0), cloth)
    else:
        b.ellipsoid(SHADE, path[-1], (d.uniform(0.1, 0.25), d.uniform(0.1, 0.2), d.uniform(0.1, 0.25)), material=cloth)
    return ["a bent neck", "a reflector"]


def _street(b: Builder, d: Draw, cloth: Material) -> list[str]:
    high, foot = d.uniform(2.2, 4.2), d.uniform(0.12, 0.3)
    base = smooth_path([(foot, 0), (foot * 0.9, 0.2), (foot * 0.55, 0.3), (0.6 * foot, 0.5), (0.07, 0.7)], 14)
    b.turned(FOOT, [(0, 0), *base, (0, 0.7)])
    b.rod(STEM, (0, 0.6, 0), (0, high, 0), 0.07, d.uniform(0.04, 0.065))
    heads = d.pick({"lantern": 0.4, "globe": 0.15, "arm": 0.25, "cluster": 0.2})
    size = d.uniform(0.14, 0.28)
    _street_head(b, d, heads, high, size, cloth)
    return [f"a {heads} head", "a tall post"]


def _street_head(b: Builder, d: Draw, heads: str, high: float, size: float, cloth: Material) -> None:
    if heads == "lantern":
        cage = np.array([(0.35, 0), (1, 1.6), (1.2, 1.7), (0.25, 2.4)]) * size + (0, high)
        b.turned(SHADE, [(0, high), *cage, (0, high + 2.5 * size)], material=cloth)
        b.ellipsoid(SHADE, (0, high + 2.55 * size, 0), (0.05, 0.12, 0.05))
    elif heads == "globe":
        b.ellipsoid(SHADE, (0, high + 0.9 * size, 0), (size, size, size), material=GLOW)
    elif heads == "arm":
        for s in (-1, 1) if d.chance(0.3) else (1,):
            tip = np.array([s * d.uniform(0.4, 1.0), high + d.uniform(-0.1, 0.3), 0])
            b.tube(STEM, smooth_path([(0, high - 0.3, 0), (s * 0.1, high + 0.05, 0), tip], 9), 0.035)
            b.ellipsoid(SHADE, tip, (0.3, 0.07, 0.12), (0, 0, 0), material=cloth)
    else:
        count, reach = d.integer(2, 5), d.uniform(0.25, 0.5)
        for a in np.arange(count) * 2 * np.pi / count:
            out, level = np.array([np.sin(a), 0, np.cos(a)]) * reach, high - 0.25
            path = smooth_path([(0, level - 0.25, 0), out * 0.7 + (0, level - 0.2, 0), out + (0, level, 0)], 8)
            b.tube(STEM, path, 0.025)
            b.ellipsoid(SHADE, out + (0, level + 0.7 * size, 0), (0.8 * size,) * 3, material=GLOW)
        b.ellipsoid(SHADE, (0, high + 0.5 * size, 0), (0.8 * size,) * 3, material=GLOW)


def _pendant(b: Builder, d: Draw, cloth: Material) -> list[str]:
    drop, radius, high = d.uniform(0.3, 2.5), d.uniform(0.25, 0.7), d.uniform(0.2, 0.8)
    kind = d.pick({"cone": 0.25, "dome": 0.25, "bell": 0.15, "drum": 0.2, "globe": 0.15})
    if kind == "globe":
        b.ellipsoid(SHADE, (0, 0.5 * high, 0), (radius, 0.5 * high + 0.05, radius), material=cloth)
    else:
        add_shade(b, d, (0, 0.5 * high, 0), radius, high, kind, cloth)
        b.ellipsoid(BULB, (0, 0.5 * high, 0), (0.07, 0.1, 0.07), material=GLOW)
    b.rod(STEM, (0, 0.5 * high, 0), (0, high + drop, 0), d.uniform(0.006, 0.02))
    if d.chance(0.8):
        cup = d.uniform(0.08, 0.25)
        top = high + drop
        b.turned(CANOPY, [(0, top - 0.05), (0.3 * cup, top - 0.05), (cup, top), (0, top)])
    return [f"a {kind} shade", "a cable"]


def _chandelier(b: Builder, d: Draw, cloth: Material) -> list[str]:
    count, reach = d.integer(3, 8), d.uniform(0.4, 0.9)
    r = smooth_path([[d.uniform(0.03, 0.13)] for _ in range(5)], 16)[:, 0].clip(0.025)
    b.turned(STEM, [(0, 0), *np.stack([r, np.linspace(0, 0.6, 16)], 1), (0, 0.6)])
    b.rod(STEM, (0, 0.55, 0), (0, d.uniform(0.9, 1.8), 0), 0.012)
    sag, standing = d.uniform(0.05, 0.3), d.chance(0.7)
    for a in np.arange(count) * 2 * np.pi / count:
        out = np.array([np.sin(a), 0, np.cos(a)])
        path = smooth_path([(0, 0.2, 0), out * 0.55 * reach + (0, 0.15 - sag, 0), out * reach + (0, 0.25, 0)], 9)
        b.tube(STEM, path, 0.018)
        tip = path[-1]
        if standing:
            b.rod(BULB, tip, tip + (0, 0.2, 0), 0.03, material=GLOW)
            if d.chance(0.5):
                add_shade(b, d, tip + (0, 0.22, 0), 0.13, 0.16, "cone", cloth)
        else:
            b.ellipsoid(SHADE, tip + (0, -0.08, 0), (0.11, 0.11, 0.11), material=GLOW)
    return [f"{count} arms", "a chain"]


def _mushroom(b: Builder, d: Draw, cloth: Material) -> list[str]:
    body, radius = d.uniform(0.4, 0.9), d.uniform(0.4, 0.75)
    wall = vessel_wall(d, d.pick({"jar": 1, "trumpet": 1, "beaker": 1}), body) * (d.uniform(0.16, 0.35), 1)
    b.turned(FOOT, [(0, 0), *wall, (0, wall[-1, 1])])
    high = d.uniform(0.25, 0.55)
    add_shade(b, d, (0, body + 0.35 * high, 0), radius, high, "dome", cloth)
    b.rod(STEM, (0, body - 0.03, 0), (0, body + 0.8 * high, 0), 0.02)
    return ["a vessel foot", "a wide dome"]


def _globe(b: Builder, d: Draw, cloth: Material) -> list[str]:
    add_disc_foot(b, d, d.uniform(0.15, 0.3))
    stem = d.uniform(0.1, 1.2)
    b.rod(STEM, (0, 0.01, 0), (0, stem + 0.1, 0), d.uniform(0.02, 0.08))
    radius = d.uniform(0.18, 0.4)
    tall = radius * d.uniform(0.8, 1.8)
    b.ellipsoid(SHADE, (0, stem + tall, 0), (radius, tall, radius), material=GLOW)
    return ["a round shade", "a disc foot"]


def _sconce(b: Builder, d: Draw, cloth: Material) -> list[str]:
    b.box(CANOPY, (0, 0.4, -0.05), (d.uniform(0.15, 0.35), d.uniform(0.25, 0.6), 0.05), 0.01)
    tip = np.array([0, d.uniform(0.3, 0.6), d.uniform(0.25, 0.6)])
    b.tube(STEM, smooth_path([(0, 0.35, -0.03), (0, 0.2, 0.5 * tip[2]), tip], 10), 0.025)
    up = d.chance(0.6)
    radius, high, kind = d.uniform(0.15, 0.3), d.uniform(0.2, 0.4), d.pick({"cone": 1, "bell": 1, "dome": 1})
    middle = tip + (0, 0.12 if up else -0.1, 0)
    add_shade(b, d, middle, radius, high, kind, cloth, UPSIDE_DOWN if up else None)
    b.rod(STEM, tip, tip + (0, 0.1 if up else -0.08, 0), 0.05)
    return ["a wall plate", "an arm"]


# How often each style is drawn, and what builds it and says what it has.
_BUILDERS = {
    "table": (0.25, _table),
    "floor": (0.14, _floor),
    "desk": (0.12, _desk),
    "gooseneck": (0.1, _gooseneck),
    "street": (0.12, _street),
    "pendant": (0.1, _pendant),
    "chandelier": (0.04, _chandelier),
    "mushroom": (0.06, _mushroom),
    "globe": (0.05, _globe),
    "sconce": (0.02, _sconce),
}
STYLES = {style: share for style, (share, _) in _BUILDERS.items()}
