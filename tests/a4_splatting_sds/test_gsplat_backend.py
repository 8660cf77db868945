"""What gsplat is asked for, by a module that answers as gsplat does; its kernels need a GPU."""

import sys
from types import SimpleNamespace

import pytest
import torch

from a4_splatting_sds import gsplat_backend
from a4_splatting_sds.compositing import MIN_ALPHA, composite_dense, compute_alphas
from a4_splatting_sds.gsplat_backend import SIDE, composite_by, composite_gsplat, gsplat_works
from a4_splatting_sds.scene import project, rasterizer_of
from a4_splatting_sds.tiles import composite_tiles
from common.cli import UserError
from tests.a4_splatting_sds.conftest import camera, scene


class Gsplat:
    """The three functions of gsplat 1.5 that are called, on a CPU: shapes as there, all Gaussians in every tile."""

    def isect_tiles(self, means2d, radii, depths, tile_size, tile_width, tile_height):
        C, N, _ = means2d.shape
        assert radii.shape == (C, N, 2) and radii.dtype == torch.int32 and depths.shape == (C, N)
        self.radii, self.grid = radii[0], (tile_height, tile_width)
        return None, torch.zeros(N, dtype=torch.int64), depths[0].argsort()

    def isect_offset_encode(self, isect_ids, n_images, tile_width, tile_height):
        assert isect_ids.dtype == torch.int64 and (tile_height, tile_width) == self.grid
        return torch.zeros(n_images, tile_height, tile_width, dtype=torch.int32)

    def rasterize_to_pixels(self, means2d, conics, colors, opacities, width, height, tile_size, offsets, flatten_ids):
        C, N, channels = colors.shape
        assert means2d.shape == (C, N, 2) and conics.shape == (C, N, 3) and opacities.shape == (C, N)
        assert offsets.shape == (C, -(-height // tile_size), -(-width // tile_size))
        inverse = conics[0][:, [0, 1, 1, 2]].view(-1, 2, 2)
        order = flatten_ids
        given = (means2d[0][order], torch.linalg.inv(inverse)[order], opacities[0][order], colors[0][order])
        total, behind = composite_dense(*given, (height, width))
        return total[None], 1 - behind[None, ..., None]


def given():
    with torch.no_grad():
        splats = project(scene(40, 1), camera())
    values = (splats.means_2D, splats.cov_2D, splats.opacities, splats.colours)
    return [x.clone().requires_grad_() for x in values], camera().size


def test_it_is_asked_for_the_same_picture():
    """In value and gradient; the radii hold all that a Gaussian covers."""
    leaves, size = given()
    gsplat = Gsplat()
    slopes = []
    for total, behind in (composite_by(gsplat, *leaves, size), composite_tiles(*leaves, size)):
        slopes.append(
            [total.detach(), behind.detach(), *torch.autograd.grad(total.square().sum() + behind.sum(), leaves)]
        )
    for own, true in zip(*slopes, strict=True):
        torch.testing.assert_close(own, true, atol=2e-5 * float(true.abs().max()), rtol=1e-3)
    assert gsplat.grid == (-(-size[0] // SIDE), -(-size[1] // SIDE))
    means, cov, opacities, _ = (x.detach() for x in leaves)
    seen = compute_alphas(torch.ones_like(opacities), means, cov, size) > MIN_ALPHA
    rows, columns = (torch.arange(n) + 0.5 for n in size)
    for number, (x, y) in enumerate(means):
        where = seen[number].nonzero()
        assert ((columns[where[:, 1]] - x).abs() <= gsplat.radii[number, 0]).all()
        assert ((rows[where[:, 0]] - y).abs() <= gsplat.radii[number, 1]).all()


def test_where_it_cannot_be_had_the_fast_one_is_used(monkeypatch):
    """Not installed, or no GPU: named where it was asked for, passed over by "auto"."""
    leaves, size = given()
    monkeypatch.setitem(sys.modules, "gsplat", None)
    with pytest.raises(UserError, match="gsplat is not installed"):
        composite_gsplat(*leaves, size)
    monkeypatch.setitem(sys.modules, "gsplat", Gsplat())
    with pytest.raises(UserError, match="needs a CUDA GPU"):
        composite_gsplat(*leaves, size)
    assert not gsplat_works(torch.device("cpu"))
    gpu = SimpleNamespace(type="cuda")
    monkeypatch.setattr(gsplat_backend, "gsplat_works", lambda device: False)
    assert rasterizer_of("auto", device=gpu) is composite_tiles
    monkeypatch.setattr(gsplat_backend, "gsplat_works", lambda device: True)
    assert rasterizer_of("auto", device=gpu) is composite_gsplat


def test_whether_it_works_is_seen_in_a_picture(monkeypatch):
    """One that is not as ours is does not count, nor an error."""
    right, device = Gsplat(), torch.device("cpu")
    monkeypatch.setattr(gsplat_backend, "composite_gsplat", lambda *args: composite_by(right, *args))
    assert gsplat_works(device)
    wrong = Gsplat()
    wrong.isect_tiles = lambda means, radii, depths, *rest: (
        None,
        torch.zeros(3, dtype=torch.int64),
        torch.tensor([2, 1, 0]),
    )
    wrong.grid = (2, 2)
    monkeypatch.setattr(gsplat_backend, "composite_gsplat", lambda *args: composite_by(wrong, *args))
    assert not gsplat_works(device)


def test_kernels_that_are_not_there_are_named(monkeypatch):
    """As of an installation without a compiler, where they are None."""
    on_gpu = SimpleNamespace(device=SimpleNamespace(type="cuda"))
    monkeypatch.setitem(sys.modules, "gsplat", Gsplat())
    monkeypatch.setattr(gsplat_backend, "composite_by", lambda *args: None.isect_tiles)
    with pytest.raises(UserError, match=r"needs gsplat 1.5 or 1.6, compiled \(AttributeError 'NoneType'"):
        composite_gsplat(on_gpu, None, None, None, (8, 8))
