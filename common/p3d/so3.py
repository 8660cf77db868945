"""Exponential and logarithm of rotations, SO(3), and of rigid motions, SE(3), with PyTorch3D's names and clamps.

Batches are (N, ...). SO(3) matrices act on column vectors; SE(3) matrices are row-vector transforms: the transposed
rotation in the upper left block, the translation in the last row.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .rotations import matrix_to_axis_angle

__all__ = ["acos_linear_extrapolation", "hat", "hat_inv", "se3_exp_map", "se3_log_map", "so3_exp_map"]
__all__ += ["so3_exponential_map", "so3_log_map", "so3_relative_angle", "so3_rotation_angle"]


def hat(v: Tensor) -> Tensor:
    """Skew-symmetric matrices (N, 3, 3) with hat(v) w = v x w, of vectors (N, 3)."""
    if v.dim() != 2 or v.shape[1] != 3:
        raise ValueError(f"Input tensor shape has to be Nx3. Got {v.shape}")
    x, y, z = v.unbind(1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), 1).view(-1, 3, 3)


def hat_inv(h: Tensor) -> Tensor:
    """Vectors (N, 3) of skew-symmetric matrices (N, 3, 3), within 1e-5, else ValueError: the inverse of `hat`."""
    _check_batch(h, 3, 3)
    if ((h + h.mT).abs() > 1e-5).any():
        raise ValueError("hat_inv: a matrix is not skew-symmetric")
    return torch.stack((h[:, 2, 1], h[:, 0, 2], h[:, 1, 0]), 1)


def so3_exp_map(log_rot: Tensor, eps: float = 1e-4) -> Tensor:
    """Rotation matrices (N, 3, 3) of rotation vectors (N, 3), radians, by Rodrigues' formula.

    The squared angle is clamped to at least `eps` in the two coefficients, so gradients stay finite at zero.
    """
    (sine, cosine, _), skew, square = _rodrigues(log_rot, eps)
    return torch.eye(3, dtype=log_rot.dtype, device=log_rot.device) + sine * skew + cosine * square


so3_exponential_map = so3_exp_map  # older name


def so3_log_map(R: Tensor, eps: float = 1e-4, cos_bound: float = 1e-4) -> Tensor:
    """Rotation vectors (N, 3), radians, of rotation matrices (N, 3, 3).

    They are found by way of quaternions, accurate at all angles; `eps` and `cos_bound` are PyTorch3D's and change
    nothing here. A ValueError of other shapes.
    """
    _check_batch(R, 3, 3)
    return matrix_to_axis_angle(R)


def so3_rotation_angle(R: Tensor, eps: float = 1e-4, cos_angle: bool = False, cos_bound: float = 1e-4) -> Tensor:
    """Angles (N,), radians, of rotations (N, 3, 3), or with `cos_angle` their cosines, differentiable everywhere.

    Args:
        eps: slack allowed in the trace, which lies in [-1, 3] for rotations; ValueError of other matrices.
        cos_bound: where |cos| > 1 - cos_bound the arc cosine is replaced by its tangent, so gradients stay finite.
    """
    _check_batch(R, 3, 3)
    trace = R.diagonal(dim1=1, dim2=2).sum(1)
    if ((trace < -1.0 - eps) | (trace > 3.0 + eps)).any():
        raise ValueError("a matrix has a trace outside the range of rotations")
    cosine = 0.5 * (trace - 1.0)
    if cos_angle:
        return cosine
    return acos_linear_extrapolation(cosine, (-1.0 + cos_bound, 1.0 - cos_bound)) if cos_bound > 0 else cosine.acos()


def so3_relative_angle(
    R1: Tensor, R2: Tensor, cos_angle: bool = False, cos_bound: float = 1e-4, eps: float = 1e-4
) -> Tensor:
    """Angles (N,), radians or cosines, between rotations (N, 3, 3): those of R1 R2^T (see `so3_rotation_angle`)."""
    return so3_rotation_angle(R1 @ R2.mT, eps=eps, cos_angle=cos_angle, cos_bound=cos_bound)


def acos_linear_extrapolation(x: Tensor, bounds: tuple[float, float] = (-1.0 + 1e-4, 1.0 - 1e-4)) -> Tensor:
    """Arc cosine inside `bounds`, continued outside by its tangents there: finite slope for every x.

    ValueError of bounds that do not increase inside (-1, 1).
    """
    lower, upper = bounds
    if not -1.0 < lower <= upper < 1.0:
        raise ValueError(f"bounds must be increasing and inside (-1, 1), got {bounds}")
    inside = x.clamp(lower, upper)
    edge = inside.detach()
    return inside.acos() - (x - edge) * torch.where(x == inside, 0.0, (1.0 - edge * edge) ** -0.5)


def se3_exp_map(log_transform: Tensor, eps: float = 1e-4) -> Tensor:
    """Rigid motions (N, 4, 4) of logarithms (N, 6): the translation's logarithm, then the rotation vector (radians).

    They are row-vector matrices [[R^T, 0], [(V t)^T, 1]], the transpose of the usual exponential; `eps` as in
    `so3_exp_map`. A ValueError of other shapes.
    """
    _check_batch(log_transform, 6)
    log_translation, log_rotation = log_transform.split(3, dim=1)
    motion = F.pad(so3_exp_map(log_rotation, eps).mT, (0, 1, 0, 1))
    motion[:, 3, :3] = (_left_jacobian(log_rotation, eps) @ log_translation[:, :, None])[:, :, 0]
    motion[:, 3, 3] = 1.0
    return motion


def se3_log_map(transform: Tensor, eps: float = 1e-4, cos_bound: float = 1e-4) -> Tensor:
    """Logarithms (N, 6) of rigid motions (N, 4, 4), last column (0, 0, 0, 1), else ValueError: see `se3_exp_map`."""
    _check_batch(transform, 4, 4)
    last = transform[:, :, 3] - transform.new_tensor([0.0, 0.0, 0.0, 1.0])
    if (last.abs() > 1e-5).any():
        raise ValueError("a transform's last column is not (0, 0, 0, 1)")
    log_rotation = so3_log_map(transform[:, :3, :3].mT, eps, cos_bound)
    jacobian = _left_jacobian(log_rotation, eps)
    log_translation = torch.linalg.solve(jacobian, transform[:, 3, :3, None])[:, :, 0]
    return torch.cat((log_translation, log_rotation), 1)


def _left_jacobian(log_rotation: Tensor, eps: float) -> Tensor:
    """V (N, 3, 3) = I + (1 - cos)/angle^2 hat + (angle - sin)/angle^3 hat^2, of rotation vectors (N, 3)."""
    (_, cosine, cubic), skew, square = _rodrigues(log_rotation, eps)
    return torch.eye(3, dtype=skew.dtype, device=skew.device) + cosine * skew + cubic * square


def _rodrigues(log_rot: Tensor, eps: float) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor]:
    """sin a / a, (1 - cos a) / a^2, (a - sin a) / a^3, each (N, 1, 1), and hat and hat^2, of vectors (N, 3)."""
    skew = hat(log_rot)
    angle = (log_rot * log_rot).sum(1).clamp(min=eps).sqrt()[:, None, None]
    sine = angle.sin() / angle
    cosine = (1.0 - angle.cos()) / (angle * angle)
    return (sine, cosine, (1.0 - sine) / (angle * angle)), skew, skew @ skew


def _check_batch(tensor: Tensor, *shape: int) -> None:
    if tensor.shape[1:] != shape:
        size = "x".join(map(str, shape))
        raise ValueError(f"Input has to be a batch of {size} Tensors. Got {tuple(tensor.shape)}")
