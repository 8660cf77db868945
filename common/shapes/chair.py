"""The chair family: eleven styles over the parts of ``chair_parts``, with six part labels.

The ranges follow what large collections of chair models show: with the seat one unit wide, seats are 0.7 to 1.3 deep
and 0.1 to 0.7 thick, their tops 0.4 to 1.4 above the floor, backs rise 0.4 to 1.4 above them; two chairs in five have
arms.
"""

import numpy as np

from common.shapes.build import SIDEWAYS, Builder, rotation_xyz, smooth_path
from common.shapes.chair_parts import (
    ARM,
    BACK,
    LEG,
    PART_NAMES,
    SEAT,
    Frame,
    add_arms,
    add_back,
    add_headrest,
    add_legs,
    add_seat,
)
from common.shapes.randomness import FABRICS, METALS, WOODS, Draw, article
from common.shapes.shape import Shape

STYLES = {"dining": 0.36, "armchair": 0.14, "office": 0.13, "stool": 0.07, "cantilever": 0.05, "tub": 0.07, "shell": 0.06,
          "lounge": 0.05, "folding": 0.02, "rocking": 0.02, "plank": 0.03}  # fmt: skip

Words = list[str]


def sample_chair(generator: np.random.Generator, style: str | None = None) -> Shape:
    """Draw one chair: seat about 1 wide, floor at y = 0, +z its front. Labels: ``PART_NAMES``."""
    d = Draw(generator)
    style = style or d.pick(STYLES)
    b = Builder(d.material(WOODS, WOODS, METALS, FABRICS))
    words = _BUILDERS[style](b, d)
    noun = style if style in ("stool", "armchair") else f"{style} chair"
    caption = f"{article(noun)} {noun} of {b.material.name}"
    if words:
        caption += f" with {', '.join(words[:-1])}{' and ' if len(words) > 1 else ''}{words[-1]}"
    return Shape("chair", style, tuple(b.parts), PART_NAMES, caption)


def _frame(d: Draw, top: float = 0.93, thickness: float = 0.12, recline: tuple[float, float] = (0, 16)) -> Frame:
    return Frame(
        width=1.0,
        depth=d.around(0.98, 0.14, 0.7, 1.4),
        top=d.around(top, 0.2, 0.45, 1.5),
        thickness=min(d.around(thickness, 0.45, 0.04, 0.4), 0.4 * top),
        recline=d.uniform(*recline),
    )


def _dining(b: Builder, d: Draw) -> Words:
    f = _frame(d)
    words = []
    seat = d.pick({"flat": 0.35, "trapezoid": 0.35, "cushion": 0.12, "saddle": 0.08, "round": 0.06, "slats": 0.04})
    add_seat(b, d, f, seat)
    if d.chance(0.2):
        pad = Frame(f.width * 0.94, f.depth * 0.94, f.top + 0.07, 0.1, f.recline)
        add_seat(b, d, pad, "cushion", material=d.material(FABRICS))
        words.append("a seat cushion")
    high = d.around(0.85, 0.3, 0.35, 1.6)
    back = d.pick({"panel": 0.2, "ladder": 0.2, "spindles": 0.17, "splat": 0.07, "stiles with panel": 0.14, "curved": 0.1,
                   "hoop": 0.06, "pierced": 0.06})  # fmt: skip
    add_back(b, d, f, back, high)
    legs = d.pick({"straight": 0.42, "tapered": 0.16, "round": 0.14, "turned": 0.1, "curved": 0.08, "sled": 0.05, "slabs": 0.05})
    add_legs(b, d, f, legs)
    if d.chance(0.28):
        arms = d.pick({"posts": 0.5, "scroll": 0.3, "loops": 0.2})
        add_arms(b, d, f, arms, high)
        words.append("arms")
    return [f"a {back} back", f"{legs} legs", *words]


