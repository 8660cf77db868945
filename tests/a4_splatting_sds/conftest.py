"""Scenes of Gaussians small enough to compare with sums written out."""

import pytest
import torch

from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.projection import Pinhole


def scene(count=60, degree=1, isotropic=False, seed=0, spread=1.0):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=g)

    return Gaussians(
        means=spread * draw(count, 3) * torch.tensor([0.8, 0.6, 0.5]),
        log_scales=-2.2 + 0.6 * draw(count, 1 if isotropic else 3),
        quats=draw(count, 4),
        opacity_logits=draw(count) + 0.5,
        sh_dc=draw(count, 1, 3),
        sh_rest=0.3 * draw(count, (degree + 1) ** 2 - 1, 3),
    )


def camera(size=(37, 50), dtype=torch.float32):
    """Somewhat off the axis, looking at the origin from four units away."""
    angle = torch.tensor(0.3, dtype=dtype)
    c, s = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    R = torch.stack((c, zero, s, zero, one, zero, -s, zero, c)).view(3, 3)
    t = torch.tensor([0.1, -0.2, 4.0], dtype=dtype)
    return Pinhole(R, t, torch.tensor([45.0, 48.0], dtype=dtype), torch.tensor([26.0, 18.0], dtype=dtype), size)


@pytest.fixture
def gaussians():
    return scene()
