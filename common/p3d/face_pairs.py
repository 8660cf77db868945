"""The (pixel, face) pairs of a mesh rasteriser: each face's rows of pixels, cut to the runs that its edges leave.

On the way from row to row an edge crosses them at equal steps. What lies between the crossings is a run of pixels; runs
are found for all rows at once and expanded in chunks of bounded size, so that no face meets a pixel beside it. Where
rounding leaves open whether a run's last pixels belong to it, its pixels are tested by the edge functions themselves.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .pixel_grid import SLACK, PixelGrid

__all__: list[str] = []

ROWS_PER_CHUNK = 1 << 17  # of faces, some 150 bytes each
PAIRS_PER_CHUNK = 1 << 19  # some 40 bytes each
ROUNDINGS = 8  # of where an edge crosses a row, relative to what that is computed from


class Pairs(NamedTuple):
    """M pairs that may meet, or, where nothing blurs, that meet."""

    pixel: Tensor  # (M,) int64, into the flattened (N, H, W) images
    face: Tensor  # (M,) int64
    x: Tensor  # (M,), NDC of the pixel's centre
    y: Tensor  # (M,)


class _Rows(NamedTuple):
    """R rows of faces."""

    face: Tensor  # (R,) int64
    first: Tensor  # (R,) int64: the flat pixel at the right end of the row, where x begins
    y: Tensor  # (R,), NDC
    start: Tensor  # (R,) int64: the first pixel of the run, counted along +x
    end: Tensor  # (R,) int64: the last pixel


def expand_faces(face_verts: Tensor, image: Tensor, blur: float, grid: PixelGrid) -> Iterator[Pairs]:
    """The pairs, chunk by chunk.

    Args:
        face_verts: (F, 3, 3), x and y in NDC; faces that are to be drawn, all finite.
        image: (F,) int64, which image of the batch each face belongs to.
        blur: NDC distance up to which a pixel outside a face counts.
    """
    corners = face_verts[:, :, :2].permute(2, 1, 0).contiguous()  # (2, 3, F)
    (left, right), (bottom, top) = (_window(corners[axis], axis, blur, grid) for axis in (0, 1))
    tall = torch.where(right < left, 0, top - bottom + 1).clamp(min=0)
    edges = _edges(corners)
    level, last = (edges.sy == 0).any(0), tall - 1  # what lies on a level edge may be a neighbour's
    crossing, step, slack = _sides(edges, grid.centres(bottom.to(face_verts.dtype), 1), tall, blur, grid)
    for face, place in _expand(tall, ROWS_PER_CHUNK):
        at = crossing.index_select(1, face) + place * step.index_select(1, face)
        low, high, room = torch.maximum(at[0], at[1]), torch.minimum(at[2], at[3]), slack.index_select(0, face)
        start, end = (low - room).ceil(), (high + room).floor()
        row = bottom.index_select(0, face) + place
        first = (image.index_select(0, face) * grid.height + grid.height - 1 - row) * grid.width + grid.width - 1
        run_start = torch.maximum(start.clamp(-1, grid.width).long(), left.index_select(0, face))
        run_end = torch.minimum(end.clamp(-1, grid.width).long(), right.index_select(0, face))
        rows = _Rows(face, first, grid.centres(row.to(face_verts.dtype), 1), run_start, run_end)
        if not blur:
            rim = (place == 0) | (place == last.index_select(0, face))
            open_ends = ((low + room).ceil() != start) | ((high - room).floor() != end)
            open_ends = (open_ends | (rim & level.index_select(0, face))).nonzero().squeeze(1)
            uncertain = _Rows(*(values.index_select(0, open_ends) for values in rows))
            yield from (_inside(pairs, edges) for pairs in _pairs(uncertain, grid))
            rows.end.index_fill_(0, open_ends, -2)  # these are done
        yield from _pairs(rows, grid)


def _pairs(rows: _Rows, grid: PixelGrid) -> Iterator[Pairs]:
    for run, place in _expand((rows.end - rows.start + 1).clamp(min=0), PAIRS_PER_CHUNK):
        column = rows.start.index_select(0, run) + place
        pixel = rows.first.index_select(0, run) - column
        x = grid.centres(column.to(rows.y.dtype), 0)
        yield Pairs(pixel, rows.face.index_select(0, run), x, rows.y.index_select(0, run))


def _inside(pairs: Pairs, edges: "_Edges") -> Pairs:
    """Those pairs whose pixel is inside, by its edge functions, exactly as they are computed."""
    ax, ay, sx, sy, owned = (values.index_select(1, pairs.face) for values in edges)
    along, across = (pairs.x - ax) * sy, (pairs.y - ay) * sx
    met = ((along > across) | ((along == across) & owned)).all(0).nonzero().squeeze(1)
    return Pairs(*(values.index_select(0, met) for values in pairs))


def _expand(counts: Tensor, limit: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Which one of `counts` (M,), and the how manieth of it, in chunks of `limit` or of one count that is larger."""
    total = counts.cumsum(0)
    before = total - counts
    first, done, length = 0, 0, int(total[-1]) if len(counts) else 0
    while done < length:
        whole = length - done <= limit
        last = len(counts) if whole else max(int(torch.searchsorted(total, done + limit, right=True)), first + 1)
        until = length if whole else int(total[last - 1])
        which = torch.arange(first, last, device=counts.device).repeat_interleave(counts[first:last])
        yield which, torch.arange(done, until, device=counts.device) - before.index_select(0, which)
        first, done = last, until


