"""Batches of triangle meshes of unequal size, with the interface of `pytorch3d.structures.Meshes`.

Vertices and faces are stored as given, packed. Faces of packed vertices, edges, normals and areas are made from that
when they are asked for, and kept.
"""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from .mesh_faces import checked_faces, edges_of_faces
from .ragged import Ragged, Rows, pack
from .structures import form
from .textures import TexturesBase

__all__ = ["Meshes", "join_meshes_as_batch", "join_meshes_as_scene"]

SMALLEST_NORM = 1e-6  # normals are divided by their length, or by this if it is less


class Meshes(Ragged):
    """N meshes of V_n vertices and F_n triangles.

    Args:
        verts: N tensors (V_n, 3) float, or one tensor (N, V, 3).
        faces: N tensors (F_n, 3) int of indices into the own vertices, or one tensor (N, F, 3) padded with -1.
        textures: a Textures object for the batch, or None.
        verts_normals: normals to use in place of computed ones, like `verts`.

    Meshes may be empty, and so may the batch. Gradients flow to what was given.

    Raises:
        ValueError: shapes that do not fit together, textures of another shape, faces of vertices that are missing,
            several devices.
    """

    _kinds = {"verts": 0, "faces": 1, "verts_normals": 0, "faces_normals": 1}
    _fillings = {"faces": -1}

    def __init__(self, verts: Rows, faces: Rows, textures=None, *, verts_normals: Rows | None = None):
        if not isinstance(verts, list | tuple | Tensor) or not isinstance(faces, list | tuple | Tensor):
            raise ValueError("verts and faces must be lists of tensors or tensors")
        if len(verts) != len(faces):
            raise ValueError(f"{len(verts)} tensors of verts for {len(faces)} of faces")
        if textures is not None and len(verts) and getattr(textures, "device", verts[0].device) != verts[0].device:
            raise ValueError(f"textures must be on the same device as verts: {textures.device}, {verts[0].device}")
        if textures is not None and not hasattr(textures, "sample_textures"):
            raise ValueError(f"textures must be a Textures object, got {type(textures).__name__}")
        sizes = [len(own) for own in verts]
        rows = {"verts": pack("verts", verts, sizes, 3)}
        rows["faces"], faces_sizes = checked_faces(faces, sizes)
        if len(verts) and rows["faces"].device != rows["verts"].device:
            raise ValueError(f"verts and faces must be on the same device: {verts[0].device}, {faces[0].device}")
        rows["faces"] = rows["faces"].to(rows["verts"].device)  # of no meshes
        if verts_normals is not None:
            rows["verts_normals"] = pack("verts_normals", verts_normals, sizes, 3)
        self._set((sizes, faces_sizes), rows)
        self._remember(verts=verts)
        self._attach(textures)

    def _set(self, sizes: Sequence[list[int]], rows: dict[str, Tensor | None]) -> None:
        super()._set(sizes, rows)
        self._kept: dict[str, Tensor] = {}  # what was computed from the vertices
        self._topology: dict[str, Tensor] = {}  # and from the faces alone, shared by moved copies
        self.textures = None

    def _attach(self, textures: TexturesBase | None) -> Self:
        self.textures = textures
        if textures is not None:
            textures.attach(self._N, *self._sizes)
        return self

    def _select(self, chosen: list[int]) -> Self:
        return super()._select(chosen)._attach(None if self.textures is None else self.textures[chosen])

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        copy = super()._map(function)
        copy._kept = {name: function(value) for name, value in self._kept.items()}
        copy._topology = {name: function(value) for name, value in self._topology.items()}
        return copy._attach(None if self.textures is None else self.textures._map(function))

    def _with_verts(self, verts: Tensor) -> Self:
        """The same faces and textures over other vertices."""
        meshes = self._of(self._sizes, {"verts": verts, "faces": self._rows["faces"]})
        meshes._topology = self._topology
        return meshes._attach(self.textures)

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

    def get_mesh_verts_faces(self, index: int) -> tuple[Tensor, Tensor]:
        """Vertices (V_i, 3) and faces (F_i, 3) of one mesh.

        Raises:
            ValueError: not a whole number, or out of range.
        """
        if not isinstance(index, int):
            raise ValueError("Mesh index must be an integer.")
        if not 0 <= index < self._N:
            raise ValueError(f"Mesh index must be in the range [0, {self._N}), got {index}")
        return self.verts_list()[index], self.faces_list()[index]

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
            edges = edges_of_faces(self.faces_packed(), len(self.verts_packed()))
            self._topology["edges"], self._topology["edges_of_faces"] = edges
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

    # --- changed batches

    scale_verts_, scale_verts = Ragged._scale_, Ragged._scale

    def offset_verts_(self, vert_offsets_packed: Tensor) -> Self:
        """Adds (sum V_n, 3) or (3,) to the vertices of this object, and returns it; another shape is a ValueError."""
        kept = self._kept
        self._offset(vert_offsets_packed)
        if vert_offsets_packed.dim() == 1:  # a common shift leaves normals and areas as they are
            self._kept = kept
        else:  # normals that were given are computed anew, too
            self._rows.pop("verts_normals", None)
            self._lists.pop("verts_normals", None)
        return self

    def offset_verts(self, vert_offsets_packed: Tensor) -> Self:
        """A copy with (sum V_n, 3) or (3,) added to the vertices."""
        return self._copy().offset_verts_(vert_offsets_packed)

    def _put(self, name: str, rows: Tensor) -> Self:
        self._kept = {}
        return super()._put(name, rows)

    def _copy(self) -> Self:
        copy = self._with_verts(self._rows["verts"])
        copy._rows, copy._kept = self._rows, dict(self._kept)
        return copy

    def update_padded(self, new_verts_padded: Tensor) -> Self:
        """The same faces and textures with other vertices (N, max V_n, 3).

        Raises:
            ValueError: another shape.
        """
        if tuple(new_verts_padded.shape) != (self._N, self._V, 3):
            raise ValueError(f"expected ({self._N}, {self._V}, 3), got {tuple(new_verts_padded.shape)}")
        return self._with_verts(self._unpadded("verts", new_verts_padded))

    def submeshes(self, face_indices: list) -> Self:
        """New meshes of chosen faces: `face_indices[n]` lists, for mesh n, tensors of indices into its faces.

        Returns:
            A batch with one mesh per tensor, in order, with the vertices and texture that its faces use.

        Raises:
            ValueError: not one list per mesh, or a texture that cannot be split (of several maps).
        """
        if len(face_indices) != self._N:
            raise ValueError(
                f"You must specify exactly one set of submeshes for each mesh: {len(face_indices)}, {self._N}"
            )
        verts, faces, used = [], [], []
        for mesh, choices in enumerate(face_indices):
            own_verts, own_faces = self.get_mesh_verts_faces(mesh)
            used.append([])
            for choice in choices:
                corners, renumbered = torch.unique(own_faces[choice], return_inverse=True)
                verts.append(own_verts[corners])
                faces.append(renumbered.view(-1, 3))
                used[-1].append(corners)
        textures = None if self.textures is None else self.textures.submeshes(used, face_indices)
        return type(self)(verts, faces, textures)

    def sample_textures(self, fragments) -> Tensor:
        """Texture (N, H, W, K, C) of the faces seen at each pixel.

        Raises:
            ValueError: meshes without textures.
        """
        if self.textures is None:
            raise ValueError("Meshes does not have textures")
        if not self.textures.check_shapes(self._N, self._V, self._F):
            raise ValueError("Textures do not match the dimensions of Meshes.")
        return self.textures.sample_textures(fragments, faces_packed=self.faces_packed())


