"""Which faces cover which pixels: the mesh rasteriser of `pytorch3d.renderer.mesh`, by pair expansion.

The (pixel, face) pairs that may meet are found by `face_pairs`, measured exactly, and reduced to the K nearest of each
pixel. Only these are computed again with gradients, by the same function.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .clip import clip_faces
from .face_pairs import Pairs, cross, expand_faces, owns_edge
from .meshes import Meshes
from .pixel_grid import PixelGrid, first_of_runs, pixel_grid

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
    """The nearest faces that cover each pixel, the lower index first among equals; differentiable in the vertices.

    Args:
        meshes: N meshes, x and y in NDC (+X left, +Y up, the shorter side of the image spans [-1, 1]), z the depth.
            Faces with a corner at z < 1e-8, of no area or with a NaN cover nothing.
        image_size: pixels, one number or (height, width).
        blur_radius: squared NDC distance up to which a pixel outside a face is covered, too.
        faces_per_pixel: K.
        bin_size, max_faces_per_bin, cull_to_frustum: PyTorch3D's; they change nothing here.
        perspective_correct: barycentric coordinates of the face in space, not of its picture.
        clip_barycentric_coords: move coordinates of pixels outside a face to its rim before the depth is computed.
        cull_backfaces: leave out faces whose corners run clockwise as seen from the camera.
        z_clip_value: cut faces off in front of this depth, rather than losing those that reach behind it.

    Returns:
        Packed faces (N, H, W, K) int64; depths (N, H, W, K); barycentric coordinates (N, H, W, K, 3); squared NDC
        distances (N, H, W, K) to the nearest edge, negative inside. -1 where fewer than K faces cover a pixel.

    Raises:
        ValueError: an image size, a radius or a K that makes no sense.
    """
    grid = pixel_grid(image_size, faces_per_pixel, "faces_per_pixel", len(meshes), meshes.device)
    if not blur_radius >= 0:
        raise ValueError(f"blur_radius must be at least 0, got {blur_radius}")
    measure = _Measure(perspective_correct, clip_barycentric_coords, blur_radius)
    return _rasterize(meshes, grid, measure, cull_backfaces, z_clip_value)


def _rasterize(
    meshes: Meshes, grid: PixelGrid, measure: "_Measure", cull_backfaces: bool, z_clip: float | None
) -> tuple[Tensor, ...]:
    face_verts = meshes.verts_packed().index_select(0, meshes.faces_packed().reshape(-1)).view(-1, 3, 3)
    image, origin, back = meshes.faces_packed_to_mesh_idx(), None, None
    if z_clip is not None:
        face_verts, image, origin, back = clip_faces(face_verts, image, z_clip, measure.perspective_correct)
    with torch.no_grad():
        drawn = _drawn(face_verts, cull_backfaces)
        known = face_verts.detach().index_select(0, drawn)
        pairs = expand_faces(known, image.index_select(0, drawn), measure.blur**0.5, grid)
        if grid.depth == 1 and not measure.blur:
            pixels = len(meshes) * grid.height * grid.width
            place, face = _nearest(pairs, known, pixels, measure.perspective_correct)
        else:
            halves = origin.index_select(0, drawn) if origin is not None and measure.blur else None
            place, face = _nearest_k(pairs, known, measure, grid.depth, halves)
        face = drawn.index_select(0, face)
        x, y = grid.centres_of_places(place, face_verts.dtype)
    bary, depth, distance = measure(_columns(face_verts), face, x, y)
    bary = torch.stack(bary, 1)
    if origin is not None:
        bary = (bary[:, None] @ back.index_select(0, face))[:, 0]
        face = origin.index_select(0, face)
    return tuple(grid.filled(len(meshes), place, values) for values in (face, depth, bary, distance))


def barycentric_coordinates(p: Tensor, v0: Tensor, v1: Tensor, v2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Barycentric coordinates, each (...), of points (..., 2) in triangles of corners (..., 2).

    1e-8 is added to twice the area, as in PyTorch3D, so that they sum to a little less than 1.
    """
    p, v0, v1, v2 = (points.unbind(-1) for points in (p, v0, v1, v2))
    area = cross(v2, v0, v1) + EPSILON
    return cross(p, v1, v2) / area, cross(p, v2, v0) / area, cross(p, v0, v1) / area


def _drawn(face_verts: Tensor, cull_backfaces: bool) -> Tensor:
    """(D,) int64: the faces that can cover anything."""
    first, second, third = face_verts.permute(1, 2, 0)
    area = cross(third, first, second)  # rounded as everywhere else
    drawn = area > EPSILON if cull_backfaces else area.abs() > EPSILON
    drawn &= (face_verts[:, :, 2] >= EPSILON).all(1) & face_verts.isfinite().all(2).all(1)
    return drawn.nonzero().squeeze(1)


