"""Real spherical harmonics."""

import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from a4_splatting_sds.spherical_harmonics import colours_from_harmonics, harmonics_of_colours, sh_basis


def directions(count=200, seed=0):
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(x, dim=1)


def test_they_are_the_real_harmonics():
    """Those of scipy, taken to be real, up to the sign that files of Gaussians give those of odd order."""
    x = directions()
    theta, phi = torch.acos(x[:, 2]).numpy(), torch.atan2(x[:, 1], x[:, 0]).numpy()
    basis, column = sh_basis(x, 3).numpy(), 0
    for degree in range(4):
        for order in range(-degree, degree + 1):
            value = sph_harm_y(degree, abs(order), theta, phi)
            part = value.real if order >= 0 else value.imag
            real = part * (math.sqrt(2) if order else 1.0)  # scipy's own sign of odd orders is that of the files
            np.testing.assert_allclose(basis[:, column], real, atol=1e-12)
            column += 1


def test_they_are_orthonormal():
    """By Gauss-Legendre times equal steps, exact for such polynomials."""
    z, w = np.polynomial.legendre.leggauss(8)
    phi = np.arange(16) * 2 * np.pi / 16
    z, w, phi = (torch.from_numpy(a) for a in (np.repeat(z, 16), np.repeat(w, 16), np.tile(phi, 8)))
    r = (1 - z * z).sqrt()
    basis = sh_basis(torch.stack((r * phi.cos(), r * phi.sin(), z), 1), 3)
    gram = basis.T @ (basis * (w * 2 * math.pi / 16)[:, None])
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64), atol=1e-12, rtol=0)


def test_colours():
    """Degree 0 is the same from everywhere; none is below 0; lengths of directions do not matter."""
    colours = torch.rand(7, 3, generator=torch.Generator().manual_seed(1))
    x = directions(7).float()
    torch.testing.assert_close(colours_from_harmonics(harmonics_of_colours(colours), x), colours)
    dark = torch.full((7, 4, 3), -2.0)
    assert (colours_from_harmonics(dark, x) >= 0).all()
    some = torch.randn(7, 16, 3, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(colours_from_harmonics(some, 5 * x), colours_from_harmonics(some, x))


def test_gradients():
    """Of coefficients and directions, by finite differences."""
    g = torch.Generator().manual_seed(3)
    coefficients = 0.1 * torch.randn(3, 16, 3, generator=g, dtype=torch.float64)
    x = torch.randn(3, 3, generator=g, dtype=torch.float64)
    assert torch.autograd.gradcheck(colours_from_harmonics, (coefficients.requires_grad_(), x.requires_grad_()))


@pytest.mark.parametrize("count", [2, 5, 15])
def test_other_counts_are_refused(count):
    """They are of no degree."""
    with pytest.raises(ValueError, match=f"{count} coefficients"):
        colours_from_harmonics(torch.zeros(1, count, 3), torch.ones(1, 3))


@pytest.mark.parametrize("degree", [-1, 4])
def test_other_degrees_are_refused(degree):
    """Named."""
    with pytest.raises(ValueError, match="degree must be 0 to 3"):
        sh_basis(torch.ones(1, 3), degree)
