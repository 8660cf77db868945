"""Smoothing without shrinkage (Taubin, "Curve and surface smoothing without shrinkage", ICCV 1995)."""

import torch
from torch.nn import functional as F

from .graph_conv import neighbour_sums
from .meshes import Meshes

__all__ = ["taubin_smoothing"]


def taubin_smoothing(meshes: Meshes, lambd: float = 0.53, mu: float = -0.53, num_iter: int = 10) -> Meshes:
    """Moves vertices `num_iter` times by `lambd` (> 0), then by `mu` (< 0), of the way to their neighbours' mean.

    Neighbours are weighted by one over their distance. Vertices without edges stay; textures are kept.
    """
    verts, (start, end) = meshes.verts_packed(), meshes.edges_packed().unbind(1)
    for step in (lambd, mu) * num_iter:
        length = (verts.index_select(0, start) - verts.index_select(0, end)).norm(dim=1, keepdim=True)
        sums = neighbour_sums(F.pad(verts, (0, 1), value=1.0), meshes.edges_packed(), 1 / (length + 1e-12))
        total = sums[:, 3:]
        verts = verts + step * (sums[:, :3] - total * verts) / torch.where(total > 0, total, 1)
    return meshes._with_verts(verts)
