"""What goes onto the body of a car: wheels, lamps, bumpers, mirrors, screens and seats."""

import numpy as np

from common.shapes.build import Builder, rotation_to
from common.shapes.car_body import (
    BODY,
    BUMPER,
    CABIN,
    DARK,
    GLASS,
    LIGHT,
    MIRROR,
    PROUD,
    RUBBER,
    SEAT,
    TRIM,
    WHEEL,
    WINDOW,
    Frame,
    spread,
)
from common.shapes.primitives import Revolution
from common.shapes.randomness import Draw
from common.shapes.shape import Material

LAMP = Material("clear lamps", (0.88, 0.90, 0.92))
RED_LAMP = Material("red lamps", (0.66, 0.05, 0.06))
ALLOYS = {Material("alloy", (0.70, 0.71, 0.73)): 0.6, Material("dark alloy", (0.28, 0.28, 0.30)): 0.25}
ALLOYS |= {Material("black steel", (0.12, 0.12, 0.13)): 0.15}
SIDES = (1, -1)


def add_wheels(b: Builder, d: Draw, f: Frame) -> None:
    """Four wheels that stand on y = 0."""
    alloy, rim = d.pick(ALLOYS), d.uniform(0.62, 0.74) * f.radius
    hub = d.pick({"spokes": 0.65, "dish": 0.35})
    spokes, blade = d.integer(4, 8), d.uniform(0.12, 0.24)
    for axle in (f.front, f.rear):
        outer = f.side(axle, f.radius) - d.uniform(-0.015, 0.025)
        b.box(TRIM, (0, f.radius, axle), (2 * outer - f.tyre, 0.08, 0.08), material=DARK)
        for s in SIDES:
            at, turn = (s * (outer - f.tyre / 2), f.radius, axle), rotation_to((s, 0, 0))
            b.add(_turned(_tyre(f.radius, rim, f.tyre)), WHEEL, at, turn, RUBBER)
            if hub == "spokes":
                _add_spokes(b, s, at, (0.97 * rim, blade * rim, spokes), f.tyre, alloy)
            else:
                b.add(_turned(_rim(rim, f.tyre)), WHEEL, at, turn, alloy)


def _turned(profile) -> Revolution:
    return Revolution(tuple((float(r), float(y)) for r, y in profile), segments=24)


def _tyre(r: float, rim: float, w: float) -> list:
    outside = [(0.93 * r, 0.5 * w), (1.02 * rim, 0.5 * w), (rim, 0.38 * w), (0, 0.38 * w)]
    return [(0, -0.5 * w), (0.93 * r, -0.5 * w), (r, -0.34 * w), (r, 0.34 * w), *outside]


def _rim(rim: float, w: float) -> list:
    lip = [(0, 0.3 * w), (1.03 * rim, 0.3 * w), (1.03 * rim, 0.515 * w), (0.96 * rim, 0.515 * w)]
    return [*lip, (0.9 * rim, 0.44 * w), (0.5 * rim, 0.52 * w), (0.25 * rim, 0.5 * w), (0, 0.5 * w)]


def _add_spokes(b: Builder, s: int, at, size: tuple[float, float, int], w: float, alloy: Material) -> None:
    """A star over the rim; ``size``: its reach, half the breadth of a spoke, how many spokes."""
    reach, blade, count = size
    star = []
    for k in range(count):
        a, gap = 2 * np.pi * k / count + np.pi / 2, np.pi / count
        tip = np.array([np.cos(a), np.sin(a)])
        across = np.array([-tip[1], tip[0]])
        star += [reach * tip - blade * across, reach * tip + blade * across]
        hollow = max(0.22 * reach, 1.05 * blade / np.sin(gap))
        star.append(hollow * np.array([np.cos(a + gap), np.sin(a + gap)]))
    ends = sorted((at[0] + s * 0.37 * w, at[0] + s * 0.5 * w))
    ring = np.array(star) + (at[2], at[1])
    b.loft(WHEEL, "x", ends, [ring, ring], material=alloy)