def join_meshes_as_batch(meshes: Sequence[Meshes], include_textures: bool = True) -> Meshes:
    """One batch of the meshes of several batches.

    Raises:
        ValueError: an empty list or no list, textures in some batches only or of several kinds.
    """
    if isinstance(meshes, Meshes) or not len(meshes) or not all(isinstance(m, Meshes) for m in meshes):
        raise ValueError("join_meshes_as_batch takes a list of at least one Meshes")
    verts = [v for m in meshes for v in m.verts_list()]
    faces = [f for m in meshes for f in m.faces_list()]
    textures = [m.textures for m in meshes] if include_textures else [None]
    if all(t is None for t in textures):
        return Meshes(verts, faces)
    if len({type(t) for t in textures}) > 1:
        raise ValueError("All meshes in the batch must have the same type of texture.")
    return Meshes(verts, faces, textures[0].join_batch(textures[1:]))


def join_meshes_as_scene(meshes: Meshes | Sequence[Meshes], include_textures: bool = True) -> Meshes:
    """One mesh of all the meshes of a batch or of several.

    Raises:
        ValueError: as for `join_meshes_as_batch`.
    """
    batch = meshes if isinstance(meshes, Meshes) else join_meshes_as_batch(meshes, include_textures)
    textures = batch.textures.join_scene() if include_textures and batch.textures is not None else None
    normals = [batch.verts_normals_packed()] if "verts_normals" in batch._rows else None
    return Meshes([batch.verts_packed()], [batch.faces_packed()], textures, verts_normals=normals)
