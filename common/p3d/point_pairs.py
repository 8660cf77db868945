"""The (pixel, point) pairs of a point rasteriser: each point's window of candidate pixels, expanded and tested.

A point covers the pixels whose centres are closer to it than its radius. No point is tested against a pixel outside its
window, and windows are expanded in chunks of bounded size, nearest points first.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .pointclouds import Pointclouds

# Candidate pairs in one chunk: some 20 bytes each.
PAIRS_PER_CHUNK = 1 << 20
BYTES_PER_PLACE = 28  # of a rasteriser's output, one for each of an image's pixels and layers
# Slack of the windows in pixels: rounding never hides a pixel at the rim. Hits are tested exactly.
SLACK = 0.01


# The pixels (M,) int32 of hits, and a function from some of their places (L,) to the packed points (L,) that hit there:
# few of the hits are among the K nearest, so that only few points are looked up.
Hits = tuple[Tensor, Callable[[Tensor], Tensor]]


class PixelGrid(NamedTuple):
    """An image of height x width pixels, each with room for `depth` points."""

    height: int
    width: int
    depth: int

    @property
    def sizes(self) -> tuple[int, int]:
        """Pixels along x and y."""
        return self.width, self.height

    def half_span(self, axis: int) -> float:
        """NDC from the image's centre to its edge, along x (axis 0) or y (axis 1)."""
        return self.sizes[axis] / min(self.sizes)

    def centres(self, pixels: Tensor, axis: int) -> Tensor:
        """NDC of the centres of pixels counted along +x or +y; float tensor of any shape, replaced in place."""
        half = self.half_span(axis)
        return pixels.mul_(2.0 * half).add_(half).div_(self.sizes[axis]).sub_(half)

    def window(self, centre: Tensor, radius: float | Tensor, axis: int) -> tuple[Tensor, int | Tensor]:
        """First pixel (P,) along +x or +y and number of pixels that discs at NDC `centre` (P,) may cover, clipped."""
        per_pixel, size = 0.5 * min(self.sizes), self.sizes[axis]
        count = 2.0 * (radius * per_pixel + SLACK) + 1.0
        count = count.long().clamp(max=size) if isinstance(count, Tensor) else min(int(count), size)
        first = (centre + self.half_span(axis) - radius).mul_(per_pixel).sub_(0.5 + SLACK).ceil_()
        return first.clamp_(min=0).clamp_(max=size - count), count


def pixel_grid(image_size: int | Sequence[int], depth: int, name: str, batch: int, device: torch.device) -> PixelGrid:
    """The grid of an image size in pixels, one number or (height, width), and a depth, which the caller names `name`.

    Raises:
        ValueError: sizes or a depth that make no sense, or `batch` images that no memory would hold.
    """
    size = [image_size] * 2 if isinstance(image_size, int) else list(image_size)
    if len(size) != 2:
        raise ValueError(f"image_size must be a number or a tuple/list of (H, W), got {image_size!r}")
    if not all(float(s).is_integer() for s in size):
        raise ValueError(f"image sizes must be integers, got {image_size!r}")
    if min(size) < 1:
        raise ValueError(f"image sizes must be greater than 0, got {image_size!r}")
    if depth < 1:
        raise ValueError(f"{name} must be at least 1, got {depth!r}")
    needed = BYTES_PER_PLACE * batch * int(size[0]) * int(size[1]) * depth
    if device.type == "cpu" and needed > _memory():
        wanted = f"{batch} x {int(size[0])} x {int(size[1])} pixels, {depth} deep, need {needed / 2**30:.0f} GiB"
        raise ValueError(f"images of {wanted}, more than this machine has; lower the image size or {name}")
    return PixelGrid(int(size[0]), int(size[1]), int(depth))