def add_band(
    b: Builder, f: Frame, label: int, end: int, reach: float, heights: tuple, inner: float | None, proud=PROUD, **more
) -> None:
    """A skin over the lower nose (``end`` 1) or tail (-1): bumpers and lamps that wrap around the corner.

    Args:
        reach: how far along the sides it goes. heights: lower and upper edge (metres, upper under the body's top).
        inner: the share of the width from which it starts on either side; None for one across.
    """
    half = f.length / 2
    steps = np.array([0.0, 0.3, 0.6, 0.85]) * reach
    levels = spread(np.concatenate([half - reach + steps, [half, half + proud]]), 0.004) * end
    sections = []
    for z in levels:
        at = np.clip(z, -half, half)
        top = f.top(at) - 0.015
        y = np.minimum(np.linspace(*heights, 4), top)
        x = np.array([f.side(at, v) for v in y]) + proud
        start = -x if inner is None else np.minimum(inner * x, x - 0.04)
        sections.append(np.concatenate([np.stack([x, y], 1), np.stack([start, y], 1)[::-1]]))
    sections, levels = (sections, levels) if end > 0 else (sections[::-1], levels[::-1])
    for s in SIDES if inner is not None else (1,):
        b.loft(label, "z", levels, np.array(sections) * (s, 1), **more)


def add_ends(b: Builder, d: Draw, f: Frame, plastic: bool, tall_lamps: bool = False) -> None:
    """Bumpers, lamps, grille and number plates."""
    half = f.length / 2
    bumper = DARK if plastic or d.chance(0.15) else b.material
    bumper_share = d.uniform(0.38, 0.52)
    room = {1: half - f.front - f.arch - 0.02, -1: f.rear + half - f.arch - 0.02}
    for end in (1, -1):
        low, lip = f.floor(end * half) - 0.02, f.top(end * half)
        high = min(bumper_share * (lip - low), 0.3)
        size = (low, low + high)
        add_band(b, f, BUMPER, end, min(0.4, room[end]), size, None, d.uniform(0.02, 0.045), material=bumper)
        b.box(TRIM, (0, low + 0.6 * high, end * (half + 0.035)), (0.5, 0.11, 0.03), material=LAMP)
        lamp = d.uniform(0.1, 0.17)
        drop = d.uniform(0.015, 0.05)
        if end < 0 and tall_lamps:
            lamp, drop = d.uniform(0.25, 0.4), 0.03
        heights = (max(lip - drop - lamp, low + high), lip - drop)
        share = d.uniform(0.45, 0.72) if not (end < 0 and tall_lamps) else d.uniform(0.75, 0.88)
        reach = min(d.uniform(0.16, 0.4), room[end])
        add_band(b, f, LIGHT, end, reach, heights, share, material=LAMP if end > 0 else RED_LAMP)
        if end > 0:
            wide, tall = 2 * share * f.half(half) * d.uniform(0.75, 0.96), heights[1] - low - high
            tall *= d.uniform(0.6, 0.95)
            b.box(TRIM, (0, heights[1] - tall / 2, half), (wide, tall, 0.03), material=DARK)
            for y in np.linspace(-0.25, 0.25, 2) * tall if d.chance(0.5) else (0,):
                b.box(TRIM, (0, heights[1] - tall / 2 + y, half), (wide, 0.02, 0.045), material=LAMP)


def add_mirrors(b: Builder, d: Draw, f: Frame, rise: tuple[float, float] = (0.06, 0.12)) -> None:
    """Two mirrors on short arms at the feet of the windscreen, ``rise`` above the body."""
    z = f.roof[-1, 0] - d.uniform(0.35, 0.55) * (f.roof[-1, 0] - f.screens[1])
    y, high, deep = f.top(z) + d.uniform(*rise), d.uniform(0.06, 0.09), d.uniform(0.05, 0.09)
    x = f.pane(z, y) - 0.05
    wide = d.uniform(0.16, 0.24)
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.stack([np.cos(turn) * deep, np.sin(turn) * high], 1)
    arm = 0.3 * ring - (0, 0.4 * high)
    at = np.array([z, y])
    steps, rings = np.array([0.0, 0.1, 0.11, 0.11 + 0.5 * wide, 0.11 + wide]), [arm, arm, 0.8 * ring, ring, 0.7 * ring]
    material = b.material if d.chance(0.7) else DARK
    b.loft(MIRROR, "x", x + steps, [r + at for r in rings], material=material)
    b.loft(MIRROR, "x", -(x + steps)[::-1], [r + at for r in rings[::-1]], material=material)


def add_doors(b: Builder, d: Draw, f: Frame, places: list[float]) -> None:
    """Handles at the given z, and dark sills."""
    material = b.material if d.chance(0.4) else LAMP if d.chance(0.4) else DARK
    for z in places:
        y = f.top(z) - d.uniform(0.12, 0.13)
        for s in SIDES:
            b.box(TRIM, (s * f.side(z, y), y, z), (0.045, 0.03, 0.17), material=material)
    if d.chance(0.5):
        low, ends = f.clearance, (f.rear + f.arch, f.front - f.arch)
        middle, long = (ends[0] + ends[1]) / 2, ends[1] - ends[0]
        for s in SIDES:
            b.box(TRIM, (s * (f.side(0, low) - 0.03), low + 0.03, middle), (0.12, 0.1, long), material=DARK)


