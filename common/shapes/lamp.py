"""The lamp family: table, floor, desk, gooseneck, street, pendant and other lamps."""

import numpy as np

from common.shapes.build import Builder, rotation_to, smooth_path
from common.shapes.randomness import CERAMICS, METALS, SHADES, WOODS, Draw
from common.shapes.shape import Material, Shape
from common.shapes.vase import vessel_wall

PART_NAMES = ("foot", "stem", "shade", "bulb", "canopy")
FOOT, STEM, SHADE, BULB, CANOPY = range(5)
GLOW = Material("frosted glass", (0.98, 0.94, 0.82))
STYLES = {
    "table": 0.25,
    "floor": 0.14,
    "desk": 0.12,
    "gooseneck": 0.1,
    "street": 0.12,
    "pendant": 0.1,
    "chandelier": 0.04,
    "mushroom": 0.06,
    "globe": 0.05,
    "sconce": 0.02,
}


def sample_lamp(generator: np.random.Generator, style: str | None = None) -> Shape:
    """Draw one lamp: about 1 to 3 high, standing on (or hanging above) y = 0. Labels: ``PART_NAMES``."""
    d = Draw(generator)
    style = style or d.pick(STYLES)
    b = Builder(d.material(METALS, METALS, CERAMICS, WOODS))
    words = _BUILDERS[style](b, d, d.material(SHADES))
    caption = f"a {style} lamp of {b.material.name} with {' and '.join(words)}"
    return Shape("lamp", style, tuple(b.parts), PART_NAMES, caption)


def _shade(b: Builder, d: Draw, at, radius: float, height: float, kind: str, cloth: Material, rotation=None) -> None:
    """A thin open shade hung around ``at`` (its middle), opening along -y of ``rotation``."""
    half, wall = height / 2, max(0.03 * radius, 0.008)
    top = radius * d.uniform(0.3, 0.8)
    outer = {
        "cone": [(radius, -half), (top, half)],
        "drum": [(radius, -half), (radius * d.uniform(0.85, 1.0), half)],
        "bell": smooth_path(
            [(radius, -half), (0.62 * (radius + top) / 2 + 0.2 * radius, -0.1 * half), (0.5 * top, half)], 12
        ),
        "dome": [(radius * np.cos(a), -half + height * np.sin(a)) for a in np.linspace(0, 1.5, 12)],
        "tube": [(0.5 * radius, -half), (0.5 * radius, half)],
    }[kind]
    outer = np.asarray(outer, float)
    inner = outer - (wall, 0)
    closed = kind in ("dome", "tube") or (kind == "cone" and d.chance(0.25))
    if closed:  # the top is shut: the wall runs to the axis
        end = outer[-1, 1]
        ring = np.concatenate([outer, [[0, end], [0, end - wall]], inner[inner[:, 1] < end - wall][::-1]])
    else:
        ring = np.concatenate([outer, inner[::-1]])
    b.turned(SHADE, ring, at, rotation, material=cloth)


def _disc_foot(b: Builder, d: Draw, radius: float) -> None:
    kind = d.pick({"disc": 0.5, "dome": 0.3, "block": 0.2})
    high = d.uniform(0.03, 0.1)
    if kind == "disc":
        b.turned(FOOT, [(0, 0), (radius, 0), (radius * d.uniform(0.8, 1.0), high), (0, high)])
    elif kind == "dome":
        dome = [(radius * np.cos(a), (high + 0.15 * radius) * np.sin(a)) for a in np.linspace(0, 1.45, 9)]
        b.turned(FOOT, [(0, 0), *dome, (0, high + 0.15 * radius)])
    else:
        b.box(FOOT, (0, high / 2, 0), (1.6 * radius, high, 1.6 * radius * d.uniform(0.6, 1.0)), 0.2 * high)


def _table(b: Builder, d: Draw, cloth: Material) -> list[str]:
    body, scale = d.uniform(0.5, 1.1), d.uniform(0.16, 0.45)
    kind = d.pick({"vessel": 0.45, "column": 0.25, "stem": 0.3})
    if kind == "vessel":
        wall = vessel_wall(d, d.pick({"bottle": 1, "amphora": 1, "jar": 1, "jug": 1, "trumpet": 0.5}), body) * (
            scale,
            1,
        )
        b.turned(FOOT, [(0, 0), *wall, (0, wall[-1, 1])])
        if d.chance(0.4):
            b.turned(FOOT, [(0, -0.06), (1.1 * wall[0, 0], -0.06), (1.1 * wall[0, 0], 0.01), (0, 0.01)])
    elif kind == "column":
        _disc_foot(b, d, scale)
        r = smooth_path([[d.uniform(0.04, 0.14)] for _ in range(6)], 20)[:, 0].clip(0.03)
        b.turned(STEM, [(0, 0.02), *np.stack([r, np.linspace(0.02, body, 20)], 1), (0, body)])
    else:
        _disc_foot(b, d, scale)
        b.rod(STEM, (0, 0.01, 0), (0, body, 0), d.uniform(0.015, 0.04))
    radius, high = d.around(0.45, 0.25, 0.25, 0.8), d.around(0.5, 0.25, 0.22, 0.9)
    overlap = d.uniform(-0.05, 0.35) * high
    middle = body + high / 2 - overlap
    b.rod(STEM, (0, body - 0.05, 0), (0, middle + 0.3 * high, 0), 0.012)
    shade = d.pick({"cone": 0.45, "drum": 0.2, "bell": 0.2, "dome": 0.15})
    _shade(b, d, (0, middle, 0), radius, high, shade, cloth)
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
        _disc_foot(b, d, d.uniform(0.18, 0.4))
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
        _shade(
            b,
            d,
            (0, high, 0),
            radius,
            tall * 0.6,
            "dome" if d.chance(0.5) else "cone",
            cloth,
            np.diag([1.0, -1.0, -1.0]),
        )
    else:
        _shade(b, d, (0, high - 0.1 * tall, 0), radius, tall, kind, cloth)
        b.ellipsoid(BULB, (0, high, 0), (0.06, 0.09, 0.06), material=GLOW)
    return [f"a {feet} foot", f"a {kind} shade"]


