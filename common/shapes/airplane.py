"""The airplane family: ten styles over the parts of ``airplane_hull`` and ``airplane_parts``: about 4 long."""

from collections.abc import Sequence

import numpy as np

from common.shapes.airplane_hull import (
    FUSELAGE,
    PART_NAMES,
    SIDES,
    TAIL,
    WING,
    Hull,
    Knot,
    add_canopy,
    add_fin,
    add_fuselage,
    add_patch,
    add_portholes,
    add_wing,
    draw_hull,
    kinked,
    on_wing,
    swept,
    with_winglet,
)
from common.shapes.airplane_parts import (
    DARK,
    ENGINE,
    FORWARD,
    STRUT,
    add_fixed_gear,
    add_floats,
    add_gear,
    add_jet,
    add_leg,
    add_nacelle,
    add_propeller,
    add_pylon,
    add_strut_pair,
)
from common.shapes.build import Builder
from common.shapes.primitives import Revolution
from common.shapes.randomness import LIVERIES, Draw, article
from common.shapes.shape import Material, Shape

NUMBERS = {2: "two", 3: "three", 4: "four"}


def sample_airplane(generator: np.random.Generator, style: str | None = None) -> Shape:
    """Draw one airplane: about 4 long, +z its nose, the axis of its fuselage near y = 0. Labels: ``PART_NAMES``."""
    d = Draw(generator)
    style = style or d.pick(STYLES)
    b = Builder(d.material(LIVERIES))
    words = _BUILDERS[style][1](b, d)
    caption = f"{article(style)} {style} in {b.material.name} with {', '.join(words[:-1])}"
    caption += f"{' and ' if len(words) > 1 else ''}{words[-1]}"
    return Shape("airplane", style, tuple(b.parts), PART_NAMES, caption)


def _accent(b: Builder, d: Draw) -> Material:
    """What tails and engines are painted in: mostly the colour of all, at times another."""
    return d.material(LIVERIES) if d.chance(0.4) else b.material


def _empennage(
    b: Builder, d: Draw, h: Hull, tee: bool, size: float = 1.0, sweep: tuple[float, float] = (30, 42), paint=None
) -> None:
    """Fin and tailplane; ``tee`` puts the tailplane on top of the fin. ``size`` scales both."""
    more = {"material": paint} if paint else {}
    long, end = h.length, -h.length / 2
    high, chord = d.uniform(0.13, 0.17) * size * long, d.uniform(0.13, 0.17) * size * long
    lean, taper = d.uniform(*sweep), d.uniform(0.55, 0.75) if tee else d.uniform(0.35, 0.5)
    front = end + chord + d.uniform(0.02, 0.05) * long
    low, back = h.top(end + 0.5 * chord, 0.2), np.tan(np.radians(lean))
    top = h.top(end + 0.7 * chord) + high
    cut = 0.03 * (top - low)
    knots = [(low, front, chord, 0.1), (top - cut, front - (top - low) * back, taper * chord, 0.1)]
    add_fin(b, [*knots, (top, knots[1][1] - 0.12 * chord, taper * chord * 0.7, 0.06)], **more)
    span, root = d.uniform(0.15, 0.19) * size * long, d.uniform(0.085, 0.11) * size * long
    if tee:
        at = (knots[1][1] + d.uniform(0.0, 0.2) * root, top - d.uniform(0.0, 0.02))
        root = min(root, taper * chord)
    else:
        z = end + root + d.uniform(0.03, 0.06) * long
        at = (z, h.top(z - 0.5 * root, d.uniform(0.0, 0.3)))
    rise = d.uniform(-3, 2) if tee else d.uniform(1, 8)
    add_wing(b, TAIL, swept(span, root, d.uniform(0.35, 0.55), 0.85 * lean, rise, at, 0.09), 0.0, **more)


