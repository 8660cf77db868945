"""Colours, or any features, of meshes: per vertex, per face as small squares, or by texture coordinates into images.

All kinds answer `sample(face, bary, faces)`, the texture at barycentric coordinates (M, 3) of packed faces (M,): only
what is seen is looked up.
"""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from .interpolate import interpolate, seen_places, spread
from .packing import list_to_padded
from .structures import Structure
from .texture_images import paste_images, sample_images, stack_images

__all__ = ["TexturesAtlas", "TexturesBase", "TexturesUV", "TexturesVertex"]

Rows = Sequence[Tensor] | Tensor


class TexturesBase(Structure):
    """The texture of a batch of N meshes. Subclasses keep one tensor per mesh in each of the lists `_lists` names.

    A padded tensor given to the constructor is cut to each mesh's true size once a `Meshes` takes the texture.
    """

    _lists: tuple[str, ...]
    _per: dict[str, int]  # which lists have a row per vertex (0) or per face (1)

    @property
    def _N(self) -> int:
        return len(getattr(self, self._lists[0]))

    @property
    def device(self) -> torch.device:
        first = getattr(self, self._lists[0])
        return first[0].device if len(first) else torch.device("cpu")

    @property
    def valid(self) -> Tensor:
        """(N,) bool: true, as in PyTorch3D."""
        return torch.ones(self._N, dtype=torch.bool, device=self.device)

    def isempty(self) -> bool:
        """No mesh, or nothing in any of them."""
        return not any(t.numel() for t in getattr(self, self._lists[0]))

    def attach(self, count: int, verts: list[int], faces: list[int]) -> None:
        """Cut what was padded to meshes of `verts` vertices and `faces` faces.

        Raises:
            ValueError: a texture of other meshes.
        """
        self._num_verts_per_mesh, self._num_faces_per_mesh = verts, faces
        if self._N != count:
            raise ValueError("Textures do not match the dimensions of Meshes: another batch size")
        for name, kind in self._per.items():
            sizes = (verts, faces)[kind]
            rows = getattr(self, name)
            if rows is None:
                continue
            if any(len(r) < s or (name not in self._padded and len(r) != s) for r, s in zip(rows, sizes, strict=True)):
                raise ValueError(
                    f"Textures do not match the dimensions of Meshes: {name[1:]} of {[len(r) for r in rows]}"
                )
            setattr(self, name, [r[:s] for r, s in zip(rows, sizes, strict=True)])
        self._padded = ()

    def sample(self, face: Tensor, bary: Tensor, faces: Tensor) -> Tensor:
        """(M, C): the texture at barycentric coordinates (M, 3) of packed faces (M,); `faces` (F, 3) are all."""
        raise NotImplementedError

    def sample_textures(self, fragments, faces_packed: Tensor | None = None) -> Tensor:
        """(N, H, W, K, C): the texture at each pixel of fragments, 0 where no face was seen."""
        places, face, bary = seen_places(fragments.pix_to_face, fragments.bary_coords)
        return spread(self.sample(face, bary, faces_packed), places, fragments.pix_to_face.shape)

    def faces_verts_textures_packed(self, faces_packed: Tensor | None = None) -> Tensor:
        """(sum F_n, 3, C): the texture at each face's corners."""
        count = len(faces_packed) if faces_packed is not None else self._face_count()
        face = torch.arange(count, device=self.device).repeat_interleave(3)
        corners = torch.eye(3, device=self.device).repeat(count, 1)
        return self.sample(face, corners, faces_packed).view(count, 3, -1)

    def _face_count(self) -> int:
        name = next(name for name, kind in self._per.items() if kind == 1)
        return sum(len(rows) for rows in getattr(self, name))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A copy with `function` applied to each tensor."""
        return self._replaced({n: getattr(self, n) and [function(t) for t in getattr(self, n)] for n in self._lists})

    def clone(self) -> Self:
        """A copy that shares no memory."""
        return self._map(torch.clone)

    def detach(self) -> Self:
        """A copy without gradient history."""
        return self._map(torch.detach)

    def to(self, device: torch.device | str) -> Self:
        """A copy on a device."""
        return self._map(lambda tensor: tensor.to(device))

    def __getitem__(self, index) -> Self:
        if isinstance(index, Tensor | list | tuple | slice | int):
            index = index.cpu() if isinstance(index, Tensor) else [index] if isinstance(index, int) else index
            rows = torch.arange(self._N)[index].tolist()
            return self._replaced({n: getattr(self, n) and [getattr(self, n)[i] for i in rows] for n in self._lists})
        raise IndexError(f"textures cannot be indexed by {type(index).__name__}")

    def extend(self, N: int) -> Self:
        """Each mesh's texture N times in a row."""
        return self[[i for i in range(self._N) for _ in range(N)]]

    def join_batch(self, textures: Sequence[Self]) -> Self:
        """The textures of this batch and of others, one batch.

        Raises:
            ValueError: textures of another kind.
        """
        everything = [self, *textures]
        if any(type(t) is not type(self) for t in everything):
            raise ValueError(f"All textures must be of type {type(self).__name__}.")
        self._check_joins(everything)
        lists = {n: [getattr(t, n) for t in everything] for n in self._lists}
        for name, values in lists.items():
            if len({v is None for v in values}) > 1:
                raise ValueError(f"some textures have {name[1:]}, some have none")
        return self._replaced({n: None if v[0] is None else [t for rows in v for t in rows] for n, v in lists.items()})

    def join_scene(self) -> Self:
        """The texture of all meshes as one."""
        return self._replaced({name: [torch.cat(getattr(self, name))] for name in self._lists})

    def submeshes(self, vertex_ids: list[list[Tensor]], faces_ids: list[list[Tensor]]) -> Self:
        """One texture for each of the chosen sets of vertices and faces of each mesh."""
        chosen = (vertex_ids, faces_ids)
        lists = {}
        for name in self._lists:
            rows, per = getattr(self, name), self._per.get(name)
            if rows is None:
                lists[name] = None
            elif per is None:
                lists[name] = [row for row, ids in zip(rows, faces_ids, strict=True) for _ in ids]
            else:
                lists[name] = [row[i] for row, ids in zip(rows, chosen[per], strict=True) for i in ids]
        return self._replaced(lists)

    def check_shapes(self, batch_size: int, max_num_verts: int, max_num_faces: int) -> bool:
        """Whether this can be the texture of so many meshes with at most so many vertices and faces."""
        longest = {n: max(map(len, getattr(self, n)), default=0) for n in self._per if getattr(self, n) is not None}
        fits = (longest[n] == (max_num_verts, max_num_faces)[self._per[n]] for n in longest)
        return self._N == batch_size and all(fits)

    def _check_joins(self, textures: Sequence[Self]) -> None:
        """Raise ValueError where textures do not go together."""

    def _replaced(self, lists: dict[str, list[Tensor] | None]) -> Self:
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__.update(lists)
        for name in ("_num_verts_per_mesh", "_num_faces_per_mesh"):  # those of other meshes
            copy.__dict__.pop(name, None)
        return copy


