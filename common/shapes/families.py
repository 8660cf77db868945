"""The families of the procedural world, by name."""

from collections.abc import Callable

import numpy as np

from common.shapes.airplane import STYLES as AIRPLANE_STYLES
from common.shapes.airplane import sample_airplane
from common.shapes.car import STYLES as CAR_STYLES
from common.shapes.car import sample_car
from common.shapes.chair import STYLES as CHAIR_STYLES
from common.shapes.chair import sample_chair
from common.shapes.lamp import STYLES as LAMP_STYLES
from common.shapes.lamp import sample_lamp
from common.shapes.shape import Shape
from common.shapes.vase import STYLES as VASE_STYLES
from common.shapes.vase import sample_vase

FAMILIES: dict[str, Callable[..., Shape]] = {
    "chair": sample_chair,
    "vase": sample_vase,
    "lamp": sample_lamp,
    "car": sample_car,
    "airplane": sample_airplane,
}
STYLES: dict[str, dict[str, float]] = {
    "chair": CHAIR_STYLES,
    "vase": VASE_STYLES,
    "lamp": LAMP_STYLES,
    "car": CAR_STYLES,
    "airplane": AIRPLANE_STYLES,
}


def sample_shape(family: str, seed: int, index: int = 0, style: str | None = None) -> Shape:
    """The ``index``-th shape of a family's stream ``seed``: the same arguments give the same shape everywhere.

    Raises:
        KeyError: no such family or style.
    """
    if style is not None and style not in STYLES[family]:
        raise KeyError(f"{family} has no style {style}; it has {', '.join(STYLES[family])}")
    name = [ord(letter) for letter in family]
    return FAMILIES[family](np.random.default_rng([seed, index, *name]), style)
