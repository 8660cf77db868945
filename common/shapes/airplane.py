"""The airplane family: ten styles over the parts of ``airplane_hull`` and ``airplane_parts``, all about 4 long."""

import numpy as np

from common.shapes import airplane_jets, airplane_props
from common.shapes.airplane_hull import PART_NAMES
from common.shapes.build import Builder
from common.shapes.randomness import LIVERIES, Draw, article
from common.shapes.shape import Shape

STYLES = {
    "airliner": 0.28,
    "regional": 0.08,
    "business": 0.1,
    "propeller": 0.12,
    "biplane": 0.07,
    "fighter": 0.16,
    "glider": 0.05,
    "turboprop": 0.06,
    "transport": 0.05,
    "seaplane": 0.03,
}
_NOUNS = {"regional": "regional jet", "business": "business jet", "propeller": "propeller airplane"}
_NOUNS |= {"fighter": "fighter jet", "transport": "transport airplane"}


def sample_airplane(generator: np.random.Generator, style: str | None = None) -> Shape:
    """Draw one airplane: about 4 long, +z its nose, the axis of its fuselage near y = 0. Labels: ``PART_NAMES``."""
    d = Draw(generator)
    style = style or d.pick(STYLES)
    b = Builder(d.material(LIVERIES))
    words = _BUILDERS[style](b, d)
    noun = _NOUNS.get(style, style)
    caption = f"{article(noun)} {noun} in {b.material.name} with {', '.join(words[:-1])}"
    caption += f"{' and ' if len(words) > 1 else ''}{words[-1]}"
    return Shape("airplane", style, tuple(b.parts), PART_NAMES, caption)


_BUILDERS = {style: getattr(airplane_jets, style, None) or getattr(airplane_props, style) for style in STYLES}