class TexturesVertex(TexturesBase):
    """Features of each vertex: N tensors (V_n, C), or one (N, V, C)."""

    _lists, _per = ("_features",), {"_features": 0}

    def __init__(self, verts_features: Rows):
        self._features = _rows("verts_features", verts_features, 2)
        self._padded = ("_features",) if isinstance(verts_features, Tensor) else ()

    def verts_features_list(self) -> list[Tensor]:
        """N tensors (V_n, C)."""
        return self._features

    def verts_features_packed(self) -> Tensor:
        """(sum V_n, C)."""
        return torch.cat(self._features) if self._features else torch.zeros(0, 3)

    def verts_features_padded(self) -> Tensor:
        """(N, max V_n, C), zeros past each mesh's end."""
        return list_to_padded(self._features) if self._features else torch.zeros(0, 0, 3)

    def sample(self, face: Tensor, bary: Tensor, faces: Tensor) -> Tensor:
        features = self.verts_features_packed()
        return interpolate(
            features.index_select(0, faces.reshape(-1)).view(len(faces), 3, features.shape[1]), face, bary
        )

    def faces_verts_textures_packed(self, faces_packed: Tensor | None = None) -> Tensor:
        return self.verts_features_packed()[faces_packed]


class TexturesAtlas(TexturesBase):
    """An R x R square of texels for each face: N tensors (F_n, R, R, C), or one (N, F, R, R, C).

    A face is one triangle of the square's two: the texel of barycentric (w0, w1) is at row R w1, column R w0, and the
    other half of the square holds the texels that lie between (as SoftRasterizer stores them).
    """

    _lists, _per = ("_atlas",), {"_atlas": 1}

    def __init__(self, atlas: Rows):
        self._atlas = _rows("atlas", atlas, 4)
        self._padded = ("_atlas",) if isinstance(atlas, Tensor) else ()

    def atlas_list(self) -> list[Tensor]:
        """N tensors (F_n, R, R, C)."""
        return self._atlas

    def atlas_packed(self) -> Tensor:
        """(sum F_n, R, R, C)."""
        return torch.cat(self._atlas) if self._atlas else torch.zeros(0, 0, 0, 3)

    def atlas_padded(self) -> Tensor:
        """(N, max F_n, R, R, C), zeros past each mesh's end."""
        return list_to_padded(self._atlas) if self._atlas else torch.zeros(0, 0, 0, 0, 3)

    def sample(self, face: Tensor, bary: Tensor, faces: Tensor | None = None) -> Tensor:
        atlas = self.atlas_packed()
        size = atlas.shape[1]
        scaled = bary[:, :2] * size
        cell = scaled.detach().long()
        below = (scaled - cell).sum(1) <= 1.0  # the lower of the two triangles of a cell
        x, y = (torch.where(below, cell[:, k], size - 1 - cell[:, k]).clamp(0, size - 1) for k in (0, 1))
        return atlas[face, y, x]

    def _check_joins(self, textures) -> None:
        if len({t.atlas_packed().shape[1] for t in textures}) > 1:
            raise ValueError("all atlases must have the same resolution")


