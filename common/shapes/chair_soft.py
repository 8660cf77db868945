"""Upholstered and moulded chairs: armchair, office, tub, shell, lounge.

Each function adds the parts of one chair and returns what a caption says of it.
"""

from dataclasses import replace

import numpy as np

from common.shapes.build import Builder, rotation_xyz, smooth_path
from common.shapes.chair_parts import (
    ARM,
    BACK,
    LEG,
    SEAT,
    Frame,
    add_arm_blocks,
    add_arms,
    add_back,
    add_headrest,
    add_legs,
    add_seat,
    draw_frame,
)
from common.shapes.primitives import Revolution
from common.shapes.randomness import FABRICS, METALS, Draw


def armchair(b: Builder, d: Draw) -> list[str]:
    """A thick seat over a skirt, a thick back, and mostly solid arms; a quarter are small sofas."""
    f = replace(draw_frame(d, top=0.72, thickness=0.32, recline=(0, 24)), inset=0.0)
    wide = d.chance(0.22)
    if wide:  # a small sofa: the seat is wider than deep
        f = replace(f, depth=d.around(0.6, 0.2, 0.38, 0.85), top=0.68 * f.top, thickness=0.6 * f.thickness)
    scale = 0.65 if wide else 1.0
    high, thick = scale * d.around(0.7, 0.35, 0.25, 1.4), scale * d.uniform(0.12, 0.48)
    low = d.pick({"floor": 0.22, "feet": 0.46, "legs": 0.32})
    low = {"floor": 0.0, "feet": d.uniform(0.04, 0.3) * f.bottom, "legs": d.uniform(0.4, 0.8) * f.bottom}[low]
    add_seat(b, d, f, "pillow" if d.chance(0.3) else "cushion")
    out = d.uniform(-0.45, 0.45) * thick + (d.uniform(0.0, 0.25) * f.depth if d.chance(0.25) else 0.0)
    rear = min(-0.49 * f.depth, f.on_back(0, 0, out - 0.5 * thick)[2]) if d.chance(0.6) else -0.49 * f.depth
    middle = (0, (low + f.bottom) / 2 + 0.03, (0.49 * f.depth + rear) / 2)
    b.box(SEAT, middle, (0.99, f.bottom - low + 0.06, 0.49 * f.depth - rear), 0.02)
    arms = d.pick({"blocks": 0.58, "rolled": 0.08, "posts": 0.14, "none": 0.2})
    words, outer, span = ["a thick cushion"], 0.5, (rear, 0.49 * f.depth)
    if arms in ("blocks", "rolled"):
        width = scale * d.around(0.2, 0.4, 0.07, 0.42)
        rise = min(d.around(0.32 * scale, 0.45, 0.03, 0.65), 0.95 * high)
        reach = d.pick({"floor": 0.25, "skirt": 0.5, "seat": 0.25})
        bottom = {"floor": 0.0, "skirt": low, "seat": f.bottom - 0.1 * f.thickness}[reach]
        ends = add_arm_blocks(b, d, f, rise, width, bottom, rolled=arms == "rolled")
        if reach != "seat":
            outer, span = 0.5 + width - 0.02, (max(span[0], ends[0]), min(span[1], ends[1]))
        words.append("broad arms")
    elif arms == "posts":
        add_arms(b, d, f, "posts", high)
        words.append("open arms")
    _soft_back(b, d, f, high, thick, out, outer, low)
    if low > 0:
        _feet(b, d, low, outer, span)
    if not wide and d.chance(0.2):
        add_headrest(b, d, f, high, out=out)
        words.append("a headrest")
    return words


def _soft_back(b, d, f, high, thick, out, outer, low):
    """A thick back between the arms or behind them, straight or arched on top; it may reach down to the skirt."""
    full = d.chance(0.5)
    width = 2 * outer * d.uniform(0.95, 1.02) if full else d.uniform(0.93, 1.03)
    down = (f.top - low) * d.uniform(0.7, 0.98) if d.chance(0.6) else d.uniform(0.3, 0.9) * f.thickness
    turn = (-f.recline, 0, 0)
    if d.chance(0.25):
        arc = np.linspace(0, np.pi, 15)
        shoulder = d.uniform(0.5, 0.75) * high
        arch = np.stack([0.5 * width * np.cos(arc), shoulder + (high - shoulder) * np.sin(arc)], 1)
        outline = np.concatenate([arch, [[-0.5 * width, -down], [0.5 * width, -down]]])
        b.prism(BACK, outline, thick, f.on_back(0, 0, out), rotation_xyz(x=-f.recline))
    else:
        size = (width, high + down, thick)
        b.box(BACK, f.on_back(0, 0.5 * (high - down), out), size, d.uniform(0.1, 0.45) * thick, turn)
    if d.chance(0.2):  # wings beside the sitter's head
        deep, side, tall = d.uniform(0.15, 0.5) * f.depth, d.uniform(0.04, 0.12), d.uniform(0.4, 0.95) * high
        for s in (-1, 1):
            place = f.on_back(s * 0.5 * (width - side), high - 0.5 * tall, out + 0.5 * deep)
            b.box(BACK, place, (side, tall, deep), 0.3 * side, turn)
    elif d.chance(0.25):  # a loose cushion in front
        size = (0.9, 0.8 * high, 0.14)
        place = f.on_back(0, 0.42 * high, out + 0.5 * thick + 0.05)
        b.superquadric(BACK, place, 0.5 * np.array(size), 0.4, 0.5, rotation_xyz(x=-f.recline))


