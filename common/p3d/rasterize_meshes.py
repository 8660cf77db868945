"""Which faces cover which pixels: the mesh rasteriser of `pytorch3d.renderer.mesh`, by pair expansion.

The (pixel, face) pairs that may meet are found by `face_pairs`, measured exactly, and reduced to the K nearest of each
pixel. Only these are computed again with gradients, by the same function.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from .clip import clip_faces
from .face_pairs import Pairs, expand_faces, owns_edge
from .meshes import Meshes
from .point_pairs import PixelGrid, pixel_grid

__all__ = ["rasterize_meshes"]

EPSILON = 1e-8  # least area, edge length squared and depth that count as more than nothing, PyTorch3D's
HITS_KEPT = 1 << 23  # hits held before they are reduced to the K nearest
NOTHING = torch.iinfo(torch.int64).max


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
    grid = pixel_grid(image_size, faces_per_pixel, "faces_per_pixel", len(meshes), meshes.device)
    if not blur_radius >= 0:
        raise ValueError(f"blur_radius must be at least 0, got {blur_radius}")
    face_verts = meshes.verts_packed().index_select(0, meshes.faces_packed().reshape(-1)).view(-1, 3, 3)
    image = meshes.faces_packed_to_mesh_idx()
    origin, back = None, None
    if z_clip_value is not None:
        face_verts, image, origin, back = clip_faces(face_verts, image, z_clip_value, perspective_correct)
    measure = _Measure(perspective_correct, clip_barycentric_coords, blur_radius > 0)
    with torch.no_grad():
        drawn = _drawn(face_verts, cull_backfaces)
        known, blur = face_verts.detach().index_select(0, drawn), blur_radius**0.5
        pairs = expand_faces(known, image.index_select(0, drawn), blur, grid)
        if grid.depth == 1 and not blur:
            slot, face = _nearest(pairs, known, len(meshes) * grid.height * grid.width, perspective_correct)
        else:
            halves = None if origin is None or not blur else origin.index_select(0, drawn)
            slot, face = _nearest_k(pairs, known, measure, blur_radius, grid.depth, halves)
        face = drawn.index_select(0, face)
        pixel = slot if grid.depth == 1 else torch.div(slot, grid.depth, rounding_mode="floor")
        x, y = _centres(pixel, grid, face_verts.dtype)
    bary, depth, distance = measure(_columns(face_verts), face, x, y)
    bary = torch.stack(bary, 1)
    if origin is not None:
        bary = (bary[:, None] @ back.index_select(0, face))[:, 0]
        face = origin.index_select(0, face)
    shape = (len(meshes), grid.height, grid.width, grid.depth)
    empty = face_verts.new_full((torch.Size(shape).numel(),), -1.0)
    pix_to_face = torch.full(empty.shape, -1, dtype=torch.int64, device=face.device).index_copy_(0, slot, face)
    zbuf, dists = (empty.index_copy(0, slot, values).view(shape) for values in (depth, distance))
    bary = empty[:, None].expand(-1, 3).index_copy(0, slot, bary).view(*shape, 3)
    return pix_to_face.view(shape), zbuf, bary, dists


def barycentric_coordinates(p: Tensor, v0: Tensor, v1: Tensor, v2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Barycentric coordinates, each (...), of points (..., 2) in triangles of corners (..., 2).

    1e-8 is added to twice the area, as in PyTorch3D, so that they sum to a little less than 1.
    """
    area = _cross(v2, v0, v1) + EPSILON
    return _cross(p, v1, v2) / area, _cross(p, v2, v0) / area, _cross(p, v0, v1) / area


