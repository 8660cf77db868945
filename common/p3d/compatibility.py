"""Small names that programs written for PyTorch3D import beside its main ones."""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from .cameras import FoVOrthographicCameras, FoVPerspectiveCameras, OrthographicCameras, PerspectiveCameras

Device = str | torch.device
OpenGLPerspectiveCameras = FoVPerspectiveCameras  # older names
SfMOrthographicCameras, SfMPerspectiveCameras = OrthographicCameras, PerspectiveCameras

__all__ = ["Device", "OpenGLPerspectiveCameras", "SfMOrthographicCameras", "SfMPerspectiveCameras", "make_device"]
__all__ += ["OpenGLOrthographicCameras", "convert_to_tensors_and_broadcast", "eyes", "meshgrid_ij"]
__all__ += ["ndc_grid_sample", "ndc_to_grid_sample_coords"]


def OpenGLOrthographicCameras(top=1.0, bottom=-1.0, left=-1.0, right=1.0, **kwargs) -> FoVOrthographicCameras:
    """`FoVOrthographicCameras`, with older names of its bounds."""
    return FoVOrthographicCameras(max_y=top, min_y=bottom, min_x=left, max_x=right, **kwargs)


def make_device(device: Device) -> torch.device:
    """The device with its number."""
    return torch.empty(0, device=device).device


def meshgrid_ij(*axes) -> tuple[Tensor, ...]:
    """`torch.meshgrid` with rows first."""
    return torch.meshgrid(*axes, indexing="ij")


def eyes(dim: int, N: int, device: Device | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """N identity matrices (N, dim, dim)."""
    return torch.eye(dim, device=device, dtype=dtype).repeat(N, 1, 1)


def convert_to_tensors_and_broadcast(*args, dtype: torch.dtype = torch.float32, device: Device = "cpu") -> list[Tensor]:
    """Numbers and tensors of 1 or N rows as tensors (N, ...)."""
    tensors = [x.to(device) if isinstance(x, Tensor) else torch.tensor(x, dtype=dtype, device=device) for x in args]
    lengths = {len(torch.atleast_1d(tensor)) for tensor in tensors} - {1} or {1}
    if len(lengths) > 1:
        raise ValueError(f"batch sizes must be 1 or N, got {sorted(lengths)}")
    return [tensor.expand(*lengths, *tensor.shape[1:]) for tensor in tensors]


def ndc_to_grid_sample_coords(xy_ndc: Tensor, image_size_hw: tuple[int, int]) -> Tensor:
    """NDC points (..., 2) in the coordinates of `grid_sample`: right and down, both sides from -1 to 1."""
    height, width = image_size_hw
    return -xy_ndc * xy_ndc.new_tensor([min(height / width, 1.0), min(width / height, 1.0)])


def ndc_grid_sample(input: Tensor, grid_ndc: Tensor, *, align_corners: bool = False, **options) -> Tensor:
    """Values (N, C, ...) of images (N, C, H, W) at NDC points (N, ..., 2), by `grid_sample` with its options."""
    if input.dim() != 4 or len(input) != len(grid_ndc) or grid_ndc.shape[-1] != 2:
        raise ValueError(f"expected (N, C, H, W) and (N, ..., 2), got {tuple(input.shape)}, {tuple(grid_ndc.shape)}")
    places = ndc_to_grid_sample_coords(grid_ndc, input.shape[2:])
    flat = places.reshape(len(input), places.shape[1:-1].numel(), 1, 2)
    return grid_sample(input, flat, align_corners=align_corners, **options).view(*input.shape[:2], *places.shape[1:-1])
