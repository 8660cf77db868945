"""Compositing by gsplat's CUDA kernels, where they are installed (Ye et al., gsplat, JMLR 2025)."""

from torch import Tensor

from common.cli import UserError


def composite_gsplat(
    means_2D: Tensor, cov_2D: Tensor, opacities: Tensor, values: Tensor, img_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """What `tiles.composite_tiles` gives, by gsplat; its cut-offs are alpha below 1 / 255 and above 0.999.

    Args:
        means_2D: (N, 2) pixels. cov_2D: (N, 2, 2). opacities: (N,). values: (N, C). All in order of depth, on a GPU.

    Raises:
        UserError: gsplat is not installed, or there is no GPU.
    """
    try:
        from gsplat import isect_offset_encode, isect_tiles, rasterize_to_pixels
    except ImportError:
        raise UserError("--rasterizer gsplat: gsplat is not installed; use --rasterizer fast") from None
    if means_2D.device.type != "cuda":
        raise UserError("--rasterizer gsplat: gsplat needs a CUDA GPU; use --rasterizer fast")
    import torch

    from a4_splatting_sds.projection import invert_cov_2D

    H, W = img_size
    inverse = invert_cov_2D(cov_2D)
    conics = torch.stack((inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]), 1)
    side, columns, rows = 16, -(-W // 16), -(-H // 16)
    radii = (3.4 * cov_2D.detach().diagonal(dim1=1, dim2=2).sqrt()).ceil().int()
    order = torch.arange(len(means_2D), device=means_2D.device, dtype=means_2D.dtype)  # they are in order of depth
    _, ids, flat = isect_tiles(means_2D.detach()[None], radii[None], order[None], side, columns, rows)
    offsets = isect_offset_encode(ids, 1, columns, rows)
    total, covered = rasterize_to_pixels(
        means_2D[None], conics[None], values[None], opacities[None], W, H, side, offsets, flat
    )
    return total[0], 1 - covered[0, ..., 0]
