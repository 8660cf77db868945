"""Batches of triangulated surfaces, and what follows from their vertices and faces: edges, normals, areas.

Vertices and faces are stored as given, packed; the rest is made when it is asked for, and kept.
"""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from .ragged import Ragged
from .structures import form

__all__: list[str] = []

SMALLEST_NORM = 1e-6  # normals are divided by their length, or by this if it is less


class Surfaces(Ragged):
    """N surfaces of V_n vertices and F_n triangles."""

    _kinds = {"verts": 0, "faces": 1, "verts_normals": 0, "faces_normals": 1}
    _fillings = {"faces": -1}

    def _set(self, sizes: Sequence[list[int]], rows: dict[str, Tensor | None]) -> None:
        super()._set(sizes, rows)
        self._kept: dict[str, Tensor] = {}  # what was computed from the vertices
        self._topology: dict[str, Tensor] = {}  # and from the faces alone, shared by moved copies

    def _put(self, name: str, rows: Tensor) -> Self:
        self._kept = {}
        return super()._put(name, rows)

    _V = property(lambda self: max(self._sizes[0], default=0))
    _F = property(lambda self: max(self._sizes[1], default=0))

    # --- vertices and faces

    verts_packed = form("_packed", "verts", "(sum V_n, 3).")
    verts_list = form("_list", "verts", "N tensors (V_n, 3).")
    verts_padded = form("_padded", "verts", "(N, max V_n, 3), zeros past each mesh's end.")
    faces_list = form("_list", "faces", "N tensors (F_n, 3) int64, indices into each mesh's own vertices.")
    faces_padded = form("_padded", "faces", "(N, max F_n, 3), as in `faces_list`, -1 past each mesh's end.")
    num_verts_per_mesh = form("_counts", "verts", "(N,) int64.")
    num_faces_per_mesh = form("_counts", "faces", "(N,) int64.")
    mesh_to_verts_packed_first_idx = form("_starts", "verts", "(N,) int64: where each mesh's packed vertices begin.")
    mesh_to_faces_packed_first_idx = form("_starts", "faces", "(N,) int64: where each mesh's packed faces begin.")
    verts_packed_to_mesh_idx = form("_elements", "verts", "(sum V_n,) int64: the mesh of each packed vertex.")
    faces_packed_to_mesh_idx = form("_elements", "faces", "(sum F_n,) int64: the mesh of each packed face.")
    verts_padded_to_packed_idx = form(
        "_places", "verts", "(sum V_n,) int64: each packed vertex's place in the flattened padded form (N * max V_n)."
    )

    def faces_packed(self) -> Tensor:
        """(sum F_n, 3) int64, indices into the packed vertices."""
        if "faces" not in self._topology:
            first = self._starts("verts").repeat_interleave(self._counts("faces"))
            self._topology["faces"] = self._rows["faces"] + first[:, None]
        return self._topology["faces"]

    # --- edges

    def edges_packed(self) -> Tensor:
        """(sum E_n, 2) int64: every edge once, lower packed vertex first, in lexicographic order."""
        return self._edges()[0]

    def faces_packed_to_edges_packed(self) -> Tensor:
        """(sum F_n, 3) int64: of each face the edges (v1, v2), (v2, v0), (v0, v1), opposite to its vertices."""
        return self._edges()[1]

    def edges_packed_to_mesh_idx(self) -> Tensor:
        """(sum E_n,) int64: the mesh of each edge."""
        return self.verts_packed_to_mesh_idx()[self.edges_packed()[:, 0]]

    def num_edges_per_mesh(self) -> Tensor:
        """(N,) int32, as in PyTorch3D."""
        return torch.bincount(self.edges_packed_to_mesh_idx(), minlength=self._N).int()

    def mesh_to_edges_packed_first_idx(self) -> Tensor:
        """(N,) int64: where each mesh begins in the packed edges."""
        count = self.num_edges_per_mesh().long()
        return count.cumsum(0) - count

    def _edges(self) -> tuple[Tensor, Tensor]:
        if "edges" not in self._topology:
            a, b, c = self.faces_packed().unbind(1)
            start, end = torch.cat((b, c, a)), torch.cat((c, a, b))
            total = max(len(self.verts_packed()), 1)
            key = torch.minimum(start, end) * total + torch.maximum(start, end)
            key, of_face = torch.unique(key, return_inverse=True)
            self._topology["edges"] = torch.stack((torch.div(key, total, rounding_mode="floor"), key % total), 1)
            self._topology["edges_of_faces"] = of_face.view(3, -1).t()
        return self._topology["edges"], self._topology["edges_of_faces"]

    def laplacian_packed(self) -> Tensor:
        """Sparse (V, V): entry (i, j) is 1 / degree(i) of neighbours, -1 on the diagonal."""
        from .laplacian_matrices import laplacian

        return laplacian(self.verts_packed(), self.edges_packed())

    # --- normals, areas

    verts_normals_list = form("_list", "verts_normals", "N tensors (V_n, 3).")
    verts_normals_padded = form("_padded", "verts_normals", "(N, max V_n, 3), zeros past each mesh's end.")
    faces_normals_list = form("_list", "faces_normals", "N tensors (F_n, 3).")
    faces_normals_padded = form("_padded", "faces_normals", "(N, max F_n, 3), zeros past each mesh's end.")

    def has_verts_normals(self) -> bool:
        """Vertex normals were given or have been computed."""
        return "verts_normals" in self._rows or "verts_normals" in self._kept

    def faces_normals_packed(self) -> Tensor:
        """(sum F_n, 3) unit normals, by the right-hand rule."""
        cross = self._face_crosses()
        return cross / cross.norm(dim=1, keepdim=True).clamp(min=SMALLEST_NORM)

    def faces_areas_packed(self) -> Tensor:
        """(sum F_n,)."""
        return 0.5 * self._face_crosses().norm(dim=1)

    def verts_normals_packed(self) -> Tensor:
        """(sum V_n, 3) unit normals: of the sum of the adjacent faces' cross products, that is weighted by area."""
        if "verts_normals" in self._rows:
            return self._rows["verts_normals"]
        if self._lacks("verts_normals"):
            cross = self._face_crosses()
            total = torch.zeros_like(self.verts_packed())
            for corner in range(3):
                total = total.index_add(0, self.faces_packed()[:, corner], cross)
            self._kept["verts_normals"] = F.normalize(total, eps=SMALLEST_NORM)
        return self._kept["verts_normals"]

    def _face_crosses(self) -> Tensor:
        if self._lacks("cross"):
            a, b, c = (self.verts_packed().index_select(0, corner) for corner in self.faces_packed().unbind(1))
            self._kept["cross"] = torch.linalg.cross(b - a, c - a)
        return self._kept["cross"]

    def _lacks(self, name: str) -> bool:
        """Nothing is kept under this name, or what was computed without gradients while they are wanted now."""
        if name not in self._kept:
            return True
        return torch.is_grad_enabled() and self._rows["verts"].requires_grad and not self._kept[name].requires_grad

    def _packed(self, name: str) -> Tensor:
        made = {"verts_normals": self.verts_normals_packed, "faces_normals": self.faces_normals_packed}
        return made[name]() if name in made else self._rows[name]
