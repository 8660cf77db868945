"""Colours, or any features, of meshes: per vertex, per face as small squares, or by texture coordinates into images.

All kinds answer `sample(face, bary, faces)`, the texture at barycentric coordinates (M, 3) of packed faces (M,): only
what is seen is looked up.
"""

import itertools

import torch
from torch import Tensor

from .interpolate import interpolate, seen_places, spread
from .ragged import Rows
from .structures import form
from .texture_images import paste_images, sample_images, stack_images
from .textures_base import TexturesBase

__all__ = ["TexturesAtlas", "TexturesBase", "TexturesUV", "TexturesVertex"]


class TexturesVertex(TexturesBase):
    """Features of each vertex: N tensors (V_n, C), or one (N, V, C)."""

    _per, _none = {"verts_features": 0}, {"verts_features": torch.zeros(0, 3)}

    def __init__(self, verts_features: Rows):
        self._lists = {"verts_features": _rows("verts_features", verts_features, 2)}
        self._loose = self._lists if isinstance(verts_features, Tensor) else ()

    verts_features_list = form("_list", "verts_features", "N tensors (V_n, C).")
    verts_features_packed = form("_packed", "verts_features", "(sum V_n, C).")
    verts_features_padded = form("_padded", "verts_features", "(N, max V_n, C), zeros past each mesh's end.")

    def sample(self, face: Tensor, bary: Tensor, faces: Tensor) -> Tensor:
        features = self.verts_features_packed()
        corners = features.index_select(0, faces.reshape(-1)).view(len(faces), 3, features.shape[1])
        return interpolate(corners, face, bary)

    def faces_verts_textures_packed(self, faces_packed: Tensor | None = None) -> Tensor:
        return self.verts_features_packed()[faces_packed]


