"""Batches of 4x4 transforms that act on row vectors, with the interface of `pytorch3d.transforms.Transform3d`.

A point (x, y, z) is the row vector p = [x, y, z, 1], transformed as p M: translations stand in the last ROW of M, and
`a.compose(b)` means first a, then b, with matrix A B. Points are divided by the fourth coordinate.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .rotations import axis_rotation
from .so3 import se3_log_map

__all__ = ["Rotate", "RotateAxisAngle", "Scale", "Transform3d", "Translate"]

Device = torch.device | str | None
Kind = torch.dtype | None
Number = float | Tensor | None


class Transform3d:
    """A batch of N transforms, each a 4x4 matrix.

    Methods never change the object: `t.translate(1, 0, 0).scale(2)` makes new ones. Batches of 1 broadcast.

    `matrix` is (N, 4, 4) or (4, 4), row-vector convention, else ValueError; by default the identity of `dtype`, on
    `device`.
    """

    def __init__(self, dtype: torch.dtype = torch.float32, device: Device = "cpu", matrix: Tensor | None = None):
        if matrix is None:
            matrix = torch.eye(4, dtype=dtype, device=device)
        if matrix.dim() not in (2, 3) or matrix.shape[-2:] != (4, 4):
            raise ValueError(f"matrix must be (4, 4) or (N, 4, 4), got {tuple(matrix.shape)}")
        self._matrix = matrix.view(-1, 4, 4)

    @property
    def device(self) -> torch.device:
        return self._matrix.device

    @property
    def dtype(self) -> torch.dtype:
        return self._matrix.dtype

    def __len__(self) -> int:
        return len(self._matrix)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> "Transform3d":
        """The transforms at `index`, always as a batch."""
        chosen = object.__new__(type(self))
        chosen._matrix = self._matrix[[index] if isinstance(index, int) else index]
        return chosen

    def get_matrix(self) -> Tensor:
        """(N, 4, 4), row-vector convention."""
        return self._matrix

    def get_se3_log(self, eps: float = 1e-4, cos_bound: float = 1e-4) -> Tensor:
        """Logarithms (N, 6) of rigid transforms: see `se3_log_map`."""
        return se3_log_map(self._matrix, eps, cos_bound)

    def compose(self, *others: "Transform3d") -> "Transform3d":
        """This transform, then the others in order; batches of N and 1 broadcast."""
        matrix = self._matrix
        for other in others:
            if not isinstance(other, Transform3d):
                raise ValueError(f"only Transform3d objects compose, got {type(other).__name__}")
            matrix = matrix @ other.get_matrix()
        return Transform3d(matrix=matrix)

    def inverse(self, invert_composed: bool = False) -> "Transform3d":
        """The inverses, LinAlgError of a singular matrix; `invert_composed` is PyTorch3D's and changes nothing here."""
        return Transform3d(matrix=torch.linalg.inv(self._matrix))

    def stack(self, *others: "Transform3d") -> "Transform3d":
        """One batch of this transform's and the others' matrices."""
        return Transform3d(matrix=torch.cat([t.get_matrix() for t in (self, *others)]))

    def transform_points(self, points: Tensor, eps: float | None = None) -> Tensor:
        """Points (P, 3), (M, P, 3) or (3,), transformed; M and the transforms' N are equal or one of them is 1.

        With `eps` the fourth coordinate that divides is moved to at least so far from zero, its sign kept. Returns
        (P, 3) if the input was and N is 1, else (N or M, P, 3); (3,) or (N, 3) of one point.
        """
        out = _as_batch(points) @ self._matrix[:, :3] + self._matrix[:, 3:]
        w = out[..., 3:]
        if eps is not None:
            w = torch.where(w < 0, -1.0, 1.0) * w.abs().clamp(min=eps)
        return _like_input(out[..., :3] / w, points)

    def transform_normals(self, normals: Tensor) -> Tensor:
        """Normals (P, 3) or (M, P, 3) times the inverse transpose of the upper 3x3 block; lengths may change."""
        inverse = torch.linalg.inv(self._matrix[:, :3, :3])
        return _like_input(_as_batch(normals) @ inverse.mT, normals)

    def translate(self, *args, **kwargs) -> "Transform3d":
        """This transform, then `Translate(*args)`."""
        return self.compose(Translate(*args, **self._kind(kwargs)))

    def scale(self, *args, **kwargs) -> "Transform3d":
        """This transform, then `Scale(*args)`."""
        return self.compose(Scale(*args, **self._kind(kwargs)))

    def rotate(self, *args, **kwargs) -> "Transform3d":
        """This transform, then `Rotate(*args)`."""
        return self.compose(Rotate(*args, **self._kind(kwargs)))

    def rotate_axis_angle(self, *args, **kwargs) -> "Transform3d":
        """This transform, then `RotateAxisAngle(*args)`."""
        return self.compose(RotateAxisAngle(*args, **self._kind(kwargs)))

    def clone(self) -> "Transform3d":
        return Transform3d(matrix=self._matrix.clone())

    def to(self, device: Device, copy: bool = False, dtype: Kind = None) -> "Transform3d":
        """The transform on a device, as another dtype if given; itself when nothing changes and `copy` is False."""
        matrix = self._matrix.to(device=device, dtype=dtype or self.dtype, copy=copy)
        return self if matrix is self._matrix else Transform3d(matrix=matrix)

    def cpu(self) -> "Transform3d":
        return self.to("cpu")

    def cuda(self) -> "Transform3d":
        return self.to("cuda")

    def _kind(self, kwargs: dict) -> dict:
        return {"dtype": self.dtype, "device": self.device} | kwargs