def _head(b: Builder, d: Draw, at, direction, cloth: Material) -> None:
    """A small reflector at ``at`` that shines along ``direction``, with a neck behind it."""
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    radius, high = d.uniform(0.13, 0.3), d.uniform(0.18, 0.42)
    kind = d.pick({"cone": 0.4, "bell": 0.2, "dome": 0.25, "tube": 0.15})
    middle = np.asarray(at) + direction * high * 0.45
    _shade(b, d, middle, radius, high, kind, cloth, rotation_to(-direction))
    b.rod(SHADE, np.asarray(at) - direction * 0.06, middle, 0.05, material=cloth)
    b.ellipsoid(BULB, middle, (0.06, 0.06, 0.06), material=GLOW)


def _desk(b: Builder, d: Draw, cloth: Material) -> list[str]:
    if d.chance(0.8):
        _disc_foot(b, d, d.uniform(0.18, 0.36))
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
    _head(b, d, wrist, (-d.uniform(0.0, 0.9), -1, 0.5 * turn), cloth)
    return ["two arms", "a reflector"]


def _gooseneck(b: Builder, d: Draw, cloth: Material) -> list[str]:
    _disc_foot(b, d, d.uniform(0.15, 0.38))
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
        _head(b, d, path[-1], path[-1] - path[-3] + (0, -0.02, 0), cloth)
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
    if heads == "lantern":
        cage = [
            (0.35 * size, high),
            (size, high + 1.6 * size),
            (1.2 * size, high + 1.7 * size),
            (0.25 * size, high + 2.4 * size),
        ]
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
            out = np.array([np.sin(a), 0, np.cos(a)]) * reach
            level = high - 0.25
            path = smooth_path([(0, level - 0.25, 0), out * 0.7 + (0, level - 0.2, 0), out + (0, level, 0)], 8)
            b.tube(STEM, path, 0.025)
            b.ellipsoid(SHADE, out + (0, level + 0.7 * size, 0), (0.8 * size,) * 3, material=GLOW)
        b.ellipsoid(SHADE, (0, high + 0.5 * size, 0), (0.8 * size,) * 3, material=GLOW)
    return [f"a {heads} head", "a tall post"]


def _pendant(b: Builder, d: Draw, cloth: Material) -> list[str]:
    drop, radius, high = d.uniform(0.3, 2.5), d.uniform(0.25, 0.7), d.uniform(0.2, 0.8)
    kind = d.pick({"cone": 0.25, "dome": 0.25, "bell": 0.15, "drum": 0.2, "globe": 0.15})
    if kind == "globe":
        b.ellipsoid(SHADE, (0, 0.5 * high, 0), (radius, 0.5 * high + 0.05, radius), material=cloth)
    else:
        _shade(b, d, (0, 0.5 * high, 0), radius, high, kind, cloth)
        b.ellipsoid(BULB, (0, 0.5 * high, 0), (0.07, 0.1, 0.07), material=GLOW)
    b.rod(STEM, (0, 0.5 * high, 0), (0, high + drop, 0), d.uniform(0.006, 0.02))
    if d.chance(0.8):
        cup = d.uniform(0.08, 0.25)
        b.turned(
            CANOPY, [(0, high + drop - 0.05), (0.3 * cup, high + drop - 0.05), (cup, high + drop), (0, high + drop)]
        )
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
                _shade(b, d, tip + (0, 0.22, 0), 0.13, 0.16, "cone", cloth)
        else:
            b.ellipsoid(SHADE, tip + (0, -0.08, 0), (0.11, 0.11, 0.11), material=GLOW)
    return [f"{count} arms", "a chain"]


def _mushroom(b: Builder, d: Draw, cloth: Material) -> list[str]:
    body, radius = d.uniform(0.4, 0.9), d.uniform(0.4, 0.75)
    wall = vessel_wall(d, d.pick({"jar": 1, "trumpet": 1, "beaker": 1}), body) * (d.uniform(0.16, 0.35), 1)
    b.turned(FOOT, [(0, 0), *wall, (0, wall[-1, 1])])
    high = d.uniform(0.25, 0.55)
    _shade(b, d, (0, body + 0.35 * high, 0), radius, high, "dome", cloth)
    b.rod(STEM, (0, body - 0.03, 0), (0, body + 0.8 * high, 0), 0.02)
    return ["a vessel foot", "a wide dome"]


def _globe(b: Builder, d: Draw, cloth: Material) -> list[str]:
    _disc_foot(b, d, d.uniform(0.15, 0.3))
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
    rotation = np.diag([1.0, -1.0, -1.0]) if up else None
    _shade(
        b,
        d,
        tip + (0, 0.12 if up else -0.1, 0),
        d.uniform(0.15, 0.3),
        d.uniform(0.2, 0.4),
        d.pick({"cone": 1, "bell": 1, "dome": 1}),
        cloth,
        rotation,
    )
    b.rod(STEM, tip, tip + (0, 0.1 if up else -0.08, 0), 0.05)
    return ["a wall plate", "an arm"]


_BUILDERS = {
    "table": _table,
    "floor": _floor,
    "desk": _desk,
    "gooseneck": _gooseneck,
    "street": _street,
    "pendant": _pendant,
    "chandelier": _chandelier,
    "mushroom": _mushroom,
    "globe": _globe,
    "sconce": _sconce,
}