def _armchair(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=0.62, thickness=0.3, recline=(4, 22))
    wide = d.chance(0.25)
    if wide:  # a small sofa: the seat is wider than deep
        f = Frame(1.0, d.around(0.55, 0.2, 0.35, 0.8), 0.45, 0.2, f.recline)
    high = d.around(0.72, 0.3, 0.3, 1.3) * (0.6 if wide else 1.0)
    add_seat(b, d, f, "cushion")
    thick = d.uniform(0.16, 0.4) * (0.6 if wide else 1.0)
    if d.chance(0.3):
        _curved_back(b, d, f, high, thick)
    else:
        b.box(BACK, f.on_back(0, 0.5 * (high - f.thickness), 0.4 * thick), (d.uniform(0.92, 1.3), high + f.thickness, thick),
              d.uniform(0.15, 0.45) * thick, (-f.recline, 0, 0))  # fmt: skip
    skirt = d.uniform(0.15, 0.6)
    low = f.bottom * (1 - skirt)
    b.box(SEAT, (0, (low + f.bottom) / 2 + 0.02, 0), (0.98, f.bottom - low + 0.06, f.depth * 0.97), 0.02)
    if low > 0.03 and d.chance(0.85):
        feet = d.uniform(0.03, 0.07)
        for x in (-0.4, 0.4):
            for z in (-0.4, 0.4):
                b.rod(LEG, (x, 0, z * f.depth), (x, low + 0.03, z * f.depth), feet * d.uniform(0.5, 1), feet)
    words = ["a thick cushion"]
    if d.chance(0.85):
        arms = d.pick({"slabs": 0.4, "rolled slabs": 0.2, "thin slabs": 0.2, "posts": 0.2})
        add_arms(b, d, f, arms, high)
        words.append("broad arms" if "slabs" in arms else "open arms")
    if not wide and d.chance(0.12):
        add_headrest(b, d, f, high)
        words.append("a headrest")
    return words


def _curved_back(b, d, f, high, thick):
    """A back whose outline is an arch, seen from the front."""
    x = np.cos(np.linspace(0, np.pi, 15)) * d.uniform(0.5, 0.6)
    y = np.sin(np.linspace(0, np.pi, 15)) * d.uniform(0.2, 0.45) * high
    outline = np.concatenate([np.stack([x, y + 0.55 * high], 1), [[x[-1], -f.thickness], [x[0], -f.thickness]]])
    b.prism(BACK, outline, thick, f.on_back(0, 0, 0.4 * thick), rotation_xyz(x=-f.recline))


def _office(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=0.95, thickness=0.14, recline=(2, 18))
    add_seat(b, d, f, d.pick({"cushion": 0.7, "trapezoid": 0.2, "round": 0.1}), material=d.material(FABRICS))
    high = d.around(0.9, 0.3, 0.4, 1.5)
    gap = d.uniform(0.0, 0.25) if d.chance(0.6) else -0.02
    thick = d.uniform(0.05, 0.2)
    style = d.pick({"pad": 0.6, "oval": 0.2, "wrapped": 0.2})
    middle = f.on_back(0, gap + 0.5 * (high - gap), 0.5 * thick)
    size = (d.uniform(0.65, 1.02), high - gap, thick)
    if style == "pad":
        b.box(BACK, middle, size, d.uniform(0.25, 0.48) * thick, (-f.recline, 0, 0))
    elif style == "oval":
        b.ellipsoid(BACK, middle, (size[0] / 2, size[1] / 2, thick * 0.7), (-f.recline, 0, 0))
    else:
        add_back(b, d, f, "curved", high)
    if gap > 0:
        path = [(0, f.bottom + 0.02, -0.1), (0, f.bottom + 0.02, -0.52 * f.depth), f.on_back(0, 0.5 * high, thick)]
        b.tube(BACK, smooth_path(path, 9), d.uniform(0.02, 0.045))
    add_legs(b, d, f, "star" if d.chance(0.88) else "pedestal", material=d.material(METALS))
    words = ["a swivel base", f"a {style} back"]
    if d.chance(0.6):
        add_arms(b, d, f, d.pick({"T": 0.5, "loops": 0.5}), high)
        words.append("arms")
    if d.chance(0.25):
        add_headrest(b, d, f, high)
        words.append("a headrest")
    return words


