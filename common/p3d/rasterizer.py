"""What the rasterisers of meshes and of points share: cameras, settings and the projection."""

import torch
from torch import Tensor, nn

from .camera_base import ndc_with_depth
from .cameras import CamerasBase

__all__: list[str] = []


class Rasterizer(nn.Module):
    """Projects what stands in the world with cameras and rasterises it.

    Args:
        cameras: one camera, or one per element of the batch.
        raster_settings: defaults if None.
    """

    _settings: type  # of the default settings

    def __init__(self, cameras: CamerasBase | None = None, raster_settings=None):
        super().__init__()
        self.cameras = cameras
        self.raster_settings = raster_settings or self._settings()

    def _projected(self, world: Tensor, kwargs: dict) -> Tensor:
        """World points (N, P, 3), projected by the cameras of a call: x and y in NDC, z the depth in view coordinates.

        Raises:
            ValueError: no cameras here nor in `kwargs`, or another number of cameras than of elements.
        """
        return ndc_with_depth(kwargs.get("cameras", self.cameras), world, kwargs)

    def to(self, device: torch.device | str):
        """Moves the cameras to a device."""
        if self.cameras is not None:
            self.cameras = self.cameras.to(device)
        return self