def add_open_screen(b: Builder, d: Draw, f: Frame, height: float) -> None:
    """The windscreen of an open car, in a frame; ``height`` is that of its upper edge over the body."""
    foot = f.roof[-1, 0]
    head = foot - height * d.uniform(1.0, 1.5)
    low, wide, bow = f.top(foot) - 0.05, f.pane(foot, 0.0), d.uniform(0.06, 0.16)
    turn = np.linspace(-1, 1, 9)
    sections = []
    for z, x in ((foot + 0.05, wide), (head, wide - 0.16)):
        front = np.stack([turn * x, z - bow * turn**2], 1)
        sections.append(np.concatenate([front, front[::-1] - (0, 0.035)]))
    b.loft(WINDOW, "y", (low, low + height), sections, material=GLASS)
    for s in SIDES:
        start, stop = (s * wide, low, foot + 0.03 - bow), (s * (wide - 0.16), low + height, head - 0.02 - bow)
        b.bar(CABIN, start, stop, 0.05)
    arc = sections[1] * (1.02, 1) + (0, 0.01)
    b.loft(CABIN, "y", (low + height - 0.03, low + height + 0.02), [arc, arc])


def add_seats(b: Builder, d: Draw, f: Frame, rows: list[float], leather: Material) -> None:
    """Seats in the tub at the given z: cushions, backs and headrests."""
    floor, top = f.tub[2], f.top(0)
    high = top - floor + d.uniform(0.0, 0.12)
    for z in rows:
        for s in SIDES:
            x = s * 0.2 * f.width
            b.box(SEAT, (x, floor + 0.12, z + 0.2), (0.44, 0.3, 0.46), material=leather)
            b.box(SEAT, (x, floor + high / 2 - 0.02, z - 0.06), (0.44, high, 0.13), turn=(-10, 0, 0), material=leather)
            b.box(SEAT, (x, floor + high + 0.05, z - 0.13), (0.24, 0.2, 0.09), turn=(-10, 0, 0), material=leather)


def add_spoiler(b: Builder, d: Draw, f: Frame) -> None:
    """A wing over the tail on two posts."""
    z, rise = f.deck[0, 0] + d.uniform(0.12, 0.25), d.uniform(0.06, 0.26)
    y, wide, chord = f.top(z) + rise, f.half(z) * d.uniform(0.8, 0.98), d.uniform(0.14, 0.26)
    foil = np.array([(0.5, 0.0), (0.2, 0.1), (-0.3, 0.12), (-0.5, 0.16), (-0.5, 0.1), (0.2, -0.04)]) * chord + (z, y)
    b.loft(BODY, "x", (-wide, wide), [foil, foil])
    for s in SIDES:
        b.box(BODY, (s * 0.6 * wide, y - rise / 2 - 0.02, z), (0.03, rise + 0.08, 0.4 * chord))


def add_roof_lip(b: Builder, d: Draw, f: Frame) -> None:
    """A small spoiler over the upper edge of a steep rear window."""
    z = f.screens[0]
    y, wide = float(np.interp(z, *f.roof.T)), f.pane(z, 1.0) * 0.9
    out = d.uniform(0.1, 0.25)
    lip = np.array([(0.12, -0.02), (0.12, 0.02), (-out, -0.01), (-out, -0.035)]) + (z, y + 0.015)
    b.loft(CABIN, "x", (-wide, wide), [lip, lip])


def add_roof_rails(b: Builder, f: Frame, material: Material) -> None:
    """Two bars along the roof on feet."""
    ends = (f.screens[0] + 0.1, f.screens[1] - 0.1)
    for s in SIDES:
        tops = [
            np.array([s * (f.pane(z, float(np.interp(z, *f.roof.T))) - 0.1), np.interp(z, *f.roof.T) + 0.06, z])
            for z in ends
        ]
        b.bar(TRIM, *tops, 0.035, material=material)
        for top in tops:
            b.box(TRIM, top - (0, 0.04, 0), (0.035, 0.09, 0.1), material=material)


def add_pipes(b: Builder, d: Draw, f: Frame) -> None:
    """Exhausts under the tail: two, or one in the middle."""
    x, y, z = d.uniform(0.25, 0.36) * f.width, f.floor(-f.length / 2) + 0.02, -f.length / 2
    for s in SIDES if d.chance(0.8) else (0,):
        b.rod(TRIM, (s * x, y, z + 0.25), (s * x, y, z - 0.06), 0.035, material=DARK)