def _wing_jets(b: Builder, d: Draw, knots: Sequence[Knot], count: int, radius: float, paint: Material) -> None:
    """Turbofans under the wing on pylons, ``count`` in all."""
    span, long = knots[-1][0], radius * d.uniform(3.0, 3.8)
    places = (d.uniform(0.3, 0.36),) if count == 2 else (d.uniform(0.28, 0.34), d.uniform(0.52, 0.62))
    for place in places:
        front, chord, y = on_wing(knots, place * span)
        ahead, below = front + d.uniform(0.1, 0.3) * long, y - radius * d.uniform(1.15, 1.35)
        for s in SIDES:
            x = s * place * span
            add_jet(b, (x, below, ahead), radius, long, material=paint)
            z = 0.5 * (ahead + front - 0.35 * chord)
            add_pylon(b, (x, below + 0.5 * radius, z), (x, y + 0.01, z), 0.75 * long)


def _cockpit(b: Builder, h: Hull, d: Draw) -> None:
    """The pilots' windows around the nose."""
    nose = h.length / 2
    add_patch(b, h, (nose - d.uniform(0.48, 0.56) * h.nose, nose - d.uniform(0.28, 0.34) * h.nose), (22, 158))


def _airliner(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.045, 0.062), nose=(0.1, 0.14), tail=(0.28, 0.36), blunt=(0.5, 0.58), rise=(0.35, 0.6))
    paint, four = _accent(b, d), d.chance(0.3)
    add_fuselage(b, h)
    span, root = d.uniform(0.42, 0.52) * h.length, d.uniform(0.14, 0.18) * h.length
    at = (d.uniform(0.1, 0.16) * h.length, -d.uniform(0.5, 0.7) * h.radius)
    knots = swept(span, root, d.uniform(0.2, 0.32), d.uniform(25, 37), d.uniform(4, 7), at, 0.11)
    knots = kinked(knots, d.uniform(0.3, 0.4), d.uniform(0.2, 0.5) * root)
    winglets = d.chance(0.5)
    add_wing(b, WING, with_winglet(knots, d.uniform(0.05, 0.1) * span, d.uniform(0.2, 0.5)) if winglets else knots)
    size = h.radius * (d.uniform(0.42, 0.55) if four else d.uniform(0.5, 0.75))
    _wing_jets(b, d, knots, 4 if four else 2, size, paint)
    _empennage(b, d, h, tee=False, paint=paint)
    _cockpit(b, h, d)
    ends = (-h.length / 2 + 0.95 * h.tail, h.length / 2 - 1.15 * h.nose)
    add_portholes(b, h, ends, d.integer(11, 16), 12, d.uniform(0.35, 0.6))
    if d.chance(0.4):
        z = at[0] - 0.75 * root
        add_gear(b, h, (1.1 * h.radius, at[1], z), h.length / 2 - 1.0 * h.nose, 2.3 * size, 0.05)
    return [f"{'four' if four else 'two'} engines under its wings", *(["winglets"] if winglets else [])]


def _rear_jets(b: Builder, d: Draw, h: Hull, radius: float, z: float, paint: Material) -> None:
    """Two turbofans beside the fuselage, on short level pylons."""
    long = radius * d.uniform(3.2, 4.2)
    x, y = h.size(z) + radius * d.uniform(1.05, 1.3), h.top(z, d.uniform(0.25, 0.5))
    for s in SIDES:
        add_jet(b, (s * x, y, z), radius, long, material=paint)
        add_pylon(b, (0, y, z - 0.05 * long), (s * (x - 0.6 * radius), y, z - 0.05 * long), 0.6 * long)


