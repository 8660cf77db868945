"""Colours that depend on the direction of sight: real spherical harmonics to degree 3."""

import torch
from torch import Tensor

MOST_DEGREE = 3
# Constants of the real harmonics in Cartesian form (Sloan, Efficient Spherical Harmonic Evaluation, JCGT 2013), with
# the signs that files of Gaussians use (Kerbl et al., 2023).
C0 = 0.28209479177387814
C1 = 0.4886025119029199
C2 = (1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396)
C3 = (
    -0.5900435899266435,
    2.890611442640554,
    -0.4570457994644658,
    0.3731763325901154,
    -0.4570457994644658,
    1.445305721320277,
    -0.5900435899266435,
)


def sh_basis(directions: Tensor, degree: int) -> Tensor:
    """Values (N, (degree + 1)^2) of the harmonics at unit directions (N, 3).

    Raises:
        ValueError: a degree that is not 0, 1, 2 or 3.
    """
    if not 0 <= degree <= MOST_DEGREE:
        raise ValueError(f"degree must be 0 to {MOST_DEGREE}, got {degree}")
    x, y, z = directions.unbind(1)
    rows = [torch.full_like(x, C0)]
    if degree > 0:
        rows += [-C1 * y, C1 * z, -C1 * x]
    if degree > 1:
        xx, yy, zz = x * x, y * y, z * z
        rows += [C2[0] * x * y, C2[1] * y * z, C2[2] * (2 * zz - xx - yy), C2[3] * x * z, C2[4] * (xx - yy)]
    if degree > 2:
        rows += [C3[0] * y * (3 * xx - yy), C3[1] * x * y * z, C3[2] * y * (4 * zz - xx - yy)]
        rows += [C3[3] * z * (2 * zz - 3 * xx - 3 * yy), C3[4] * x * (4 * zz - xx - yy)]
        rows += [C3[5] * z * (xx - yy), C3[6] * x * (xx - 3 * yy)]
    return torch.stack(rows, 1)


def colours_from_harmonics(coefficients: Tensor, directions: Tensor) -> Tensor:
    """Colours (N, 3), not below 0, of coefficients (N, (degree + 1)^2, 3) seen along directions (N, 3)."""
    degree = round(coefficients.shape[1] ** 0.5) - 1
    if (degree + 1) ** 2 != coefficients.shape[1]:
        raise ValueError(f"{coefficients.shape[1]} coefficients are not those of any degree")
    basis = sh_basis(torch.nn.functional.normalize(directions, dim=1), degree)
    return torch.relu((basis[:, :, None] * coefficients).sum(1) + 0.5)


def harmonics_of_colours(colours: Tensor) -> Tensor:
    """Coefficients (N, 1, 3) of degree 0 that give colours (N, 3) in every direction."""
    return ((colours - 0.5) / C0)[:, None]
