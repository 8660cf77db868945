"""Airplanes with propellers, the transports that may have jets instead, and gliders.

Each function adds the parts of one airplane and returns what a caption says of it.
"""

from collections.abc import Sequence

import numpy as np

from common.shapes.airplane_hull import (
    FUSELAGE,
    SIDES,
    WING,
    Hull,
    Knot,
    add_canopy,
    add_fuselage,
    add_portholes,
    add_wing,
    draw_hull,
    on_wing,
    swept,
    with_winglet,
)
from common.shapes.airplane_layout import accent, add_cockpit, add_empennage, add_prop_engines, add_wing_jets
from common.shapes.airplane_parts import (
    DARK,
    ENGINE,
    FORWARD,
    STRUT,
    add_fixed_gear,
    add_floats,
    add_gear,
    add_leg,
    add_propeller,
    add_strut_pair,
    turned,
)
from common.shapes.build import Builder
from common.shapes.randomness import Draw

NUMBERS = {2: "two", 4: "four"}


def _light_hull(d: Draw) -> Hull:
    return draw_hull(
        d, radius=(0.07, 0.085), nose=(0.16, 0.24), tail=(0.5, 0.62), blunt=(0.34, 0.44), tip=(0.08, 0.16),
        rise=(0.2, 0.6), droop=(0.1, 0.3), squash=(1.05, 1.3),
    )  # fmt: skip


def _light(b: Builder, d: Draw, h: Hull, high: bool) -> tuple[Sequence[Knot], float]:
    """A one-engined airplane without its gear. Returns the wing's knots and the propeller's radius."""
    paint = accent(b, d)
    add_fuselage(b, h)
    nose, size = h.length / 2, d.uniform(0.12, 0.15) * h.length
    span, root = d.uniform(0.6, 0.72) * h.length, d.uniform(0.19, 0.24) * h.length
    front = nose - h.nose - d.uniform(0.06, 0.1) * h.length
    cabin = (front - root - d.uniform(0.0, 0.15), front + d.uniform(0.15, 0.3))
    rise = h.radius * d.uniform(0.5, 0.8)
    add_canopy(b, h, cabin, rise, 0.9 * h.radius, 0.62)
    top = h.top(front - 0.5 * root) + 0.8 * rise
    y = top if high else h.top(front, -0.75)
    knots = swept(
        span,
        root,
        d.uniform(0.6, 1.0),
        d.uniform(-1, 5),
        d.uniform(1, 3) if high else d.uniform(4, 7),
        (front, y),
        0.13,
    )
    add_wing(b, WING, knots, 0.4, material=paint)
    if high:
        z, chord, level = on_wing(knots, 0.45 * span)
        low = (0.7 * h.radius, h.top(front - 0.3 * root, -0.6), front - 0.35 * root)
        add_strut_pair(b, low, (0.45 * span, level, z - 0.35 * chord))
    add_empennage(b, d, h, tee=d.chance(0.1), size=d.uniform(1.0, 1.15), sweep=(10, 38), paint=paint)
    add_propeller(b, d, (0, h.centre(nose), nose), size, 0.28 * h.radius, d.integer(2, 3), d.uniform(0, np.pi))
    return knots, size


def propeller(b: Builder, d: Draw) -> list[str]:
    h, high = _light_hull(d), d.chance(0.5)
    knots, size = _light(b, d, h, high)
    front, root = knots[0][1:3]
    tail_wheel = d.chance(0.3)
    main = front - (0.05 if tail_wheel else 0.6) * root
    third = -h.length / 2 + 0.06 * h.length if tail_wheel else h.length / 2 - 0.45 * h.nose
    track, drop = d.uniform(0.3, 0.42), d.uniform(0.65, 0.9) * size
    add_fixed_gear(b, d, h, main, third, track, drop)
    return ["a high wing" if high else "a low wing", "a tail wheel" if tail_wheel else "a nose wheel"]


def seaplane(b: Builder, d: Draw) -> list[str]:
    h = _light_hull(d)
    knots, size = _light(b, d, h, d.chance(0.75))
    add_floats(b, d, h, knots[0][1] - 0.3 * knots[0][2], d.uniform(0.34, 0.45), d.uniform(0.8, 1.1) * size)
    return ["two floats"]


