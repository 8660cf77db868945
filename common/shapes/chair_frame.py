"""The labels of a chair's parts, and the measures that the parts of one chair agree on.

Lengths are in seat widths. The floor is y = 0, the seat's top y = ``frame.top``, its front edge z = +depth / 2.
"""

from dataclasses import dataclass

import numpy as np

from common.shapes.randomness import Draw

PART_NAMES = ("back", "seat", "leg", "arm", "base", "headrest")
BACK, SEAT, LEG, ARM, BASE, HEADREST = range(6)


@dataclass(frozen=True)
class Frame:
    """The measures that parts of one chair agree on."""

    width: float  # of the seat, x, at its front edge
    depth: float  # of the seat, z
    top: float  # height of the seat's upper side
    thickness: float  # of the seat
    recline: float  # of the back from the vertical, degrees
    rear: float = 1.0  # width of the seat's rear edge, as a share of its front edge
    back: float = 1.0  # width of the back
    inset: float = 0.0  # how far in front of the seat's rear edge the back stands

    @property
    def bottom(self) -> float:
        """Height of the seat's lower side."""
        return self.top - self.thickness

    def half(self, z: float) -> float:
        """Half the seat's width at depth ``z``."""
        behind = np.clip(0.5 - z / self.depth, 0.0, 1.0)
        return float(0.5 * self.width * (1 + (self.rear - 1) * behind))

    def on_back(self, x: float, up: float, out: float = 0.0) -> np.ndarray:
        """The point ``up`` along the reclined back from where it meets the seat, ``out`` in front of its rear side."""
        a = np.radians(self.recline)
        rise, forward = up * np.cos(a) + out * np.sin(a), out * np.cos(a) - up * np.sin(a)
        return np.array([x, self.top + rise, forward - self.depth / 2 + self.inset])


def draw_frame(
    d: Draw, top: float = 1.0, thickness: float = 0.14, recline: tuple[float, float] = (0, 16), rear: float = 1.0
) -> Frame:
    """Draw the measures of a chair; ``top`` and ``thickness`` are medians, ``recline`` a range."""
    top = d.around(top, 0.22, 0.42, 1.6)
    depth = d.around(0.98, 0.15, 0.68, 1.45)
    return Frame(
        width=1.0,
        depth=depth,
        top=top,
        thickness=min(d.around(thickness, 0.5, 0.05, 0.45), 0.45 * top),
        recline=d.uniform(*recline),
        rear=rear,
        back=rear * (d.uniform(0.96, 1.06) if d.chance(0.85) else d.uniform(0.8, 0.96)),
        inset=d.uniform(0.0, 0.15) * depth if d.chance(0.3) else 0.0,
    )