class TexturesUV(TexturesBase):
    """Images with texture coordinates for the corners of the faces.

    Args:
        maps: N images (H, W, C), or one tensor (N, H, W, C); with `maps_ids` sets of images, (M, H, W, C).
        faces_uvs: N tensors (F_n, 3) int of rows of `verts_uvs`, or one (N, F, 3) padded with -1.
        verts_uvs: N tensors (T_n, 2), or one (N, T, 2): u to the right, v up, [0, 1] the image.
        maps_ids: N tensors (F_n,) int, or one (N, F): the image of each face.
        padding_mode: of coordinates outside: "border", "zeros" or "reflection".
        align_corners: 0 and 1 are the middles of the outermost texels if True, else the image's edges.
        sampling_mode: "bilinear", "nearest", or "mipmap": bilinear in two of ever smaller images, chosen and mixed
            by how many texels a pixel covers (Williams 1983), so that distant textures do not shimmer.
    """

    _lists = ("_maps", "_faces_uvs", "_verts_uvs", "_maps_ids")
    _per = {"_faces_uvs": 1, "_maps_ids": 1}

    def __init__(
        self,
        maps: Rows,
        faces_uvs: Rows,
        verts_uvs: Rows,
        *,
        maps_ids: Rows | None = None,
        padding_mode: str = "border",
        align_corners: bool = True,
        sampling_mode: str = "bilinear",
    ):
        self.padding_mode, self.align_corners, self.sampling_mode = padding_mode, align_corners, sampling_mode
        self._maps = _rows("maps", maps, 3 if maps_ids is None else 4)
        self._faces_uvs = [f.long() for f in _rows("faces_uvs", faces_uvs, 2)]
        self._verts_uvs = _rows("verts_uvs", verts_uvs, 2)
        self._maps_ids = None if maps_ids is None else [i.long() for i in _rows("maps_ids", maps_ids, 1)]
        self._padded = ("_faces_uvs", "_maps_ids")
        if len({len(self._maps), len(self._faces_uvs), len(self._verts_uvs)}) > 1:
            raise ValueError("maps, faces_uvs and verts_uvs must have the same batch size")

    def maps_list(self) -> list[Tensor]:
        """N images (H, W, C), or sets of them (M, H, W, C)."""
        return self._maps

    def maps_padded(self) -> Tensor:
        """(N, H, W, C), or (N, M, H, W, C), resized to the largest where they differ."""
        return stack_images(self._maps)

    def faces_uvs_list(self) -> list[Tensor]:
        """N tensors (F_n, 3) int64."""
        return self._faces_uvs

    def faces_uvs_padded(self) -> Tensor:
        """(N, max F_n, 3) int64, -1 past each mesh's end."""
        return list_to_padded(self._faces_uvs, pad_value=-1) if self._faces_uvs else torch.zeros(0, 0, 3).long()

    def verts_uvs_list(self) -> list[Tensor]:
        """N tensors (T_n, 2)."""
        return self._verts_uvs

    def verts_uvs_padded(self) -> Tensor:
        """(N, max T_n, 2), zeros past each mesh's end."""
        return list_to_padded(self._verts_uvs) if self._verts_uvs else torch.zeros(0, 0, 2)

    def maps_ids_list(self) -> list[Tensor] | None:
        """N tensors (F_n,) int64, or None."""
        return self._maps_ids

    def maps_ids_padded(self) -> Tensor | None:
        """(N, max F_n) int64, or None."""
        return self._maps_ids and list_to_padded(self._maps_ids)

    def _corner_uvs(self) -> Tensor:
        """(sum F_n, 3, 2)."""
        return torch.cat([uvs[f.clamp(min=0)] for uvs, f in zip(self._verts_uvs, self._faces_uvs, strict=True)])

    def sample(
        self, face: Tensor, bary: Tensor, faces: Tensor | None = None, footprint: Tensor | None = None
    ) -> Tensor:
        """As in `TexturesBase`; `footprint` (M,), in shares of the image's side, is what a pixel covers."""
        uv = interpolate(self._corner_uvs(), face, bary)
        sizes = torch.tensor([len(f) for f in self._faces_uvs], device=uv.device)
        mesh = torch.arange(self._N, device=uv.device).repeat_interleave(sizes)[face] if self._N > 1 else None
        image = None if self._maps_ids is None else torch.cat(self._maps_ids)[face]
        mode = "bilinear" if self.sampling_mode == "mipmap" else self.sampling_mode
        level = footprint if self.sampling_mode == "mipmap" else None
        return sample_images(self._maps, uv, mesh, image, mode, self.align_corners, self.padding_mode, level)

    def sample_textures(self, fragments, faces_packed: Tensor | None = None) -> Tensor:
        places, face, bary = seen_places(fragments.pix_to_face, fragments.bary_coords)
        shape = fragments.pix_to_face.shape
        footprint = None
        if self.sampling_mode == "mipmap":
            with torch.no_grad():
                footprint = self._footprint(places, face, bary, shape)
        return spread(self.sample(face, bary, faces_packed, footprint), places, shape)

    def _footprint(self, places: Tensor, face: Tensor, bary: Tensor, shape: torch.Size) -> Tensor:
        """(M,): the step in uv from a pixel to its neighbours of the same face, the longer of both directions.

        Where a face has no neighbouring pixel, the longest of its other steps is not known either: 0, full resolution.
        """
        uv = spread(interpolate(self._corner_uvs(), face, bary), places, shape)
        seen = torch.full((shape.numel(),), -1, device=face.device).index_copy(0, places, face).view(shape)
        longest = uv.new_zeros(shape)
        for axis in (1, 2):
            step = uv.diff(dim=axis).norm(dim=-1)
            step = step * (seen.diff(dim=axis) == 0)
            before, after = [0] * 8, [0] * 8
            before[2 * (3 - axis)], after[2 * (3 - axis) + 1] = 1, 1
            longest = torch.maximum(longest, torch.maximum(F.pad(step, before), F.pad(step, after)))
        return longest.view(-1)[places]

    def join_scene(self) -> "TexturesUV":
        """One texture of all meshes: their images side by side in one, their coordinates moved there.

        Raises:
            ValueError: sets of images.
        """
        if self._maps_ids is not None:
            raise ValueError("join_scene is not possible with several images for a mesh")
        image, placed = paste_images(self._maps, self._verts_uvs, self.align_corners)
        count = [0, *torch.tensor([len(v) for v in self._verts_uvs]).cumsum(0).tolist()]
        faces = [f + start for f, start in zip(self._faces_uvs, count, strict=False)]
        lists = {"_maps": [image], "_faces_uvs": [torch.cat(faces)], "_verts_uvs": [torch.cat(placed)]}
        return self._replaced({**lists, "_maps_ids": None})

    def centers_for_image(self, index: int) -> Tensor:
        """Where the texture coordinates of one mesh lie in its image: (T, 2), x and y in texels."""
        if self._maps_ids is not None:
            raise ValueError("this function doesn't support several images for a mesh")
        height, width = self._maps[index].shape[:2]
        uv = self._verts_uvs[index]
        side = uv.new_tensor([width, height])
        uv = torch.stack((uv[:, 0], 1 - uv[:, 1]), 1)
        return uv * (side - 1) if self.align_corners else uv * side - 0.5

    def _check_joins(self, textures) -> None:
        if len({(t.padding_mode, t.align_corners, t.sampling_mode) for t in textures}) > 1:
            raise ValueError("All textures must have the same align_corners, padding_mode and sampling_mode.")

    def submeshes(self, vertex_ids, faces_ids) -> "TexturesUV":
        if self._maps_ids is not None:
            raise NotImplementedError("submeshes is not possible with several images for a mesh")
        return super().submeshes(vertex_ids, faces_ids)


def _rows(name: str, rows: Rows, dimensions: int) -> list[Tensor]:
    """One tensor of so many dimensions per mesh.

    Raises:
        ValueError: another type or number of dimensions.
    """
    if not isinstance(rows, list | tuple | Tensor):
        raise ValueError(f"{name} must be a tensor or a list of tensors")
    out = list(rows)
    if any(not isinstance(r, Tensor) or (r.numel() and r.dim() != dimensions) for r in out):
        raise ValueError(f"{name} must be one tensor of {dimensions} dimensions per mesh")
    return out