def _stool(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=1.0, thickness=0.13, recline=(0, 10))
    tall = d.chance(0.65)
    f = Frame(1.0, f.depth, d.uniform(1.3, 2.9) if tall else d.uniform(0.7, 1.3), f.thickness, f.recline)
    seat = d.pick({"round": 0.6, "cushion": 0.2, "flat": 0.1, "saddle": 0.1})
    add_seat(b, d, f, seat)
    legs = d.pick({"round": 0.35, "tapered": 0.25, "straight": 0.1, "pedestal": 0.2, "star": 0.1})
    if seat == "round" and legs not in ("pedestal", "star"):
        _round_stool_legs(b, d, f)
    else:
        add_legs(b, d, f, legs)
    words = [f"a {seat} seat", "a pedestal" if legs in ("pedestal", "star") else "long legs" if tall else "short legs"]
    if d.chance(0.35):
        add_back(b, d, f, d.pick({"curved": 0.4, "ladder": 0.3, "panel": 0.3}), d.uniform(0.25, 0.7))
        words.append("a low back")
    return words


def _round_stool_legs(b, d, f):
    """Legs on a circle that lean outwards, tied by a ring or by rods."""
    count = d.integer(3, 4)
    inner, outer = d.uniform(0.22, 0.4), d.uniform(0.38, 0.62)
    radius, level = d.uniform(0.025, 0.06), d.uniform(0.15, 0.5)
    turn = np.arange(count) * 2 * np.pi / count + np.pi / 4
    spokes = np.stack([np.sin(turn), np.zeros(count), np.cos(turn)], 1)
    for s in spokes:
        b.rod(LEG, s * outer, s * inner + (0, f.bottom + 0.4 * f.thickness, 0), radius)
    tie = d.pick({"ring": 0.5, "rods": 0.3, "none": 0.2})
    reach = outer + (inner - outer) * level
    if tie == "ring":
        b.ring(LEG, (0, level * f.bottom, 0), reach, 0.5 * radius)
    elif tie == "rods":
        for one, two in zip(spokes, np.roll(spokes, -1, 0), strict=True):
            b.rod(LEG, one * reach + (0, level * f.bottom, 0), two * reach + (0, level * f.bottom, 0), 0.5 * radius)


def _cantilever(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=0.9, thickness=0.07, recline=(3, 18))
    high = d.around(0.85, 0.25, 0.45, 1.3)
    if d.chance(0.4):
        _zigzag(b, d, f, high)
        return ["one bent board"]
    radius, x = d.uniform(0.018, 0.04), 0.46
    add_seat(b, d, f, "flat")
    size = d.uniform(0.3, 0.9) * high
    b.box(BACK, f.on_back(0, high - size / 2), (2 * x, size, d.uniform(0.03, 0.08)), 0.01, (-f.recline, 0, 0))
    z = f.depth / 2
    for s in (-x, x):
        front = [(s, f.bottom, z), (s, 0.5 * f.bottom, z + 0.04), (s, radius, z - 0.02), (s, radius, -z)]
        b.tube(LEG, [(s, f.bottom, -z), *front], radius)
        b.rod(BACK, (s, f.bottom, -z), f.on_back(s, high), radius)
    b.rod(LEG, (-x, radius, -z), (x, radius, -z), radius)
    words = ["a bent tube frame"]
    if d.chance(0.4):
        add_arms(b, d, f, "scroll", high)
        words.append("arms")
    return words


