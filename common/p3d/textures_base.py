"""What the kinds of textures of meshes share: lists of one tensor per mesh, to be cut, joined and chosen from."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from .interpolate import seen_places, spread
from .packing import list_to_padded
from .structures import Structure

__all__ = ["TexturesBase"]


class TexturesBase(Structure):
    """The texture of a batch of N meshes. Subclasses keep lists of one tensor per mesh in `_lists`, some may be None.

    A padded tensor given to the constructor is cut to each mesh's true size once a `Meshes` takes the texture.
    """

    _lists: dict[str, list[Tensor] | None]
    _per: dict[str, int]  # which lists have a row per vertex (0) or per face (1)
    _none: dict[str, Tensor]  # the rows of no mesh
    _loose: Sequence[str] = ()  # lists that may be longer than their meshes, until these are known

    @property
    def _main(self) -> list[Tensor]:
        return next(iter(self._lists.values()))

    @property
    def _N(self) -> int:
        return len(self._main)

    @property
    def device(self) -> torch.device:
        return self._main[0].device if self._main else torch.device("cpu")

    @property
    def valid(self) -> Tensor:
        """(N,) bool: true, as in PyTorch3D."""
        return torch.ones(self._N, dtype=torch.bool, device=self.device)

    def isempty(self) -> bool:
        """No mesh, or nothing in any of them."""
        return not any(rows.numel() for rows in self._main)

    def _list(self, name: str) -> list[Tensor] | None:
        return self._lists[name]

    def _packed(self, name: str) -> Tensor:
        return torch.cat(self._lists[name]) if self._lists[name] else self._none[name]

    def _padded(self, name: str) -> Tensor | None:
        rows = self._lists[name]
        if not rows:
            return None if rows is None else self._none[name][None][:0]
        return list_to_padded(rows, pad_value=-1 if name == "faces_uvs" else 0)

    def attach(self, count: int, verts: list[int], faces: list[int]) -> None:
        """Cut what was padded to meshes of `verts` vertices and `faces` faces.

        Raises:
            ValueError: a texture of other meshes.
        """
        self._num_verts_per_mesh, self._num_faces_per_mesh = verts, faces
        if self._N != count:
            raise ValueError("Textures do not match the dimensions of Meshes: another batch size")
        for name, per in self._per.items():
            rows, sizes = self._lists[name], (verts, faces)[per]
            if rows is None:
                continue
            have = [len(r) for r in rows]
            if any(h < s or (h > s and name not in self._loose) for h, s in zip(have, sizes, strict=True)):
                raise ValueError(f"Textures do not match the dimensions of Meshes: {name} of {have}")
            self._lists[name] = [r[:s] for r, s in zip(rows, sizes, strict=True)]
        self._loose = ()

    def sample(self, face: Tensor, bary: Tensor, faces: Tensor) -> Tensor:
        """(M, C): the texture at barycentric coordinates (M, 3) of packed faces (M,); `faces` (F, 3) are all."""
        raise NotImplementedError

    def sample_textures(self, fragments, faces_packed: Tensor | None = None) -> Tensor:
        """(N, H, W, K, C): the texture at each pixel of fragments, 0 where no face was seen."""
        places, face, bary = seen_places(fragments.pix_to_face, fragments.bary_coords)
        return spread(self.sample(face, bary, faces_packed), places, fragments.pix_to_face.shape)

    def faces_verts_textures_packed(self, faces_packed: Tensor | None = None) -> Tensor:
        """(sum F_n, 3, C): the texture at each face's corners."""
        of_faces = self._lists[next(iter(self._per))]
        count = sum(map(len, of_faces)) if faces_packed is None else len(faces_packed)
        face = torch.arange(count, device=self.device).repeat_interleave(3)
        corners = torch.eye(3, device=self.device).repeat(count, 1)
        return self.sample(face, corners, faces_packed).view(count, 3, -1)

    def join_batch(self, textures: Sequence[Self]) -> Self:
        """The textures of this batch and of others, one batch.

        Raises:
            ValueError: textures of another kind.
        """
        everything = [self, *textures]
        if any(type(t) is not type(self) for t in everything):
            raise ValueError(f"All textures must be of type {type(self).__name__}.")
        self._check_joins(everything)
        for name in self._lists:
            if len({t._lists[name] is None for t in everything}) > 1:
                raise ValueError(f"some textures have {name}, some have none")
        return self._replaced(lambda name, _: [rows for t in everything for rows in t._lists[name]])

    def join_scene(self) -> Self:
        """The texture of all meshes as one."""
        return self._replaced(lambda name, _: [self._packed(name)])

    def submeshes(self, vertex_ids: list[list[Tensor]], faces_ids: list[list[Tensor]]) -> Self:
        """One texture for each of the chosen sets of vertices and faces of each mesh."""

        def parts(name: str, rows: list[Tensor]) -> list[Tensor]:
            chosen = (vertex_ids, faces_ids)[self._per.get(name, 1)]
            pairs = [(own, ids) for own, sets in zip(rows, chosen, strict=True) for ids in sets]
            return [own[ids] if name in self._per else own for own, ids in pairs]

        return self._replaced(parts)

    def check_shapes(self, batch_size: int, max_num_verts: int, max_num_faces: int) -> bool:
        """Whether this can be the texture of so many meshes with at most so many vertices and faces."""
        limits = max_num_verts, max_num_faces
        lists = [(self._lists[name], limits[per]) for name, per in self._per.items()]
        fits = all(rows is None or max(map(len, rows), default=0) == limit for rows, limit in lists)
        return fits and self._N == batch_size

    def _check_joins(self, textures: Sequence[Self]) -> None:
        """Raise ValueError where textures do not go together."""

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return self._replaced(lambda _, rows: [function(own) for own in rows])

    def _select(self, chosen: list[int]) -> Self:
        return self._replaced(lambda _, rows: [rows[i] for i in chosen])

    def _replaced(self, change: Callable[[str, list[Tensor]], list[Tensor]]) -> Self:
        """A copy with each list, of a name, changed by a function of the name and the list."""
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._lists = {name: rows if rows is None else change(name, rows) for name, rows in self._lists.items()}
        for of_other_meshes in ("_num_verts_per_mesh", "_num_faces_per_mesh"):
            copy.__dict__.pop(of_other_meshes, None)
        return copy
