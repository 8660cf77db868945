"""Batches of triangle meshes of unequal size, with the interface of `pytorch3d.structures.Meshes`.

Stored once, packed: all meshes' vertices one after the other, and their faces with indices into those. Padded forms,
edges, normals and areas are made from that on demand; lists are the tensors that were given, or views.
"""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from .structures import Structure, bounding_boxes, scaled, shifted
from .textures import TexturesBase

__all__ = ["Meshes", "join_meshes_as_batch", "join_meshes_as_scene"]

Rows = Sequence[Tensor] | Tensor
SMALLEST_NORM = 1e-6  # normals are divided by their length, or by this if it is less


class Meshes(Structure):
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

    def __init__(
        self,
        verts: Rows,
        faces: Rows,
        textures: TexturesBase | None = None,
        *,
        verts_normals: Rows | None = None,
    ):
        if not isinstance(verts, list | tuple | Tensor) or not isinstance(faces, list | tuple | Tensor):
            raise ValueError("verts and faces must be lists of tensors or tensors")
        if len(verts) != len(faces):
            raise ValueError(f"{len(verts)} tensors of verts for {len(faces)} of faces")
        if textures is not None and len(verts) and getattr(textures, "device", verts[0].device) != verts[0].device:
            raise ValueError(f"textures must be on the same device as verts: {textures.device}, {verts[0].device}")
        if textures is not None and not hasattr(textures, "sample_textures"):
            raise ValueError(f"textures must be a Textures object, got {type(textures).__name__}")
        faces = _unpadded(faces) if isinstance(faces, Tensor) else [_without_padding(own) for own in faces]
        sizes = [len(v) for v in verts], [len(f) for f in faces]
        verts_given, verts = verts, _pack("verts", verts, torch.zeros(0, 3))
        first = _starts(sizes[0], verts.device)
        faces = _pack("faces", faces, torch.zeros(0, 3, dtype=torch.int64, device=verts.device)).long()
        if faces.device != verts.device:
            raise ValueError(f"verts and faces must be on the same device, got {verts.device} and {faces.device}")
        _check_faces(faces, sizes)
        faces = faces + first.repeat_interleave(torch.tensor(sizes[1], dtype=torch.int64, device=verts.device))[:, None]
        self._set(sizes, verts, faces, textures)
        if isinstance(verts_given, list | tuple) and all(v.shape[1:] == (3,) for v in verts_given):
            # gradients of the tensors given are looked for there
            self._lists["verts"] = list(verts_given)
        if verts_normals is not None:
            if [len(n) for n in verts_normals] != sizes[0]:
                raise ValueError("verts_normals must have the shape of verts")
            self._kept["normals"] = _pack("verts_normals", verts_normals, torch.zeros(0, 3))
            self._given_normals = True

    def _set(self, sizes: tuple[list[int], list[int]], verts: Tensor, faces: Tensor, textures) -> None:
        self._sizes, self._verts, self._faces = sizes, verts, faces
        self._N, self._V, self._F = len(sizes[0]), max(sizes[0], default=0), max(sizes[1], default=0)
        self.equisized = len(set(sizes[0])) <= 1 and len(set(sizes[1])) <= 1
        self.valid = torch.tensor([v > 0 and f > 0 for v, f in zip(*sizes, strict=True)], dtype=torch.bool).to(
            verts.device
        )
        self._lists: dict[str, list[Tensor]] = {}
        self._kept: dict[str, Tensor] = {}
        self._topology: dict[str, Tensor] = {}  # what depends on the faces alone, shared by moved copies
        self._given_normals = False
        self.textures = textures
        if textures is not None:
            textures.attach(self._N, *sizes)

    def _with_verts(self, verts: Tensor) -> Self:
        """The same faces and textures over other vertices."""
        meshes = type(self).__new__(type(self))
        meshes._set(self._sizes, verts, self._faces, self.textures)
        meshes._topology = self._topology
        return meshes

    @property
    def device(self) -> torch.device:
        return self._verts.device

    def isempty(self) -> bool:
        """No mesh has both vertices and faces."""
        return self._N == 0 or not bool(self.valid.any())

    # --- vertices and faces

    def verts_packed(self) -> Tensor:
        """(sum V_n, 3)."""
        return self._verts

    def faces_packed(self) -> Tensor:
        """(sum F_n, 3) int64, indices into the packed vertices."""
        return self._faces

    def verts_list(self) -> list[Tensor]:
        """N tensors (V_n, 3)."""
        if "verts" not in self._lists:
            self._lists["verts"] = list(self._verts.split(self._sizes[0]))
        return self._lists["verts"]

    def faces_list(self) -> list[Tensor]:
        """N tensors (F_n, 3) int64, indices into each mesh's own vertices."""
        if "faces" not in self._lists:
            self._lists["faces"] = list(self._local_faces().split(self._sizes[1]))
        return self._lists["faces"]

    def verts_padded(self) -> Tensor:
        """(N, max V_n, 3), zeros past each mesh's end."""
        return _pad(self._verts, self._sizes[0], 0)

    def faces_padded(self) -> Tensor:
        """(N, max F_n, 3) int64, indices into each mesh's own vertices, -1 past each mesh's end."""
        return _pad(self._local_faces(), self._sizes[1], -1)

    def _local_faces(self) -> Tensor:
        return self._faces - self.mesh_to_verts_packed_first_idx()[self.faces_packed_to_mesh_idx()][:, None]

    def num_verts_per_mesh(self) -> Tensor:
        """(N,) int64."""
        return torch.tensor(self._sizes[0], dtype=torch.int64, device=self.device)

    def num_faces_per_mesh(self) -> Tensor:
        """(N,) int64."""
        return torch.tensor(self._sizes[1], dtype=torch.int64, device=self.device)

    def mesh_to_verts_packed_first_idx(self) -> Tensor:
        """(N,) int64: where each mesh begins in the packed vertices."""
        return _starts(self._sizes[0], self.device)

    def mesh_to_faces_packed_first_idx(self) -> Tensor:
        """(N,) int64: where each mesh begins in the packed faces."""
        return _starts(self._sizes[1], self.device)

    def verts_packed_to_mesh_idx(self) -> Tensor:
        """(sum V_n,) int64: the mesh of each packed vertex."""
        return torch.arange(self._N, device=self.device).repeat_interleave(self.num_verts_per_mesh())

    def faces_packed_to_mesh_idx(self) -> Tensor:
        """(sum F_n,) int64: the mesh of each packed face."""
        return torch.arange(self._N, device=self.device).repeat_interleave(self.num_faces_per_mesh())

    def verts_padded_to_packed_idx(self) -> Tensor:
        """(sum V_n,) int64: where each packed vertex stands in the flattened padded form (N * max V_n)."""
        return _padded_rows(self._sizes[0], self.device)

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
        return self._edges()["edges"]

    def faces_packed_to_edges_packed(self) -> Tensor:
        """(sum F_n, 3) int64: of each face the edges (v1, v2), (v2, v0), (v0, v1), opposite to its vertices."""
        return self._edges()["of_face"]

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

    def _edges(self) -> dict[str, Tensor]:
        if "edges" not in self._topology:
            a, b, c = self._faces.unbind(1)
            start, end = torch.cat((b, c, a)), torch.cat((c, a, b))
            total = max(len(self._verts), 1)
            key = torch.minimum(start, end) * total + torch.maximum(start, end)
            key, of_face = torch.unique(key, return_inverse=True)
            self._topology["edges"] = torch.stack((torch.div(key, total, rounding_mode="floor"), key % total), 1)
            self._topology["of_face"] = of_face.view(3, -1).t()
        return self._topology

    def laplacian_packed(self) -> Tensor:
        """Sparse (V, V): entry (i, j) is 1 / degree(i) of neighbours, -1 on the diagonal."""
        from .laplacian_matrices import laplacian

        return laplacian(self._verts, self.edges_packed())

    # --- normals, areas

    def has_verts_normals(self) -> bool:
        """Vertex normals were given or have been computed."""
        return "normals" in self._kept

    def faces_normals_packed(self) -> Tensor:
        """(sum F_n, 3) unit normals, by the right-hand rule."""
        cross = self._face_crosses()
        return cross / cross.norm(dim=1, keepdim=True).clamp(min=SMALLEST_NORM)

    def faces_areas_packed(self) -> Tensor:
        """(sum F_n,)."""
        return 0.5 * self._face_crosses().norm(dim=1)

    def verts_normals_packed(self) -> Tensor:
        """(sum V_n, 3) unit normals: of the sum of the adjacent faces' cross products, that is weighted by area."""
        if self._lacks("normals"):
            cross = self._face_crosses()
            total = torch.zeros_like(self._verts)
            for corner in range(3):
                total = total.index_add(0, self._faces[:, corner], cross)
            self._kept["normals"] = F.normalize(total, eps=SMALLEST_NORM)
        return self._kept["normals"]

    def _lacks(self, name: str) -> bool:
        """Nothing is kept under this name, or what was computed without gradients while they are wanted now."""
        if name not in self._kept or (name == "normals" and self._given_normals):
            return name not in self._kept
        return torch.is_grad_enabled() and self._verts.requires_grad and not self._kept[name].requires_grad

    def _face_crosses(self) -> Tensor:
        if self._lacks("cross"):
            a, b, c = (self._verts.index_select(0, self._faces[:, k]) for k in range(3))
            self._kept["cross"] = torch.linalg.cross(b - a, c - a)
        return self._kept["cross"]

    def verts_normals_list(self) -> list[Tensor]:
        """N tensors (V_n, 3)."""
        return list(self.verts_normals_packed().split(self._sizes[0]))

    def verts_normals_padded(self) -> Tensor:
        """(N, max V_n, 3), zeros past each mesh's end."""
        return _pad(self.verts_normals_packed(), self._sizes[0], 0)

    def faces_normals_list(self) -> list[Tensor]:
        """N tensors (F_n, 3)."""
        return list(self.faces_normals_packed().split(self._sizes[1]))

    def faces_normals_padded(self) -> Tensor:
        """(N, max F_n, 3), zeros past each mesh's end."""
        return _pad(self.faces_normals_packed(), self._sizes[1], 0)

    def get_bounding_boxes(self) -> Tensor:
        """(N, 3, 2): least and greatest coordinate of each mesh on each axis; (inf, -inf) of an empty mesh."""
        return bounding_boxes(self._verts, self.verts_packed_to_mesh_idx(), self._N)

    # --- changed batches

    def offset_verts_(self, vert_offsets_packed: Tensor) -> Self:
        """Adds (sum V_n, 3) or (3,) to the vertices of this object, and returns it; another shape is a ValueError."""
        self._verts = shifted(self._verts, vert_offsets_packed)
        self._lists.pop("verts", None)
        if vert_offsets_packed.dim() > 1:  # a common shift leaves normals and areas as they are
            self._forget()
        return self

    def offset_verts(self, vert_offsets_packed: Tensor) -> Self:
        """A copy with (sum V_n, 3) or (3,) added to the vertices."""
        return self._moved_copy().offset_verts_(vert_offsets_packed)

    def scale_verts_(self, scale: float | Tensor) -> Self:
        """Multiplies the vertices of this object by a number or by one per mesh (N,), and returns it, or ValueError."""
        self._verts = scaled(self._verts, scale, self.verts_packed_to_mesh_idx(), self._N)
        self._lists.pop("verts", None)
        self._forget()
        return self

    def scale_verts(self, scale: float | Tensor) -> Self:
        """A copy with the vertices multiplied by a number or by one per mesh (N,)."""
        return self._moved_copy().scale_verts_(scale)

    def _moved_copy(self) -> Self:
        copy = self._with_verts(self._verts)
        copy._kept, copy._given_normals = dict(self._kept), self._given_normals
        return copy

    def _forget(self) -> None:
        """Drop what no longer holds after the vertices moved; normals that were given are computed anew, too."""
        self._kept, self._given_normals = {}, False

    def update_padded(self, new_verts_padded: Tensor) -> Self:
        """The same faces and textures with other vertices (N, max V_n, 3).

        Raises:
            ValueError: another shape.
        """
        if tuple(new_verts_padded.shape) != (self._N, self._V, 3):
            raise ValueError(f"expected ({self._N}, {self._V}, 3), got {tuple(new_verts_padded.shape)}")
        flat = new_verts_padded.reshape(-1, 3)
        return self._with_verts(flat if self._all_full() else flat[self.verts_padded_to_packed_idx()])

    def _all_full(self) -> bool:
        return len(set(self._sizes[0])) <= 1

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
        return self.textures.sample_textures(fragments, faces_packed=self._faces)

    # --- details

    def _select(self, chosen: list[int]) -> Self:
        verts, faces = self.verts_list(), self.faces_list()
        textures = None if self.textures is None else self.textures[chosen]
        meshes = type(self)([verts[i] for i in chosen], [faces[i] for i in chosen], textures)
        if "normals" in self._kept and chosen:
            normals = self.verts_normals_list()
            meshes._kept["normals"] = torch.cat([normals[i] for i in chosen])
            meshes._given_normals = self._given_normals
        return meshes

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        copy = type(self).__new__(type(self))
        textures = None if self.textures is None else self.textures.map(function)
        copy._set(self._sizes, function(self._verts), function(self._faces), textures)
        copy._kept = {name: function(value) for name, value in self._kept.items()}
        copy._topology = {name: function(value) for name, value in self._topology.items()}
        copy._given_normals = self._given_normals
        return copy


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
    return Meshes([batch.verts_packed()], [batch.faces_packed()], textures)


