"""Cameras between PyTorch3D's convention and OpenCV's (+X right, +Y down, +Z forward, column vectors, pixels)."""

import torch
from torch import Tensor

from .cameras import PerspectiveCameras

__all__ = ["cameras_from_opencv_projection", "opencv_from_cameras_projection"]


def cameras_from_opencv_projection(
    R: Tensor, tvec: Tensor, camera_matrix: Tensor, image_size: Tensor
) -> PerspectiveCameras:
    """Cameras, in NDC, that project like OpenCV's x = K (R X + t).

    Turning the axes to +X left, +Y up negates the first two rows of R and t; for row vectors R is transposed. NDC is
    the pixel's distance from the image's centre over half the shorter side, negated.

    Args:
        R, tvec: (N, 3, 3), acting on column vectors, and (N, 3).
        camera_matrix: (N, 3, 3), focal lengths and principal point in pixels; skew is ignored.
        image_size: (N, 2), height and width, pixels.
    """
    size, half_side = _sizes(image_size, R)
    focal_length = camera_matrix.diagonal(dim1=1, dim2=2)[:, :2] / half_side
    principal_point = (0.5 * size.flip(1) - camera_matrix[:, :2, 2]) / half_side
    flip = R.new_tensor([-1.0, -1.0, 1.0])
    intrinsics = {"focal_length": focal_length, "principal_point": principal_point, "image_size": size}
    return PerspectiveCameras(**intrinsics, R=R.mT * flip, T=tvec * flip, device=R.device)


def opencv_from_cameras_projection(cameras: PerspectiveCameras, image_size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """R (N, 3, 3), tvec (N, 3) and camera matrix (N, 3, 3), in OpenCV's convention, of cameras defined in NDC.

    ValueError of others; `image_size` (N, 2) is height and width, pixels.
    """
    if not cameras.in_ndc():
        raise ValueError("only cameras defined in NDC are converted")
    size, half_side = _sizes(image_size, cameras.R)
    flip = cameras.R.new_tensor([-1.0, -1.0, 1.0])
    camera_matrix = torch.diag_embed(torch.ones_like(cameras.T))
    camera_matrix[:, [0, 1], [0, 1]] = cameras.focal_length.view(len(cameras), -1) * half_side
    camera_matrix[:, :2, 2] = 0.5 * size.flip(1) - cameras.principal_point * half_side
    return (cameras.R * flip).mT, cameras.T * flip, camera_matrix


def _sizes(image_size: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Height and width (N, 2), and half the shorter side (N, 1), of the kind of `like`."""
    size = torch.as_tensor(image_size).to(like).view(-1, 2)
    return size, 0.5 * size.amin(1, keepdim=True)
