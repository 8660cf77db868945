"""Laplacian matrices of a mesh's graph: sparse (V, V), differentiable in the vertices that their weights depend on."""

import torch
from torch import Tensor

__all__ = ["cot_laplacian", "laplacian", "norm_laplacian"]


def laplacian(verts: Tensor, edges: Tensor) -> Tensor:
    """Of verts (V, 3), edges (E, 2): 1 / degree(i) at each edge (i, j), -1 on the diagonal."""
    both, here = torch.cat((edges, edges.flip(1))), torch.arange(len(verts), device=verts.device)
    share = 1 / torch.bincount(both[:, 0], minlength=len(verts)).to(verts.dtype)
    places = torch.cat((both, torch.stack((here, here), 1)))
    return _sparse(places, torch.cat((share[both[:, 0]], -torch.ones_like(share))), len(verts))


def cot_laplacian(verts: Tensor, faces: Tensor, eps: float = 1e-12) -> tuple[Tensor, Tensor]:
    """Of verts (V, 3), faces (F, 3): cot a + cot b at each edge, a and b being the angles opposite to it.

    The second result (V, 1) is one over the area of the faces around each vertex, 0 where there are none.
    """
    cotangent, area = cotangents(verts, faces, eps)
    opposite = faces[:, [[1, 2], [2, 0], [0, 1]]].view(-1, 2)
    matrix = _sparse(torch.cat((opposite, opposite.flip(1))), cotangent.reshape(-1).repeat(2), len(verts))
    around = area_around(area, faces, len(verts))
    return matrix, torch.where(around > 0, 1 / around, 0)[:, None]


def norm_laplacian(verts: Tensor, edges: Tensor, eps: float = 1e-12) -> Tensor:
    """Of verts (V, 3), edges (E, 2): one over the length (plus eps) at each edge."""
    weight = 1 / ((verts[edges[:, 0]] - verts[edges[:, 1]]).norm(dim=1) + eps)
    return _sparse(torch.cat((edges, edges.flip(1))), weight.repeat(2), len(verts))


def cotangents(verts: Tensor, faces: Tensor, eps: float = 1e-12) -> tuple[Tensor, Tensor]:
    """Cotangents u . v / |u x v| (F, 3) of the faces' angles between sides u, v; areas (F,), sqrt(eps) at least."""
    a, b, c = (verts.index_select(0, faces[:, corner]) for corner in range(3))
    ab, bc, ca = b - a, c - b, a - c
    area = (torch.linalg.cross(ab, ca).square().sum(1) / 4).clamp(min=eps).sqrt()
    return torch.stack([(ab * ca).sum(1), (bc * ab).sum(1), (ca * bc).sum(1)], 1) / (-2 * area)[:, None], area


def area_around(area: Tensor, faces: Tensor, count: int) -> Tensor:
    """(V,): the summed areas (F,) of the faces around each of `count` vertices."""
    return area.new_zeros(count).index_add(0, faces.reshape(-1), area.repeat_interleave(3))


def _sparse(places: Tensor, values: Tensor, count: int) -> Tensor:
    """(count, count), the values (E,) at their places (E, 2) added up."""
    return torch.sparse_coo_tensor(places.t(), values, (count, count), check_invariants=False).coalesce()
