"""Front-to-back compositing of Gaussians in a picture: what every rasteriser computes, one equation at a time.

Along a pixel the Gaussians are in order of depth. Gaussian k covers the pixel with alpha_k = opacity_k
exp(-d^T cov_k^-1 d / 2), is seen through T_k = prod_(j < k) (1 - alpha_j), and adds alpha_k T_k of its colour (Kerbl et
al., 3D Gaussian Splatting, 2023, eqs. 2 to 4, with the cut-offs of its rasteriser; but the Gaussian that brings T to
its least is still added).

The functions here hold all Gaussians times all pixels: plain, slow, the measure of `.tiles`.
"""

import torch
from torch import Tensor

from a4_splatting_sds.projection import invert_cov_2D

MIN_ALPHA = 1 / 255  # what covers a pixel less is not seen
MAX_ALPHA = 0.99
MIN_TRANSMITTANCE = 1e-4  # behind this nothing is seen


def evaluate_gaussian_2D(points_2D: Tensor, means_2D: Tensor, cov_2D_inverse: Tensor) -> Tensor:
    """Exponents -d^T cov^-1 d / 2 (N, P) of Gaussians at points.

    Args:
        points_2D: (1, P, 2) pixels. means_2D: (N, 1, 2) pixels. cov_2D_inverse: (N, 2, 2).
    """
    d = points_2D - means_2D
    return -0.5 * ((d @ cov_2D_inverse) * d).sum(-1)


def compute_alphas(opacities: Tensor, means_2D: Tensor, cov_2D: Tensor, img_size: tuple[int, int]) -> Tensor:
    """How much each Gaussian covers each pixel, (N, H, W).

    Args:
        opacities: (N,) in [0, 1]. means_2D: (N, 2) pixels. cov_2D: (N, 2, 2) pixels^2. img_size: (H, W).
    """
    H, W = img_size
    rows, columns = (torch.arange(n, dtype=means_2D.dtype, device=means_2D.device) + 0.5 for n in (H, W))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    points_2D = torch.stack((x, y), -1).view(1, -1, 2)
    power = evaluate_gaussian_2D(points_2D, means_2D[:, None], invert_cov_2D(cov_2D))
    alphas = (opacities[:, None] * torch.exp(power)).view(-1, H, W)
    return torch.where(alphas > MIN_ALPHA, alphas, 0.0).clamp(max=MAX_ALPHA)


def compute_transmittance(alphas: Tensor, start_transmittance: Tensor | None = None) -> Tensor:
    """Through how much each Gaussian is seen, and what lies behind all of them: (N + 1, H, W) of alphas (N, H, W).

    Args:
        start_transmittance: (1, H, W) left by Gaussians that are in front of these; by default 1.
    """
    first = torch.ones_like(alphas[:1]) if start_transmittance is None else start_transmittance
    T = torch.cumprod(torch.cat((first, 1.0 - alphas)), 0)
    return torch.where(T > MIN_TRANSMITTANCE, T, 0.0)


def composite_dense(
    means_2D: Tensor,
    cov_2D: Tensor,
    opacities: Tensor,
    values: Tensor,
    img_size: tuple[int, int],
    start_transmittance: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Values (H, W, C) summed by weight, and the transmittance (H, W) behind all, of Gaussians in order of depth.

    Args:
        means_2D: (N, 2) pixels. cov_2D: (N, 2, 2) pixels^2. opacities: (N,). values: (N, C), of whatever is summed.
        img_size: height and width. start_transmittance: (H, W) in front of these Gaussians; by default 1.
    """
    alphas = compute_alphas(opacities, means_2D, cov_2D, img_size)
    start = alphas.new_ones(img_size) if start_transmittance is None else start_transmittance
    T = compute_transmittance(alphas, start[None])
    return torch.einsum("nhw,nc->hwc", alphas * T[:-1], values), T[-1]
