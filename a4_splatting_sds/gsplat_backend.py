"""Compositing by the CUDA kernels of gsplat 1.5 or 1.6, where they are installed (Ye et al., gsplat, JMLR 2025)."""

import torch
from torch import Tensor

from a4_splatting_sds.projection import conics_of
from a4_splatting_sds.tiles import composite_tiles
from common.cli import UserError

SIDE = 16  # pixels of its tiles


def composite_gsplat(
    means_2D: Tensor, cov_2D: Tensor, opacities: Tensor, values: Tensor, img_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """What `tiles.composite_tiles` gives but for cut-offs, by gsplat.

    Its alphas end at 0.99 or at 0.999, by its version, and where the transmittance falls to 1e-4 it leaves out the
    Gaussian that brings it there as well.

    Args:
        means_2D: (N, 2) pixels. cov_2D: (N, 2, 2). opacities: (N,). values: (N, C). All in order of depth, on a GPU.

    Raises:
        UserError: gsplat is not installed, is of another interface or has no kernels, or there is no GPU.
    """
    try:
        import gsplat
    except ImportError:
        raise UserError("--rasterizer gsplat: gsplat is not installed; use --rasterizer fast") from None
    if means_2D.device.type != "cuda":
        raise UserError("--rasterizer gsplat: gsplat needs a CUDA GPU; use --rasterizer fast")
    try:
        return composite_by(gsplat, means_2D, cov_2D, opacities, values, img_size)
    except (AttributeError, AssertionError, TypeError) as error:  # without a compiler its kernels are None
        reason = f"{type(error).__name__} {error}".strip()[:80]
        raise UserError(f"--rasterizer gsplat: needs gsplat 1.5 or 1.6, compiled ({reason}); use fast") from None


def composite_by(
    gsplat, means_2D: Tensor, cov_2D: Tensor, opacities: Tensor, values: Tensor, img_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """`composite_gsplat` by that module."""
    H, W = img_size
    columns, rows = -(-W // SIDE), -(-H // SIDE)
    radii = (3.4 * cov_2D.detach().diagonal(dim1=1, dim2=2).sqrt()).ceil().int()  # where the last alpha is 1 / 255
    order = torch.arange(len(means_2D), device=means_2D.device, dtype=means_2D.dtype)  # they are in order of depth
    _, ids, flat = gsplat.isect_tiles(means_2D.detach()[None], radii[None], order[None], SIDE, columns, rows)
    offsets = gsplat.isect_offset_encode(ids, 1, columns, rows)
    conics = conics_of(cov_2D).to(cov_2D)
    given = (means_2D[None], conics[None], values[None], opacities[None])
    total, covered = gsplat.rasterize_to_pixels(*given, W, H, SIDE, offsets, flat)
    return total[0], 1 - covered[0, ..., 0]


@torch.no_grad()
def gsplat_works(device: torch.device) -> bool:
    """Whether gsplat is installed there and a small picture by it is that of `composite_tiles`."""
    means_2D = torch.tensor([[8.0, 9.0], [20.0, 12.0], [14.0, 6.0]], device=device)
    cov_2D = torch.tensor([[[9.0, 2.0], [2.0, 4.0]], [[6.0, 0.0], [0.0, 12.0]], [[8.0, -3.0], [-3.0, 5.0]]]).to(device)
    opacities, values = torch.tensor([0.9, 0.5, 0.7], device=device), torch.eye(3, device=device)
    given = (means_2D, cov_2D, opacities, values, (20, 30))
    try:
        pairs = zip(composite_gsplat(*given), composite_tiles(*given), strict=True)
        return all(bool(((own - true).abs() < 1e-3).all()) for own, true in pairs)
    except (UserError, RuntimeError):
        return False
