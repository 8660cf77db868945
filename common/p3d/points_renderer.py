"""Rendering point clouds: `pytorch3d.renderer.points`' renderer."""

import torch
from torch import Tensor, nn

from .pointclouds import Pointclouds
from .rasterize_points import packed_radius

__all__ = ["PointsRenderer"]


class PointsRenderer(nn.Module):
    """Rasterises points and blends their features, weighted by 1 - distance^2 / radius^2.

    Args:
        rasterizer: a `PointsRasterizer`.
        compositor: an `AlphaCompositor` or `NormWeightedCompositor`.
    """

    def __init__(self, rasterizer: nn.Module, compositor: nn.Module):
        super().__init__()
        self.rasterizer, self.compositor = rasterizer, compositor

    def forward(self, point_clouds: Pointclouds, **kwargs) -> Tensor:
        """Images (N, H, W, C) of clouds with features (P_n, C); keyword arguments go to rasteriser and compositor."""
        fragments = self.rasterizer(point_clouds, **kwargs)
        settings = kwargs.get("raster_settings", self.rasterizer.raster_settings)
        radius = packed_radius(settings.radius, point_clouds)
        if isinstance(radius, Tensor):
            radius = radius[fragments.idx.clamp(min=0).long()]
        weights = 1.0 - fragments.dists / (radius * radius)
        idx, weights = fragments.idx.permute(0, 3, 1, 2), weights.permute(0, 3, 1, 2)
        return self.compositor(idx, weights, point_clouds.features_packed().t(), **kwargs).permute(0, 2, 3, 1)

    def to(self, device: torch.device | str) -> "PointsRenderer":
        """Moves the cameras and the compositor to a device."""
        self.rasterizer, self.compositor = self.rasterizer.to(device), self.compositor.to(device)
        return self