def _feet(b, d, low, outer, span):
    """Four short legs under the corners."""
    thick = d.uniform(0.025, 0.07)
    x = outer - thick - 0.02
    splay = d.uniform(0, 0.3) * low if d.chance(0.4) else 0.0
    taper = d.uniform(0.5, 1.0)
    square = d.chance(0.4)
    for sx in (-1, 1):
        for sz, z in zip((1, -1), (span[0] + thick + 0.02, span[1] - thick - 0.02), strict=True):
            head = (sx * x, low + 0.03, z)
            foot = (sx * (x + splay), 0, z - sz * splay)
            b.bar(LEG, foot, head, 1.8 * thick) if square else b.rod(LEG, foot, head, taper * thick, thick)


def office(b: Builder, d: Draw) -> list[str]:
    """A padded chair on a swivel base."""
    f = draw_frame(d, top=0.95, thickness=0.22, recline=(2, 22))
    seat = d.pick({"cushion": 0.6, "pillow": 0.15, "trapezoid": 0.25})
    f = replace(f, inset=0.5 * f.inset, back=d.uniform(0.9, 1.05) if d.chance(0.65) else d.uniform(0.7, 0.9))
    add_seat(b, d, f, seat, material=d.material(FABRICS))
    high, thick = d.around(0.92, 0.3, 0.4, 1.6), d.uniform(0.06, 0.22)
    style = d.pick({"pad": 0.6, "oval": 0.2, "wrapped": 0.2})
    gap = d.uniform(0.02, 0.25) if d.chance(0.6) else 0.0
    low = gap or -0.5 * f.thickness
    middle = f.on_back(0, 0.5 * (high + low), 0.4 * thick)
    size = (f.back, high - low, thick)
    if style == "pad":
        b.box(BACK, middle, size, d.uniform(0.25, 0.48) * thick, (-f.recline, 0, 0))
    elif style == "oval":
        b.ellipsoid(BACK, middle, (size[0] / 2, size[1] / 2, thick * 0.7), (-f.recline, 0, 0))
    else:
        add_back(b, d, f, "curved", high)
    if gap and style != "wrapped":
        path = [
            (0, f.bottom + 0.02, -0.1),
            (0, f.bottom + 0.02, -0.52 * f.depth),
            f.on_back(0, 0.5 * high, 0.2 * thick),
        ]
        b.tube(BACK, smooth_path(path, 9), d.uniform(0.02, 0.045))
    add_legs(b, d, f, "star" if d.chance(0.88) else "pedestal", material=d.material(METALS))
    words = ["a swivel base", f"a {style} back"]
    if d.chance(0.5):
        add_arms(b, d, f, d.pick({"T": 0.5, "loops": 0.5}), high)
        words.append("arms")
    if style != "wrapped" and d.chance(0.45):
        add_headrest(b, d, f, high, out=0.3 * thick)
        words.append("a headrest")
    return words


def tub(b: Builder, d: Draw) -> list[str]:
    """A round seat in a wall that is back and arms in one; its rim is level, stepped or sloping."""
    f = replace(draw_frame(d, top=0.75, thickness=0.24, recline=(0, 0)), depth=1.0)
    wall, inner = d.uniform(0.06, 0.22), 0.5
    add_seat(b, d, f, "round")
    skirt = d.chance(0.6)
    if skirt:
        b.turned(SEAT, [(0, 0), (0.48, 0), (0.48, 0.12), (0, 0.12)], (0, f.bottom - 0.1, 0))
    low = f.bottom * d.uniform(0.6, 1.0)
    if d.chance(0.2):
        low = 0.02
    high, drop = d.uniform(0.35, 1.0), d.uniform(0.35, 1.0)
    half_back = d.uniform(45, 75)
    reach = d.uniform(half_back + 25, 150)
    top = f.top + high
    ring = [(inner - 0.02, low), (inner + wall, low), (inner + wall * 1.1, top), (inner + 0.02, top)]
    slope = d.uniform(0.3, 0.8) * high if d.chance(0.45) else 0.0
    side = ring if slope else [(r, min(y, f.top + high * drop)) for r, y in ring]
    pieces = [(BACK, ring, 180.0, 2 * half_back)]
    pieces += [(ARM, side, 180.0 + s * (half_back + reach) / 2, reach - half_back + 0.5) for s in (-1, 1)]
    for label, profile, facing, sweep in pieces:
        solid = Revolution(tuple((float(r), float(y)) for r, y in profile), np.radians(sweep))
        turn = rotation_xyz(y=facing)
        if slope:  # one slanted cut through back and arms, down towards the front
            b.cut(solid, (0, 1, slope), (0, top - 0.3 * slope, -0.2), label, rotation=turn)
        else:
            b.add(solid, label, rotation=turn)
    legs = d.pick({"tapered": 0.4, "round": 0.25, "star": 0.2, "pedestal": 0.15})
    if low > 0.1:
        add_legs(b, d, replace(f, width=0.68, depth=0.68), legs, splay=d.uniform(0.0, 0.22))
    else:
        b.turned(LEG, [(0, 0), (inner - 0.03, 0), (inner - 0.03, f.bottom + 0.02), (0, f.bottom + 0.02)])
    return ["a round back that becomes the arms"]