def _zigzag(b, d, f, high):
    """Back, seat and leg as one folded or S-shaped board, cut into its labels where it turns."""
    t, z = d.uniform(0.04, 0.09), f.depth / 2
    lean = d.uniform(-0.35, 0.1)
    foot = np.array([(z * 0.9, 0.0), (-z * d.uniform(0.6, 1.0), 0.0)])
    knee, hip, top = (z, f.top), (-z, f.top), (-z - 0.3 * high * np.sin(np.radians(f.recline + 8)), f.top + high)
    curved = d.chance(0.5)
    back = [hip, ((hip[0] + top[0]) / 2 + (0.08 if curved else 0), f.top + high / 2), top]
    leg = [knee, (z * lean + (0.2 if curved else 0), f.top / 2), tuple(foot[1])]
    seat = [hip, (0, f.top - (0.06 if curved else 0)), knee]
    for label, path in ((BACK, back), (SEAT, seat), (LEG, leg), (LEG, [tuple(foot[1]), (0, 0.0), tuple(foot[0])])):
        line = smooth_path(path, 9)
        side = np.gradient(line, axis=0)
        side = np.stack([-side[:, 1], side[:, 0]], 1) / np.linalg.norm(side, axis=1, keepdims=True)
        outline = np.concatenate([line + side * t / 2, (line - side * t / 2)[::-1]]) * (-1, 1)
        b.prism(label, outline, 1.0, (0, t / 2, 0), SIDEWAYS)


def _tub(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=0.68, thickness=0.2, recline=(0, 0))
    wall = d.uniform(0.06, 0.22)
    inner = 0.5
    seat = Frame(1.0, 1.0, f.top, f.thickness, 0)
    add_seat(b, d, seat, "round")
    if d.chance(0.6):
        b.turned(SEAT, [(0, 0), (0.48, 0), (0.48, 0.12), (0, 0.12)], (0, f.bottom - 0.1, 0))
    low = f.bottom - d.uniform(0.0, 0.4) * f.bottom
    high, drop = d.uniform(0.35, 0.95), d.uniform(0.35, 1.0)
    half_back = d.uniform(45, 75)
    reach = d.uniform(half_back + 25, 150)
    facing = rotation_xyz(y=180.0)
    ring = [(inner - 0.02, low), (inner + wall, low), (inner + wall * 1.1, f.top + high), (inner + 0.02, f.top + high)]
    b.turned(BACK, ring, (0, 0, 0), facing, 2 * half_back)
    side = [(r, min(y, f.top + high * drop)) for r, y in ring]
    for s in (-1, 1):
        turn = rotation_xyz(y=180.0 + s * (half_back + reach) / 2)
        b.turned(ARM, side, (0, 0, 0), turn, reach - half_back + 0.5)
    below = Frame(0.9, 0.9, low + 0.12, 0.12, 0)
    legs = d.pick({"tapered": 0.4, "round": 0.25, "star": 0.2, "pedestal": 0.15})
    if low > 0.12:
        add_legs(b, d, below, legs)
    return ["a round back that becomes the arms"]


def _shell(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=0.75, thickness=0.08, recline=(10, 25))
    high, thick = d.around(0.8, 0.25, 0.5, 1.3), d.uniform(0.03, 0.07)
    z = f.depth / 2
    width = d.uniform(0.85, 1.1)
    spine = smooth_path([f.on_back(0, high)[1:], f.on_back(0, 0.45 * high)[1:], (f.top - 0.06, -0.6 * z), (f.top - 0.08, 0.2 * z),
                         (f.top - 0.02, z)], 17)  # fmt: skip
    turn_at = 7 + d.integer(0, 1)
    curl = d.uniform(0.0, 0.5)
    for i, (one, two) in enumerate(zip(spine[:-1], spine[1:], strict=True)):
        label = BACK if i < turn_at else SEAT
        narrow = width * (1 - curl * ((i - 8) / 8) ** 2 * 0.6)
        _slat(b, label, one, two, narrow, thick)
    words = []
    if d.chance(0.5):
        for s in (-1, 1):
            path = [(s * width * 0.48, *spine[3]), (s * width * 0.56, f.top + 0.3, -0.2 * z), (s * width * 0.49, *spine[-3])]
            b.tube(ARM, smooth_path(path, 9), 0.6 * thick)
        words.append("arms")
    legs = d.pick({"star": 0.2, "pedestal": 0.25, "round": 0.25, "tapered": 0.15, "sled": 0.15})
    add_legs(b, d, Frame(0.75, 0.75 * f.depth, f.top - 0.05, 0.1, 0), legs)
    return ["a moulded seat and back", *words]


