"""The labels of a chair's parts, and the measures that the parts of one chair agree on.

Lengths are in seat widths. The floor is y = 0, the seat's top y = ``frame.top``, its front edge z = +depth / 2.
"""

from dataclasses import dataclass

import numpy as np

PART_NAMES = ("back", "seat", "leg", "arm", "base", "headrest")
BACK, SEAT, LEG, ARM, BASE, HEADREST = range(6)


@dataclass(frozen=True)
class Frame:
    """The measures that parts of one chair agree on."""

    width: float  # of the seat, x
    depth: float  # of the seat, z
    top: float  # height of the seat's upper side
    thickness: float  # of the seat
    recline: float  # of the back from the vertical, degrees

    @property
    def bottom(self) -> float:
        """Height of the seat's lower side."""
        return self.top - self.thickness

    def on_back(self, x: float, up: float, out: float = 0.0) -> np.ndarray:
        """The point ``up`` along the reclined back from the seat's rear edge, ``out`` behind it."""
        a = np.radians(self.recline)
        return np.array([x, self.top + up * np.cos(a) + out * np.sin(a), -self.depth / 2 - up * np.sin(a) + out * np.cos(a)])
