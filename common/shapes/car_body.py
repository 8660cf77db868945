"""The body of a car: its lines along the length, and the solids that are drawn through them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.shapes.build import Builder, filleted
from common.shapes.randomness import Draw
from common.shapes.shape import Material

PART_NAMES = ("body", "cabin", "window", "wheel", "light", "bumper", "mirror", "trim", "seat")
BODY, CABIN, WINDOW, WHEEL, LIGHT, BUMPER, MIRROR, TRIM, SEAT = range(len(PART_NAMES))
GLASS = Material("dark glass", (0.10, 0.13, 0.17))
DARK = Material("dark plastic", (0.13, 0.13, 0.14))
RUBBER = Material("rubber", (0.07, 0.07, 0.07))

PROUD = 0.012  # how far painted frames stand out from the glass, and lamps from the body, metres
# The side of a section from the sill up: shares of its height, and of its half-width (the last is Frame.shoulder).
RISE = np.array([0.0, 0.1, 0.28, 0.52, 0.74, 0.92, 1.0])
BULGE = np.array([0.93, 0.965, 0.99, 1.0, 0.985, 0.955])


@dataclass(frozen=True)
class Frame:
    """Main dimensions of a car in metres: it runs from the tail at z = -length / 2 to the nose at length / 2.

    Attributes:
        radius, tyre: of a wheel, and its width. front, rear: z of the axles. arch: radius of the wheel arches.
        deck: (M, 2) of (z, y), from tail to nose: the top of the body under the cabin.
        roof: (M, 2) likewise, from the foot of the rear window to that of the windscreen: the top of the cabin.
        screens: z of the upper edges of the rear window and of the windscreen.
        tapers: share of the width that is lost at tail and nose. blend: length over which it is.
        shoulder: share of the half-width at which the cabin stands. tumble: how far its sides lean in, by height.
        fender: how far the edges of the body rise over the axles. crown: of roof and bonnet.
        tub: (rear end, front end, floor) of an open bed or cockpit.
    """

    length: float
    width: float
    radius: float
    tyre: float
    arch: float
    clearance: float
    front: float
    rear: float
    deck: np.ndarray
    roof: np.ndarray
    screens: tuple[float, float]
    tapers: tuple[float, float]
    blend: float
    shoulder: float
    tumble: float
    fender: float
    crown: float
    tub: tuple[float, float, float] | None = None

    def end(self, z: float) -> float:
        """How far z lies within the tapered end: 0 at its start, 1 at nose or tail."""
        return float(np.clip((abs(z) - self.length / 2 + self.blend) / self.blend, 0, 1))

    def half(self, z: float) -> float:
        """Half the body's width."""
        taper = self.tapers[int(z > 0)]
        return self.width / 2 * (1 - taper * (1 - (1 - self.end(z) ** 2.4) ** (1 / 2.4)))

    def floor(self, z: float) -> float:
        """The body's lower edge."""
        return self.clearance + 0.07 * self.end(z) ** 2

    def top(self, z: float) -> float:
        """The body's upper edge, cabin left out."""
        return float(np.interp(z, *self.deck.T))

    def side(self, z: float, y: float) -> float:
        """x of the body's side."""
        low, high = self.floor(z), self.top(z)
        return self.half(z) * float(np.interp((y - low) / (high - low), RISE, [*BULGE, self.shoulder]))

    def pane(self, z: float, y: float) -> float:
        """x of the cabin's side."""
        return self.shoulder * self.half(z) - PROUD - self.tumble * max(y - self.top(z), 0.0)


def add_body(b: Builder, f: Frame) -> None:
    """The painted hull with its wheel wells, and an open tub where there is one."""
    half = f.length / 2
    ends = f.blend * np.array([0.0, 0.4, 0.7, 0.9, 1.0])
    levels = [half - f.blend + ends, f.blend - half - ends, f.deck[:, 0]]
    for axle in (f.front, f.rear):
        turn = np.linspace(0, np.pi, 9)
        levels += [axle + f.arch * np.cos(turn), np.array([axle - f.arch - 0.004, axle + f.arch + 0.004])]
    if f.tub:
        levels.append(np.array([f.tub[0], f.tub[0] + 0.01, f.tub[1] - 0.01, f.tub[1]]))
    levels = spread(np.concatenate(levels), 0.003)
    b.loft(BODY, "z", levels, [_hull_section(f, z) for z in levels])


