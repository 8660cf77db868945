"""Chairs of boards, rods and tubes: dining, stool, cantilever, folding, rocking, plank.

Each function adds the parts of one chair and returns what a caption says of it.
"""

from dataclasses import replace

import numpy as np

from common.shapes.build import SIDEWAYS, Builder, smooth_path
from common.shapes.chair_parts import (
    BACK,
    LEG,
    SEAT,
    add_arm_blocks,
    add_arms,
    add_back,
    add_legs,
    add_seat,
    draw_frame,
)
from common.shapes.randomness import FABRICS, Draw

DINING_SEATS = {"flat": 0.39, "trapezoid": 0.3, "cushion": 0.12, "saddle": 0.07, "horseshoe": 0.07, "slats": 0.05}
DINING_BACKS = {
    "panel": 0.22,
    "ladder": 0.19,
    "spindles": 0.15,
    "splat": 0.07,
    "stiles with panel": 0.15,
    "curved": 0.1,
}
DINING_BACKS |= {"hoop": 0.06, "pierced": 0.06}
DINING_LEGS = {
    "straight": 0.42,
    "tapered": 0.16,
    "round": 0.13,
    "turned": 0.1,
    "curved": 0.08,
    "sled": 0.05,
    "slabs": 0.06,
}


def dining(b: Builder, d: Draw) -> list[str]:
    """A chair for a table."""
    armed = d.chance(0.28)
    seat = d.pick(DINING_SEATS)
    seat = "flat" if armed and seat == "horseshoe" else seat  # there is nothing under the front of its arms
    rear = d.uniform(0.86, 1.0) if seat in ("trapezoid", "horseshoe") else 1.0
    f = draw_frame(
        d, top=0.88 if armed else 1.0, thickness=0.24 if armed else 0.17, recline=(0, 22 if armed else 14), rear=rear
    )
    f = replace(f, inset=0.0) if seat == "slats" else f
    add_seat(b, d, f, seat)
    words = []
    if d.chance(0.2):
        pad = replace(f, width=0.92 * f.width, depth=0.92 * f.depth, top=f.top + 0.07, thickness=0.12)
        add_seat(b, d, pad, "pillow" if d.chance(0.4) and rear > 0.95 else "cushion", material=d.material(FABRICS))
        words.append("a seat cushion")
    high = d.around(0.8 if armed else 1.04, 0.33, 0.35, 1.8)
    back = d.pick(DINING_BACKS)
    add_back(b, d, f, back, high)
    legs = d.pick(DINING_LEGS)
    stand = replace(f, width=0.72, depth=0.84 * f.depth, rear=1.0) if seat == "horseshoe" else f
    add_legs(b, d, stand, legs, apron=True, beside=armed and legs in ("straight", "round", "tapered") and d.chance(0.6))
    if armed:
        add_arms(b, d, f, d.pick({"posts": 0.55, "scroll": 0.3, "loops": 0.15}), high)
        words.append("arms")
    return [f"a {back} back", f"{legs} legs", *words]


def stool(b: Builder, d: Draw) -> list[str]:
    """A stool, mostly with a low back."""
    f = draw_frame(d, thickness=0.15, recline=(0, 10))
    tall = d.chance(0.65)
    f = replace(f, top=d.uniform(1.3, 2.9) if tall else d.uniform(0.7, 1.3))
    seat = d.pick({"round": 0.5, "cushion": 0.25, "flat": 0.13, "saddle": 0.12})
    add_seat(b, d, f, seat)
    legs = d.pick({"round": 0.35, "tapered": 0.25, "straight": 0.1, "pedestal": 0.2, "star": 0.1})
    if seat == "round" and legs not in ("pedestal", "star"):
        _round_stool_legs(b, d, f)
    else:
        add_legs(b, d, f, legs)
    words = [f"a {seat} seat", "a pedestal" if legs in ("pedestal", "star") else "long legs" if tall else "short legs"]
    if d.chance(0.7):
        stand = replace(f, depth=0.68, back=0.56) if seat == "round" else f
        add_back(b, d, stand, d.pick({"curved": 0.35, "ladder": 0.35, "panel": 0.3}), d.uniform(0.3, 0.9))
        words.append("a low back")
    return words


def _round_stool_legs(b, d, f):
    """Legs on a circle that lean outwards, tied by a ring or by rods."""
    count = d.integer(3, 4)
    inner, outer = d.uniform(0.22, 0.36), d.uniform(0.38, 0.62)
    radius, level = d.uniform(0.025, 0.06), d.uniform(0.15, 0.5)
    turn = np.arange(count) * 2 * np.pi / count + np.pi / 4
    spokes = np.stack([np.sin(turn), np.zeros(count), np.cos(turn)], 1)
    for s in spokes:
        b.rod(LEG, s * outer, s * inner + (0, f.bottom + 0.4 * f.thickness, 0), radius)
    tie = d.pick({"ring": 0.5, "rods": 0.3, "none": 0.2})
    high = level * f.bottom
    reach = outer + (inner - outer) * high / (f.bottom + 0.4 * f.thickness)
    if tie == "ring":
        b.ring(LEG, (0, high, 0), reach, 0.5 * radius)
    elif tie == "rods":
        for one, two in zip(spokes, np.roll(spokes, -1, 0), strict=True):
            b.rod(LEG, one * reach + (0, high, 0), two * reach + (0, high, 0), 0.5 * radius)


