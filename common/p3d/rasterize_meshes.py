"""Which faces cover which pixels: the mesh rasteriser of `pytorch3d.renderer.mesh`, by pair expansion.

The (pixel, face) pairs that may meet are found by `face_pairs`, measured exactly, and reduced to the K nearest of each
pixel. Only these are computed again with gradients, by the same function.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .clip import clip_faces
from .face_pairs import edge_function, expand_faces
from .meshes import Meshes
from .point_pairs import PixelGrid, pixel_grid

__all__ = ["rasterize_meshes"]

EPSILON = 1e-8  # least area, edge length squared and depth that count as more than nothing, PyTorch3D's
HITS_KEPT = 1 << 23  # hits held before they are reduced to the K nearest


def rasterize_meshes(
    meshes: Meshes,
    image_size: int | Sequence[int] = 256,
    blur_radius: float = 0.0,
    faces_per_pixel: int = 8,
    bin_size: int | None = None,
    max_faces_per_bin: int | None = None,
    perspective_correct: bool = False,
    clip_barycentric_coords: bool = False,
    cull_backfaces: bool = False,
    z_clip_value: float | None = None,
    cull_to_frustum: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The nearest faces that cover each pixel.

    Args:
        meshes: N meshes, x and y in NDC (+X left, +Y up, the shorter side of the image spans [-1, 1]), z the depth.
            Faces with a corner at z < 1e-8, of no area or with a NaN cover nothing.
        image_size: pixels, one number or (height, width).
        blur_radius: squared NDC distance up to which a pixel outside a face is covered, too.
        faces_per_pixel: K.
        bin_size, max_faces_per_bin: PyTorch3D's; they change nothing here.
        perspective_correct: barycentric coordinates of the face in space, not of its picture.
        clip_barycentric_coords: move coordinates of pixels outside a face to its rim before the depth is computed.
        cull_backfaces: leave out faces whose corners run clockwise as seen from the camera.
        z_clip_value: cut faces off in front of this depth, rather than losing those that reach behind it.
        cull_to_frustum: leave out faces outside the image. That changes nothing but the work; it is always done.

    Returns:
        pix_to_face (N, H, W, K) int64, packed faces, nearest first, the lower index first among equals; zbuf
        (N, H, W, K), their depths; barycentric coordinates (N, H, W, K, 3); and squared NDC distances (N, H, W, K) to
        the nearest edge, negative inside. All are -1 where fewer than K faces cover a pixel. All but the first are
        differentiable in the vertices.

    Raises:
        ValueError: an image size, a radius or a K that makes no sense.
    """
    grid = pixel_grid(image_size, faces_per_pixel, "faces_per_pixel")
    if not blur_radius >= 0:
        raise ValueError(f"blur_radius must be at least 0, got {blur_radius}")
    face_verts = meshes.verts_packed().index_select(0, meshes.faces_packed().reshape(-1)).view(-1, 3, 3)
    image = meshes.faces_packed_to_mesh_idx()
    origin, back = None, None
    if z_clip_value is not None:
        face_verts, image, origin, back = clip_faces(face_verts, image, z_clip_value, perspective_correct)
    measure = _Measure(grid, blur_radius, perspective_correct, clip_barycentric_coords)
    with torch.no_grad():
        drawn = _drawn(face_verts, cull_backfaces)
        slot, face = _nearest_faces(face_verts.detach()[drawn], image[drawn], measure, len(meshes), origin, drawn)
    bary, depth, distance, _ = measure(
        face_verts.index_select(0, face), torch.div(slot, grid.depth, rounding_mode="floor")
    )
    if origin is not None:
        moved = back.index_select(0, face)
        bary, face = (bary[:, None] @ moved)[:, 0], origin.index_select(0, face)
    shape = (len(meshes), grid.height, grid.width, grid.depth)
    total = len(meshes) * grid.height * grid.width * grid.depth
    pix_to_face = torch.full((total,), -1, dtype=torch.int64, device=face.device).index_copy_(0, slot, face)
    filled = [bary.new_full((total, *v.shape[1:]), -1.0).index_copy(0, slot, v) for v in (depth, bary, distance)]
    zbuf, bary, dists = (v.view(*shape, *v.shape[1:]) for v in filled)
    return pix_to_face.view(shape), zbuf, bary, dists


