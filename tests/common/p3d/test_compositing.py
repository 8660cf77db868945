"""The three compositing functions against PyTorch3D's outputs, loops and finite differences; the compositors."""

import pytest
import torch

from common.p3d import AlphaCompositor, NormWeightedCompositor, alpha_composite, norm_weighted_sum, weighted_sum

FUNCTIONS = {"alpha": alpha_composite, "norm": norm_weighted_sum, "wsum": weighted_sum}


def loop_twin(name, idx, alphas, features):
    """The definition, pixel by pixel."""
    N, K, H, W = idx.shape
    out = torch.zeros(N, len(features), H, W, dtype=features.dtype)
    for n, y, x in torch.cartesian_prod(torch.arange(N), torch.arange(H), torch.arange(W)).tolist():
        passed, total = 1.0, 0.0
        for k in range(K):
            if idx[n, k, y, x] >= 0:
                a = alphas[n, k, y, x]
                weight = a * passed if name == "alpha" else a
                out[n, :, y, x] += weight * features[:, idx[n, k, y, x]]
                passed, total = passed * (1 - a), total + a
        if name == "norm":
            out[n, :, y, x] /= max(total, 1e-4)
    return out


def random_input(seed=0, shape=(2, 4, 3, 5)):
    generator = torch.Generator().manual_seed(seed)
    idx = torch.randint(-3, 10, shape, generator=generator)
    alphas = torch.rand(shape, generator=generator, dtype=torch.float64)
    return idx, alphas, torch.randn(3, 10, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("file", ["points_48_K8", "points_40x64_K5"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_pytorch3d(golden, wave, file, name):
    z, _ = golden(file)
    features = torch.cat((z["features0"], z["features1"])).t().contiguous().requires_grad_()
    weights = z["weights"].permute(0, 3, 1, 2).clone().requires_grad_()
    out = FUNCTIONS[name](z["idx"].long().permute(0, 3, 1, 2), weights, features)
    torch.testing.assert_close(out, z[f"{name}.out"], atol=1e-5, rtol=0.0)
    (out * wave(out.shape, 0.2)).sum().backward()
    torch.testing.assert_close(features.grad, z[f"{name}.grad_features"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weights.grad, z[f"{name}.grad_weights"], atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_the_loop(name):
    for seed in range(5):
        idx, alphas, features = random_input(seed)
        torch.testing.assert_close(FUNCTIONS[name](idx, alphas, features), loop_twin(name, idx, alphas, features))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradcheck(name):
    idx, alphas, features = random_input(1, (1, 3, 2, 2))
    alphas[0, :, 0, 0] = torch.tensor([1.0, 0.5, 1.0])  # opaque layers: no division by 1 - alpha anywhere
    inputs = (alphas.requires_grad_(), features.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, f: FUNCTIONS[name](idx, a, f), inputs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_covered(name):
    alphas = torch.rand(2, 3, 4, 5, requires_grad=True)
    out = FUNCTIONS[name](torch.full((2, 3, 4, 5), -1), alphas, torch.rand(3, 0))
    assert out.shape == (2, 3, 4, 5) and not out.any()
    out.sum().backward()


def test_values_of_alphas_at_empty_places_do_not_matter():
    idx, alphas, features = random_input()
    other = torch.where(idx < 0, 1e6, alphas)
    for function in FUNCTIONS.values():
        assert torch.equal(function(idx, alphas, features), function(idx, other, features))


@pytest.mark.parametrize(("compositor", "name"), [(AlphaCompositor, "alpha"), (NormWeightedCompositor, "norm")])
def test_background(compositor, name):
    idx, alphas, features = random_input()
    idx[0, :, 0, 0] = -1
    plain = FUNCTIONS[name](idx, alphas, features)
    assert torch.equal(compositor()(idx, alphas, features), plain)
    colour = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    for given_colour, expected in (
        (colour, colour),
        ((0.1, 0.2, 0.3), colour),
        ((0.1, 0.2), [0.1, 0.2, 1.0]),
        (0.5, [0.5] * 3),
    ):
        out = compositor(background_color=given_colour)(idx, alphas, features)
        empty = idx[:, 0] < 0
        assert empty[0, 0, 0]
        torch.testing.assert_close(out[0, :, 0, 0], torch.as_tensor(expected).double())
        assert torch.equal(out.permute(0, 2, 3, 1)[~empty], plain.permute(0, 2, 3, 1)[~empty])
    override = compositor(background_color=(1.0, 1.0, 1.0))(idx, alphas, features, background_color=colour)
    torch.testing.assert_close(override[0, :, 0, 0], colour)
    with pytest.raises(ValueError, match="background_color"):
        compositor(background_color=(1.0,) * 5)(idx, alphas, features)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError):
        alpha_composite(torch.zeros(1, 2, 3, 3).long(), torch.zeros(1, 2, 3, 4), torch.zeros(3, 5))
    with pytest.raises(ValueError):
        weighted_sum(torch.zeros(2, 3, 3).long(), torch.zeros(2, 3, 3), torch.zeros(3, 5))