def spread(levels: np.ndarray, least: float) -> np.ndarray:
    """The levels sorted, without those closer than ``least`` to the one before; both ends stay."""
    levels = np.sort(levels)
    kept = levels[np.concatenate([[True], np.diff(levels) > least])]
    kept[-1] = levels[-1]
    return kept


def mirrored(half: Sequence) -> np.ndarray:
    """A closed section (2 K, 2) from its half (K, 2) at x > 0, from the bottom up."""
    half = np.asarray(half, float)
    return np.concatenate([half, half[::-1] * (-1, 1)])


def _hull_section(f: Frame, z: float) -> np.ndarray:
    low, high, width = f.floor(z), f.top(z), f.half(z)
    arch = low
    for axle in (f.front, f.rear):
        if abs(z - axle) < f.arch:
            arch = max(arch, min(f.radius + np.sqrt(f.arch**2 - (z - axle) ** 2), high - 0.07))
    inner = min(f.width / 2 - f.tyre - 0.09, 0.88 * width)
    rim, tub = f.shoulder * width, high
    if f.tub and f.tub[0] < z < f.tub[1]:
        tub = f.tub[2]
    edge = high + f.fender * sum(np.exp(-(((z - axle) / (1.2 * f.radius)) ** 2)) for axle in (f.front, f.rear))
    y = np.maximum(low + RISE[:-1] * (high - low), arch)
    inside = 0.84 * rim
    crown = f.crown if tub == high else 0.0
    top = [(rim, edge), (inside, high), (inside, tub)]
    return mirrored(
        [(inner, low), (inner, arch), *zip(BULGE * width, y, strict=True), *top, (0.5 * inside, tub + crown)]
    )


def _cabin_edge(f: Frame, z: float) -> tuple[float, float, float, float]:
    """Of the section at z: its top, its rounding, x where the rounding starts and where it ends."""
    high = float(np.interp(z, *f.roof.T))
    r = min(0.09, 0.4 * (high - f.top(z) + 0.1))
    x = f.pane(z, high - r)
    return high, r, x, x - 0.9 * r


def _cabin_levels(f: Frame, start: float, stop: float) -> np.ndarray:
    between = f.roof[(f.roof[:, 0] > start) & (f.roof[:, 0] < stop), 0]
    return spread(np.concatenate([[start], between, [stop], np.linspace(start, stop, 5)[1:-1]]), 0.01)


def add_glass(b: Builder, f: Frame) -> None:
    """The cabin as one block of dark glass; roof and pillars go over it."""
    levels = _cabin_levels(f, f.roof[0, 0], f.roof[-1, 0])
    sections = []
    for z in levels:
        high, r, x, inner = _cabin_edge(f, z)
        base = f.top(z)
        foot = [(f.pane(z, base), base - 0.1), (f.pane(z, base), min(base, high - 1.01 * r))]
        sections.append(
            mirrored([*foot, (x, high - r), (x - 0.26 * r, high - 0.3 * r), (inner, high), _crest(f, inner, high)])
        )
    b.loft(WINDOW, "z", levels, sections, material=GLASS)


def _crest(f: Frame, inner: float, high: float) -> tuple[float, float]:
    return 0.5 * inner, high + f.crown


def add_roof(b: Builder, f: Frame, rail: float, ends: Sequence[float] | None = None, **more) -> None:
    """The painted top between the upper edges of windscreen and rear window; its edge is ``rail`` deep."""
    start, stop = ends or f.screens
    levels = _cabin_levels(f, start - 0.03, stop + 0.03)
    sections = []
    for z in levels:
        high, r, x, inner = _cabin_edge(f, z)
        low = min(high - rail, high - 1.05 * r)
        edge = [(f.pane(z, low) + PROUD, low), (x + PROUD, high - r), (x - 0.26 * r + PROUD, high - 0.3 * r + PROUD)]
        crest = _crest(f, inner, high)
        sections.append(mirrored([*edge, (inner, high + PROUD), (crest[0], crest[1] + PROUD)]))
    b.loft(CABIN, "z", levels, sections, **more)


