"""Losses that keep meshes smooth (`pytorch3d.loss`), and areas and normals of faces.

Losses are means over the meshes of the mean within each, empty ones counting as 0. What depends on the faces alone
stays with the meshes and their moved copies (`offset_verts`), so that a fit computes it once.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from .graph_conv import neighbour_sums
from .laplacian_matrices import area_around, cotangents
from .meshes import SMALLEST_NORM, Meshes

__all__ = ["mesh_edge_loss", "mesh_face_areas_normals", "mesh_laplacian_smoothing", "mesh_normal_consistency"]


def mesh_edge_loss(meshes: Meshes, target_length: float = 0.0) -> Tensor:
    """Mean of (length - target_length)^2 over the edges."""
    if meshes.isempty():
        return _zero(meshes)
    verts, (start, end) = meshes.verts_packed(), meshes.edges_packed().unbind(1)
    length = (verts.index_select(0, start) - verts.index_select(0, end)).norm(dim=1)
    return _mean_of_means(meshes, (length - target_length).square(), "edge", start)


def mesh_laplacian_smoothing(meshes: Meshes, method: str = "uniform") -> Tensor:
    """Mean over vertices i of |sum_j w_ij (v_j - v_i)|, j being i's neighbours; no gradient flows through weights.

    Args:
        method: `uniform`: w_ij = 1 / (number of neighbours). `cot` (Desbrun et al. 1999): cot a_ij + cot b_ij, divided
            by its sum over j. `cotcurv`: (cot a_ij + cot b_ij) / 4 A_i, A_i the area of the faces around i. Another
            one is a ValueError.
    """
    if method not in ("uniform", "cot", "cotcurv"):
        raise ValueError(f"Method should be one of {{uniform, cot, cotcurv}}, got {method!r}")
    if meshes.isempty():
        return _zero(meshes)
    verts, faces, edges = meshes.verts_packed(), meshes.faces_packed(), meshes.edges_packed()
    with torch.no_grad():
        weights = None
        if method != "uniform":
            cotangent, area = cotangents(verts, faces)
            edge_of_corner = meshes.faces_packed_to_edges_packed().reshape(-1)
            weights = verts.new_zeros(len(edges), 1).index_add(0, edge_of_corner, cotangent.reshape(-1, 1))
        total = neighbour_sums(torch.ones_like(verts[:, :1]), edges, weights)
    pull = neighbour_sums(verts, edges, weights)
    if method == "cotcurv":
        around = area_around(area, faces, len(verts))[:, None]
        pull = (pull - total * verts) * torch.where(around > 0, 0.25 / around, 0)
    else:  # PyTorch3D multiplies by totals that are not positive
        pull = pull * torch.where(total > 0, 1 / total, total) - verts
    return _mean_of_means(meshes, pull.norm(dim=1), "vertex")


def mesh_normal_consistency(meshes: Meshes) -> Tensor:
    """Mean of 1 - cos(angle between normals) over the pairs of faces that share an edge.

    A pair's normals are those of faces that run through their edge in opposite directions, even if they do not.
    """
    if meshes.isempty() or not len(_face_pairs(meshes)):
        return _zero(meshes)
    normals = F.normalize(_crosses(meshes.verts_packed(), meshes.faces_packed()), eps=1e-8)
    first, second, sign = _face_pairs(meshes).unbind(1)
    cosine = (normals.index_select(0, first) * normals.index_select(0, second)).sum(1) * sign
    return _mean_of_means(meshes, 1 - cosine, "pair", meshes.faces_packed()[first, 0])


def mesh_face_areas_normals(verts: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Areas (F,), unit normals (F, 3) by the right-hand rule, of verts (V, 3), faces (F, 3) int64; or ValueError."""
    if verts.dim() != 2 or faces.dim() != 2 or verts.shape[1] != 3 or faces.shape[1] != 3 or faces.dtype != torch.int64:
        raise ValueError(f"verts need to be of shape Vx3, faces int64 Fx3: {tuple(verts.shape)}, {tuple(faces.shape)}")
    cross = _crosses(verts, faces)
    length = cross.norm(dim=1)
    return length / 2, cross / length.clamp(min=SMALLEST_NORM)[:, None]


def _crosses(verts: Tensor, faces: Tensor) -> Tensor:
    a, b, c = (verts.index_select(0, faces[:, corner]) for corner in range(3))
    return torch.linalg.cross(b - a, c - a)


def _face_pairs(meshes: Meshes) -> Tensor:
    """(P, 3) int64: two faces that share an edge, and 1 if they run through it in opposite directions, else -1."""
    if "face_pairs" not in meshes._topology:
        faces, found = meshes.faces_packed(), []
        edge, order = meshes.faces_packed_to_edges_packed().t().reshape(-1).sort(stable=True)
        face, forward = order % len(faces), (faces.roll(-1, 1) < faces.roll(-2, 1)).t().reshape(-1)[order]
        for step in range(1, int(torch.bincount(edge).max())):  # an edge of n faces has pairs up to n - 1 rows apart
            row = (edge[step:] == edge[:-step]).nonzero().squeeze(1)
            sign = torch.where(forward[row] == forward[row + step], -1, 1)
            found.append(torch.stack((face[row], face[row + step], sign), 1))
        meshes._topology["face_pairs"] = torch.cat(found) if found else faces[:0]
    return meshes._topology["face_pairs"]


def _mean_of_means(meshes: Meshes, values: Tensor, kind: str, vertex: Tensor | slice = slice(None)) -> Tensor:
    """Mean over the meshes of the mean of each one's values; `vertex` is one of its vertices for each value."""
    if f"{kind}_share" not in meshes._topology:
        mesh = meshes.verts_packed_to_mesh_idx()[vertex]
        meshes._topology[f"{kind}_share"] = torch.bincount(mesh, minlength=len(meshes))[mesh] * len(meshes)
    return (values / meshes._topology[f"{kind}_share"]).sum()


def _zero(meshes: Meshes) -> Tensor:
    return torch.zeros(1, device=meshes.device, requires_grad=True)
