"""Division of every face into four, as in `pytorch3d.ops.SubdivideMeshes`."""

import torch
from torch import Tensor, nn

from .meshes import Meshes

__all__ = ["SubdivideMeshes"]


class SubdivideMeshes(nn.Module):
    """Puts a vertex in the middle of every edge and makes four faces of each; orientation is kept.

    Made with `meshes`, it takes batches of meshes of one size only, and features are padded.
    """

    def __init__(self, meshes: Meshes | None = None):
        super().__init__()
        self.padded = meshes is not None

    def forward(self, meshes: Meshes, feats: Tensor | None = None) -> Meshes | tuple[Meshes, Tensor]:
        """Meshes of each mesh's vertices and then the middles of its edges, in the order of `edges_packed`.

        Features (sum V_n, D) or (N, V, D) of the vertices make a second result, (sum (V_n + E_n), D) or, padded,
        (N, V + E, D), in which the middles have the means of their edges' ends. A ValueError: features of another
        shape, or meshes of unequal size where they are to be padded.
        """
        if self.padded and not meshes.equisized:
            raise ValueError("SubdivideMeshes was made for meshes of one size")
        divided = Meshes(_with_middles(meshes, meshes.verts_packed()), _divided_faces(meshes))
        if feats is None:
            return divided
        flat = feats.flatten(0, -2)
        if feats.dim() not in (2, 3) or len(flat) != len(meshes.verts_packed()):
            raise ValueError(f"feats must be (sum V_n, D) or (N, V, D), got {tuple(feats.shape)}")
        flat = torch.cat((flat[:0], *_with_middles(meshes, flat)))
        return divided, flat.view(len(meshes), -1, flat.shape[1]) if self.padded else flat


def _with_middles(meshes: Meshes, rows: Tensor) -> list[Tensor]:
    """N tensors (V_n + E_n, D): each mesh's of the rows (sum V_n, D), and the means of those at its edges' ends."""
    start, end = meshes.edges_packed().unbind(1)
    middles = (rows.index_select(0, start) + rows.index_select(0, end)) / 2
    sizes = meshes.num_verts_per_mesh().tolist(), meshes.num_edges_per_mesh().tolist()
    return [torch.cat(own) for own in zip(rows.split(sizes[0]), middles.split(sizes[1]), strict=True)]


def _divided_faces(meshes: Meshes) -> list[Tensor]:
    """N tensors (4 F_n, 3) of indices into each mesh's vertices and middles."""
    mesh = meshes.faces_packed_to_mesh_idx()
    vertex, edge = meshes.mesh_to_verts_packed_first_idx(), meshes.mesh_to_edges_packed_first_idx()
    corner = meshes.faces_packed() - vertex[mesh][:, None]
    middle = meshes.faces_packed_to_edges_packed() + (meshes.num_verts_per_mesh() - edge)[mesh][:, None]
    parts = [torch.stack((corner[:, k], middle[:, k - 1], middle[:, k - 2]), 1) for k in range(3)]
    return [own.reshape(-1, 3) for own in torch.stack((*parts, middle)).split(meshes.num_faces_per_mesh().tolist(), 1)]