def _memory() -> float:
    """Bytes of memory of this machine, infinite where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf


class VisiblePoints(NamedTuple):
    """Visible points in the order of cloud and depth."""

    index: Tensor  # (P,) int64, into the packed points
    xy: tuple[Tensor, Tensor]  # (P,) each, NDC
    radius: float | Tensor  # NDC, one or (P,)
    last_pixel: int | Tensor  # of the point's image, one or (P,) int32

    def part(self, start: int, stop: int) -> "VisiblePoints":
        radius, last_pixel = (v[start:stop] if isinstance(v, Tensor) else v for v in (self.radius, self.last_pixel))
        x, y = (v[start:stop] for v in self.xy)
        return VisiblePoints(self.index[start:stop], (x, y), radius, last_pixel)


def visible_points(clouds: Pointclouds, radius: float | Tensor, grid: PixelGrid) -> VisiblePoints:
    """The points that reach the image, by cloud, then by depth, then by index."""
    x, y, z = clouds.points_packed().unbind(1)
    visible = z >= 0
    for centre, half_span in ((x, grid.half_span(0)), (y, grid.half_span(1))):
        visible &= centre.abs() <= half_span + radius
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
    return VisiblePoints(index, (x.index_select(0, index), y.index_select(0, index)), radius, last_pixel)


def expand_hits(points: VisiblePoints, grid: PixelGrid) -> Iterator[Hits]:
    """All hits, chunk by chunk, in the order of the points."""
    windows = [grid.window(points.xy[axis], points.radius, axis) for axis in (0, 1)]
    pairs = windows[0][1] * windows[1][1]
    if isinstance(pairs, int):
        size = max(1, PAIRS_PER_CHUNK // pairs)
        sizes = [size] * max(1, math.ceil(len(points.index) / size))
    else:
        sizes = torch.unique_consecutive(pairs.cumsum(0) // PAIRS_PER_CHUNK, return_counts=True)[1].tolist() or [0]
    start = 0
    for size in sizes:
        part = points.part(start, start + size)
        corner = [first[start : start + size] for first, _ in windows]
        if isinstance(pairs, int):
            yield _hits_of_equal_windows(part, corner, [count for _, count in windows], grid)
        else:
            yield _hits_of_windows(part, corner, [count[start : start + size] for _, count in windows], grid)
        start += size


def _hits_of_equal_windows(points: VisiblePoints, corner: list[Tensor], counts: list[int], grid: PixelGrid) -> Hits:
    """Hits among windows of one size: the squared distances along x and y are computed once per row and column."""
    x0, y0 = (first.to(torch.int32) for first in corner)
    squared, steps = [], []
    for axis, (centre, first, count) in enumerate(zip(points.xy, corner, counts, strict=True)):
        step = torch.arange(count, dtype=torch.int32, device=centre.device)
        pixels = grid.centres(first[:, None] + step, axis)
        squared.append(pixels.sub_(centre[:, None]).square_())
        steps.append(step)
    radius = squared[0].new_tensor(points.radius)
    hit = (squared[1][:, :, None] + squared[0][:, None, :]) < radius * radius
    hit = hit.view(-1).nonzero().squeeze(1)
    first_pixel = points.last_pixel - y0 * grid.width - x0
    pixel = first_pixel[:, None] - (steps[1][:, None] * grid.width + steps[0]).view(-1)

    def owner(hits: Tensor) -> Tensor:
        row = torch.div(hit.index_select(0, hits), counts[0] * counts[1], rounding_mode="floor")
        return points.index.index_select(0, row)

    return pixel.view(-1).index_select(0, hit), owner


def _hits_of_windows(points: VisiblePoints, corner: list[Tensor], counts: list[Tensor], grid: PixelGrid) -> Hits:
    """Hits among windows of any sizes: every pair is written out."""
    pairs = counts[0] * counts[1]
    row = torch.arange(len(pairs), device=pairs.device).repeat_interleave(pairs)
    cell = torch.arange(len(row), device=row.device) - (pairs.cumsum(0) - pairs)[row]
    width = counts[0][row]
    y = torch.div(cell, width, rounding_mode="floor")
    x = cell - y * width + corner[0].long()[row]
    y += corner[1].long()[row]
    squared = [
        (centre[row] - grid.centres(pixels.to(centre.dtype), axis)).square_()
        for axis, (centre, pixels) in enumerate(zip(points.xy, (x, y), strict=True))
    ]
    hit = (squared[1] + squared[0] < (points.radius * points.radius)[row]).nonzero().squeeze(1)
    row = row[hit]
    last_pixel = points.last_pixel[row] if isinstance(points.last_pixel, Tensor) else points.last_pixel
    return (last_pixel - y[hit] * grid.width - x[hit]).int(), lambda hits: points.index[row[hits]]