def add_pillars(b: Builder, f: Frame, depths: Sequence[tuple[float, float]], width: float, **more) -> None:
    """Painted strips along both upper edges of the cabin.

    Args:
        depths: knots (z, depth) from the rear end to the front end: how far down the side the strips reach; more than
            the cabin is high is down to the body.
        width: how far over the top they reach, inwards from its rounded edge.
    """
    knots = np.asarray(depths, float)
    levels = _cabin_levels(f, knots[0, 0], knots[-1, 0])
    sections = []
    for z in levels:
        high, r, x, inner = _cabin_edge(f, z)
        low = min(max(high - np.interp(z, *knots.T), f.top(z) - 0.09), high - 1.05 * r)
        outer = [
            (f.pane(z, low) + PROUD, low),
            (f.pane(z, max(low, f.top(z) - 1e-3)) + PROUD, max(low, f.top(z) - 1e-3)),
        ]
        outer[1] = outer[1] if outer[1][1] < high - 1.02 * r else outer[0]
        edge = [(x + PROUD, high - r), (x - 0.26 * r + PROUD, high - 0.3 * r + PROUD), (inner, high + PROUD)]
        reach = max(inner - width, 0.02)
        rise = f.crown * min(1.0, (inner - reach) / (0.5 * inner))
        sections.append(np.array([*outer, *edge, (reach, high + rise + PROUD), (reach, low)]))
    for s in (1, -1):
        b.loft(CABIN, "z", levels, np.array(sections) * (s, 1), **more)


def draw_frame(d: Draw, ranges: dict[str, tuple[float, float]]) -> Frame:
    """Draw the dimensions of a car from its style's ranges (metres; heights of belt, nose and tail as shares)."""
    v = {name: d.uniform(*ends) for name, ends in ranges.items()}
    half, belt = v["length"] / 2, v["belt"] * v["height"]
    cowl, foot = half - v["hood"], v["deck"] - half
    radius, nose, tail = v["radius"], v["nose"] * belt, v["tail"] * belt
    face, drop = d.uniform(0.06, 0.16), d.uniform(0.1, 0.3) * (nose - v["clearance"])
    back = d.uniform(0.05, 0.1) if v["deck"] < 0.2 else d.uniform(0.06, 0.16)
    deck = [(-half, tail - d.uniform(0.06, 0.16)), (back - half, tail), (max(foot, 2 * back - half), max(tail, belt))]
    deck += [
        (cowl, belt),
        (half - face - 0.25, 0.35 * belt + 0.65 * nose + 0.03),
        (half - face, nose),
        (half, nose - drop),
    ]
    if deck[2][0] - deck[1][0] < 0.25:
        del deck[2]
    high = v["height"] - v.get("crown", 0.035)
    screens = (foot + v["back"], cowl - v["screen"])
    sag = d.uniform(0.02, 0.07)
    crest = screens[1] + (screens[0] - screens[1]) * d.uniform(0.25, 0.6)
    roof = [(foot, float(np.interp(foot, *np.transpose(deck)))), (screens[0], high - sag * v.get("slope", 1.0))]
    roof += [(crest, high), (screens[1], high - sag * 0.7), (cowl, belt)]
    front = half - v["overhang"]
    arch = radius * d.uniform(1.1, 1.18)
    return Frame(
        v["length"],
        v["width"],
        radius,
        d.uniform(0.18, 0.26),
        arch,
        v["clearance"],
        front,
        max(front - v["base"] * v["length"], -half + arch + 0.15),
        filleted(deck, 0.12),
        filleted(roof, d.uniform(0.12, 0.25)),
        screens,
        (v["tail_taper"], d.uniform(0.28, 0.42)),
        d.uniform(0.5, 0.8),
        d.uniform(0.87, 0.92),
        v["tumble"],
        v.get("fender", 0.0),
        d.uniform(0.015, 0.035),
    )