def _cross(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Twice the signed area of the triangle p, a, b, of (..., 2 or 3) points; x and y count."""
    return (p[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1]) - (p[..., 1] - a[..., 1]) * (b[..., 0] - a[..., 0])


def _drawn(face_verts: Tensor, cull_backfaces: bool) -> Tensor:
    """(D,) int64: the faces that can cover anything."""
    area = _cross(face_verts[:, 2], face_verts[:, 0], face_verts[:, 1])  # rounded as everywhere else
    drawn = area > EPSILON if cull_backfaces else area.abs() > EPSILON
    drawn &= (face_verts[:, :, 2] >= EPSILON).all(1) & face_verts.isfinite().all(2).all(1)
    return drawn.nonzero().squeeze(1)


def _centres(pixel: Tensor, grid: PixelGrid, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """NDC x and y (M,) of flat pixels (M,)."""
    row = torch.div(pixel, grid.width, rounding_mode="floor")
    column = grid.width - 1 - (pixel - row * grid.width)
    row = grid.height - 1 - row.remainder_(grid.height)
    return grid.centres(column.to(kind), 0), grid.centres(row.to(kind), 1)


def _columns(face_verts: Tensor) -> list[Tensor]:
    """x, y and z of the first, the second and the third corner of faces (F, 3, 3): nine tensors (F,)."""
    return list(face_verts.reshape(-1, 9).t().contiguous().unbind(0))


class _Measure:
    """How faces lie to pixels' centres, which are all inside unless `blur`."""

    def __init__(self, perspective_correct: bool, clip: bool, blur: bool):
        self.perspective_correct, self.clip, self.blur = perspective_correct, clip, blur

    def __call__(
        self, columns: list[Tensor], face: Tensor, x: Tensor, y: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Of pairs (M,): barycentric coordinates, three (M,), depth and squared distance, negative inside, (M,)."""
        corners = [column.index_select(0, face) for column in columns]
        xs, ys, zs = corners[::3], corners[1::3], corners[2::3]
        area = (xs[2] - xs[0]) * (ys[1] - ys[0]) - (ys[2] - ys[0]) * (xs[1] - xs[0])
        scale, bary, distances, within = area + EPSILON, [], [], []
        for a, b in ((1, 2), (2, 0), (0, 1)):
            to_x, to_y, along_x, along_y = x - xs[a], y - ys[a], xs[b] - xs[a], ys[b] - ys[a]
            edge = to_x * along_y - to_y * along_x
            bary.append(edge / scale)
            if self.blur:
                owned = owns_edge(along_x * area.sign(), along_y * area.sign())
                within.append((bary[-1] > 0) | ((edge == 0) & owned))
            square = along_x * along_x + along_y * along_y
            share = ((along_x * to_x + along_y * to_y) / square.clamp(min=EPSILON)).clamp(0.0, 1.0)
            share = torch.where(square > EPSILON, share, 1.0)
            from_x, from_y = to_x - share * along_x, to_y - share * along_y
            distances.append(from_x * from_x + from_y * from_y)
        distance = torch.minimum(torch.minimum(distances[0], distances[1]), distances[2])
        inside = within[0] & within[1] & within[2] if self.blur else None
        if self.perspective_correct:
            bary = [bary[0] * (zs[1] * zs[2]), bary[1] * (zs[0] * zs[2]), bary[2] * (zs[0] * zs[1])]
            bary = self._normalised(bary, EPSILON)
        if self.clip:
            bary = self._normalised([b.clamp(min=0.0) for b in bary], 1e-5)
        depth = bary[0] * zs[0] + bary[1] * zs[1] + bary[2] * zs[2]
        return bary, depth, torch.where(inside, -distance, distance) if self.blur else -distance

    @staticmethod
    def _normalised(bary: list[Tensor], least: float) -> list[Tensor]:
        total = (bary[0] + bary[1] + bary[2]).clamp(min=least)
        return [b / total for b in bary]


def _nearest(
    pairs: Iterable[Pairs], face_verts: Tensor, pixels: int, perspective_correct: bool
) -> tuple[Tensor, Tensor]:
    """The pixels (M,) of those given that faces meet, and the nearest face (M,) of each, the lower among equals.

    What is linear over a face in the image, its depth, or in perspective the inverse, ranks the faces of a pixel. One
    number holds depth and face, and the least one wins.
    """
    x, y, z = face_verts.unbind(2)
    value = 1.0 / z if perspective_correct else z
    area = (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0]) - (y[:, 2] - y[:, 0]) * (x[:, 1] - x[:, 0])
    slope_x = ((y.roll(1, 1) - y.roll(-1, 1)) * value).sum(1) / area
    slope_y = ((x.roll(-1, 1) - x.roll(1, 1)) * value).sum(1) / area
    columns = [c.contiguous() for c in (x[:, 0], y[:, 0], value[:, 0])]
    best = torch.full((pixels,), NOTHING, device=x.device)
    for pair in pairs:
        x0, y0, start, along_x, along_y = (c.index_select(0, pair.face) for c in (*columns, slope_x, slope_y))
        depth = start + (pair.x - x0) * along_x + (pair.y - y0) * along_y
        depth = 1.0 / depth.clamp(min=EPSILON) if perspective_correct else depth.clamp(min=0.0)
        best.scatter_reduce_(0, pair.pixel, (_sortable(depth) << 32) | pair.face, "amin")
    pixel = (best != NOTHING).nonzero().squeeze(1)
    return pixel, best.index_select(0, pixel) & 0xFFFFFFFF


def _nearest_k(
    pairs: Iterable[Pairs], face_verts: Tensor, measure: _Measure, blur: float, depth: int, halves: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Which places (M,) of the flattened (N, H, W, K) output are filled, and by which faces (M,).

    Args:
        blur: squared NDC distance up to which a pixel outside a face is covered.
        halves: (F,), the face that each was cut from, if blur may reach over the cut.
    """
    columns, nearest = _columns(face_verts), _NearestK(depth, face_verts.device)
    for pair in pairs:
        _, near, distance = measure(columns, pair.face, pair.x, pair.y)
        hit = ((near >= 0) & (distance < blur)).nonzero().squeeze(1) if blur > 0 else slice(None)
        pixel, face, near = pair.pixel[hit], pair.face[hit], near[hit]
        if halves is not None:
            pixel, face, near = _one_half(pixel, face, near, distance[hit], halves)
        nearest.add(pixel, face, near)
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


class _NearestK:
    """The K nearest faces of each pixel, by sorting; reduced whenever many have come together."""

    def __init__(self, depth: int, device: torch.device):
        self.depth, self.device, self.kept, self.count = depth, device, [], 0

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
            return torch.zeros(2, 0, dtype=torch.int64, device=self.device).unbind(0)
        rank = self._reduce()
        pixel, face, _ = self.kept[0]
        return pixel * self.depth + rank, face