def _columns(face_verts: Tensor) -> list[Tensor]:
    """x, y and z of the first, the second and the third corner of faces (F, 3, 3): nine tensors (F,)."""
    return list(face_verts.reshape(-1, 9).t().contiguous().unbind(0))


class _Measure(NamedTuple):
    """How faces lie to pixels' centres, which are all inside unless `blur`, the squared distance it reaches, is set."""

    perspective_correct: bool
    clip: bool
    blur: float

    def __call__(
        self, columns: list[Tensor], face: Tensor, x: Tensor, y: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Of pairs (M,): barycentric coordinates, three (M,), depth and squared distance, negative inside, (M,)."""
        corners = [column.index_select(0, face) for column in columns]
        first, second, third, zs = corners[:3], corners[3:6], corners[6:], corners[2::3]
        area = cross(third, first, second)
        scale, bary, distances, within = area + EPSILON, [], [], []
        for a, b in ((second, third), (third, first), (first, second)):
            to_x, to_y, along_x, along_y = x - a[0], y - a[1], b[0] - a[0], b[1] - a[1]
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
        distance = torch.where(within[0] & within[1] & within[2], -distance, distance) if self.blur else -distance
        if self.perspective_correct:
            bary = [bary[0] * (zs[1] * zs[2]), bary[1] * (zs[0] * zs[2]), bary[2] * (zs[0] * zs[1])]
            bary = _normalised(bary, EPSILON)
        if self.clip:
            bary = _normalised([b.clamp(min=0.0) for b in bary], 1e-5)
        return bary, bary[0] * zs[0] + bary[1] * zs[1] + bary[2] * zs[2], distance


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
    first, second, third = face_verts.permute(1, 2, 0)
    area = cross(third, first, second)
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
    pairs: Iterable[Pairs], face_verts: Tensor, measure: _Measure, depth: int, halves: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Which flat places (M,) of the output are filled, and by which faces (M,).

    Args:
        halves: (F,), the face that each was cut from, if blur may reach over the cut.
    """
    columns, nothing = _columns(face_verts), torch.zeros(0, dtype=torch.int64, device=face_verts.device)
    hits, count = [(nothing, nothing, nothing)], 0
    for pair in pairs:
        _, near, distance = measure(columns, pair.face, pair.x, pair.y)
        hit = ((near >= 0) & (distance < measure.blur)).nonzero().squeeze(1) if measure.blur else slice(None)
        pixel, face, near = pair.pixel[hit], pair.face[hit], near[hit]
        if halves is not None:
            pixel, face, near = _one_half(pixel, face, near, distance[hit], halves)
        hits.append((pixel, face, _sortable(near)))
        count += len(pixel)
        if count > HITS_KEPT:
            hits = [_foremost(hits, depth)]
            count = len(hits[0][0])
    pixel, face, _ = _foremost(hits, depth)
    rank = torch.arange(len(pixel), device=pixel.device) - torch.searchsorted(pixel, pixel)
    return pixel * depth + rank, face


def _one_half(pixel: Tensor, face: Tensor, depth: Tensor, distance: Tensor, origin: Tensor) -> list[Tensor]:
    """Of the two halves of a face that was cut, where both blur over a pixel, the one that lies nearer."""
    key = pixel * (int(origin.max()) + 1) + origin[face]
    order = distance.abs().sort(stable=True)[1]
    key, again = key[order].sort(stable=True)
    kept = order[again[first_of_runs(key, 1)]]
    return [values[kept] for values in (pixel, face, depth)]


def _foremost(hits: list[Sequence[Tensor]], count: int) -> list[Tensor]:
    """Of hits (pixel, face, depth), the `count` nearest of each pixel, in the order of pixel, depth and face."""
    columns = [torch.cat(parts) for parts in zip(*hits, strict=True)]
    for column in (1, 2, 0):  # the last sort counts most; each is stable
        key = columns[column]
        order = (key.int() if column else key).sort(stable=True)[1]
        columns = [c[order] for c in columns]
    few = first_of_runs(columns[0], count)
    return [c[few] for c in columns]


def _sortable(depth: Tensor) -> Tensor:
    """Depths (M,) >= 0 as int64 that sort alike: a float's bits; 31 of them, doubles lose nothing that shows."""
    return (depth.float() + 0.0).view(torch.int32).long()