def _pack(name: str, rows: Rows, empty: Tensor) -> Tensor:
    """(sum L_n, 3) of N tensors (L_n, 3) or one (N, L, 3), on one device."""
    parts = list(rows)
    for part in parts:
        if len(part) and (part.dim() != 2 or part.shape[1] != 3):
            raise ValueError(f"{name} must be (N, L, 3) or tensors (L_n, 3), got {tuple(part.shape)}")
        if part.device != parts[0].device:
            raise ValueError(f"all {name} must be on the same device, got {part.device} and {parts[0].device}")
    if isinstance(rows, Tensor) and rows.dim() == 3:
        return rows.reshape(-1, 3)
    filled = [part for part in parts if len(part)]
    if not filled:
        return empty.to(parts[0].device) if parts else empty
    return filled[0] if len(filled) == 1 else torch.cat(filled)


def _without_padding(faces: Tensor) -> Tensor:
    """Faces (F, 3) without the rows of -1 at their end, which PyTorch3D takes in lists, too."""
    if not faces.numel() or not bool((faces[-1] == -1).all()):
        return faces
    return faces[(faces != -1).any(1)]


def _check_faces(faces: Tensor, sizes: tuple[list[int], list[int]]) -> None:
    """Raise ValueError where packed faces (F, 3) of indices into their own vertices name some that do not exist."""
    verts, own = (torch.tensor(size, dtype=torch.int64, device=faces.device) for size in sizes)
    count = verts.repeat_interleave(own)
    wrong = ((faces < 0) | (faces >= count[:, None])).any(1)
    if bool(wrong.any()):
        face = int(wrong.nonzero()[0])
        raise ValueError(f"a face names vertices {faces[face].tolist()}, its mesh has {int(count[face])}")


