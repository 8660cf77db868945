"""How alike two pictures are."""

import math

import torch
from pytorch_msssim import ssim as _ssim
from torch import Tensor


def psnr(image: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio, decibels, of pictures of one shape with values in [0, 1]; 99 where they are equal."""
    error = torch.nn.functional.mse_loss(image.double(), target.double()).item()
    return 99.0 if error <= 1e-10 else -10.0 * math.log10(error)


def ssim(image: Tensor, target: Tensor) -> float:
    """Structural similarity (Wang et al., TIP 2004) of pictures (H, W, 3) in [0, 1], window 11, sigma 1.5.

    Raises:
        ValueError: pictures smaller than the window.
    """
    if min(image.shape[:2]) < 11:
        raise ValueError(f"pictures must be at least 11 pixels along each side, got {tuple(image.shape[:2])}")
    one, two = (x.permute(2, 0, 1)[None].float() for x in (image, target))
    return _ssim(one, two, data_range=1.0, size_average=True).item()


def ssim_uniform(image: Tensor, target: Tensor, window: int = 7) -> float:
    """Structural similarity with a square window of equal weights: scikit-image's default, and so the course's.

    Its values are not those of `ssim`: state which.

    Args:
        image, target: (H, W, 3) in [0, 1]. window: pixels, odd.

    Raises:
        ValueError: pictures smaller than the window.
    """
    if min(image.shape[:2]) < window:
        raise ValueError(f"pictures must be at least {window} pixels along each side, got {tuple(image.shape[:2])}")
    x, y = (values.permute(2, 0, 1)[None].double() for values in (image, target))

    def mean(values: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(values, window, 1)

    unbiased = window**2 / (window**2 - 1)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (
        (mean(a * b) - ma * mb) * unbiased for a, b, ma, mb in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my))
    )
    c1, c2 = 0.01**2, 0.03**2
    return float(((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())
