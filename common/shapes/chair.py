"""The chair family: eleven styles over the parts of ``chair_parts``, with six part labels.

The ranges follow what large collections of chair models show: with the seat one unit wide, seats are 0.7 to 1.3 deep
and, with their frames, 0.1 to 0.7 thick, their tops 0.5 to 1.4 above the floor, backs rise 0.4 to 1.4 above them; two
chairs in five have arms. ``python -m common.shapes.coverage`` measures how well they do.
"""

import numpy as np

from common.shapes import chair_framed, chair_soft
from common.shapes.build import Builder
from common.shapes.chair_parts import PART_NAMES
from common.shapes.randomness import FABRICS, METALS, WOODS, Draw, article
from common.shapes.shape import Shape

STYLES = {
    "dining": 0.35,
    "armchair": 0.24,
    "office": 0.11,
    "stool": 0.04,
    "cantilever": 0.04,
    "tub": 0.05,
    "shell": 0.05,
    "lounge": 0.04,
    "folding": 0.02,
    "rocking": 0.02,
    "plank": 0.04,
}


def sample_chair(generator: np.random.Generator, style: str | None = None) -> Shape:
    """Draw one chair: seat about 1 wide, floor at y = 0, +z its front. Labels: ``PART_NAMES``."""
    d = Draw(generator)
    style = style or d.pick(STYLES)
    b = Builder(d.material(WOODS, WOODS, METALS, FABRICS))
    words = _BUILDERS[style](b, d)
    noun = style if style in ("stool", "armchair") else f"{style} chair"
    caption = f"{article(noun)} {noun} of {b.material.name}"
    if words:
        caption += f" with {', '.join(words[:-1])}{' and ' if len(words) > 1 else ''}{words[-1]}"
    return Shape("chair", style, tuple(b.parts), PART_NAMES, caption)


_BUILDERS = {style: getattr(chair_framed, style, None) or getattr(chair_soft, style) for style in STYLES}