def _unpadded(faces: Tensor) -> list[Tensor]:
    """The faces (F_n, 3) of a tensor (N, F, 3) padded with -1."""
    if faces.dim() != 3 or faces.shape[2] != 3:
        raise ValueError(f"faces must be (N, F, 3) or tensors (F_n, 3), got {tuple(faces.shape)}")
    real = (faces > -1).all(2)
    if bool((real[:, 1:] & ~real[:, :-1]).any()):
        raise ValueError("Padding of faces (-1) must be at their end")
    return [own[mask] for own, mask in zip(faces, real, strict=True)]


def _starts(sizes: list[int], device: torch.device) -> Tensor:
    sizes = torch.tensor(sizes, dtype=torch.int64, device=device)
    return sizes.cumsum(0) - sizes


def _padded_rows(sizes: list[int], device: torch.device) -> Tensor:
    """(sum L_n,) int64: the places of packed rows in the flattened padded form."""
    count = torch.tensor(sizes, dtype=torch.int64, device=device)
    shift = torch.arange(len(sizes), device=device) * max(sizes, default=0) - (count.cumsum(0) - count)
    return torch.arange(sum(sizes), device=device) + shift.repeat_interleave(count)


def _pad(rows: Tensor, sizes: list[int], value: float) -> Tensor:
    """(N, max L_n, 3) of packed rows, filled up with `value`."""
    longest = max(sizes, default=0)
    if len(set(sizes)) <= 1:
        return rows.reshape(len(sizes), longest, 3)
    out = rows.new_full((len(sizes) * longest, 3), value)
    return out.index_copy(0, _padded_rows(sizes, rows.device), rows).view(len(sizes), longest, 3)