def _rear_engined(b: Builder, d: Draw, h: Hull, span: tuple[float, float], winglets: float) -> Sequence[Knot]:
    """What regional and business jets share: a low wing, engines at the tail, a T-tail. Returns the wing's knots."""
    paint = _accent(b, d)
    add_fuselage(b, h)
    half, root = d.uniform(*span) * h.length, d.uniform(0.15, 0.19) * h.length
    at = (d.uniform(0.02, 0.09) * h.length, -d.uniform(0.55, 0.75) * h.radius)
    knots = swept(half, root, d.uniform(0.25, 0.4), d.uniform(18, 32), d.uniform(2, 6), at, 0.11)
    tips = d.chance(winglets)
    add_wing(b, WING, with_winglet(knots, d.uniform(0.07, 0.13) * half, d.uniform(0.1, 0.4)) if tips else knots)
    place = -h.length / 2 + h.tail * d.uniform(0.7, 0.85)
    _rear_jets(b, d, h, h.radius * d.uniform(0.42, 0.58), place, paint)
    _empennage(b, d, h, tee=True, paint=paint)
    _cockpit(b, h, d)
    if d.chance(0.35):
        add_gear(b, h, (1.3 * h.radius, at[1], at[0] - 0.6 * root), h.length / 2 - h.nose, 0.9 * h.radius, 0.05)
    return knots


def _regional(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.038, 0.05), nose=(0.1, 0.14), tail=(0.26, 0.34), blunt=(0.5, 0.6), rise=(0.3, 0.5))
    _rear_engined(b, d, h, (0.34, 0.42), 0.3)
    ends = (-h.length / 2 + 1.25 * h.tail, h.length / 2 - 1.15 * h.nose)
    add_portholes(b, h, ends, d.integer(10, 15), 12, d.uniform(0.35, 0.55))
    return ["two engines at its tail", "a T-tail"]


def _business(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.052, 0.066), nose=(0.16, 0.22), tail=(0.34, 0.44), blunt=(0.55, 0.7), rise=(0.4, 0.7))
    knots = _rear_engined(b, d, h, (0.42, 0.5), 0.7)
    add_portholes(b, h, (knots[0][1] - 0.1, h.length / 2 - 1.1 * h.nose), d.integer(4, 7), 16, d.uniform(0.45, 0.65))
    return ["two engines at its tail", "a T-tail"]


def _light_hull(d: Draw) -> Hull:
    return draw_hull(
        d, radius=(0.07, 0.085), nose=(0.16, 0.24), tail=(0.5, 0.62), blunt=(0.34, 0.44), tip=(0.08, 0.16),
        rise=(0.2, 0.6), droop=(0.1, 0.3), squash=(1.05, 1.3),
    )  # fmt: skip


def _light(b: Builder, d: Draw, h: Hull, high: bool) -> tuple[Sequence[Knot], float]:
    """A one-engined airplane without its gear. Returns the wing's knots and the propeller's radius."""
    paint = _accent(b, d)
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
    _empennage(b, d, h, tee=d.chance(0.1), size=d.uniform(1.0, 1.15), sweep=(10, 38), paint=paint)
    add_propeller(b, d, (0, h.centre(nose), nose), size, 0.28 * h.radius, d.integer(2, 3), d.uniform(0, np.pi))
    return knots, size


def _propeller(b: Builder, d: Draw) -> list[str]:
    h, high = _light_hull(d), d.chance(0.5)
    knots, size = _light(b, d, h, high)
    front, root = knots[0][1:3]
    tail_wheel = d.chance(0.3)
    main = front - (0.05 if tail_wheel else 0.6) * root
    third = -h.length / 2 + 0.06 * h.length if tail_wheel else h.length / 2 - 0.45 * h.nose
    track, drop = d.uniform(0.3, 0.42), d.uniform(0.65, 0.9) * size
    add_fixed_gear(b, d, h, main, third, track, drop)
    return ["a high wing" if high else "a low wing", "a tail wheel" if tail_wheel else "a nose wheel"]


def _seaplane(b: Builder, d: Draw) -> list[str]:
    h = _light_hull(d)
    knots, size = _light(b, d, h, d.chance(0.75))
    add_floats(b, d, h, knots[0][1] - 0.3 * knots[0][2], d.uniform(0.34, 0.45), d.uniform(0.8, 1.1) * size)
    return ["two floats"]


