"""How alike two pictures are."""

import math

import torch
from pytorch_msssim import ssim as _ssim
from torch import Tensor


def psnr(image: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio, decibels, of pictures of one shape with values in [0, 1]; 99 where they are equal."""
    error = torch.nn.functional.mse_loss(image.double(), target.double()).item()
    return -10.0 * math.log10(error) if error > 1e-10 else 99.0


def ssim(image: Tensor, target: Tensor) -> float:
    """Structural similarity (Wang et al., TIP 2004) of pictures (H, W, 3) in [0, 1], window 11, sigma 1.5.

    Raises:
        ValueError: pictures smaller than the window.
    """
    if min(image.shape[:2]) < 11:
        raise ValueError(f"pictures must be at least 11 pixels along each side, got {tuple(image.shape[:2])}")
    one, two = (x.permute(2, 0, 1)[None].float() for x in (image, target))
    return _ssim(one, two, data_range=1.0, size_average=True).item()
