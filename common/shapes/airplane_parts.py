"""What drives and carries an airplane: jet and piston engines, propellers, landing gear, floats, struts."""

import numpy as np

from common.shapes.airplane_hull import DARK, ENGINE, GEAR, METAL, PROPELLER, SIDES, STRUT, Hull, foil
from common.shapes.build import Builder, rotation_to
from common.shapes.primitives import Loft, Revolution
from common.shapes.randomness import Draw
from common.shapes.shape import Material

FORWARD = rotation_to((0, 0, 1))
RUBBER = Material("rubber", (0.07, 0.07, 0.07))


def turned(profile, segments: int = 20) -> Revolution:
    """A solid of revolution about y, ``profile`` (M, 2) of (radius, y)."""
    return Revolution(tuple((float(max(r, 0.0)), float(y)) for r, y in profile), segments=segments)


def add_jet(b: Builder, at, radius: float, long: float, **more) -> None:
    """A turbofan around ``at`` that looks along +z: an open intake with a fan, and a cone behind."""
    r, back = radius, -0.5 * long
    shell = [(0.0, back), (0.62 * r, back), (0.95 * r, -0.15 * long), (r, 0.2 * long), (0.93 * r, 0.46 * long)]
    shell += [(0.86 * r, 0.5 * long), (0.8 * r, 0.45 * long), (0.8 * r, 0.33 * long), (0.0, 0.33 * long)]
    b.add(turned(shell), ENGINE, at, FORWARD, **more)
    fan = [
        (0, 0.3 * long),
        (0.82 * r, 0.3 * long),
        (0.82 * r, 0.345 * long),
        (0.28 * r, 0.345 * long),
        (0, 0.44 * long),
    ]
    b.add(turned(fan), ENGINE, at, FORWARD, DARK)
    b.add(turned([(0, back - 0.22 * long), (0.4 * r, back + 0.02), (0, back + 0.02)], 16), ENGINE, at, FORWARD, METAL)


def add_nacelle(b: Builder, at, radius: float, long: float, **more) -> None:
    """A closed pod for a turboprop around ``at``, blunt at +z and pointed at the back."""
    r, end = radius, 0.5 * long
    pod = [(0, -end), (0.3 * r, -0.85 * end), (0.75 * r, -0.4 * end), (r, 0.1 * end), (0.92 * r, 0.75 * end)]
    b.add(turned([*pod, (0.55 * r, end), (0, end)]), ENGINE, at, FORWARD, **more)


def add_propeller(
    b: Builder, d: Draw, at, radius: float, hub: float, blades: int, turn: float = 0.0, side: int = 1
) -> None:
    """Blades and spinner in front of ``at``; ``side`` -1 is the mirror image."""
    at = np.asarray(at, float)
    cone = [(0, -0.3 * hub), (hub, -0.3 * hub), (0.92 * hub, 0.5 * hub), (0.6 * hub, 1.2 * hub), (0, 1.7 * hub)]
    b.add(turned(cone, 16), PROPELLER, at, FORWARD, METAL if d.chance(0.5) else DARK)
    chord = d.uniform(0.1, 0.16) * radius
    levels = np.array([0.5 * hub, 0.25 * radius, 0.6 * radius, 0.92 * radius, radius])
    sections = []
    for size, pitch in zip((0.6, 0.9, 1.0, 0.8, 0.45), (60, 45, 28, 20, 18), strict=True):
        c, s = np.cos(np.radians(pitch)), np.sin(np.radians(pitch)) * side
        blade = foil(0.5 * size * chord, size * chord, 0.16) * (side, 1)
        sections.append(tuple(map(tuple, blade @ np.array([[c, s], [-s, c]]))))
    solid = Loft(tuple(map(float, levels)), tuple(sections))
    for k in range(blades):
        a = np.pi / 2 + turn * side + 2 * np.pi * k / blades
        frame = np.array([[-np.sin(a), 0, np.cos(a)], [np.cos(a), 0, np.sin(a)], [0, 1, 0]])
        b.add(solid, PROPELLER, at + (0, 0, 0.3 * hub), frame, DARK)


