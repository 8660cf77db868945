"""Where cameras stand and look: PyTorch3D's look-at functions, with +X left, +Y up, +Z forward in view space."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .transform3d import Rotate, Transform3d, Translate

__all__ = ["camera_position_from_spherical_angles", "camera_to_eye_at_up", "get_world_to_view_transform"]
__all__ += ["join_cameras_as_batch", "look_at_rotation", "look_at_view_transform", "rotate_on_spot"]

Device = torch.device | str
Values = float | tuple | list | Tensor


def get_world_to_view_transform(R: Tensor, T: Tensor) -> Transform3d:
    """World to view coordinates, X_view = X_world R + T, of R (N, 3, 3) or (3, 3) and T (N, 3), else ValueError."""
    if T.dim() != 2 or T.shape[1] != 3:
        raise ValueError(f"T must be (N, 3), got {tuple(T.shape)}")
    return Rotate(R).compose(Translate(T, dtype=R.dtype))


def camera_to_eye_at_up(world_to_view_transform: Transform3d) -> tuple[Tensor, Tensor, Tensor]:
    """What `look_at_view_transform` makes of `eye`, `at` and `up`, each (N, 3), the N transforms that are given."""
    to_world = world_to_view_transform.inverse()
    view = torch.eye(4, dtype=to_world.dtype, device=to_world.device)[[3, 2, 1], :3]  # origin, forward, up
    eye, at, up = to_world.transform_points(view).view(-1, 3, 3).unbind(1)
    return eye, at, up - eye


def camera_position_from_spherical_angles(
    distance: Values, elevation: Values, azimuth: Values, degrees: bool = True, device: Device = "cpu"
) -> Tensor:
    """Points (N, 3) on spheres about the origin.

    Args:
        distance: radius, a number or (N,), as are the angles.
        elevation, azimuth: above the xz plane, and from +z towards +x, in `degrees` or radians.
    """
    dist, elev, azim = (torch.atleast_1d(_floats(v, device)) for v in (distance, elevation, azimuth))
    if len({len(dist), len(elev), len(azim)} - {1}) > 1:
        raise ValueError(f"distances and angles must be numbers or (N,), got {len(dist)}, {len(elev)}, {len(azim)}")
    if degrees:
        elev, azim = elev.deg2rad(), azim.deg2rad()
    ring = dist * elev.cos()
    return torch.stack(torch.broadcast_tensors(ring * azim.sin(), dist * elev.sin(), ring * azim.cos()), 1)


def look_at_rotation(
    camera_position: Values, at: Values = ((0, 0, 0),), up: Values = ((0, 1, 0),), device: Device = "cpu"
) -> Tensor:
    """Rotations (N, 3, 3), for row vectors, of cameras at positions that look at points; all are (N, 3) or (1, 3).

    The columns are the camera's axes: z towards `at`, x to the left, y up. Where z is parallel to `up` there is no
    left: x is then what rounding left of it, or, if that is nothing, some axis orthogonal to z.
    """
    position = _vectors(camera_position, device)
    at, up = _vectors(at, device).to(position), _vectors(up, device).to(position)
    z = F.normalize(at - position, eps=1e-5)
    y = F.normalize(torch.linalg.cross(z, torch.linalg.cross(up, z)))
    parallel = y.norm(dim=1, keepdim=True) < 0.5
    if parallel.any():
        up = torch.where(parallel, F.one_hot(z.abs().argmin(1), 3).to(z), up)
        y = F.normalize(torch.linalg.cross(z, torch.linalg.cross(up, z)))
    return torch.stack(torch.broadcast_tensors(torch.linalg.cross(y, z), y, z), 2)


def look_at_view_transform(
    dist: Values = 1.0,
    elev: Values = 0.0,
    azim: Values = 0.0,
    degrees: bool = True,
    eye: Values | None = None,
    at: Values = ((0, 0, 0),),
    up: Values = ((0, 1, 0),),
    device: Device = "cpu",
) -> tuple[Tensor, Tensor]:
    """Extrinsics of cameras that look at a point.

    Args:
        dist, elev, azim, degrees: position about `at`, as for `camera_position_from_spherical_angles`.
        eye: camera positions (N, 3) in place of those.
        at, up: points looked at and upward directions, (N, 3) or (1, 3).

    Returns:
        R (N, 3, 3) and T (N, 3) with X_view = X_world R + T.
    """
    at = _vectors(at, device)
    if eye is None:
        eye = camera_position_from_spherical_angles(dist, elev, azim, degrees, device) + at
    eye = _vectors(eye, device)
    R = look_at_rotation(eye, at, up, device)
    return R, -(eye[:, None] @ R)[:, 0]


def rotate_on_spot(R: Tensor, T: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Extrinsics R (N, 3, 3), T (N, 3), or one R (3, 3), T (3,), of cameras turned about their own centres.

    `rotation`, (M, 3, 3) or (3, 3), is applied in view coordinates, for column vectors, as `axis_angle_to_matrix` gives
    it; M and N broadcast. Returns the new R and T, always a batch.
    """
    R, T, rotation = R.view(-1, 3, 3), T.view(-1, 3), rotation.view(-1, 3, 3)
    new_R = R @ rotation.mT
    return new_R, (T[:, None] @ R.mT @ new_R)[:, 0]


def join_cameras_as_batch(cameras_list: list):
    """One batch of cameras; ValueError of none, of several classes, or of attributes that only some of them set."""
    if not cameras_list or len({type(c) for c in cameras_list}) != 1:
        raise ValueError("cameras must be at least one and all of the same type")
    first, joined = cameras_list[0], {}
    for name in first._names:
        values = [getattr(c, name) for c in cameras_list]
        if all(isinstance(v, Tensor) for v in values):
            if len({v.shape[1:] for v in values}) > 1:  # focal lengths: (N,), (N, 1) and (N, 2)
                width = max(v.shape[-1] for v in values if v.dim() > 1)
                values = [v.reshape(len(v), -1).expand(-1, width) for v in values]
            values = [torch.cat(values)]
        elif any(isinstance(v, Tensor) for v in values) or len(set(values)) != 1:
            raise ValueError(f"the cameras do not agree in {name}")
        joined[name.removeprefix("_")] = values[0]
    return type(first)(device=first.device, **joined)


def _floats(values: Values, device: Device) -> Tensor:
    tensor = torch.as_tensor(values, dtype=None if isinstance(values, Tensor) else torch.float32, device=device)
    return tensor if tensor.is_floating_point() else tensor.float()


def _vectors(values: Values, device: Device) -> Tensor:
    tensor = _floats(values, device)
    if tensor.dim() > 2 or tensor.shape[-1:] != (3,):
        raise ValueError(f"vectors must be (3,) or (N, 3), got {tuple(tensor.shape)}")
    return tensor.view(-1, 3)
