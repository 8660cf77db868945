"""Batches of triangle meshes of unequal size, with the interface of `pytorch3d.structures.Meshes`."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from .ragged import Rows, pack
from .surfaces import SMALLEST_NORM, Surfaces  # noqa: F401 (the number for who imports it from here)
from .textures import TexturesBase

__all__ = ["Meshes", "join_meshes_as_batch", "join_meshes_as_scene"]


class Meshes(Surfaces):
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
        rows["faces"], faces_sizes = _checked_faces(faces, sizes)
        if len(verts) and rows["faces"].device != rows["verts"].device:
            raise ValueError(f"verts and faces must be on the same device: {verts[0].device}, {faces[0].device}")
        rows["faces"] = rows["faces"].to(rows["verts"].device)  # of no meshes
        if verts_normals is not None:
            rows["verts_normals"] = pack("verts_normals", verts_normals, sizes, 3)
        self._set((sizes, faces_sizes), rows)
        self._remember(verts=verts)
        self._attach(textures)

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

    # --- changed batches

    scale_verts_, scale_verts = Surfaces._scale_, Surfaces._scale

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


def _checked_faces(faces: Rows, verts: list[int]) -> tuple[Tensor, list[int]]:
    """Packed faces (sum F_n, 3) int64 without padding, and how many each mesh has.

    Args:
        faces: N tensors (F_n, 3) or one (N, F, 3), indices into the own vertices; rows of -1 at the end are padding.
        verts: how many vertices each mesh has.

    Raises:
        ValueError: another shape, padding elsewhere, several devices, vertices that do not exist.
    """
    parts = _unpadded(faces) if isinstance(faces, Tensor) else [_without_padding(own) for own in faces]
    sizes = [len(own) for own in parts]
    rows = pack("faces", parts, sizes, 3).long()
    there, own = (torch.tensor(counts, dtype=torch.int64, device=rows.device) for counts in (verts, sizes))
    count = there.repeat_interleave(own)
    wrong = ((rows < 0) | (rows >= count[:, None])).any(1)
    if bool(wrong.any()):
        face = int(wrong.nonzero()[0])
        raise ValueError(f"a face names vertices {rows[face].tolist()}, its mesh has {int(count[face])}")
    return rows, sizes


def _unpadded(faces: Tensor) -> list[Tensor]:
    """The faces (F_n, 3) of a tensor (N, F, 3) padded with -1."""
    if faces.dim() != 3 or faces.shape[2] != 3:
        raise ValueError(f"faces must be (N, F, 3) or tensors (F_n, 3), got {tuple(faces.shape)}")
    real = (faces > -1).all(2)
    if bool((real[:, 1:] & ~real[:, :-1]).any()):
        raise ValueError("Padding of faces (-1) must be at their end")
    return [own[mask] for own, mask in zip(faces, real, strict=True)]


def _without_padding(faces: Tensor) -> Tensor:
    """Faces (F, 3) without the rows of -1 at their end, which PyTorch3D takes in lists, too."""
    if not faces.numel() or not bool((faces[-1] == -1).all()):
        return faces
    return faces[(faces != -1).any(1)]
