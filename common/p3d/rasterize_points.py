"""Which points cover which pixels: the point rasteriser of `pytorch3d.renderer.points`, by pair expansion.

The pixels that points cover are found as (pixel, point) pairs, nearest points first (`point_pairs`). A stable sort on
the pixel brings each pixel's points together in order of depth; it keeps the first K. Only these are recomputed with
gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .pixel_grid import PixelGrid, first_of_runs, pixel_grid
from .point_pairs import expand_hits
from .pointclouds import Pointclouds
from .rasterizer import Rasterizer

__all__ = ["PointFragments", "PointsRasterizationSettings", "PointsRasterizer", "rasterize_points"]


def rasterize_points(
    pointclouds: Pointclouds,
    image_size: int | Sequence[int] = 256,
    radius: float | Sequence[float] | Tensor = 0.01,
    points_per_pixel: int = 8,
    bin_size: int | None = None,
    max_points_per_bin: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest points that cover each pixel.

    Args:
        pointclouds: N clouds, x and y in NDC (+X left, +Y up, the shorter side of the image spans [-1, 1]), z the
            depth. Points with z < 0 or a NaN cover nothing.
        image_size: pixels, one number or (height, width).
        radius: NDC units, one number, or one per point: (P,) of a single cloud or (N, P) padded.
        points_per_pixel: K.
        bin_size, max_points_per_bin: PyTorch3D's; they change nothing here.

    Returns:
        idx (N, H, W, K) int32, indices into the packed points, nearest first, the lower index first among equals;
        zbuf (N, H, W, K), their depths; dists (N, H, W, K), squared NDC distances in the image plane from the pixel's
        centre. All are -1 where fewer than K points cover a pixel. zbuf and dists are differentiable in the points.

    Raises:
        ValueError: an image size, a radius or a K that makes no sense.
    """
    grid = pixel_grid(image_size, points_per_pixel, "points_per_pixel", len(pointclouds), pointclouds.device)
    with torch.no_grad():
        place, point = _nearest_points(pointclouds.detach(), packed_radius(radius, pointclouds), grid)
        centre = grid.centres_of_places(place, pointclouds.points_packed().dtype)
    x, y, z = (column.index_select(0, point) for column in pointclouds.points_packed().unbind(1))
    dists = (x - centre[0]).square() + (y - centre[1]).square()
    return tuple(grid.filled(len(pointclouds), place, values) for values in (point.int(), z, dists))


class PointFragments(NamedTuple):
    """What `rasterize_points` returns."""

    idx: Tensor
    zbuf: Tensor
    dists: Tensor


@dataclass
class PointsRasterizationSettings:
    """Arguments of `rasterize_points`."""

    image_size: int | tuple[int, int] = 256
    radius: float | Sequence[float] | Tensor = 0.01
    points_per_pixel: int = 8
    bin_size: int | None = None
    max_points_per_bin: int | None = None


class PointsRasterizer(Rasterizer):
    """Projects world points with cameras and rasterises them; arguments as for `Rasterizer`."""

    _settings = PointsRasterizationSettings

    def transform(self, point_clouds: Pointclouds, **kwargs) -> Pointclouds:
        """The clouds with x and y in NDC and z the depth in view coordinates; errors as in `_projected`."""
        return point_clouds.update_padded(self._projected(point_clouds.points_padded(), kwargs))

    def forward(self, point_clouds: Pointclouds, **kwargs) -> PointFragments:
        """Fragments of world points; keyword arguments replace the camera's attributes and the settings."""
        settings = kwargs.get("raster_settings", self.raster_settings)
        projected = self.transform(point_clouds, **kwargs)
        fragments = rasterize_points(projected, settings.image_size, settings.radius, settings.points_per_pixel)
        return PointFragments(*fragments)


def _nearest_points(clouds: Pointclouds, radius: float | Tensor, grid: PixelGrid) -> tuple[Tensor, Tensor]:
    """Which flat places (M,) of the output are filled, and by which packed points (M,)."""
    num_pixels = len(clouds) * grid.height * grid.width
    covered, results = None, []
    for pixel, owner in expand_hits(clouds, radius, grid):
        room = None
        if covered is not None:
            room = (covered.index_select(0, pixel) < grid.depth).nonzero().squeeze(1)
            pixel = pixel.index_select(0, room)
        pixel, order = pixel.sort(stable=True)
        keep = first_of_runs(pixel, grid.depth)
        hits = torch.bincount(pixel, minlength=num_pixels)
        pixel = pixel.index_select(0, keep)
        # The place of an entry in its run of equal pixels, after those that earlier chunks have filled.
        start = hits.cumsum(0).sub_(hits)
        rank = keep - (start if covered is None else start.sub_(covered)).index_select(0, pixel)
        place, hit = torch.add(rank, pixel, alpha=grid.depth), order.index_select(0, keep)
        if room is not None:
            place, hit = place[rank < grid.depth], room[hit[rank < grid.depth]]
        results.append((place, owner(hit)))
        covered = hits if covered is None else covered.add_(hits)
    return results[0] if len(results) == 1 else tuple(torch.cat(parts) for parts in zip(*results, strict=True))


def packed_radius(radius: float | Sequence[float] | Tensor, clouds: Pointclouds) -> float | Tensor:
    """One number, or one per packed point."""
    if isinstance(radius, int | float):
        return float(radius)
    points = clouds.points_packed()
    radius = torch.as_tensor(radius, dtype=points.dtype, device=points.device)
    if radius.dim() == 0:
        return radius.item()
    padded = radius[None] if radius.dim() == 1 and len(clouds) == 1 else radius
    if tuple(padded.shape) != tuple(clouds.points_padded().shape[:2]):
        raise ValueError(f"radius must be a number or one per padded point, got shape {tuple(radius.shape)}")
    return padded.reshape(-1)[clouds.padded_to_packed_idx()]
