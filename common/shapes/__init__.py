"""The procedural world: shapes described by labelled analytic parts, and families that sample such descriptions.

From one description (:class:`~common.shapes.shape.Shape`) come its triangle mesh, labelled points of its visible
surface, its signed distance, its occupancy and its caption. ``common.shapes.families`` draws descriptions from a seed.
"""

from common.shapes.families import FAMILIES, sample_shape
from common.shapes.shape import Material, Part, Shape

__all__ = ["FAMILIES", "Material", "Part", "Shape", "sample_shape"]