def _slat(b, label, one, two, width, thick):
    """A board across x whose section runs from (y, z) ``one`` to ``two``."""
    middle = (np.asarray(one) + two) / 2
    step = np.asarray(two) - one
    length = float(np.linalg.norm(step))
    turn = -np.degrees(np.arctan2(step[0], step[1]))
    b.box(label, (0, *middle), (width, thick, length + 0.4 * thick), 0.0, (turn, 0, 0))


def _lounge(b: Builder, d: Draw) -> Words:
    f = Frame(1.0, d.uniform(1.1, 1.9), d.uniform(0.4, 0.75), d.uniform(0.08, 0.3), d.uniform(22, 50))
    add_seat(b, d, f, d.pick({"cushion": 0.6, "slats": 0.2, "flat": 0.2}))
    high = d.uniform(0.8, 1.5)
    add_back(b, d, f, d.pick({"cushion": 0.6, "ladder": 0.2, "panel": 0.2}), high)
    add_legs(b, d, f, d.pick({"straight": 0.4, "tapered": 0.2, "sled": 0.2, "star": 0.1, "crossed": 0.1}))
    words = ["a deep reclined back"]
    if d.chance(0.6):
        add_arms(b, d, f, d.pick({"posts": 0.6, "slabs": 0.2, "loops": 0.2}), 0.5)
        words.append("arms")
    if d.chance(0.4):
        add_headrest(b, d, f, high)
        words.append("a headrest")
    return words


def _folding(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=0.9, thickness=0.06, recline=(8, 20))
    add_seat(b, d, f, d.pick({"flat": 0.6, "slats": 0.4}))
    add_back(b, d, f, d.pick({"ladder": 0.5, "stiles with panel": 0.5}), d.uniform(0.6, 1.0))
    add_legs(b, d, f, "crossed")
    return ["crossed legs"]


def _rocking(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=0.85, thickness=0.09, recline=(8, 22))
    add_seat(b, d, f, d.pick({"flat": 0.4, "saddle": 0.3, "slats": 0.3}))
    high = d.uniform(0.8, 1.4)
    add_back(b, d, f, d.pick({"spindles": 0.4, "ladder": 0.4, "hoop": 0.2}), high)
    add_legs(b, d, f, d.pick({"round": 0.5, "turned": 0.3, "straight": 0.2}))
    bend, reach, radius = d.uniform(0.08, 0.25), f.depth * d.uniform(0.7, 1.0), d.uniform(0.02, 0.04)
    for s in (-0.44, 0.44):
        z = np.linspace(-reach, reach, 13)
        b.tube(LEG, np.stack([np.full(13, s), bend * (z / reach) ** 2, z], 1), radius)
    if d.chance(0.7):
        add_arms(b, d, f, d.pick({"posts": 0.7, "scroll": 0.3}), high)
    return ["rockers", "a high back"]


def _plank(b: Builder, d: Draw) -> Words:
    f = _frame(d, top=0.85, thickness=0.1, recline=(0, 8))
    add_seat(b, d, f, "flat")
    high = d.uniform(0.4, 1.4)
    thick = d.uniform(0.04, 0.15)
    b.box(BACK, (0, (f.top + high) / 2, -f.depth / 2), (d.uniform(0.9, 1.15), f.top + high, thick))
    style = d.pick({"slabs": 0.45, "block": 0.3, "front": 0.25})
    if style == "front":
        b.box(LEG, (0, f.bottom / 2 + 0.02, 0.4 * f.depth), (0.9, f.bottom + 0.02, thick))
    else:
        add_legs(b, d, f, style)
    if d.chance(0.4):
        add_arms(b, d, f, d.pick({"thin slabs": 0.6, "posts": 0.4}), high)
    return ["plain boards"]


_BUILDERS = {"dining": _dining, "armchair": _armchair, "office": _office, "stool": _stool, "cantilever": _cantilever,
             "tub": _tub, "shell": _shell, "lounge": _lounge, "folding": _folding, "rocking": _rocking,
             "plank": _plank}  # fmt: skip
