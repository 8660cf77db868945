"""The places that a rasteriser fills: the pixels of a batch of images, and the K nearest things that each one sees."""

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__: list[str] = []

BYTES_PER_PLACE = 28  # of a rasteriser's output
SLACK = 0.01  # of windows of pixels, in pixels: rounding never hides a pixel at the rim


class PixelGrid(NamedTuple):
    """Images of height x width pixels, each with room for `depth` points or faces.

    A flat pixel counts (N, H, W) row by row, a flat place (N, H, W, K). Along an axis, x (0) or y (1), pixels are
    counted from the right or from the bottom, as NDC runs.
    """

    height: int
    width: int
    depth: int

    @property
    def sizes(self) -> tuple[int, int]:
        """Pixels along x and y."""
        return self.width, self.height

    def half_span(self, axis: int) -> float:
        """NDC from the image's centre to its edge."""
        return self.sizes[axis] / min(self.sizes)

    def centres(self, pixels: Tensor, axis: int) -> Tensor:
        """NDC of the centres of pixels counted along an axis; float tensor of any shape, replaced in place."""
        half = self.half_span(axis)
        return pixels.mul_(2.0 * half).add_(half).div_(self.sizes[axis]).sub_(half)

    def centres_of_places(self, place: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """NDC x and y (M,) of the pixels of flat places (M,)."""
        pixel = place if self.depth == 1 else torch.div(place, self.depth, rounding_mode="floor")
        row = torch.div(pixel, self.width, rounding_mode="floor")
        column = (row + 1).mul_(self.width).sub_(pixel).sub_(1)
        row = row.remainder_(self.height).neg_().add_(self.height - 1)
        return self.centres(column.to(dtype), 0), self.centres(row.to(dtype), 1)

    def filled(self, batch: int, place: Tensor, values: Tensor) -> Tensor:
        """(batch, H, W, K, ...) of values (M, ...) at flat places (M,), -1 elsewhere."""
        shape = batch, self.height, self.width, self.depth
        empty = values.new_full((math.prod(shape), *values.shape[1:]), -1)
        return empty.index_copy_(0, place, values).view(*shape, *values.shape[1:])


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
    grid = PixelGrid(int(size[0]), int(size[1]), int(depth))
    needed = BYTES_PER_PLACE * batch * math.prod(grid)
    if device.type == "cpu" and needed > _memory():
        wanted = f"{batch} x {grid.height} x {grid.width} pixels, {depth} deep, need {needed / 2**30:.0f} GiB"
        raise ValueError(f"images of {wanted}, more than this machine has; lower the image size or {name}")
    return grid


def first_of_runs(values: Tensor, count: int) -> Tensor:
    """Places of the first `count` entries of each run of equal values: no equal one stands `count` places before."""
    keep = torch.ones(len(values), dtype=torch.bool, device=values.device)
    torch.ne(values[count:], values[:-count], out=keep[count:])
    return keep.nonzero().squeeze(1)


def _memory() -> float:
    """Bytes of memory of this machine, infinite where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
