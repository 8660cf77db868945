"""Meshes small enough to know everything about."""

import torch

from common.p3d.meshes import Meshes


def tetrahedron() -> tuple[torch.Tensor, torch.Tensor]:
    verts = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    return verts, torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def three_meshes(dtype: torch.dtype = torch.float32) -> Meshes:
    """A tetrahedron, an empty mesh, and a triangle with a vertex that no face names."""
    verts, faces = tetrahedron()
    triangle = torch.tensor([[0.0, 0, 2], [2, 0, 2], [0, 2, 2], [9, 9, 9]])
    none = torch.zeros(0, 3)
    parts = [verts.to(dtype), none.to(dtype), triangle.to(dtype)]
    return Meshes(parts, [faces, none.long(), torch.tensor([[0, 1, 2]])])