class Translate(Transform3d):
    """Shift by x, y, z: numbers or tensors (N,) each, or one tensor (N, 3) given as `x`."""

    def __init__(
        self, x: Number, y: Number = None, z: Number = None, dtype: torch.dtype = torch.float32, device: Device = None
    ):
        xyz = _three_values(x, y, z, dtype, device)
        matrix = torch.eye(4, dtype=dtype, device=xyz.device).repeat(len(xyz), 1, 1)
        matrix[:, 3, :3] = xyz
        super().__init__(matrix=matrix)


class Scale(Transform3d):
    """Scale by x, y, z: numbers or tensors (N,) each, one tensor (N, 3) as `x`, or one number for all axes."""

    def __init__(
        self, x: Number, y: Number = None, z: Number = None, dtype: torch.dtype = torch.float32, device: Device = None
    ):
        if y is None and z is None and not (isinstance(x, Tensor) and x.dim() == 2):
            y = z = x
        xyz = _three_values(x, y, z, dtype, device)
        super().__init__(matrix=torch.diag_embed(torch.cat((xyz, torch.ones_like(xyz[:, :1])), 1)))


class Rotate(Transform3d):
    """Multiply row vectors by `R`, (3, 3) or (N, 3, 3), else ValueError; `orthogonal_tol` is ignored."""

    def __init__(self, R: Tensor, dtype: Kind = None, device: Device = None, orthogonal_tol: float = 1e-5):
        if R.dim() not in (2, 3) or R.shape[-2:] != (3, 3):
            raise ValueError(f"R must be (3, 3) or (N, 3, 3), got {tuple(R.shape)}")
        R = R.to(dtype=dtype or R.dtype, device=device or R.device).reshape(-1, 3, 3)
        matrix = torch.eye(4, dtype=R.dtype, device=R.device).repeat(len(R), 1, 1)
        matrix[:, :3, :3] = R
        super().__init__(matrix=matrix)


class RotateAxisAngle(Rotate):
    """Counterclockwise rotations by `angle`, a number or (N,), in `degrees` or radians, about "X", "Y" or "Z"."""

    def __init__(
        self, angle: Number, axis: str = "X", degrees: bool = True, dtype: Kind = torch.float32, device: Device = None
    ):
        axis = axis.upper()
        if axis not in ("X", "Y", "Z"):
            raise ValueError(f'axis must be "X", "Y" or "Z", got {axis!r}')
        angle = torch.atleast_1d(torch.as_tensor(angle, dtype=dtype, device=device))
        angle = angle.deg2rad() if degrees else angle
        super().__init__(axis_rotation(axis, angle).mT)


def _as_batch(points: Tensor) -> Tensor:
    if points.dim() not in (1, 2, 3) or points.shape[-1] != 3:
        raise ValueError(f"points must be (3,), (P, 3) or (M, P, 3), got {tuple(points.shape)}")
    return points.view((1,) * (3 - points.dim()) + points.shape)


def _like_input(out: Tensor, given: Tensor) -> Tensor:
    out = out[:, 0] if given.dim() == 1 else out
    return out[0] if given.dim() < 3 and len(out) == 1 else out


def _three_values(x: Number, y: Number, z: Number, dtype: torch.dtype, device: Device) -> Tensor:
    """(N, 3) of three numbers or tensors (N,), or of one tensor (N, 3)."""
    if isinstance(x, Tensor) and x.dim() == 2:
        if x.shape[1] != 3 or y is not None or z is not None:
            raise ValueError(f"expected one tensor (N, 3), got {tuple(x.shape)}, and y and z None")
        return x.to(dtype=dtype, device=device or x.device)
    if y is None or z is None:
        raise ValueError("give x, y and z, or one tensor (N, 3)")
    device = device or next((v.device for v in (x, y, z) if isinstance(v, Tensor)), "cpu")
    columns = [torch.atleast_1d(torch.as_tensor(v, dtype=dtype, device=device)) for v in (x, y, z)]
    if len({len(c) for c in columns} - {1}) > 1:
        raise ValueError(f"x, y and z must be numbers or (N,), got {[len(c) for c in columns]}")
    return torch.stack(torch.broadcast_tensors(*columns), 1)
