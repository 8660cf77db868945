"""Random points of meshes' surfaces, with the interface of `pytorch3d.ops`."""

import torch
from torch import Tensor

from .meshes import Meshes
from .packing import packed_to_padded

__all__ = ["sample_points_from_meshes"]


def sample_points_from_meshes(
    meshes: Meshes, num_samples: int = 10000, return_normals: bool = False, return_textures: bool = False
) -> Tensor | tuple[Tensor, ...]:
    """Points (N, num_samples, 3) even over each surface; if wanted also their faces' unit normals, and textures.

    From torch's generator, differentiable. Faces are drawn by area, all alike of a mesh that has none; the barycentric
    coordinates 1 - sqrt(u), sqrt(u) (1 - v), sqrt(u) v are even over a triangle (Osada et al. 2002, eq. 1). Of meshes
    without faces all is 0. A ValueError: no mesh has a face, a vertex is not finite, or textures wanted are missing.
    """
    verts, faces, valid = meshes.verts_packed(), meshes.faces_packed(), meshes.valid
    if meshes.isempty() or not verts.isfinite().all():
        raise ValueError("Meshes are empty." if meshes.isempty() else "Meshes contain nan or inf.")
    if return_textures and meshes.textures is None:
        raise ValueError("Meshes do not contain textures.")
    with torch.no_grad():
        first, count = meshes.mesh_to_faces_packed_first_idx()[valid], meshes.num_faces_per_mesh()[valid]
        share = packed_to_padded(meshes.faces_areas_packed(), first, int(count.max()))
        exists = torch.arange(share.shape[1], device=share.device) < count[:, None]
        share = torch.where(share.sum(1, keepdim=True) > 0, share, exists.to(share.dtype))
        face = (share.multinomial(num_samples, replacement=True) + first[:, None]).view(-1)
        u, v = torch.rand(2, len(face), dtype=verts.dtype, device=verts.device)
        bary = torch.stack((1.0 - u.sqrt(), u.sqrt() * (1.0 - v), u.sqrt() * v), 1)
    corners = verts.index_select(0, faces.index_select(0, face).view(-1)).view(-1, 3, 3)
    rows = [(bary[:, :, None] * corners).sum(1)]
    if return_normals:
        rows.append(meshes.faces_normals_packed().index_select(0, face))
    if return_textures:
        rows.append(meshes.textures.sample(face, bary, faces))
    rows = [values.view(len(first), num_samples, -1) for values in rows]
    rows = [values.new_zeros(len(meshes), *values.shape[1:]).index_put((valid,), values) for values in rows]
    return rows[0] if len(rows) == 1 else tuple(rows)