def barycentric_coordinates(p: Tensor, v0: Tensor, v1: Tensor, v2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Barycentric coordinates, each (...), of points (..., 2) in triangles of corners (..., 2)."""
    area = edge_function(v2, v0, v1) + EPSILON
    return edge_function(p, v1, v2) / area, edge_function(p, v2, v0) / area, edge_function(p, v0, v1) / area


def _drawn(face_verts: Tensor, cull_backfaces: bool) -> Tensor:
    """(D,) int64: the faces that can cover anything."""
    area = edge_function(face_verts[:, 0], face_verts[:, 1], face_verts[:, 2])
    drawn = area > EPSILON if cull_backfaces else area.abs() > EPSILON
    drawn &= (face_verts[:, :, 2] >= EPSILON).all(1) & face_verts.isfinite().all(2).all(1)
    return drawn.nonzero().squeeze(1)


class _Measure:
    """How a face lies to a pixel."""

    def __init__(self, grid: PixelGrid, blur: float, perspective_correct: bool, clip: bool):
        self.grid, self.blur, self.perspective_correct, self.clip = grid, blur, perspective_correct, clip

    def __call__(self, face_verts: Tensor, pixel: Tensor, far: bool = True) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of faces (M, 3, 3) and flat pixels (M,): barycentric (M, 3), depth, signed distance and inside, all (M,)."""
        p = self._centres(pixel, face_verts.dtype)
        flat, z = face_verts[:, :, :2], face_verts[:, :, 2]
        a, b = flat[:, [1, 2, 0]], flat[:, [2, 0, 1]]
        area = edge_function(flat[:, 2], flat[:, 0], flat[:, 1])[:, None]
        edges = edge_function(p[:, None], a, b)
        bary = edges / (area + EPSILON)
        if self.perspective_correct:
            bary = bary * (z[:, [1, 0, 0]] * z[:, [2, 2, 1]])
            bary = bary / bary.sum(1, keepdim=True).clamp(min=EPSILON)
        inside = ((bary > 0) | ((edges == 0) & self._owns_edge((b - a) * area.sign()[..., None]))).all(1)
        if self.clip:
            bary = bary.clamp(min=0.0)
            bary = bary / bary.sum(1, keepdim=True).clamp(min=1e-5)
        depth = (bary * z).sum(1)
        if not far:  # whoever only asks what lies inside needs no distances
            return bary, depth, depth, inside
        distance = self._edge_distance(p, a, b)
        return bary, depth, torch.where(inside, -distance, distance), inside

    def _centres(self, pixel: Tensor, kind: torch.dtype) -> Tensor:
        """NDC (M, 2) of flat pixels (M,)."""
        row = torch.div(pixel, self.grid.width, rounding_mode="floor")
        column = self.grid.width - 1 - (pixel - row * self.grid.width)
        row = self.grid.height - 1 - row.remainder_(self.grid.height)
        return torch.stack((self.grid.centres(column.to(kind), 0), self.grid.centres(row.to(kind), 1)), 1)

    @staticmethod
    def _owns_edge(direction: Tensor) -> Tensor:
        """Whether a pixel exactly on an edge is the face's own: on one side of each edge, so that neighbours that share
        it leave no gap and do not both draw it. (PyTorch3D leaves such pixels out of both.)"""
        return (direction[..., 1] > 0) | ((direction[..., 1] == 0) & (direction[..., 0] < 0))

    @staticmethod
    def _edge_distance(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Squared distance (M,) of points (M, 2) to the nearest of three segments a, b (M, 3, 2)."""
        along, to = b - a, p[:, None] - a
        squared = along.square().sum(2)
        share = (along * to).sum(2) / squared.clamp(min=EPSILON)
        share = torch.where(squared > EPSILON, share.clamp(0.0, 1.0), 1.0)
        return (to - share[..., None] * along).square().sum(2).amin(1)


def _nearest_faces(
    face_verts: Tensor, image: Tensor, measure: _Measure, batch: int, origin: Tensor | None, drawn: Tensor
) -> tuple[Tensor, Tensor]:
    """Which places (M,) of the flattened (N, H, W, K) output are filled, and by which faces (M,), given as `drawn`."""
    grid = measure.grid
    pixels = batch * grid.height * grid.width
    nearest = _Nearest(pixels) if grid.depth == 1 else _NearestK(grid.depth)
    for pixel, face in expand_faces(face_verts, image, measure.blur**0.5, grid):
        _, depth, distance, inside = measure(face_verts.index_select(0, face), pixel, measure.blur > 0)
        inside = inside | (distance < measure.blur) if measure.blur > 0 else inside
        hit = ((depth >= 0) & inside).nonzero().squeeze(1)
        pixel, face, depth = pixel[hit], drawn[face[hit]], depth[hit]
        if origin is not None and measure.blur > 0:
            nearest.add(*_one_half(pixel, face, depth, distance[hit], origin))
        else:
            nearest.add(pixel, face, depth)
    return nearest.places()


def _one_half(pixel: Tensor, face: Tensor, depth: Tensor, distance: Tensor, origin: Tensor):
    """Of the two halves of a face that was cut, where both blur over a pixel, the one that lies nearer."""
    key = pixel * (int(origin.max()) + 1) + origin[face]
    order = distance.abs().sort(stable=True)[1]
    key, again = key[order].sort(stable=True)
    first = torch.ones_like(key, dtype=torch.bool)
    torch.ne(key[1:], key[:-1], out=first[1:])
    kept = order[again[first]]
    return pixel[kept], face[kept], depth[kept]


def _sortable(depth: Tensor) -> Tensor:
    """Depths (M,) >= 0 as int64 that sort alike: a float's bits; 31 of them, doubles lose nothing that shows."""
    return (depth.float() + 0.0).view(torch.int32).long()


class _Nearest:
    """The nearest face of each pixel: one number holds depth and face, and the least one wins."""

    def __init__(self, pixels: int):
        self.pixels, self.best = pixels, None

    def add(self, pixel: Tensor, face: Tensor, depth: Tensor) -> None:
        if self.best is None:
            self.best = torch.full((self.pixels,), torch.iinfo(torch.int64).max, device=pixel.device)
        self.best.scatter_reduce_(0, pixel, (_sortable(depth) << 32) | face, "amin")

    def places(self) -> tuple[Tensor, Tensor]:
        if self.best is None:
            return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
        place = (self.best != torch.iinfo(torch.int64).max).nonzero().squeeze(1)
        return place, self.best[place] & 0xFFFFFFFF


class _NearestK:
    """The K nearest faces of each pixel, by sorting; reduced whenever many have come together."""

    def __init__(self, depth: int):
        self.depth, self.kept, self.count = depth, [], 0

    def add(self, pixel: Tensor, face: Tensor, depth: Tensor) -> None:
        self.kept.append((pixel, face, _sortable(depth)))
        self.count += len(pixel)
        if self.count > HITS_KEPT:
            self._reduce()

    def _reduce(self) -> Tensor:
        """Keep K hits of each pixel, in the order of pixel, depth and face. Returns each one's rank (M,)."""
        columns = [torch.cat(parts) for parts in zip(*self.kept, strict=True)]
        for column in (1, 2, 0):  # the last sort counts most; each is stable
            key = columns[column]
            order = (key.int() if column else key).sort(stable=True)[1]
            columns = [c[order] for c in columns]
        pixel, face, depth = columns
        new = torch.ones_like(pixel, dtype=torch.bool)
        torch.ne(pixel[1:], pixel[:-1], out=new[1:])
        place = torch.arange(len(pixel), device=pixel.device)
        rank = place - torch.where(new, place, 0).cummax(0)[0] if len(pixel) else place
        few = rank < self.depth
        self.kept, self.count = [(pixel[few], face[few], depth[few])], int(few.sum())
        return rank[few]

    def places(self) -> tuple[Tensor, Tensor]:
        if not self.kept:
            return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
        rank = self._reduce()
        pixel, face, _ = self.kept[0]
        return pixel * self.depth + rank, face