def shell(b: Builder, d: Draw) -> list[str]:
    """Seat and back moulded as one curved sheet, on a base of its own."""
    f = draw_frame(d, top=0.85, thickness=0.1, recline=(10, 25))
    high, thick = d.around(0.85, 0.28, 0.5, 1.4), d.uniform(0.03, 0.08)
    z, width = f.depth / 2, d.uniform(0.9, 1.1)
    knots = [f.on_back(0, high)[1:], f.on_back(0, 0.45 * high)[1:], (f.top - 0.06, -0.6 * z), (f.top - 0.08, 0.2 * z)]
    spine = smooth_path([*knots, (f.top - 0.02, z)], 17)
    turn_at = 7 + d.integer(0, 1)
    curl = d.uniform(0.0, 0.5)
    for i, (one, two) in enumerate(zip(spine[:-1], spine[1:], strict=True)):
        narrow = width * (1 - curl * ((i - 8) / 8) ** 2 * 0.6)
        _slat(b, BACK if i < turn_at else SEAT, one, two, narrow, thick)
    words = []
    if d.chance(0.5):
        for s in (-1, 1):
            half = 0.5 * width * np.array([1 - curl * 0.6 * (5 / 8) ** 2, 1 - curl * 0.6 * (5 / 8) ** 2])
            path = [
                (s * (half[0] - 0.02), *spine[3]),
                (s * width * 0.58, f.top + 0.3, -0.2 * z),
                (s * (half[1] - 0.02), *spine[13]),
            ]
            b.tube(ARM, smooth_path(path, 9), max(0.6 * thick, 0.025))
        words.append("arms")
    lowest = spine[:, 0].min() - 0.5 * thick
    b.box(SEAT, (0, lowest - 0.02, 0.1 * z), (0.62, 0.07, 0.6 * f.depth))  # the plate that the base is fixed to
    stand = replace(f, width=0.6, depth=0.55 * f.depth, top=lowest + 0.01, thickness=0.06)
    legs = d.pick({"star": 0.2, "pedestal": 0.25, "round": 0.25, "tapered": 0.15, "sled": 0.15})
    stand = replace(stand, width=1.0, depth=1.3 * stand.depth) if legs in ("star", "pedestal") else stand
    add_legs(b, d, stand, legs, splay=d.uniform(0.05, 0.25))
    return ["a moulded seat and back", *words]


def _slat(b, label, one, two, width, thick):
    """A board across x whose section runs from (y, z) ``one`` to ``two``."""
    middle = (np.asarray(one) + two) / 2
    step = np.asarray(two) - one
    length = float(np.linalg.norm(step))
    turn = -np.degrees(np.arctan2(step[0], step[1]))
    b.box(label, (0, *middle), (width, thick, length + 0.4 * thick), 0.0, (turn, 0, 0))


def lounge(b: Builder, d: Draw) -> list[str]:
    """A low deep seat with a reclined back."""
    depth, top = d.uniform(1.0, 1.7), d.uniform(0.4, 0.85)
    f = Frame(1.0, depth, top, min(d.uniform(0.08, 0.35), 0.5 * top), d.uniform(20, 48), back=d.uniform(0.9, 1.05))
    add_seat(b, d, f, d.pick({"cushion": 0.6, "slats": 0.2, "flat": 0.2}))
    high = d.uniform(0.7, 1.5)
    back = d.pick({"cushion": 0.6, "ladder": 0.2, "panel": 0.2})
    add_back(b, d, f, back, high)
    add_legs(b, d, f, d.pick({"straight": 0.4, "tapered": 0.2, "sled": 0.2, "star": 0.1, "crossed": 0.1}))
    words = ["a deep reclined back"]
    if d.chance(0.6):
        if d.chance(0.3):
            low = 0.0 if d.chance(0.4) else f.bottom - 0.02
            add_arm_blocks(b, d, f, d.uniform(0.1, 0.4), d.uniform(0.08, 0.25), low)
        else:
            add_arms(b, d, f, d.pick({"posts": 0.7, "loops": 0.3}), 0.5)
        words.append("arms")
    if back != "ladder" and d.chance(0.5):
        add_headrest(b, d, f, high)
        words.append("a headrest")
    return words