class TexturesAtlas(TexturesBase):
    """An R x R square of texels for each face: N tensors (F_n, R, R, C), or one (N, F, R, R, C).

    A face is one triangle of the square's two: the texel of barycentric (w0, w1) is at row R w1, column R w0, and the
    other half of the square holds the texels that lie between (as SoftRasterizer stores them).
    """

    _per, _none = {"atlas": 1}, {"atlas": torch.zeros(0, 0, 0, 3)}

    def __init__(self, atlas: Rows):
        self._lists = {"atlas": _rows("atlas", atlas, 4)}
        self._loose = self._lists if isinstance(atlas, Tensor) else ()

    atlas_list = form("_list", "atlas", "N tensors (F_n, R, R, C).")
    atlas_packed = form("_packed", "atlas", "(sum F_n, R, R, C).")
    atlas_padded = form("_padded", "atlas", "(N, max F_n, R, R, C), zeros past each mesh's end.")

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

    _per = {"faces_uvs": 1, "maps_ids": 1}
    _none = {"faces_uvs": torch.zeros(0, 3).long(), "verts_uvs": torch.zeros(0, 2), "maps_ids": torch.zeros(0).long()}

    def __init__(
        self, maps: Rows, faces_uvs: Rows, verts_uvs: Rows, *, maps_ids: Rows | None = None,
        padding_mode: str = "border", align_corners: bool = True, sampling_mode: str = "bilinear",
    ):  # fmt: skip
        self.padding_mode, self.align_corners, self.sampling_mode = padding_mode, align_corners, sampling_mode
        self._lists = {
            "maps": _rows("maps", maps, 3 if maps_ids is None else 4),
            "faces_uvs": [f.long() for f in _rows("faces_uvs", faces_uvs, 2)],
            "verts_uvs": _rows("verts_uvs", verts_uvs, 2),
            "maps_ids": None if maps_ids is None else [i.long() for i in _rows("maps_ids", maps_ids, 1)],
        }
        self._loose = tuple(self._per)
        if len({len(rows) for rows in self._lists.values() if rows is not None}) > 1:
            raise ValueError("maps, faces_uvs and verts_uvs must have the same batch size")

    maps_list = form("_list", "maps", "N images (H, W, C), or sets of them (M, H, W, C).")
    faces_uvs_list = form("_list", "faces_uvs", "N tensors (F_n, 3) int64.")
    verts_uvs_list = form("_list", "verts_uvs", "N tensors (T_n, 2).")
    maps_ids_list = form("_list", "maps_ids", "N tensors (F_n,) int64, or None.")
    faces_uvs_padded = form("_padded", "faces_uvs", "(N, max F_n, 3) int64, -1 past each mesh's end.")
    verts_uvs_padded = form("_padded", "verts_uvs", "(N, max T_n, 2), zeros past each mesh's end.")
    maps_ids_padded = form("_padded", "maps_ids", "(N, max F_n) int64, or None.")

    def maps_padded(self) -> Tensor:
        """(N, H, W, C), or (N, M, H, W, C), resized to the largest where they differ."""
        return stack_images(self.maps_list())

    def _corner_uvs(self) -> Tensor:
        """(sum F_n, 3, 2)."""
        pairs = zip(self.verts_uvs_list(), self.faces_uvs_list(), strict=True)
        return torch.cat([uvs[faces.clamp(min=0)] for uvs, faces in pairs])

    def sample(
        self, face: Tensor, bary: Tensor, faces: Tensor | None = None, footprint: Tensor | None = None
    ) -> Tensor:
        """As in `TexturesBase`; `footprint` (M,), in shares of the image's side, is what a pixel covers."""
        uv = interpolate(self._corner_uvs(), face, bary)
        mesh = image = None
        if self._N > 1:
            sizes = torch.tensor([len(f) for f in self.faces_uvs_list()], device=uv.device)
            mesh = torch.arange(self._N, device=uv.device).repeat_interleave(sizes)[face]
        if self.maps_ids_list() is not None:
            image = self._packed("maps_ids")[face]
        mode, level = ("bilinear", footprint) if self.sampling_mode == "mipmap" else (self.sampling_mode, None)
        return sample_images(self.maps_list(), uv, mesh, image, mode, self.align_corners, self.padding_mode, level)

    def sample_textures(self, fragments, faces_packed: Tensor | None = None) -> Tensor:
        places, face, bary = seen_places(fragments.pix_to_face, fragments.bary_coords)
        shape = fragments.pix_to_face.shape
        footprint = None
        if self.sampling_mode == "mipmap":
            with torch.no_grad():
                footprint = self._footprint(places, face, bary, shape)
        return spread(self.sample(face, bary, faces_packed, footprint), places, shape)

    def _footprint(self, places: Tensor, face: Tensor, bary: Tensor, shape: torch.Size) -> Tensor:
        """(M,): the longest step in uv from a pixel to its neighbours of the same face; 0, full resolution, of none."""
        uv = spread(interpolate(self._corner_uvs(), face, bary), places, shape)
        seen = torch.full((shape.numel(),), -1, device=face.device).index_copy(0, places, face).view(shape)
        longest = uv.new_zeros(shape)
        for axis in (1, 2):
            step = uv.diff(dim=axis).norm(dim=-1) * (seen.diff(dim=axis) == 0)
            for neighbour in (0, 1):
                part = longest.narrow(axis, neighbour, shape[axis] - 1)
                part.copy_(torch.maximum(part, step))
        return longest.view(-1)[places]

    def join_scene(self) -> "TexturesUV":
        """One texture of all meshes: their images side by side in one, their coordinates moved there.

        Raises:
            ValueError: sets of images.
        """
        if self.maps_ids_list() is not None:
            raise ValueError("join_scene is not possible with several images for a mesh")
        image, placed = paste_images(self.maps_list(), self.verts_uvs_list(), self.align_corners)
        starts = itertools.accumulate(map(len, self.verts_uvs_list()), initial=0)
        faces = [f + start for f, start in zip(self.faces_uvs_list(), starts, strict=False)]
        joined = {"maps": image, "faces_uvs": torch.cat(faces), "verts_uvs": torch.cat(placed)}
        return self._replaced(lambda name, _: [joined[name]])

    def centers_for_image(self, index: int) -> Tensor:
        """Where the texture coordinates of one mesh lie in its image: (T, 2), x and y in texels."""
        if self.maps_ids_list() is not None:
            raise ValueError("this function doesn't support several images for a mesh")
        height, width = self.maps_list()[index].shape[:2]
        uv = self.verts_uvs_list()[index]
        side = uv.new_tensor([width, height])
        uv = torch.stack((uv[:, 0], 1 - uv[:, 1]), 1)
        return uv * (side - 1) if self.align_corners else uv * side - 0.5

    def _check_joins(self, textures) -> None:
        if len({(t.padding_mode, t.align_corners, t.sampling_mode) for t in textures}) > 1:
            raise ValueError("All textures must have the same align_corners, padding_mode and sampling_mode.")

    def submeshes(self, vertex_ids, faces_ids) -> "TexturesUV":
        if self.maps_ids_list() is not None:
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
