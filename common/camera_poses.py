"""Cameras from the poses that other programs write, and around a scene, on the conventions of `common.p3d`."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from common.p3d import (
    PerspectiveCameras,
    cameras_from_opencv_projection,
    look_at_view_transform,
    quaternion_to_matrix,
)


def cameras_from_colmap(qvec: Tensor, tvec: Tensor, camera_matrix: Tensor, image_size: Tensor) -> PerspectiveCameras:
    """Cameras of COLMAP's `images.txt`: x_camera = R(q) x_world + t, +X right, +Y down, +Z forward.

    Args:
        qvec: (N, 4), real part first, of any length but zero.
        tvec: (N, 3).
        camera_matrix: (N, 3, 3) or (1, 3, 3), pixels: focal lengths and principal point.
        image_size: (N, 2) or (1, 2), height and width, pixels.

    Raises:
        ValueError: a quaternion of length zero.
    """
    length = qvec.norm(dim=1, keepdim=True)
    if (length == 0).any():
        raise ValueError("a quaternion of a camera is zero")
    R = quaternion_to_matrix(qvec / length)
    return cameras_from_opencv_projection(R, tvec, camera_matrix.expand(len(R), 3, 3), image_size.expand(len(R), 2))


def cameras_from_nerf_synthetic(
    transform_matrix: Tensor, camera_angle_x: float, image_size: tuple[int, int]
) -> PerspectiveCameras:
    """Cameras of the `transforms_*.json` of NeRF's synthetic scenes (Mildenhall et al., ECCV 2020).

    Args:
        transform_matrix: (N, 4, 4), camera to world, for column vectors; +X right, +Y up, -Z forward, as in OpenGL.
        camera_angle_x: horizontal field of view, radians.
        image_size: height and width, pixels.

    Raises:
        ValueError: an angle outside (0, pi).
    """
    if not 0.0 < camera_angle_x < math.pi:
        raise ValueError(f"camera_angle_x must be between 0 and pi, got {camera_angle_x}")
    height, width = image_size
    turned = transform_matrix[:, :3, :3] * transform_matrix.new_tensor([1.0, -1.0, -1.0])  # columns: OpenCV's axes
    R = turned.transpose(1, 2)
    tvec = -(R @ transform_matrix[:, :3, 3:])[:, :, 0]
    focal = 0.5 * width / math.tan(0.5 * camera_angle_x)
    K = R.new_tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    size = R.new_tensor([[height, width]])
    return cameras_from_opencv_projection(R, tvec, K.expand(len(R), 3, 3), size.expand(len(R), 2))


def create_surround_cameras(
    radius: float,
    n_poses: int = 20,
    up: Sequence[float] = (0.0, 1.0, 0.0),
    focal_length: float = 1.0,
    height: float | None = None,
    at: Sequence[float] = (0.0, 0.0, 0.0),
) -> PerspectiveCameras:
    """Cameras on a circle around ``at``: level with it for y up, ``height`` (2 by default) above it for z or x up.

    Args:
        up: an axis, or one turned round.
    """
    theta = torch.arange(n_poses) * (2 * math.pi / n_poses) + math.pi / 2
    axis = max(range(3), key=lambda i: abs(up[i]))
    if height is None:
        height = 0.0 if axis == 1 else 2.0
    x, y = theta.cos() * radius, theta.sin() * radius
    above = torch.full((n_poses,), math.copysign(1.0, up[axis]) * height)
    eye = torch.stack(((above, x, y), (x, above, -y), (x, y, above))[axis], 1)
    middle = torch.tensor(at, dtype=torch.float32)[None]
    R, T = look_at_view_transform(eye=eye + middle, at=middle, up=(tuple(up),))
    return PerspectiveCameras(focal_length=focal_length, R=R, T=T)