def add_pylon(b: Builder, start, end, chord: float, thick: float = 0.1, label: int = ENGINE) -> None:
    """A blade of the given chord between two points that differ in y (an upright one) or only in x (a level one)."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    axis = "y" if abs(end[1] - start[1]) > abs(end[0] - start[0]) else "x"
    along, across = (1, 0) if axis == "y" else (0, 1)
    low, high = sorted((start, end), key=lambda p: p[along])
    sections = [foil(p[2] + chord / 2, chord, thick, p[across]) for p in (low, high)]
    sections = [s[:, ::-1] if axis == "y" else s for s in sections]
    b.loft(label, axis, (low[along], high[along]), sections)


def add_leg(b: Builder, head, foot, thick: float, wheel: float, pair: bool = False) -> None:
    """A leg with one wheel at its foot, or two beside it; the foot is the wheel's axle."""
    head, foot = np.asarray(head, float), np.asarray(foot, float)
    width = 0.55 * wheel
    tyre = [(0, -0.5 * width), (0.8 * wheel, -0.5 * width), (wheel, -0.25 * width), (wheel, 0.25 * width)]
    tyre = turned([*tyre, (0.8 * wheel, 0.5 * width), (0, 0.5 * width)], 16)
    b.bar(GEAR, head, foot, thick, material=METAL)
    for s in SIDES if pair else (0,):
        b.add(tyre, GEAR, foot + (s * (0.5 * width + 0.3 * thick), 0, 0), rotation_to((1, 0, 0)), RUBBER)


def add_gear(b: Builder, h: Hull, main: tuple[float, float, float], nose: float, drop: float, wheel: float) -> None:
    """A tricycle: main legs at (x, y of the head, z), a nose leg at z = nose; all reach ``drop`` below the fuselage."""
    low = min(h.top(z, -1.0) for z in (main[2], nose)) - drop + wheel
    thick = 0.45 * wheel
    for s in SIDES:
        add_leg(b, (s * main[0], main[1], main[2]), (s * main[0], low, main[2]), thick, wheel, pair=True)
    add_leg(b, (0, h.centre(nose), nose), (0, low, nose), thick, 0.85 * wheel, pair=True)


def add_fixed_gear(b: Builder, d: Draw, h: Hull, main: float, third: float, track: float, drop: float) -> None:
    """Legs that slant out from the fuselage at z = main, and a third wheel at z = third (a small one at a tail)."""
    wheel = d.uniform(0.07, 0.1)
    low = h.top(main, -1.0) - drop + wheel
    for s in SIDES:
        head = (s * 0.5 * h.size(main), h.top(main, -0.6), main)
        add_leg(b, head, (s * track, low, main + d.uniform(0.0, 0.01)), 0.035, wheel)
    small = 0.5 * wheel if third < main else 0.8 * wheel
    foot = low if third > main else h.top(third, -1.0) - 1.3 * small
    add_leg(b, (0, h.centre(third), third), (0, foot, third), 0.025, small)


def add_floats(b: Builder, d: Draw, h: Hull, main: float, track: float, drop: float) -> None:
    """Two floats under the fuselage, on four struts each."""
    long, wide = h.length * d.uniform(0.62, 0.8), d.uniform(0.1, 0.14)
    low, middle = h.top(main, -1.0) - drop, min(main + 0.08 * long, h.length / 2 - 0.1 - 0.5 * long)
    share = np.array([-0.5, -0.3, -0.02, 0.0, 0.25, 0.4, 0.47, 0.5])
    keel = wide * np.array([0.2, -0.5, -1.1, -1.4, -1.4, -1.0, -0.4, -0.1])
    deck = wide * np.array([0.5, 0.55, 0.6, 0.6, 0.6, 0.6, 0.55, 0.4])
    half = wide * np.array([0.12, 0.6, 0.9, 0.9, 0.85, 0.7, 0.4, 0.1])
    for s in SIDES:
        rings = []
        for k, y, w in zip(keel, deck, half, strict=True):
            ring = [(0, k), (w, 0.45 * k), (w, 0.7 * y), (0.6 * w, y), (-0.6 * w, y), (-w, 0.7 * y), (-w, 0.45 * k)]
            rings.append(np.array(ring) + (s * track, low))
        b.loft(GEAR, "z", middle + share * long, rings)
        for z in (middle - 0.25 * long, middle + 0.14 * long):
            head = (s * 0.5 * h.size(z), h.top(z, -0.6), z)
            b.bar(STRUT, head, (s * track, low, z), 0.025, material=METAL)
            b.bar(STRUT, head, (s * track, low, z - 0.18 * np.sign(z - middle)), 0.02, material=METAL)
    z = middle + 0.14 * long
    b.bar(STRUT, (-track, low + 0.3 * wide, z), (track, low + 0.3 * wide, z), 0.02, material=METAL)


def add_strut_pair(b: Builder, start, end, thick: float = 0.022) -> None:
    """A bar from start to end, and its mirror image."""
    for s in SIDES:
        b.bar(STRUT, np.asarray(start) * (s, 1, 1), np.asarray(end) * (s, 1, 1), thick, material=METAL)
