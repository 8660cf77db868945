"""Airplanes with jet engines: airliners, regional and business jets, fighters.

Each function adds the parts of one airplane and returns what a caption says of it.
"""

from collections.abc import Sequence

import numpy as np

from common.shapes.airplane_hull import (
    FUSELAGE,
    SIDES,
    TAIL,
    WING,
    Hull,
    Knot,
    add_canopy,
    add_fin,
    add_fuselage,
    add_portholes,
    add_wing,
    draw_hull,
    kinked,
    on_wing,
    swept,
    with_winglet,
)
from common.shapes.airplane_layout import accent, add_cockpit, add_empennage, add_rear_jets, add_wing_jets
from common.shapes.airplane_parts import DARK, ENGINE, FORWARD, STRUT, add_gear, turned
from common.shapes.build import Builder
from common.shapes.randomness import Draw


def airliner(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.045, 0.062), nose=(0.1, 0.14), tail=(0.28, 0.36), blunt=(0.5, 0.58), rise=(0.35, 0.6))
    paint, four = accent(b, d), d.chance(0.3)
    add_fuselage(b, h)
    span, root = d.uniform(0.42, 0.52) * h.length, d.uniform(0.14, 0.18) * h.length
    at = (d.uniform(0.1, 0.16) * h.length, -d.uniform(0.5, 0.7) * h.radius)
    knots = swept(span, root, d.uniform(0.2, 0.32), d.uniform(25, 37), d.uniform(4, 7), at, 0.11)
    knots = kinked(knots, d.uniform(0.3, 0.4), d.uniform(0.2, 0.5) * root)
    winglets = d.chance(0.5)
    add_wing(b, WING, with_winglet(knots, d.uniform(0.05, 0.1) * span, d.uniform(0.2, 0.5)) if winglets else knots)
    size = h.radius * (d.uniform(0.42, 0.55) if four else d.uniform(0.5, 0.75))
    add_wing_jets(b, d, knots, 4 if four else 2, size, paint)
    add_empennage(b, d, h, tee=False, paint=paint)
    add_cockpit(b, h, d)
    ends = (-h.length / 2 + 0.95 * h.tail, h.length / 2 - 1.15 * h.nose)
    add_portholes(b, h, ends, d.integer(11, 16), 12, d.uniform(0.35, 0.6))
    if d.chance(0.4):
        z = at[0] - 0.75 * root
        add_gear(
            b, h, (1.1 * h.radius, on_wing(knots, 1.1 * h.radius)[2], z), h.length / 2 - 1.0 * h.nose, 2.3 * size, 0.05
        )
    return [f"{'four' if four else 'two'} engines under its wings", *(["winglets"] if winglets else [])]


def _rear_engined(b: Builder, d: Draw, h: Hull, span: tuple[float, float], winglets: float) -> Sequence[Knot]:
    """What regional and business jets share: a low wing, engines at the tail, a T-tail. Returns the wing's knots."""
    paint = accent(b, d)
    add_fuselage(b, h)
    half, root = d.uniform(*span) * h.length, d.uniform(0.15, 0.19) * h.length
    at = (d.uniform(0.02, 0.09) * h.length, -d.uniform(0.55, 0.75) * h.radius)
    knots = swept(half, root, d.uniform(0.25, 0.4), d.uniform(18, 32), d.uniform(2, 6), at, 0.11)
    tips = d.chance(winglets)
    add_wing(b, WING, with_winglet(knots, d.uniform(0.07, 0.13) * half, d.uniform(0.1, 0.4)) if tips else knots)
    place = -h.length / 2 + h.tail * d.uniform(0.7, 0.85)
    add_rear_jets(b, d, h, h.radius * d.uniform(0.42, 0.58), place, paint)
    add_empennage(b, d, h, tee=True, paint=paint)
    add_cockpit(b, h, d)
    if d.chance(0.35):
        add_gear(
            b,
            h,
            (1.3 * h.radius, on_wing(knots, 1.3 * h.radius)[2], at[0] - 0.6 * root),
            h.length / 2 - h.nose,
            0.9 * h.radius,
            0.05,
        )
    return knots


def regional(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.038, 0.05), nose=(0.1, 0.14), tail=(0.26, 0.34), blunt=(0.5, 0.6), rise=(0.3, 0.5))
    _rear_engined(b, d, h, (0.34, 0.42), 0.3)
    ends = (-h.length / 2 + 1.25 * h.tail, h.length / 2 - 1.15 * h.nose)
    add_portholes(b, h, ends, d.integer(10, 15), 12, d.uniform(0.35, 0.55))
    return ["two engines at its tail", "a T-tail"]


def business(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.052, 0.066), nose=(0.16, 0.22), tail=(0.34, 0.44), blunt=(0.55, 0.7), rise=(0.4, 0.7))
    knots = _rear_engined(b, d, h, (0.42, 0.5), 0.7)
    add_portholes(b, h, (knots[0][1] - 0.1, h.length / 2 - 1.1 * h.nose), d.integer(4, 7), 16, d.uniform(0.45, 0.65))
    return ["two engines at its tail", "a T-tail"]


