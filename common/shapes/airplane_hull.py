"""The lifting and the carrying parts of an airplane: fuselage, windows, wings, fins. Lengths in shape units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.shapes.build import Builder
from common.shapes.randomness import Draw
from common.shapes.shape import Material

PART_NAMES = ("fuselage", "wing", "tail", "engine", "propeller", "window", "gear", "strut")
FUSELAGE, WING, TAIL, ENGINE, PROPELLER, WINDOW, GEAR, STRUT = range(len(PART_NAMES))
GLASS = Material("dark glass", (0.10, 0.13, 0.18))
DARK = Material("black metal", (0.11, 0.11, 0.12))
METAL = Material("steel", (0.60, 0.62, 0.65))
AROUND = 20  # corners of a fuselage's sections
SIDES = (1, -1)

Knot = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Hull:
    """A fuselage along z, from the tail at -length / 2 to the nose at length / 2; its straight part has y = 0.

    Attributes:
        radius: half the width. squash: height over width.
        nose, tail: lengths over which the ends taper. blunt: 0.5 round to 1 pointed. tip: the tail's last radius,
            as a share. rise: how far the tail's end lies above the axis, droop: the nose's below it, in radii.
    """

    length: float
    radius: float
    squash: float
    nose: float
    tail: float
    blunt: float
    tip: float
    rise: float
    droop: float

    def size(self, z: float) -> float:
        """Half the width at z."""
        ahead = np.clip((self.length / 2 - z) / self.nose, 0.0, 1.0)
        behind = np.clip((z + self.length / 2) / self.tail, 0.0, 1.0)
        front = 0.04 + 0.96 * (1 - (1 - ahead) ** 2) ** self.blunt
        return self.radius * front * (self.tip + (1 - self.tip) * (1 - (1 - behind) ** 1.7))

    def centre(self, z: float) -> float:
        """y of the middle at z."""
        ahead = np.clip((self.length / 2 - z) / self.nose, 0.0, 1.0)
        behind = np.clip((z + self.length / 2) / self.tail, 0.0, 1.0)
        return self.radius * (self.rise * (1 - behind) ** 1.7 - self.droop * (1 - ahead) ** 2)

    def at(self, z: float, angles, share=1.0) -> np.ndarray:
        """Points (N, 2) of (x, y) at angles (N,) (radians from +x to +y) of the section at z, its radii scaled."""
        r = self.size(z) * np.asarray(share)
        return np.stack([r * np.cos(angles), self.centre(z) + r * self.squash * np.sin(angles)], -1)

    def top(self, z: float, share: float = 1.0) -> float:
        """y of the upper edge (-1: of the lower one) at z."""
        return self.centre(z) + share * self.size(z) * self.squash


def draw_hull(d: Draw, **ranges: tuple[float, float]) -> Hull:
    """Draw a fuselage; radius, nose and tail are given as shares of its length, which is about 4."""
    v = {"length": (3.6, 4.4), "squash": (0.95, 1.12), "tip": (0.08, 0.2), "rise": (0.2, 0.5), "droop": (0.05, 0.25)}
    v = {name: d.uniform(*ends) for name, ends in (v | ranges).items()}
    return Hull(**v | {name: v[name] * v["length"] for name in ("radius", "nose", "tail")})


def add_fuselage(b: Builder, h: Hull, **more) -> None:
    """The tube itself."""
    half, turn = h.length / 2, np.linspace(0, 2 * np.pi, AROUND + 1)[:-1]
    nose = half - h.nose * np.array([0.0, 0.02, 0.08, 0.2, 0.36, 0.55, 0.77, 1.0])
    tail = h.tail * np.array([0.0, 0.12, 0.3, 0.5, 0.72, 1.0]) - half
    levels = np.unique(np.concatenate([nose, tail[tail < nose[-1] - 0.01]]))
    b.loft(FUSELAGE, "z", levels, [h.at(z, turn) for z in levels], **more)


def add_patch(
    b: Builder, h: Hull, ends: tuple[float, float], angles: tuple[float, float], proud: float = 0.015
) -> None:
    """A dark pane over the fuselage from z = ends[0] to ends[1], between two angles in degrees."""
    turn = np.radians(np.linspace(*angles, 7))
    levels = np.linspace(*ends, 5)
    sections = [np.concatenate([h.at(z, turn, 1 + proud), h.at(z, turn[::-1], 0.9)]) for z in levels]
    b.loft(WINDOW, "z", levels, sections, material=GLASS)


def add_portholes(b: Builder, h: Hull, ends: tuple[float, float], count: int, angle: float, share: float) -> None:
    """A row of cabin windows on either side; each takes ``share`` of its room along the row.

    They are one strip a side: it stands out of the skin at the windows and is sunk into it between them.
    """
    step = (ends[1] - ends[0]) / count
    starts = ends[0] + step * np.arange(count)
    edge = 0.04 * step
    levels = np.stack([starts, starts + edge, starts + share * step - edge, starts + share * step], 1).ravel()
    turn = np.radians([angle - 4.5, angle + 4.5])
    for s in SIDES:
        sections = []
        for number, z in enumerate(levels):
            outer = 1.012 if number % 4 in (1, 2) else 0.96
            sections.append(np.concatenate([h.at(z, turn, outer), h.at(z, turn[::-1], 0.9)]) * (s, 1))
        b.loft(WINDOW, "z", levels, sections, material=GLASS)


def add_canopy(b: Builder, h: Hull, ends: tuple[float, float], high: float, wide: float, peak: float = 0.6) -> None:
    """A bubble of glass on the fuselage from z = ends[0] to ends[1], highest at the share ``peak`` of its length."""
    share = np.array([0.0, 0.08, 0.25, 0.45, 0.65, 0.82, 0.94, 1.0])
    levels = ends[0] + share * (ends[1] - ends[0])
    swell = np.where(share < peak, share / peak, (1 - share) / (1 - peak))
    swell = np.sqrt(1 - (1 - swell) ** 2) * 0.98 + 0.02
    turn = np.linspace(-0.35, np.pi + 0.35, 11)
    sections = []
    for z, s in zip(levels, swell, strict=True):
        base = h.top(z, 0.75)
        size = min(wide, 0.98 * h.size(z)) * (0.35 + 0.65 * s)
        rise = (h.top(z) - base) * 0.9 + high * s
        sections.append(np.stack([size * np.cos(turn), base + rise * np.sin(turn)], 1))
    b.loft(WINDOW, "z", levels, sections, material=GLASS)


_ALONG = np.array([0.0, 0.03, 0.13, 0.34, 0.65])  # of the chord, from the leading edge
_HALF = 5 * (0.2969 * _ALONG**0.5 - 0.126 * _ALONG - 0.3516 * _ALONG**2 + 0.2843 * _ALONG**3 - 0.1036 * _ALONG**4)


def foil(front: float, chord: float, thick: float, at: float = 0.0, camber: float = 0.0) -> np.ndarray:
    """The section (11, 2) of a wing, (z, across): its leading edge at z = front, ``thick`` as a share of the chord."""
    z = front - chord * np.concatenate([_ALONG, [1.0, 1.0], _ALONG[:0:-1]])
    half = np.concatenate([_HALF * (1 + camber), [0.05, -0.05], -_HALF[:0:-1] * (1 - camber)])
    return np.stack([z, at + thick * chord * half], 1)


def add_wing(b: Builder, label: int, knots: Sequence[Knot], camber: float = 0.25, **more) -> None:
    """A wing through both sides at once; knots (x, z of the leading edge, chord, y, thickness) from x = 0 outwards."""
    right = [(x, foil(z, chord, thick, y, camber)) for x, z, chord, y, thick in knots]
    both = [(-x, section) for x, section in right[:0:-1]] + right
    b.loft(label, "x", [x for x, _ in both], [section for _, section in both], **more)


def add_fin(b: Builder, knots: Sequence[tuple[float, float, float, float]], x: float = 0.0, lean: float = 0.0, **more):
    """An upright fin at x; knots (y, z of the leading edge, chord, thickness) from below; ``lean``: x by height."""
    base = knots[0][0]
    sections = [foil(z, chord, thick, x + lean * (y - base))[:, ::-1] for y, z, chord, thick in knots]
    b.loft(TAIL, "y", [knot[0] for knot in knots], sections, **more)


def swept(
    span: float, root: float, taper: float, sweep: float, dihedral: float, at: tuple[float, float], thick: float
) -> list[Knot]:
    """Knots of a straight wing: half its span, root chord, tip over root, degrees of sweep (of the leading edge) and
    of dihedral, (z of the leading edge at the root, y)."""
    back, up = np.tan(np.radians(sweep)), np.tan(np.radians(dihedral))
    shares = (0.0, 0.5, 0.97, 1.0)
    chords = [root * (1 + (taper - 1) * s) * (0.8 if s == 1 else 1) for s in shares]
    return [
        (s * span, at[0] - s * span * back - (0.1 * chord if s == 1 else 0), chord, at[1] + s * span * up, thick)
        for s, chord in zip(shares, chords, strict=True)
    ]


def with_winglet(knots: list[Knot], high: float, cant: float) -> list[Knot]:
    """The knots with a winglet ``high`` tall at the tip, ``cant`` its reach outwards over its height."""
    x, z, chord, y, thick = knots[-2]
    bent = (x + 0.25 * cant * high, z - 0.25 * chord, 0.72 * chord, y + 0.12 * high, thick)
    return [*knots[:-1], bent, (x + (0.25 + cant) * high, z - 0.9 * chord, 0.35 * chord, y + high, thick)]


def kinked(knots: list[Knot], share: float, more: float) -> list[Knot]:
    """The knots with a deeper root: its trailing edge runs straight out to ``share`` of the span, then bends."""
    x0, z0, c0, y0, t0 = knots[0]
    part = [a + share * (b - a) for a, b in zip(knots[0], knots[2], strict=True)]
    return [(x0, z0, c0 + more, y0, t0), tuple(part), *knots[2:]]


def on_wing(knots: Sequence[Knot], x: float) -> tuple[float, float, float]:
    """(z of the leading edge, chord, y) of a wing at x."""
    table = np.array(knots)
    return tuple(float(np.interp(x, table[:, 0], table[:, k])) for k in (1, 2, 3))
