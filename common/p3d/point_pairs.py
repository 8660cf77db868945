"""The (pixel, point) pairs of a point rasteriser: each point's window of candidate pixels, expanded and tested.

A point covers the pixels whose centres are closer to it than its radius. No point is tested against a pixel outside its
window, and windows are expanded in chunks of bounded size, nearest points first.
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor

from .pixel_grid import SLACK, PixelGrid
from .pointclouds import Pointclouds

__all__: list[str] = []

PAIRS_PER_CHUNK = 1 << 20  # some 20 bytes each

# The pixels (M,) int32 of hits, and a function from some of their places (L,) to the packed points (L,) that hit there:
# few of the hits are among the K nearest, so that only few points are looked up.
Hits = tuple[Tensor, Callable[[Tensor], Tensor]]


class _Windows(NamedTuple):
    """Visible points, nearest first in each cloud, and the pixels they may cover; one number is the same for all."""

    point: Tensor  # (P,) int64, into the packed points
    x: Tensor  # (P,), NDC
    y: Tensor
    radius: float | Tensor  # NDC
    last_pixel: int | Tensor  # of the point's image; int32
    column: Tensor  # (P,), the first, counted along +x
    row: Tensor  # (P,), the first, counted along +y
    wide: int | Tensor
    tall: int | Tensor


def expand_hits(clouds: Pointclouds, radius: float | Tensor, grid: PixelGrid) -> Iterator[Hits]:
    """All hits, chunk by chunk, in the order of cloud, depth and index; radius one number or one per packed point."""
    point, x, y, radius, last_pixel = _visible_points(clouds, radius, grid)
    (column, wide), (row, tall) = (_window(centre, radius, axis, grid) for axis, centre in enumerate((x, y)))
    windows, pairs = _Windows(point, x, y, radius, last_pixel, column, row, wide, tall), wide * tall
    if isinstance(pairs, int):
        sizes, hits = max(1, PAIRS_PER_CHUNK // pairs), _hits_of_equal_windows
    else:
        sizes = torch.unique_consecutive(pairs.cumsum(0) // PAIRS_PER_CHUNK, return_counts=True)[1].tolist() or [0]
        hits = _hits_of_windows
    for chunk in zip(*(v.split(sizes) if isinstance(v, Tensor) else repeat(v) for v in windows), strict=False):
        yield hits(_Windows(*chunk), grid)


def _visible_points(clouds: Pointclouds, radius: float | Tensor, grid: PixelGrid) -> tuple:
    """The points that reach the image, by cloud, depth and index: index, x, y, radius and last pixel."""
    x, y, z = clouds.points_packed().unbind(1)
    visible = z >= 0
    for axis, centre in enumerate((x, y)):
        visible &= centre.abs() <= grid.half_span(axis) + radius
    index = visible.nonzero().squeeze(1)
    # Depths are not negative, so their bits sort as integers do: a radix sort, several times faster than of floats.
    bits = {4: torch.int32, 8: torch.int64}[z.element_size()]
    index = index[(z[index] + 0.0).view(bits).sort(stable=True)[1]]
    image = grid.height * grid.width
    last_pixel = image - 1
    if len(clouds) > 1:
        cloud, order = clouds.packed_to_cloud_idx().int()[index].sort(stable=True)
        index, last_pixel = index[order], cloud * image + last_pixel
    radius = radius[index] if isinstance(radius, Tensor) else radius
    return index, x.index_select(0, index), y.index_select(0, index), radius, last_pixel


def _window(centre: Tensor, radius: float | Tensor, axis: int, grid: PixelGrid) -> tuple[Tensor, int | Tensor]:
    """First pixel (P,) along an axis, and number of pixels, that discs at NDC `centre` (P,) may cover, clipped."""
    per_pixel, size = 0.5 * min(grid.sizes), grid.sizes[axis]
    count = 2.0 * (radius * per_pixel + SLACK) + 1.0
    count = count.long().clamp(max=size) if isinstance(count, Tensor) else min(int(count), size)
    first = (centre + grid.half_span(axis) - radius).mul_(per_pixel).sub_(0.5 + SLACK).ceil_()
    return first.clamp_(min=0).clamp_(max=size - count), count


def _hits_of_equal_windows(of: _Windows, grid: PixelGrid) -> Hits:
    """Hits among windows of one size: the squared distances along x and y are computed once per row and column."""
    columns, rows = (torch.arange(count, dtype=torch.int32, device=of.x.device) for count in (of.wide, of.tall))
    across = grid.centres(of.column[:, None] + columns, 0).sub_(of.x[:, None]).square_()
    along = grid.centres(of.row[:, None] + rows, 1).sub_(of.y[:, None]).square_()
    hit = (along[:, :, None] + across[:, None, :]) < across.new_tensor(of.radius).square()
    hit = hit.view(-1).nonzero().squeeze(1)
    first_pixel = of.last_pixel - of.row.int() * grid.width - of.column.int()
    pixel = first_pixel[:, None] - (rows[:, None] * grid.width + columns).view(-1)

    def owner(hits: Tensor) -> Tensor:
        window = torch.div(hit.index_select(0, hits), of.wide * of.tall, rounding_mode="floor")
        return of.point.index_select(0, window)

    return pixel.view(-1).index_select(0, hit), owner


def _hits_of_windows(of: _Windows, grid: PixelGrid) -> Hits:
    """Hits among windows of any sizes: every pair is written out."""
    pairs = of.wide * of.tall
    window = torch.arange(len(pairs), device=pairs.device).repeat_interleave(pairs)
    cell = torch.arange(len(window), device=window.device) - (pairs.cumsum(0) - pairs)[window]
    wide = of.wide[window]
    y = torch.div(cell, wide, rounding_mode="floor")
    x = cell - y * wide + of.column.long()[window]
    y += of.row.long()[window]
    across = (of.x[window] - grid.centres(x.to(of.x.dtype), 0)).square_()
    along = (of.y[window] - grid.centres(y.to(of.y.dtype), 1)).square_()
    hit = (along + across < of.radius.square()[window]).nonzero().squeeze(1)
    window = window[hit]
    last_pixel = of.last_pixel[window] if isinstance(of.last_pixel, Tensor) else of.last_pixel
    return (last_pixel - y[hit] * grid.width - x[hit]).int(), lambda hits: of.point[window[hits]]