def fighter(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(
        d, radius=(0.042, 0.056), nose=(0.32, 0.42), tail=(0.3, 0.45), blunt=(0.72, 0.95), tip=(0.55, 0.75),
        rise=(0.0, 0.2), droop=(0.1, 0.5), squash=(0.9, 1.1),
    )  # fmt: skip
    long, nose, r = h.length, h.length / 2, h.radius
    add_fuselage(b, h)
    add_canopy(
        b, h, (nose - 0.36 * long, nose - d.uniform(0.12, 0.16) * long), d.uniform(0.5, 0.75) * r, 0.75 * r, 0.65
    )
    kind = d.pick({"delta": 0.4, "swept": 0.4, "trapezoid": 0.2})
    span = d.uniform(0.29, 0.38) * long
    root, taper, sweep = {
        "delta": (d.uniform(0.42, 0.5) * long, d.uniform(0.05, 0.15), d.uniform(50, 58)),
        "swept": (d.uniform(0.24, 0.3) * long, d.uniform(0.25, 0.4), d.uniform(36, 46)),
        "trapezoid": (d.uniform(0.27, 0.33) * long, d.uniform(0.2, 0.35), d.uniform(30, 38)),
    }[kind]
    back = -nose + d.uniform(0.12, 0.2) * long
    at = (back + root, d.uniform(-0.3, 0.4) * r)
    knots = swept(span, root, taper, sweep, d.uniform(-4, 2), at, 0.05)
    add_wing(b, WING, knots, 0.0)
    _intakes(b, d, h)
    twin, fins = d.chance(0.45), d.uniform(0.12, 0.16) * long
    low, chord, lean = h.top(-nose + 0.15 * long, 0.2), d.uniform(0.16, 0.2) * long, d.uniform(0.1, 0.4)
    front, top = -nose + 0.04 * long + chord, low + fins
    for s in SIDES if twin else (0,):
        add_fin(b, [(low, front, chord, 0.06), (top, front - 0.9 * fins, 0.4 * chord, 0.05)], s * r, s * lean)
    if kind != "delta":
        root = d.uniform(0.12, 0.16) * long
        place = (-nose + root + d.uniform(-0.01, 0.02) * long, at[1])
        add_wing(b, TAIL, swept(0.55 * span, root, 0.35, sweep, 0, place, 0.05), 0.0)
    elif d.chance(0.4):
        place = (nose - 0.33 * long, 0.3 * r)
        add_wing(b, TAIL, swept(0.42 * span, 0.09 * long, 0.3, 45, 3, place, 0.05), 0.0)
    _nozzles(b, h, 2 if twin and d.chance(0.7) else 1)
    if d.chance(0.6):
        _missiles(b, d, knots)
    return [f"a {kind} wing", "two fins" if twin else "one fin"]


def _intakes(b: Builder, d: Draw, h: Hull) -> None:
    """Boxes along both sides that take in air, dark in front."""
    r, nose = h.radius, h.length / 2
    high, wide = d.uniform(0.55, 0.8) * r, d.uniform(0.4, 0.6) * r
    front, back = nose - d.uniform(0.36, 0.42) * h.length, -nose + 0.12 * h.length
    ring = np.array([(0.0, -high), (0.75, -high), (1.0, -0.6 * high), (1.0, 0.5 * high), (0.7, high), (0.0, high)])
    for s in SIDES:
        sections = []
        for reach, tall in ((0.4, 0.75), (0.95, 0.95), (1.0, 1.0), (0.98, 1.0)):
            x = 0.6 * r + (0.45 * r + wide) * reach * ring[:, 0]
            sections.append(np.stack([s * x, ring[:, 1] * tall - 0.15 * r], 1))
        levels = [back, back + 0.4 * (front - back), front - 0.3, front]
        b.loft(FUSELAGE, "z", levels, sections)
        mouth = (sections[-1] - sections[-1].mean(0)) * 0.86 + sections[-1].mean(0)
        b.loft(ENGINE, "z", (front - 0.02, front + 0.004), [mouth, mouth], material=DARK)


def _nozzles(b: Builder, h: Hull, count: int) -> None:
    """Exhausts at the tail."""
    end = -h.length / 2
    size = h.size(end) * (0.95 if count == 1 else 0.75)
    pipe = [
        (0, 0.3),
        (size, 0.3),
        (size, 0.05),
        (0.8 * size, -0.12),
        (0.68 * size, -0.12),
        (0.66 * size, 0.0),
        (0, 0.0),
    ]
    for s in (0,) if count == 1 else SIDES:
        at = (s * 0.8 * size, h.centre(end), end)
        b.add(turned(pipe), ENGINE, at, FORWARD, DARK)


def _missiles(b: Builder, d: Draw, knots: Sequence[Knot]) -> None:
    """One or two stores under either wing."""
    for share in (0.55, 0.78)[: d.integer(1, 2)]:
        x = share * knots[-1][0]
        front, chord, y = on_wing(knots, x)
        z, size, long = front - 0.4 * chord, d.uniform(0.025, 0.045), d.uniform(0.5, 0.75)
        body = [(0, -long / 2), (0.7 * size, -long / 2), (size, -0.3 * long), (size, 0.3 * long), (0, long / 2)]
        for s in SIDES:
            b.add(turned(body, 12), STRUT, (s * x, y - 0.09, z), FORWARD)
            b.box(STRUT, (s * x, y - 0.05, z), (0.02, 0.1, 0.4 * long))
