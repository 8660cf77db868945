"""Draws that the families share, and the materials that parts are made of."""

import numpy as np

from common.shapes.shape import Material

WOODS = (("oak", (0.72, 0.53, 0.33)), ("walnut", (0.40, 0.26, 0.16)), ("pine", (0.86, 0.70, 0.45)))
METALS = (("steel", (0.62, 0.64, 0.67)), ("brass", (0.78, 0.62, 0.28)), ("black metal", (0.12, 0.12, 0.13)))
FABRICS = (
    ("red fabric", (0.70, 0.16, 0.15)),
    ("blue fabric", (0.17, 0.30, 0.58)),
    ("grey fabric", (0.55, 0.55, 0.56)),
    ("green fabric", (0.20, 0.45, 0.28)),
    ("leather", (0.35, 0.20, 0.12)),
)
CERAMICS = (
    ("white porcelain", (0.93, 0.92, 0.88)),
    ("terracotta", (0.74, 0.38, 0.24)),
    ("blue glaze", (0.13, 0.31, 0.62)),
    ("celadon", (0.58, 0.72, 0.60)),
    ("glass", (0.70, 0.84, 0.86)),
)
SHADES = (("linen", (0.93, 0.88, 0.76)), ("white paper", (0.97, 0.96, 0.93)), ("amber glass", (0.87, 0.60, 0.22)))
PAINTS = (
    ("white paint", (0.92, 0.92, 0.91)),
    ("silver paint", (0.72, 0.74, 0.76)),
    ("grey paint", (0.40, 0.42, 0.44)),
    ("black paint", (0.10, 0.10, 0.11)),
    ("red paint", (0.68, 0.09, 0.09)),
    ("blue paint", (0.12, 0.26, 0.56)),
    ("green paint", (0.13, 0.34, 0.22)),
    ("yellow paint", (0.93, 0.74, 0.13)),
    ("orange paint", (0.88, 0.42, 0.10)),
    ("beige paint", (0.80, 0.73, 0.60)),
)
LIVERIES = (
    ("white paint", (0.93, 0.93, 0.93)),
    ("white paint", (0.93, 0.93, 0.93)),
    ("bare aluminium", (0.76, 0.78, 0.80)),
    ("grey paint", (0.52, 0.55, 0.58)),
    ("olive paint", (0.36, 0.39, 0.26)),
    ("red paint", (0.74, 0.12, 0.11)),
    ("blue paint", (0.14, 0.30, 0.60)),
    ("yellow paint", (0.94, 0.77, 0.16)),
)


class Draw:
    """A seeded source of the draws that families make."""

    def __init__(self, generator: np.random.Generator):
        self.generator = generator

    def uniform(self, low: float, high: float) -> float:
        """A number evenly between low and high."""
        return float(self.generator.uniform(low, high))

    def around(self, median: float, spread: float, low: float, high: float) -> float:
        """A log-normal number with the given median and log-spread, drawn again until it lies in [low, high]."""
        while True:
            value = median * float(np.exp(spread * self.generator.standard_normal()))
            if low <= value <= high:
                return value

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self.generator.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return bool(self.generator.random() < probability)

    def pick(self, options: dict):
        """One key of ``options``, with probability in proportion to its value."""
        keys, weights = list(options), np.array(list(options.values()), float)
        return keys[int(self.generator.choice(len(keys), p=weights / weights.sum()))]

    def material(self, *groups: tuple) -> Material:
        """A material of one of the groups, its colour a little varied."""
        group = groups[self.integer(0, len(groups) - 1)]
        name, color = group[self.integer(0, len(group) - 1)]
        varied = np.clip(np.array(color) + self.generator.normal(0, 0.03, 3), 0, 1)
        return Material(name, tuple(float(c) for c in varied))


def article(noun: str) -> str:
    """ "a" or "an", whichever goes before the noun."""
    return "an" if noun[0] in "aeiou" else "a"