def _biplane(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(
        d, radius=(0.068, 0.082), nose=(0.1, 0.16), tail=(0.6, 0.7), blunt=(0.2, 0.3), tip=(0.05, 0.12),
        rise=(0.3, 0.7), droop=(0.0, 0.1), squash=(1.0, 1.2),
    )  # fmt: skip
    paint, nose = _accent(b, d), h.length / 2
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
        hole = Revolution(((0.0, 0.0), (0.6 * h.size(z), 0.0), (0.6 * h.size(z), 0.2), (0.0, 0.2)), segments=20)
        b.add(hole, STRUT, (0, h.top(z) - 0.18, z), material=DARK)
        add_canopy(b, h, (z + 0.12, z + 0.26), 0.1, 0.5 * h.radius, 0.3)
    _empennage(b, d, h, tee=False, size=d.uniform(0.95, 1.15), sweep=(10, 30), paint=paint)
    ring = Revolution(((0, -0.12), (1.1, -0.12), (1.18, 0.02), (1.0, 0.12), (0, 0.12)), segments=24)
    engine = Revolution(tuple((r * h.radius, y) for r, y in ring.profile), segments=24)
    b.add(engine, ENGINE, (0, h.centre(nose), nose - 0.08), FORWARD, DARK)
    add_propeller(b, d, (0, h.centre(nose), nose + 0.05), 0.14 * h.length, 0.035, 2, d.uniform(0, np.pi))
    add_fixed_gear(b, d, h, front - 0.1 * root, -nose + 0.05 * h.length, d.uniform(0.28, 0.36), d.uniform(0.35, 0.45))
    return ["an open cockpit" if cockpits == 1 else "two open cockpits", "two wings"]


def _fighter(b: Builder, d: Draw) -> list[str]:
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
    span = d.uniform(0.27, 0.34) * long
    root, taper, sweep = {
        "delta": (d.uniform(0.42, 0.5) * long, d.uniform(0.05, 0.15), d.uniform(50, 58)),
        "swept": (d.uniform(0.24, 0.3) * long, d.uniform(0.25, 0.4), d.uniform(36, 46)),
        "trapezoid": (d.uniform(0.27, 0.33) * long, d.uniform(0.2, 0.35), d.uniform(30, 38)),
    }[kind]
    back = -nose + d.uniform(0.08, 0.16) * long
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
        b.add(Revolution(tuple(pipe), segments=20), ENGINE, at, FORWARD, DARK)


def _missiles(b: Builder, d: Draw, knots: Sequence[Knot]) -> None:
    """One or two stores under either wing."""
    for share in (0.55, 0.78)[: d.integer(1, 2)]:
        x = share * knots[-1][0]
        front, chord, y = on_wing(knots, x)
        z, size, long = front - 0.4 * chord, d.uniform(0.025, 0.045), d.uniform(0.5, 0.75)
        body = [(0, -long / 2), (0.7 * size, -long / 2), (size, -0.3 * long), (size, 0.3 * long), (0, long / 2)]
        for s in SIDES:
            b.add(Revolution(tuple(body), segments=12), STRUT, (s * x, y - 0.09, z), FORWARD)
            b.box(STRUT, (s * x, y - 0.05, z), (0.02, 0.1, 0.4 * long))


def _glider(b: Builder, d: Draw) -> list[str]:
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
    _empennage(b, d, h, tee=d.chance(0.85), size=d.uniform(0.85, 1.0), sweep=(8, 22))
    if d.chance(0.6):
        z = front - 0.2
        add_leg(b, (0, h.centre(z), z), (0, h.top(z, -1.0) - 0.02, z), 0.05, 0.09)
    return ["long slender wings", "winglets" if tips else "plain tips"]


def _prop_engines(b: Builder, d: Draw, knots: Sequence[Knot], count: int, size: float, paint: Material) -> None:
    """Turboprops at the wing's leading edge, ``count`` in all."""
    span, long = knots[-1][0], size * d.uniform(6.5, 8.5)
    blades, turn, reach = d.integer(3, 6), d.uniform(0, 2), size * d.uniform(2.9, 3.6)
    inner = max(d.uniform(0.28, 0.34), (reach + 0.32) / span)
    for place in (inner,) if count == 2 else (inner, inner + 2.15 * reach / span):
        front, _, y = on_wing(knots, place * span)
        at = np.array([place * span, y - 0.2 * size, front + 0.1 * long])
        for s in SIDES:
            add_nacelle(b, at * (s, 1, 1), size, long, material=paint)
            add_propeller(b, d, at * (s, 1, 1) + (0, 0, 0.5 * long), reach, 0.5 * size, blades, turn, s)


def _turboprop(b: Builder, d: Draw) -> list[str]:
    h = draw_hull(d, radius=(0.048, 0.06), nose=(0.12, 0.17), tail=(0.3, 0.38), blunt=(0.52, 0.62), rise=(0.4, 0.7))
    paint, high = _accent(b, d), d.chance(0.7)
    add_fuselage(b, h)
    span, root = d.uniform(0.48, 0.56) * h.length, d.uniform(0.1, 0.13) * h.length
    at = (d.uniform(0.04, 0.1) * h.length, (0.95 if high else -0.75) * h.radius)
    knots = swept(span, root, d.uniform(0.4, 0.6), d.uniform(1, 6), 1.5 if high else d.uniform(4, 7), at, 0.14)
    add_wing(b, WING, knots)
    _prop_engines(b, d, knots, 2, d.uniform(0.075, 0.1), paint)
    _empennage(b, d, h, tee=d.chance(0.7), size=d.uniform(1.0, 1.1), sweep=(20, 36), paint=paint)
    _cockpit(b, h, d)
    ends = (-h.length / 2 + 0.95 * h.tail, h.length / 2 - 1.2 * h.nose)
    add_portholes(b, h, ends, d.integer(7, 12), 14, d.uniform(0.35, 0.55))
    return ["a high wing" if high else "a low wing", "two propellers"]


def _transport(b: Builder, d: Draw) -> list[str]:
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
        _prop_engines(b, d, knots, count, d.uniform(0.065, 0.08), paint)
    else:
        _wing_jets(b, d, knots, count, h.radius * d.uniform(0.36, 0.46), paint)
    _empennage(b, d, h, tee=not props or d.chance(0.4), size=d.uniform(1.15, 1.3), sweep=(18, 36))
    _cockpit(b, h, d)
    pod, z = h.radius * d.uniform(0.4, 0.5), at[0] - 0.6 * root
    for s in SIDES:
        b.ellipsoid(FUSELAGE, (s * 0.85 * h.radius, -0.75 * h.radius, z), (pod, 0.75 * pod, 0.12 * h.length))
    add_gear(b, h, (1.05 * h.radius, -0.8 * h.radius, z), h.length / 2 - 0.9 * h.nose, 0.14, 0.07)
    return [f"{NUMBERS[count]} {'propellers' if props else 'engines'}", "a high wing"]


# How often each style is drawn, and what builds it and says what it has.
_BUILDERS = {
    "airliner": (0.28, _airliner),
    "regional": (0.08, _regional),
    "business": (0.1, _business),
    "propeller": (0.12, _propeller),
    "biplane": (0.07, _biplane),
    "fighter": (0.16, _fighter),
    "glider": (0.05, _glider),
    "turboprop": (0.06, _turboprop),
    "transport": (0.05, _transport),
    "seaplane": (0.03, _seaplane),
}
STYLES = {style: share for style, (share, _) in _BUILDERS.items()}
