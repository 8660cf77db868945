"""Rotations as quaternions, matrices, axis-angle vectors, Euler angles and 6D vectors, and the ways between them.

The names, shapes and conventions are those of `pytorch3d.transforms`: quaternions are (..., 4) with the real part
first, matrices (..., 3, 3) act on column vectors, axis-angle vectors (..., 3) point along the axis with the angle in
radians as their length. Everything takes any number of leading batch dimensions and is differentiable.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["axis_angle_to_matrix", "axis_angle_to_quaternion", "matrix_to_axis_angle", "quaternion_to_axis_angle"]
__all__ += ["matrix_to_quaternion", "quaternion_to_matrix", "matrix_to_rotation_6d", "rotation_6d_to_matrix"]
__all__ += ["euler_angles_to_matrix", "matrix_to_euler_angles"]
__all__ += ["quaternion_apply", "quaternion_invert", "quaternion_multiply", "quaternion_raw_multiply"]
__all__ += ["random_quaternions", "random_rotation", "random_rotations", "standardize_quaternion"]

Kind = torch.dtype | None
Device = torch.device | str | None


def quaternion_to_matrix(quaternions: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4) of any length but zero."""
    r, i, j, k = quaternions.unbind(-1)
    s = 2.0 / (quaternions * quaternions).sum(-1)
    rows = (
        (1 - s * (j * j + k * k), s * (i * j - k * r), s * (i * k + j * r)),
        (s * (i * j + k * r), 1 - s * (i * i + k * k), s * (j * k - i * r)),
        (s * (i * k - j * r), s * (j * k + i * r), 1 - s * (i * i + j * j)),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Unit quaternions (..., 4), real part not negative, of rotation matrices (..., 3, 3); ValueError of other shapes.

    The outer product 4 q q^T is linear in the matrix's entries; its row with the largest diagonal entry, divided by
    twice the square root of that entry, is q without cancellation (Shepperd's method).
    """
    _check_matrix(matrix)
    xx, xy, xz, yx, yy, yz, zx, zy, zz = matrix.flatten(-2).unbind(-1)
    ri, rj, rk = zy - yz, xz - zx, yx - xy
    ij, ik, jk = yx + xy, xz + zx, zy + yz
    rows = (
        (1 + xx + yy + zz, ri, rj, rk),
        (ri, 1 + xx - yy - zz, ij, ik),
        (rj, ij, 1 - xx + yy - zz, jk),
        (rk, ik, jk, 1 - xx - yy + zz),
    )
    outer = torch.stack([torch.stack(row, -1) for row in rows], -2)
    largest, best = outer.diagonal(dim1=-2, dim2=-1).max(-1, keepdim=True)
    row = outer.gather(-2, best[..., None].expand(*best.shape, 4)).squeeze(-2)
    return standardize_quaternion(row / (2.0 * largest.sqrt()))


def standardize_quaternion(quaternions: Tensor) -> Tensor:
    """Of the two quaternions (..., 4) of a rotation, the one whose real part is not negative."""
    return torch.where(quaternions[..., :1] < 0, -quaternions, quaternions)


def quaternion_raw_multiply(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product a b of quaternions (..., 4), batch dimensions broadcast; the sign is kept."""
    a_real, a_imag = a[..., :1], a[..., 1:]
    b_real, b_imag = b[..., :1], b[..., 1:]
    a_imag, b_imag = torch.broadcast_tensors(a_imag, b_imag)
    real = a_real * b_real - (a_imag * b_imag).sum(-1, keepdim=True)
    imag = a_real * b_imag + b_real * a_imag + torch.linalg.cross(a_imag, b_imag)
    return torch.cat((real, imag), -1)


def quaternion_multiply(a: Tensor, b: Tensor) -> Tensor:
    """Composition of two rotations, first `b`, then `a`, as a quaternion (..., 4) with real part not negative."""
    return standardize_quaternion(quaternion_raw_multiply(a, b))


def quaternion_invert(quaternion: Tensor) -> Tensor:
    """Inverse rotation of unit quaternions (..., 4): the conjugate."""
    return quaternion * quaternion.new_tensor([1, -1, -1, -1])


def quaternion_apply(quaternion: Tensor, point: Tensor) -> Tensor:
    """Points (..., 3), else ValueError, rotated by unit quaternions (..., 4): the imaginary part of q p q*."""
    if point.shape[-1] != 3:
        raise ValueError(f"points must be (..., 3), got {tuple(point.shape)}")
    turned = quaternion_raw_multiply(quaternion, F.pad(point, (1, 0)))
    return quaternion_raw_multiply(turned, quaternion_invert(quaternion))[..., 1:]


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """Unit quaternions (..., 4) of axis-angle vectors (..., 3), radians; smooth at zero."""
    half_angle = 0.5 * torch.linalg.norm(axis_angle, dim=-1, keepdim=True)
    return torch.cat((half_angle.cos(), 0.5 * torch.sinc(half_angle / torch.pi) * axis_angle), -1)


def quaternion_to_axis_angle(quaternions: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3), angles in [0, 2 pi], of unit quaternions (..., 4); smooth at zero."""
    imag = quaternions[..., 1:]
    half_angle = torch.atan2(torch.linalg.norm(imag, dim=-1, keepdim=True), quaternions[..., :1])
    return imag / (0.5 * torch.sinc(half_angle / torch.pi))


def axis_angle_to_matrix(axis_angle: Tensor, fast: bool = False) -> Tensor:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3), radians; `fast` is PyTorch3D's, the same here."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis_angle))


def matrix_to_axis_angle(matrix: Tensor, fast: bool = False) -> Tensor:
    """Axis-angle vectors (..., 3), angles in [0, pi], of rotation matrices (..., 3, 3), else ValueError."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def euler_angles_to_matrix(euler_angles: Tensor, convention: str) -> Tensor:
    """Product (..., 3, 3) of rotations by angles (..., 3), radians, about three coordinate axes.

    The convention names them: three of "X", "Y", "Z", no letter twice in a row; "XYZ" is R_x(a) R_y(b) R_z(c). Other
    conventions and shapes are a ValueError.
    """
    _check_convention(convention)
    if euler_angles.shape[-1:] != (3,):
        raise ValueError(f"euler_angles must be (..., 3), got {tuple(euler_angles.shape)}")
    first, second, third = (axis_rotation(c, a) for c, a in zip(convention, euler_angles.unbind(-1), strict=True))
    return first @ second @ third


def matrix_to_euler_angles(matrix: Tensor, convention: str) -> Tensor:
    """Angles (..., 3), radians, that `euler_angles_to_matrix` turns into a matrix (..., 3, 3).

    Multiplying out R = R_i(a) R_j(b) R_k(c), with e = +1 where (i, j, k) is a cyclic order of the axes and -1 else:

    - i, j, k all different: R_ik = e sin b, R_jk = -e sin a cos b, R_kk = cos a cos b,
      R_ij = -e cos b sin c, R_ii = cos b cos c;
    - third axis = first, and k the unused one: R_ii = cos b, R_ji = sin b sin a, R_ki = -e sin b cos a,
      R_ij = sin b sin c, R_ik = e sin b cos c.

    The middle angle lies in [-pi/2, pi/2] for three axes and in [0, pi] for two. Other conventions and shapes are a
    ValueError.
    """
    _check_convention(convention)
    _check_matrix(matrix)
    i, j = "XYZ".index(convention[0]), "XYZ".index(convention[1])
    k = 3 - i - j
    e = 1.0 if (j - i) % 3 == 1 else -1.0
    if convention[0] != convention[2]:
        first = torch.atan2(-e * matrix[..., j, k], matrix[..., k, k])
        second = torch.asin(e * matrix[..., i, k])
        third = torch.atan2(-e * matrix[..., i, j], matrix[..., i, i])
    else:
        first = torch.atan2(matrix[..., j, i], -e * matrix[..., k, i])
        second = torch.acos(matrix[..., i, i])
        third = torch.atan2(matrix[..., i, j], e * matrix[..., i, k])
    return torch.stack((first, second, third), -1)


def rotation_6d_to_matrix(d6: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of two stacked vectors (..., 6) by Gram-Schmidt.

    The two vectors become the first two ROWS. Source: Zhou et al., On the Continuity of Rotation Representations in
    Neural Networks, CVPR 2019, section B.
    """
    a, b = d6[..., :3], d6[..., 3:]
    x = F.normalize(a, dim=-1)
    y = F.normalize(b - (x * b).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack((x, y, torch.linalg.cross(x, y)), -2)


def matrix_to_rotation_6d(matrix: Tensor) -> Tensor:
    """First two rows of rotation matrices (..., 3, 3) as vectors (..., 6)."""
    return matrix[..., :2, :].flatten(-2).clone()


def random_quaternions(n: int, dtype: Kind = None, device: Device = None) -> Tensor:
    """`n` uniformly random unit quaternions (n, 4), real part not negative, from torch's global generator."""
    return standardize_quaternion(F.normalize(torch.randn(n, 4, dtype=dtype, device=device), dim=-1))


def random_rotations(n: int, dtype: Kind = None, device: Device = None) -> Tensor:
    """`n` uniformly random rotation matrices (n, 3, 3), from torch's global generator."""
    return quaternion_to_matrix(random_quaternions(n, dtype, device))


def random_rotation(dtype: Kind = None, device: Device = None) -> Tensor:
    """One uniformly random rotation matrix (3, 3), from torch's global generator."""
    return random_rotations(1, dtype, device)[0]


def axis_rotation(axis: str, angle: Tensor) -> Tensor:
    """Rotations (..., 3, 3) about the axis "X", "Y" or "Z" by angles (...), radians."""
    vectors = torch.eye(3, dtype=angle.dtype, device=angle.device)
    return axis_angle_to_matrix(angle[..., None] * vectors["XYZ".index(axis)])


def _check_matrix(matrix: Tensor) -> None:
    if matrix.shape[-2:] != (3, 3):
        raise ValueError(f"rotation matrices must be (..., 3, 3), got {matrix.shape}")


def _check_convention(convention: str) -> None:
    if len(convention) != 3 or not set(convention) <= set("XYZ") or convention[1] in convention[::2]:
        raise ValueError(f'convention must be three of "X", "Y", "Z", none twice in a row, got {convention}')
