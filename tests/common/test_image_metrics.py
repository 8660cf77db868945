"""PSNR in closed form; SSIM against the formula written out for one window."""

import math

import pytest
import torch

from common.image_metrics import psnr, ssim, ssim_uniform


def test_psnr_of_a_constant_difference():
    image = torch.rand(16, 16, 3) * 0.5
    assert psnr(image, image + 0.1) == pytest.approx(20.0, abs=1e-4)
    assert psnr(image, image) == 99.0


def test_ssim_of_one_window_is_the_formula():
    generator = torch.Generator().manual_seed(0)
    one, two = torch.rand(2, 11, 11, 3, generator=generator, dtype=torch.float64)
    place = torch.arange(11, dtype=torch.float64) - 5
    window = torch.exp(-(place**2) / (2 * 1.5**2))
    window = (window[:, None] * window / window.sum() ** 2)[..., None]
    scores = []
    for c in range(3):
        x, y, w = one[..., c], two[..., c], window[..., 0]
        mx, my = (w * x).sum(), (w * y).sum()
        vx, vy, cov = (w * x * x).sum() - mx**2, (w * y * y).sum() - my**2, (w * x * y).sum() - mx * my
        scores.append((2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
    assert ssim(one.float(), two.float()) == pytest.approx(float(sum(scores) / 3), abs=1e-4)
    assert ssim(one, one) == pytest.approx(1.0, abs=1e-6) and math.isfinite(ssim(one, 0 * one))


def test_pictures_smaller_than_the_window():
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(torch.rand(8, 20, 3), torch.rand(8, 20, 3))


def test_ssim_of_equal_weights_is_the_formula_at_every_window():
    """Windows of 7 x 7 that lie inside, variances of samples, a mean over windows and channels."""
    one, two = torch.rand(2, 9, 8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    scores = []
    for row in range(3):
        for column in range(2):
            for c in range(3):
                x, y = (image[row : row + 7, column : column + 7, c].flatten() for image in (one, two))
                cov = torch.stack((x, y)).cov()
                top = (2 * x.mean() * y.mean() + 1e-4) * (2 * cov[0, 1] + 9e-4)
                scores.append(top / ((x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (cov[0, 0] + cov[1, 1] + 9e-4)))
    assert ssim_uniform(one, two) == pytest.approx(float(sum(scores) / len(scores)), abs=1e-12)
    assert ssim_uniform(one, one) == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(ValueError, match="at least 7 pixels"):
        ssim_uniform(one[:6], two[:6])