def biplane(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(
        d, radius=(0.068, 0.082), nose=(0.1, 0.16), tail=(0.6, 0.7), blunt=(0.2, 0.3), tip=(0.05, 0.12),
        rise=(0.3, 0.7), droop=(0.0, 0.1), squash=(1.0, 1.2),
    )  # fmt: skip
    paint, nose = accent(b, d), h.length / 2
    add_fuselage(b, h)
    span, root = d.uniform(0.55, 0.68) * h.length, d.uniform(0.18, 0.22) * h.length
    front, gap = nose - h.nose - d.uniform(0.0, 0.08) * h.length, d.uniform(0.85, 1.1) * root
    low, rise = h.top(front - 0.4 * root, -0.8), d.uniform(1, 4)
    stagger, taper = d.uniform(0.0, 0.35) * root, d.uniform(0.8, 1.0)
    lower = swept(span * d.uniform(0.85, 1.0), root, taper, d.uniform(0, 3), rise, (front - stagger, low), 0.1)
    upper = swept(span, root, taper, d.uniform(0, 4), d.uniform(0, 2), (front, h.top(front) + 0.55 * gap), 0.1)
    for knots in (lower, upper):
        add_wing(b, WING, knots, 0.5, material=paint)
    for x in (0.75,) if d.chance(0.6) else (0.45, 0.85):
        (z0, c0, y0), (z1, c1, y1) = (on_wing(knots, x * lower[-1][0]) for knots in (lower, upper))
        for share in (0.2, 0.7):
            add_strut_pair(b, (x * lower[-1][0], y0, z0 - share * c0), (x * lower[-1][0], y1, z1 - share * c1))
    for share in (0.2, 0.7):
        z = front - share * root
        add_strut_pair(b, (0.6 * h.radius, h.top(z, 0.6), z), (0.9 * h.radius, upper[0][3] + 0.01, z))
    cockpits = d.integer(1, 2)
    for k in range(cockpits):
        z = front - 1.05 * root - 0.45 * k
        hole = turned([(0, 0), (0.6 * h.size(z), 0), (0.6 * h.size(z), 0.2), (0, 0.2)])
        b.add(hole, STRUT, (0, h.top(z) - 0.18, z), material=DARK)
        add_canopy(b, h, (z + 0.12, z + 0.26), 0.1, 0.5 * h.radius, 0.3)
    add_empennage(b, d, h, tee=False, size=d.uniform(0.95, 1.15), sweep=(10, 30), paint=paint)
    wide, cowl = h.radius * d.uniform(1.05, 1.18), DARK if d.chance(0.5) else paint
    ring = [(0, -0.12), (0.94 * wide, -0.12), (wide, 0.02), (0.85 * wide, 0.12), (0.7 * wide, 0.12), (0.7 * wide, 0.05)]
    b.add(turned([*ring, (0, 0.05)]), ENGINE, (0, h.centre(nose), nose - 0.08), FORWARD, cowl)
    b.rod(ENGINE, (0, h.centre(nose), nose - 0.1), (0, h.centre(nose), nose + 0.06), 0.3 * wide, material=DARK)
    add_propeller(b, d, (0, h.centre(nose), nose + 0.05), 0.14 * h.length, 0.035, 2, d.uniform(0, np.pi))
    add_fixed_gear(b, d, h, front - 0.1 * root, -nose + 0.05 * h.length, d.uniform(0.28, 0.36), d.uniform(0.35, 0.45))
    return ["an open cockpit" if cockpits == 1 else "two open cockpits", "two wings"]


def glider(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(
        d, radius=(0.042, 0.052), nose=(0.2, 0.28), tail=(0.68, 0.74), blunt=(0.5, 0.62), tip=(0.16, 0.24),
        rise=(0.1, 0.5), droop=(0.1, 0.4), squash=(1.1, 1.35),
    )  # fmt: skip
    add_fuselage(b, h)
    nose = h.length / 2
    span, root = d.uniform(1.05, 1.4) * h.length, d.uniform(0.11, 0.14) * h.length
    front = nose - d.uniform(0.3, 0.35) * h.length
    y = h.top(front - 0.3 * root, d.uniform(0.55, 0.85))
    knots = swept(span, root, d.uniform(0.3, 0.5), d.uniform(0, 3), d.uniform(2, 5), (front, y), 0.14)
    tips = d.chance(0.4)
    add_wing(b, WING, with_winglet(knots, 0.06 * span, d.uniform(0.2, 0.6)) if tips else knots, 0.4)
    add_canopy(
        b, h, (front + 0.02, nose - d.uniform(0.03, 0.06) * h.length), d.uniform(0.25, 0.45) * h.radius, h.radius, 0.45
    )
    add_empennage(b, d, h, tee=d.chance(0.85), size=d.uniform(0.85, 1.0), sweep=(8, 22))
    if d.chance(0.6):
        z = front - 0.2
        add_leg(b, (0, h.centre(z), z), (0, h.top(z, -1.0) - 0.02, z), 0.05, 0.09)
    return ["long slender wings", "winglets" if tips else "plain tips"]


def turboprop(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.048, 0.06), nose=(0.12, 0.17), tail=(0.3, 0.38), blunt=(0.52, 0.62), rise=(0.4, 0.7))
    paint, high = accent(b, d), d.chance(0.7)
    add_fuselage(b, h)
    span, root = d.uniform(0.48, 0.56) * h.length, d.uniform(0.1, 0.13) * h.length
    at = (d.uniform(0.04, 0.1) * h.length, (0.95 if high else -0.75) * h.radius)
    knots = swept(span, root, d.uniform(0.4, 0.6), d.uniform(1, 6), 1.5 if high else d.uniform(4, 7), at, 0.14)
    add_wing(b, WING, knots)
    add_prop_engines(b, d, knots, 2, d.uniform(0.075, 0.1), paint)
    add_empennage(b, d, h, tee=d.chance(0.7), size=d.uniform(1.0, 1.1), sweep=(20, 36), paint=paint)
    add_cockpit(b, h, d)
    ends = (-h.length / 2 + 0.95 * h.tail, h.length / 2 - 1.2 * h.nose)
    add_portholes(b, h, ends, d.integer(7, 12), 14, d.uniform(0.35, 0.55))
    return ["a high wing" if high else "a low wing", "two propellers"]


def transport(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.065, 0.08), nose=(0.13, 0.18), tail=(0.4, 0.48), blunt=(0.48, 0.58), rise=(0.6, 0.85))
    props, four = d.chance(0.45), d.chance(0.7)
    count, paint = 4 if four else 2, b.material
    add_fuselage(b, h)
    span, root = d.uniform(0.48, 0.58) * h.length, d.uniform(0.15, 0.18) * h.length
    at = (d.uniform(0.08, 0.14) * h.length, 0.95 * h.radius)
    lean = d.uniform(0, 6) if props else d.uniform(20, 28)
    knots = swept(span, root, d.uniform(0.35, 0.5), lean, -d.uniform(0, 2) if props else -d.uniform(2, 5), at, 0.13)
    add_wing(b, WING, knots)
    if props:
        add_prop_engines(b, d, knots, count, d.uniform(0.065, 0.08), paint)
    else:
        add_wing_jets(b, d, knots, count, h.radius * d.uniform(0.36, 0.46), paint)
    add_empennage(b, d, h, tee=not props or d.chance(0.4), size=d.uniform(1.15, 1.3), sweep=(18, 36))
    add_cockpit(b, h, d)
    pod, long, z = h.radius * d.uniform(0.4, 0.5), 0.12 * h.length, at[0] - 0.6 * root
    bulge = [(pod * np.cos(a), long * np.sin(a)) for a in np.linspace(-np.pi / 2, np.pi / 2, 9)]
    for s in SIDES:
        b.add(turned(bulge), FUSELAGE, (s * 0.85 * h.radius, -0.75 * h.radius, z), FORWARD)
    add_gear(b, h, (1.05 * h.radius, -0.8 * h.radius, z), h.length / 2 - 0.9 * h.nose, 0.14, 0.07)
    return [f"{NUMBERS[count]} {'propellers' if props else 'engines'}", "a high wing"]