def _window(corners: Tensor, axis: int, blur: float, grid: PixelGrid) -> tuple[Tensor, Tensor]:
    """The first and the last pixel (F,) int64 along an axis that faces with corners (3, F) may cover."""
    half, per_pixel, size = grid.half_span(axis), 0.5 * min(grid.sizes), grid.sizes[axis]
    first = ((corners.amin(0) - blur + half) * per_pixel - 0.5 - SLACK).ceil().clamp(0, size)
    last = ((corners.amax(0) + blur + half) * per_pixel - 0.5 + SLACK).floor().clamp(-1, size - 1)
    return first.long(), last.long()


class _Edges(NamedTuple):
    """The edge functions e(p) = (p_x - a_x) s_y - (p_y - a_y) s_x of faces, positive inside; each (3, F)."""

    ax: Tensor
    ay: Tensor
    sx: Tensor
    sy: Tensor
    owned: Tensor  # bool: a pixel exactly on the edge is inside


def _edges(corners: Tensor) -> _Edges:
    """Of faces with corners (2, 3, F)."""
    (ax, ay), (bx, by) = corners.roll(-1, 1), corners.roll(1, 1)
    first, second, third = corners.unbind(1)
    sign = cross(third, first, second).sign()
    sx, sy = (bx - ax) * sign, (by - ay) * sign
    return _Edges(ax, ay, sx, sy, owns_edge(sx, sy))


def cross(p: Sequence[Tensor], a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Twice the signed area of the triangle of points p, a and b, each (x, y, ...)."""
    return (p[0] - a[0]) * (b[1] - a[1]) - (p[1] - a[1]) * (b[0] - a[0])


def owns_edge(sx: Tensor, sy: Tensor) -> Tensor:
    """Whether pixels exactly on an edge of this direction, the inside on its right, are the face's own.

    Faces that share an edge run through it in opposite directions, so that such a pixel is one's alone: no gap, and
    nothing drawn twice. (PyTorch3D leaves such pixels out of both.)
    """
    return (sy > 0) | ((sy == 0) & (sx < 0))


def _sides(edges: _Edges, y: Tensor, tall: Tensor, blur: float, grid: PixelGrid) -> tuple[Tensor, Tensor, Tensor]:
    """Where the two edges on the left and the two on the right of faces cross the row at y (F,), and their steps from
    row to row, both (4, F); the second edge of a side is far away where there is none. And the slack (F,); all pixels.
    """
    sy, order = edges.sy.sort(0, descending=True)  # those on the left come first
    ax, ay, sx = (values.gather(0, order) for values in edges[:3])
    per_pixel = 0.5 * min(grid.sizes)
    offset = ((y - ay) * sx - blur * (sx.square() + sy.square()).sqrt()) / sy
    step = sx / sy
    crossing = (ax + offset + grid.half_span(0)) * per_pixel - 0.5
    size = (ax.abs() + offset.abs() + grid.half_span(0)) * per_pixel
    size = size + step.abs() * (tall + grid.half_span(1) * per_pixel)  # rows are not quite at equal steps
    lost = ~size.isfinite()  # level edges, and those so nearly level that only the edge functions tell
    slack = SLACK + ROUNDINGS * torch.finfo(y.dtype).eps * size.masked_fill(lost, 0.0).amax(0)
    slack = slack.masked_fill((lost & (sy != 0)).any(0), torch.inf)
    right, left = (sy <= 0) | lost, (sy >= 0) | lost  # not on the other side
    sides = ((0, right[0], -torch.inf), (1, right[1], -torch.inf), (2, left[2], torch.inf), (1, left[1], torch.inf))
    crossing = torch.stack([crossing[k].masked_fill(none, far) for k, none, far in sides])
    step = torch.stack([step[k].masked_fill(none, 0.0) for k, none, _ in sides])
    return crossing, step, slack
