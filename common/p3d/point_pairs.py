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


class _Points(NamedTuple):
    """P visible points, nearest first in each cloud; values that are one number are the same for all."""

    index: Tensor  # (P,) int64, into the packed points
    x: Tensor  # (P,), NDC
    y: Tensor
    radius: float | Tensor  # NDC
    last_pixel: int | Tensor  # of the point's image; int32


class _Windows(NamedTuple):
    """The pixels that points may cover: the first, counted along +x and +y, and how many."""

    x: Tensor  # (P,)
    y: Tensor
    wide: int | Tensor
    tall: int | Tensor


def expand_hits(clouds: Pointclouds, radius: float | Tensor, grid: PixelGrid) -> Iterator[Hits]:
    """All hits, chunk by chunk, in the order of cloud, depth and index; radius one number or one per packed point."""
    points = _visible_points(clouds, radius, grid)
    (x, wide), (y, tall) = (_window(centre, points.radius, axis, grid) for axis, centre in enumerate(points[1:3]))
    pairs = wide * tall
    if isinstance(pairs, int):
        sizes, hits = max(1, PAIRS_PER_CHUNK // pairs), _hits_of_equal_windows
    else:
        sizes = torch.unique_consecutive(pairs.cumsum(0) // PAIRS_PER_CHUNK, return_counts=True)[1].tolist() or [0]
        hits = _hits_of_windows
    columns = (*points, x, y, wide, tall)
    chunks = zip(*(v.split(sizes) if isinstance(v, Tensor) else repeat(v) for v in columns), strict=False)
    for chunk in chunks:
        yield hits(_Points(*chunk[:5]), _Windows(*chunk[5:]), grid)


def _visible_points(clouds: Pointclouds, radius: float | Tensor, grid: PixelGrid) -> _Points:
    """The points that reach the image, by cloud, then by depth, then by index."""
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
    return _Points(index, x.index_select(0, index), y.index_select(0, index), radius, last_pixel)


def _window(centre: Tensor, radius: float | Tensor, axis: int, grid: PixelGrid) -> tuple[Tensor, int | Tensor]:
    """First pixel (P,) along an axis, and number of pixels, that discs at NDC `centre` (P,) may cover, clipped."""
    per_pixel, size = 0.5 * min(grid.sizes), grid.sizes[axis]
    count = 2.0 * (radius * per_pixel + SLACK) + 1.0
    count = count.long().clamp(max=size) if isinstance(count, Tensor) else min(int(count), size)
    first = (centre + grid.half_span(axis) - radius).mul_(per_pixel).sub_(0.5 + SLACK).ceil_()
    return first.clamp_(min=0).clamp_(max=size - count), count


def _hits_of_equal_windows(points: _Points, windows: _Windows, grid: PixelGrid) -> Hits:
    """Hits among windows of one size: the squared distances along x and y are computed once per row and column."""
    device, wide, tall = points.x.device, windows.wide, windows.tall
    columns, rows = (torch.arange(count, dtype=torch.int32, device=device) for count in (wide, tall))
    across = grid.centres(windows.x[:, None] + columns, 0).sub_(points.x[:, None]).square_()
    along = grid.centres(windows.y[:, None] + rows, 1).sub_(points.y[:, None]).square_()
    hit = (along[:, :, None] + across[:, None, :]) < across.new_tensor(points.radius).square()
    hit = hit.view(-1).nonzero().squeeze(1)
    first_pixel = points.last_pixel - windows.y.int() * grid.width - windows.x.int()
    pixel = first_pixel[:, None] - (rows[:, None] * grid.width + columns).view(-1)

    def owner(hits: Tensor) -> Tensor:
        window = torch.div(hit.index_select(0, hits), wide * tall, rounding_mode="floor")
        return points.index.index_select(0, window)

    return pixel.view(-1).index_select(0, hit), owner


def _hits_of_windows(points: _Points, windows: _Windows, grid: PixelGrid) -> Hits:
    """Hits among windows of any sizes: every pair is written out."""
    pairs = windows.wide * windows.tall
    window = torch.arange(len(pairs), device=pairs.device).repeat_interleave(pairs)
    cell = torch.arange(len(window), device=window.device) - (pairs.cumsum(0) - pairs)[window]
    wide = windows.wide[window]
    y = torch.div(cell, wide, rounding_mode="floor")
    x = cell - y * wide + windows.x.long()[window]
    y += windows.y.long()[window]
    across = (points.x[window] - grid.centres(x.to(points.x.dtype), 0)).square_()
    along = (points.y[window] - grid.centres(y.to(points.y.dtype), 1)).square_()
    hit = (along + across < points.radius.square()[window]).nonzero().squeeze(1)
    window = window[hit]
    last_pixel = points.last_pixel[window] if isinstance(points.last_pixel, Tensor) else points.last_pixel
    return (last_pixel - y[hit] * grid.width - x[hit]).int(), lambda hits: points.index[window[hits]]
