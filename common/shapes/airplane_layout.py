"""Groups of parts that several styles of airplane share: tails, cockpit windows, engines on wings and fuselages."""

from collections.abc import Sequence

import numpy as np

from common.shapes.airplane_hull import (
    SIDES,
    TAIL,
    Hull,
    Knot,
    add_fin,
    add_patch,
    add_wing,
    on_wing,
    swept,
)
from common.shapes.airplane_parts import add_jet, add_nacelle, add_propeller, add_pylon
from common.shapes.build import Builder
from common.shapes.randomness import LIVERIES, Draw
from common.shapes.shape import Material


def accent(b: Builder, d: Draw) -> Material:
    """What tails and engines are painted in: mostly the colour of all, at times another."""
    return d.material(LIVERIES) if d.chance(0.4) else b.material


def add_empennage(
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


def add_cockpit(b: Builder, h: Hull, d: Draw) -> None:
    """The pilots' windows around the nose."""
    nose = h.length / 2
    add_patch(b, h, (nose - d.uniform(0.48, 0.56) * h.nose, nose - d.uniform(0.28, 0.34) * h.nose), (22, 158))


def add_wing_jets(b: Builder, d: Draw, knots: Sequence[Knot], count: int, radius: float, paint: Material) -> None:
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


def add_rear_jets(b: Builder, d: Draw, h: Hull, radius: float, z: float, paint: Material) -> None:
    """Two turbofans beside the fuselage, on short level pylons."""
    long = radius * d.uniform(3.2, 4.2)
    x, y = h.size(z) + radius * d.uniform(1.05, 1.3), h.top(z, d.uniform(0.25, 0.5))
    for s in SIDES:
        add_jet(b, (s * x, y, z), radius, long, material=paint)
        add_pylon(b, (0, y, z - 0.05 * long), (s * (x - 0.6 * radius), y, z - 0.05 * long), 0.6 * long)


def add_prop_engines(b: Builder, d: Draw, knots: Sequence[Knot], count: int, size: float, paint: Material) -> None:
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
