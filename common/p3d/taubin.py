"""Smoothing without shrinkage (Taubin, "Curve and surface smoothing without shrinkage", ICCV 1995)."""

import torch

from .meshes import Meshes

__all__ = ["taubin_smoothing"]


def taubin_smoothing(meshes: Meshes, lambd: float = 0.53, mu: float = -0.53, num_iter: int = 10) -> Meshes:
    """Moves vertices `num_iter` times by `lambd` (> 0), then by `mu` (< 0), of the way to their neighbours' mean.

    Neighbours are weighted by one over their distance. Vertices without edges stay; textures are kept.
    """
    verts, (start, end) = meshes.verts_packed(), meshes.edges_packed().unbind(1)
    for step in (lambd, mu) * num_iter:
        edge = verts.index_select(0, end) - verts.index_select(0, start)
        weight = 1 / (edge.norm(dim=1, keepdim=True) + 1e-12)
        pull = torch.cat((edge * weight, weight), 1)
        out, back = (pull.new_zeros(len(verts), 4).index_add(0, side, pull) for side in (start, end))
        total = out[:, 3:] + back[:, 3:]
        verts = verts + step * (out[:, :3] - back[:, :3]) / torch.where(total > 0, total, 1)
    return meshes._with_verts(verts)