def cantilever(b: Builder, d: Draw) -> list[str]:
    """A bent tube that carries the seat from its front, or one folded board."""
    f = replace(draw_frame(d, top=0.95, thickness=0.11, recline=(3, 18)), back=0.94)
    high = d.around(0.88, 0.28, 0.45, 1.5)
    if d.chance(0.35):
        _zigzag(b, d, f, high)
        return ["one bent board"]
    radius, x, z = d.uniform(0.018, 0.04), 0.46, f.depth / 2
    add_seat(b, d, f, "flat" if d.chance(0.6) else "cushion")
    size, thick = d.uniform(0.3, 0.95) * high, d.uniform(0.03, 0.1)
    b.box(BACK, f.on_back(0, high - size / 2), (2 * x, size, thick), 0.01, (-f.recline, 0, 0))
    y = f.bottom + 0.2 * radius
    for s in (-x, x):
        front = [(s, y, z), (s, 0.5 * y, z + 0.04), (s, radius, z - 0.02), (s, radius, -z)]
        b.tube(LEG, [(s, y, -z), *front], radius)
        b.rod(BACK, (s, y, -z), f.on_back(s, high), radius)
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
    knee, hip = (z, f.top), (-z, f.top)
    top = (-z - 0.3 * high * np.sin(np.radians(f.recline + 8)), f.top + high)
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


def folding(b: Builder, d: Draw) -> list[str]:
    """A chair on crossed legs."""
    f = replace(draw_frame(d, top=0.95, thickness=0.08, recline=(8, 20)), inset=0.0)
    add_seat(b, d, f, d.pick({"flat": 0.6, "slats": 0.4}))
    add_back(b, d, f, d.pick({"ladder": 0.5, "stiles with panel": 0.5}), d.uniform(0.6, 1.1))
    add_legs(b, d, f, "crossed")
    return ["crossed legs"]


def rocking(b: Builder, d: Draw) -> list[str]:
    """A high back, arms, and two rockers under the legs."""
    f = replace(draw_frame(d, top=0.8, thickness=0.1, recline=(8, 22)), inset=0.0)
    add_seat(b, d, f, d.pick({"flat": 0.4, "saddle": 0.3, "slats": 0.3}))
    high = d.uniform(0.8, 1.5)
    add_back(b, d, f, d.pick({"spindles": 0.4, "ladder": 0.4, "hoop": 0.2}), high)
    leg, x, foot = d.uniform(0.03, 0.05), 0.44, f.depth / 2 - 0.07
    for sx in (-x, x):
        for sz in (-foot, foot):
            b.rod(LEG, (sx, 0, sz), (sx, f.bottom + 0.3 * f.thickness, sz), d.uniform(0.6, 1.0) * leg, leg)
    bend, reach, radius = d.uniform(0.08, 0.25), f.depth * d.uniform(0.7, 1.0), d.uniform(0.025, 0.04)
    z = np.linspace(-reach, reach, 13)
    for s in (-x, x):
        b.tube(LEG, np.stack([np.full(13, s), bend * (z**2 - foot**2) / reach**2, z], 1), radius)
    if d.chance(0.7):
        add_arms(b, d, f, d.pick({"posts": 0.7, "scroll": 0.3}), high)
    b.lift(radius + bend * (foot / reach) ** 2)
    return ["rockers", "a high back"]


def plank(b: Builder, d: Draw) -> list[str]:
    """A chair of plain boards."""
    f = draw_frame(d, top=0.85, thickness=0.13, recline=(0, 8))
    add_seat(b, d, f, "flat")
    high, thick = d.uniform(0.35, 1.4), d.uniform(0.04, 0.16)
    b.box(BACK, (0, (f.top + high) / 2, -f.depth / 2), (d.uniform(0.95, 1.1), f.top + high, thick))
    style = d.pick({"slabs": 0.45, "block": 0.35, "front": 0.2})
    if style == "front":
        b.box(LEG, (0, f.bottom / 2 + 0.02, 0.4 * f.depth), (0.95, f.bottom + 0.04, thick))
    else:
        add_legs(b, d, f, style)
    if d.chance(0.4):
        low = 0.0 if d.chance(0.5) else f.bottom - 0.02
        add_arm_blocks(b, d, f, min(d.uniform(0.1, 0.5), 0.9 * high), d.uniform(0.05, 0.2), low)
    return ["plain boards"]
