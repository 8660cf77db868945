"""Analytic solids: each has a signed distance and a triangle mesh of its own surface, in its own frame.

Signed distances are torch functions of (N, 3) points, negative inside, exact on both sides unless a docstring says
otherwise, differentiable almost everywhere, on the points' device. Meshes are numpy: ``(verts (V, 3), faces (F, 3),
uvs (V, 2))`` with outward, counter-clockwise faces, closed once coincident corners are merged. Corners lie on the
exact surface; facets of curved surfaces lie within it by at most radius * (1 - cos(pi / segments)).
"""

from common.shapes.cut import Cut
from common.shapes.loft import Loft
from common.shapes.primitive import AROUND, MeshArrays, Primitive
from common.shapes.solids import Box, Cone, Ellipsoid, Torus
from common.shapes.superquadric import Superquadric
from common.shapes.swept import Prism, Revolution, Tube

__all__ = [
    "AROUND",
    "Box",
    "Cone",
    "Cut",
    "Ellipsoid",
    "Loft",
    "MeshArrays",
    "Primitive",
    "Prism",
    "Revolution",
    "Superquadric",
    "Torus",
    "Tube",
]
