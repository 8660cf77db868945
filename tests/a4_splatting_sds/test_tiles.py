"""The fast rasteriser against the plain one, and the plain one against sums written out."""

import math

import pytest
import torch

from a4_splatting_sds import tiles
from a4_splatting_sds.compositing import (
    MAX_ALPHA,
    MIN_ALPHA,
    MIN_TRANSMITTANCE,
    composite_dense,
    compute_alphas,
    compute_transmittance,
)
from a4_splatting_sds.scene import composite_in_parts
from a4_splatting_sds.tiles import composite_tiles, find_pairs

SIZE = (37, 50)  # neither is a whole number of tiles


def splats(count=80, sigma=3.0, seed=0, dtype=torch.float32, channels=3, opaque=False):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=g, dtype=dtype)

    means = (draw(count, 2) * 1.4 - 0.2) * torch.tensor([SIZE[1], SIZE[0]])
    a = (draw(count, 2, 2) - 0.5) * sigma * 2
    cov = a @ a.mT + 0.3 * torch.eye(2, dtype=dtype)
    opacities = draw(count) * 0.05 + 0.94 if opaque else draw(count) * 0.9 + 0.02
    return means, cov, opacities, draw(count, channels)


def gradients(function, inputs, weights):
    leaves = [x.clone().requires_grad_() for x in inputs]
    out = function(*leaves, SIZE)
    sum((o * w).sum() for o, w in zip(out, weights, strict=True)).backward()
    return [o.detach() for o in out], [leaf.grad for leaf in leaves]


@pytest.mark.parametrize(
    ("count", "sigma", "opaque", "channels"),
    [(80, 3.0, False, 3), (300, 1.0, False, 4), (40, 30.0, False, 1), (400, 5.0, True, 3), (1, 2.0, False, 3)],
)
def test_fast_equals_plain(count, sigma, opaque, channels):
    """Pictures and gradients: many small ones, a few as wide as the picture, so many that little shows through."""
    inputs = splats(count, sigma, channels=channels, opaque=opaque)
    g = torch.Generator().manual_seed(1)
    weights = torch.randn(*SIZE, channels, generator=g), torch.randn(SIZE, generator=g)
    (image, behind), grads = gradients(composite_tiles, inputs, weights)
    (true_image, true_behind), true_grads = gradients(composite_dense, inputs, weights)
    torch.testing.assert_close(image, true_image, atol=3e-6, rtol=1e-5)
    torch.testing.assert_close(behind, true_behind, atol=3e-6, rtol=1e-5)
    for own, true in zip(grads, true_grads, strict=True):
        torch.testing.assert_close(own, true, atol=1e-5 * float(true.abs().max()), rtol=1e-4)


@pytest.mark.parametrize("depth", [2, 16])
@pytest.mark.parametrize("block", [64, 2**12])
def test_blocks_and_layers_change_nothing(monkeypatch, depth, block):
    """However many Gaussians and tiles are held at once."""
    inputs = [x.double() for x in splats(200, 4.0)]
    weights = torch.ones(*SIZE, 3, dtype=torch.float64), torch.ones(SIZE, dtype=torch.float64)
    true, true_grads = gradients(composite_tiles, inputs, weights)
    monkeypatch.setattr(tiles, "DEPTH", depth)
    monkeypatch.setattr(tiles, "MOST_DEPTH", depth)
    monkeypatch.setattr(tiles, "BLOCK", block)
    own, grads = gradients(composite_tiles, inputs, weights)
    for a, b in zip([*own, *grads], [*true, *true_grads], strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-9)


