"""Where rays are sampled in training and for pictures, which network answers, and what colours are compared."""

from types import SimpleNamespace

import pytest
import torch

from a3_volume_surface.image_training import composited
from a3_volume_surface.neural_fields import NeuralRadianceField
from a3_volume_surface.rays import RayBundle
from a3_volume_surface.renderers import VolumeRenderer
from a3_volume_surface.samplers import StratifiedRaysampler
from a3_volume_surface.volume_renderer import aggregate, compute_weights, interval_lengths


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def rays(count: int) -> RayBundle:
    origins, directions = torch.randn(count, 3), torch.nn.functional.normalize(torch.randn(count, 3), dim=1)
    return RayBundle(origins, directions, origins[:, None], origins[:, None, :1])


def sampler(count: int) -> StratifiedRaysampler:
    return StratifiedRaysampler(SimpleNamespace(n_pts_per_ray=count, min_depth=2.0, max_depth=6.0))


def test_pictures_sample_the_middles_and_training_anywhere_in_each_part():
    own, bundle = sampler(8), rays(500)
    middles = own.eval()(bundle).sample_lengths[..., 0]
    assert torch.equal(middles, (2.25 + 0.5 * torch.arange(8)).expand(500, 8))
    drawn = own.train()(bundle)
    off = (drawn.sample_lengths[..., 0] - middles) / 0.5
    assert off.abs().max() <= 0.5 + 1e-6 and abs(float(off.mean())) < 0.02
    assert float(off.std()) == pytest.approx(12**-0.5, rel=0.03)  # evenly spread
    expected = bundle.origins[:, None] + drawn.sample_lengths * bundle.directions[:, None]
    torch.testing.assert_close(drawn.sample_points, expected)


def field(two_passes: bool) -> NeuralRadianceField:
    cfg = SimpleNamespace(
        n_harmonic_functions_xyz=2,
        n_harmonic_functions_dir=1,
        n_hidden_neurons_xyz=8,
        n_hidden_neurons_dir=8,
        density_noise_std=0.0,
        n_layers_xyz=2,
        append_xyz=(),
        view_dependence=True,
    )
    return NeuralRadianceField(cfg, two_passes)


def has_gradient(module: torch.nn.Module) -> bool:
    return any(p.grad is not None and p.grad.any() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "learns", "stays"),
    [
        ("coarse", "first", "fine"),
        ("coarse_opacity", "first", "fine"),
        ("feature", "fine", "first"),
        ("opacity", "fine", "first"),
    ],
)
def test_each_pass_teaches_its_own_network(name, learns, stays):
    network, cfg = field(True), SimpleNamespace(chunk_size=7, white_background=False)
    out = VolumeRenderer(cfg, 5)(sampler(6), network, rays(20))
    out[name].square().sum().backward()
    assert has_gradient(getattr(network, learns)) and not has_gradient(getattr(network, stays))


@pytest.mark.parametrize("white", [False, True])
def test_the_first_pass_is_a_rendering_of_its_samples_alone(white):
    network, bundle = field(True), rays(9)
    out = VolumeRenderer(SimpleNamespace(chunk_size=4, white_background=white), 5)(sampler(6).eval(), network, bundle)
    sampled = sampler(6).eval()(bundle)
    density, color = network.first(sampled.sample_points, sampled.directions)
    weights = compute_weights(density, interval_lengths(sampled.sample_lengths[..., 0]))
    expected = aggregate(weights, color) + (1 - weights.sum(1, keepdim=True)) * white
    torch.testing.assert_close(out["coarse"], expected)


@pytest.mark.parametrize("own", [0.0, 1.0])
def test_what_is_rendered_right_is_right_over_any_background(own):
    alpha = torch.rand(50)
    colors = torch.rand(50, 3) * alpha[:, None]
    out = {"feature": colors + (1 - alpha[:, None]) * own, "opacity": alpha[:, None]}
    shown, target = composited(out, colors, alpha, own)
    torch.testing.assert_close(shown, target)
    background = (target - colors) / (1 - alpha[:, None])
    torch.testing.assert_close(background, background[:1].expand(50, 3), atol=1e-4, rtol=0.0)
    assert not torch.equal(composited(out, colors, alpha, own)[1], target)  # another one each time
    wrong = {**out, "opacity": torch.ones(50, 1)}
    assert not torch.allclose(*composited(wrong, colors, alpha, own), atol=0.1)
    assert composited({"color": shown}, colors, None, own) == (shown, colors)