@pytest.mark.parametrize("most", [1, 300])
def test_bands_change_nothing(monkeypatch, most):
    """However few pairs are listed at once; the last band is lower than the others."""
    inputs = [x.double() for x in splats(200, 4.0)]
    weights = torch.ones(*SIZE, 3, dtype=torch.float64), torch.ones(SIZE, dtype=torch.float64)
    true, true_grads = gradients(composite_tiles, inputs, weights)
    heights = []
    band = tiles._composite_band

    def watched(*given):
        heights.append(given[-1][0])
        return band(*given)

    monkeypatch.setattr(tiles, "MOST_PAIRS", most)
    monkeypatch.setattr(tiles, "_composite_band", watched)
    own, grads = gradients(composite_tiles, inputs, weights)
    assert len(heights) > 2 and min(heights) < 8 * max(1, heights[0] // 8)
    for a, b in zip([*own, *grads], [*true, *true_grads], strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-9)


def test_plain_equals_sums_written_out():
    """One pixel and one Gaussian after the other."""
    means, cov, opacities, values = (x.double() for x in splats(30, 3.0, seed=4, channels=2))
    image, behind = composite_dense(means, cov, opacities, values, SIZE)
    for row, column in ((0, 0), (5, 7), (18, 25), (36, 49), (20, 3)):
        T, total = 1.0, [0.0, 0.0]
        for k in range(30):
            d = torch.tensor([column + 0.5, row + 0.5], dtype=torch.float64) - means[k]
            alpha = float(opacities[k]) * math.exp(-0.5 * float(d @ torch.linalg.solve(cov[k], d)))
            alpha = 0.0 if alpha <= MIN_ALPHA else min(alpha, MAX_ALPHA)
            if T <= MIN_TRANSMITTANCE:
                break
            total = [t + alpha * T * float(v) for t, v in zip(total, values[k], strict=True)]
            T *= 1 - alpha
        assert image[row, column].tolist() == pytest.approx(total, abs=1e-12)
        assert float(behind[row, column]) == pytest.approx(T if T > MIN_TRANSMITTANCE else 0.0, abs=1e-12)


def test_gradients_by_finite_differences():
    """Of both, in double precision, where no cut-off is near."""
    means = torch.tensor([[20.3, 15.1], [24.7, 18.2], [22.0, 20.4]], dtype=torch.float64)
    cov = torch.tensor([[[9.0, 2.0], [2.0, 6.0]], [[5.0, -1.0], [-1.0, 8.0]], [[7.0, 0.5], [0.5, 4.0]]]).double()
    opacities, values = torch.tensor([0.6, 0.8, 0.5]).double(), torch.rand(3, 2).double()
    # A window well inside all footprints: their edges, where alpha falls to nothing, have no derivative.
    rows, columns = slice(15, 20), slice(20, 25)
    for function in (composite_dense, composite_tiles):

        def window(m, c, o, v, function=function):
            image, behind = function(m, (c + c.mT) / 2, o, v, SIZE)
            return image[rows, columns], behind[rows, columns]

        assert torch.autograd.gradcheck(window, [x.clone().requires_grad_() for x in (means, cov, opacities, values)])


def test_a_needle_is_as_thin_as_it_is():
    """So long that single precision loses its determinant: as in double precision, where that is not lost."""
    t = torch.tensor([1.0, 1.0], dtype=torch.float64) / 2**0.5
    cov = (6e7 * t[:, None] * t + 0.3 * torch.eye(2, dtype=torch.float64))[None]
    given = [torch.tensor([[25.0, 18.0]]).double(), cov, torch.tensor([0.5]).double(), torch.ones(1, 1).double()]
    true, _ = composite_dense(*given, SIZE)
    assert 0.015 < true.mean() < 0.03
    for function in (composite_dense, composite_tiles):
        leaves = [x.float().requires_grad_() for x in given]
        image, _ = function(*leaves, SIZE)
        assert float(image.detach().max()) <= 0.5 + 1e-5
        assert abs(float(image.detach().mean()) - float(true.mean())) < 1e-4
        image.sum().backward()
        assert all(leaf.grad.isfinite().all() for leaf in leaves)


@pytest.mark.parametrize("sigma", [100.0, 1000.0])
def test_a_needle_from_far_outside_is_where_it_is(sigma):
    """Where the terms of the exponent nearly cancel: single precision as double, of the same covariance."""
    t = torch.tensor([1.0, 0.25]) / 1.0625**0.5
    cov = (sigma**2 * t[:, None] * t + 0.31 * torch.eye(2))[None]
    mean = torch.tensor([[25.0, 18.0]]) - 1.5 * sigma * t
    given = [mean, cov, torch.tensor([0.9]), torch.ones(1, 1)]
    true, _ = composite_dense(*(x.double() for x in given), SIZE)
    made, _ = composite_tiles(*given, SIZE)
    assert 0.2 < true.max() < 0.4
    torch.testing.assert_close(made.double(), true, atol=2e-5, rtol=0)


def test_what_is_hidden_has_no_gradient():
    """Behind a stack through which nothing is seen; opacities of 0 and 1 have finite ones."""
    count = 12
    means, cov = torch.tensor([[25.0, 18.0]]).repeat(count, 1), (400.0 * torch.eye(2)).repeat(count, 1, 1)
    opacities, values = torch.full((count,), 0.99), torch.rand(count, 3)
    cov[-1] = 9.0 * torch.eye(2)  # small, in the middle of the others, the last
    opacities[0], opacities[1] = 0.0, 1.0
    weights = torch.ones(*SIZE, 3), torch.ones(SIZE)
    for function in (composite_dense, composite_tiles):
        _, grads = gradients(function, (means, cov, opacities, values), weights)
        assert all(grad.isfinite().all() for grad in grads)
        assert not any(grad[-1].any() for grad in grads)


def test_nothing_is_seen_of_nothing():
    """No Gaussians, faint ones, ones outside."""
    means, cov, opacities, values = splats(5)
    none = slice(0, 0)
    for given in (
        (means[none], cov[none], opacities[none], values[none]),
        (means, cov, opacities * 0 + MIN_ALPHA, values),
        (means + 1000, cov, opacities, values),
    ):
        image, behind = composite_tiles(*given, SIZE)
        assert not image.any()
        assert (behind == 1).all()


def test_a_gaussian_of_any_width_is_seen():
    """Far wider than the picture: as if it were all over it."""
    means, values = torch.tensor([[25.0, 18.0]]), torch.tensor([[1.0, 0.5, 0.25]])
    cov = 1e8 * torch.eye(2)[None]
    image, behind = composite_tiles(means, cov, torch.tensor([0.5]), values, SIZE)
    torch.testing.assert_close(image, (0.5 * values[0]).expand(*SIZE, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(behind, torch.full(SIZE, 0.5), atol=1e-5, rtol=0)


def test_pairs_are_the_tiles_that_show_something():
    """Each tile with a pixel above the cut-off is listed, in order of depth; hardly any other."""
    means, cov, opacities, _ = splats(100, 4.0, seed=6)
    a, b, c = cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]
    conics = torch.stack((c, -b, a), 1) / (a * c - b * b)[:, None]
    pairs = find_pairs(means, cov, conics, opacities, SIZE)
    listed = set(zip(pairs.gaussian.tolist(), pairs.tile.tolist(), strict=True))
    assert len(listed) == len(pairs.gaussian) == int(pairs.count.sum())
    alphas = compute_alphas(opacities, means, cov, SIZE)
    padded = torch.nn.functional.pad(alphas, (0, -SIZE[1] % 8, 0, -SIZE[0] % 8))
    shown = padded.unfold(1, 8, 8).unfold(2, 8, 8).amax((3, 4)).flatten(1) > 0
    true = {tuple(pair) for pair in shown.nonzero().tolist()}
    assert true <= listed
    assert len(listed - true) < 0.15 * len(
        true
    )  # between its pixels, or past the picture's edge, a tile may be reached
    assert (pairs.tile.diff() >= 0).all()
    same = pairs.tile[1:] == pairs.tile[:-1]
    assert (pairs.gaussian.diff()[same] > 0).all()


def test_parts_of_the_plain_one_change_nothing():
    """``per_splat`` Gaussians after another."""
    inputs = [x.double() for x in splats(60, 4.0, opaque=True)]
    whole = composite_dense(*inputs, SIZE)
    for a, b in zip(composite_in_parts(*inputs, SIZE, per_splat=7), whole, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_transmittance():
    """A product from the front, nothing where too little is left."""
    alphas = torch.tensor([0.5, 0.98, 0.999, 0.3]).view(4, 1, 1)
    T = compute_transmittance(alphas)[:, 0, 0]
    torch.testing.assert_close(T, torch.tensor([1.0, 0.5, 0.01, 0.0, 0.0]), atol=1e-7, rtol=1e-5)
    half = compute_transmittance(alphas[:1], torch.full((1, 1, 1), 0.5))
    torch.testing.assert_close(half[:, 0, 0], torch.tensor([0.5, 0.25]))
