"""Weights along rays against integrals in closed form and a slow twin."""

import math
from types import SimpleNamespace

import pytest
import torch

from a3_volume_surface import transmittance as exercise
from a3_volume_surface.density import CONVERSIONS, naive_sdf_to_density, neus_opacity, sdf_to_density
from a3_volume_surface.occupancy import OccupancyGrid, PackedSamples
from a3_volume_surface.packed import PackedField, PackedRenderer, distortion, packed_weights, per_ray
from a3_volume_surface.rays import RayBundle
from a3_volume_surface.volume_renderer import (
    aggregate,
    compute_weights,
    interval_lengths,
    opacity_weights,
    transmittance,
)


def random_ray(samples=9, rays=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    density = 3 * torch.rand(rays, samples, generator=generator, dtype=torch.float64)
    deltas = 0.1 + torch.rand(rays, samples, generator=generator, dtype=torch.float64)
    return density, deltas


def test_weights_equal_a_loop_over_samples():
    density, deltas = random_ray()
    weights = compute_weights(density, deltas)
    for p in range(len(density)):
        passed = 1.0
        for i in range(density.shape[1]):
            stopped = 1.0 - math.exp(-float(density[p, i] * deltas[p, i]))
            assert float(weights[p, i]) == pytest.approx(passed * stopped, rel=1e-12)
            passed *= 1.0 - stopped
        assert float(weights[p].sum()) == pytest.approx(1.0 - passed, rel=1e-12)


def test_transmittance_starts_at_one_and_falls():
    passed = transmittance(*random_ray())
    assert (passed[:, 0] == 1.0).all() and (passed[:, 1:] < passed[:, :-1]).all()


def test_opacity_weights_are_those_of_the_density_that_gives_them():
    density, deltas = random_ray()
    torch.testing.assert_close(opacity_weights(1.0 - torch.exp(-density * deltas)), compute_weights(density, deltas))


def test_packed_weights_equal_padded_ones_with_their_gradients():
    density, deltas = random_ray(6, 5)
    counts = torch.tensor([6, 0, 3, 1, 5])
    kept = torch.arange(6) < counts[:, None]
    ray = kept.nonzero()[:, 0]
    values = torch.rand(5, 6, 3, dtype=torch.float64)
    one, two = density.clone().requires_grad_(), density.clone().requires_grad_()
    dense = compute_weights(torch.where(kept, one, 0.0), deltas)
    packed, opacity = packed_weights(two[kept], deltas[kept], ray, 5)
    torch.testing.assert_close(packed, dense[kept], rtol=1e-6, atol=1e-7)  # its sums are exponentiated in float32
    torch.testing.assert_close(opacity, dense.sum(1), rtol=1e-6, atol=1e-7)
    mixed = per_ray(packed, values[kept], ray, 5)
    torch.testing.assert_close(mixed, aggregate(dense, values), rtol=1e-6, atol=1e-7)
    aggregate(dense, values).square().sum().backward()
    mixed.square().sum().backward()
    torch.testing.assert_close(one.grad, two.grad, rtol=1e-5, atol=1e-7)


def test_gradients_of_weights_are_those_of_finite_differences():
    density, deltas = random_ray(5, 2)
    assert torch.autograd.gradcheck(compute_weights, (density.requires_grad_(), deltas.requires_grad_()))
    assert torch.autograd.gradcheck(opacity_weights, (torch.rand(2, 5, dtype=torch.float64, requires_grad=True),))


def test_last_interval_ends_far_or_never():
    lengths = torch.tensor([[1.0, 1.5, 3.0]])
    assert interval_lengths(lengths).tolist() == [[0.5, 1.5, 1e10]]
    assert interval_lengths(lengths, 4.0).tolist() == [[0.5, 1.5, 1.0]]


def test_the_exercise():
    answers = {name: exercise.closed_form(*ends) for name, ends in exercise.ASKED.items()}
    exponents = {"T(y1,y2)": 2.0, "T(y2,y4)": 30.5, "T(x,y4)": 32.5, "T(x,y3)": 2.5}
    for name, exponent in exponents.items():
        assert answers[name] == pytest.approx(math.exp(-exponent), rel=1e-12)
        assert exercise.rendered(*exercise.ASKED[name], 16) == pytest.approx(answers[name], rel=1e-9)


def test_a_box_of_constant_density_is_its_integral():
    errors = exercise.box_errors(64)
    assert errors["box_color_error"] < 1e-6 and errors["box_depth_error"] < 1e-3
    assert exercise.box_errors(128)["box_depth_error"] < 0.3 * errors["box_depth_error"]  # of second order


def test_density_of_a_distance():
    distance = torch.tensor([-10.0, -0.1, 0.0, 0.1, 10.0], dtype=torch.float64)
    density = sdf_to_density(distance, 4.0, 0.1)
    e = 4.0 * 0.5 * math.exp(-1.0)
    expected = torch.tensor([4.0, 4.0 - e, 2.0, e, 0.0], dtype=torch.float64)
    torch.testing.assert_close(density, expected, rtol=1e-12, atol=1e-40)
    s = 7.0
    naive = naive_sdf_to_density(distance, s)
    logistic = s * torch.exp(-s * distance) / (1 + torch.exp(-s * distance)) ** 2
    torch.testing.assert_close(naive[1:4], logistic[1:4])
    assert naive.argmax() == 2 and naive[2] == pytest.approx(s / 4)


def test_neus_weights_peak_on_the_surface_and_the_naive_ones_before_it():
    """A ray that meets a plane at length 1 at a slant (NeuS, figure 2): the bias that NeuS is free of."""
    lengths = torch.linspace(0, 2, 2001, dtype=torch.float64)[None]
    distance = 0.5 * (1.0 - lengths)
    middle = 0.5 * (lengths[:, 1:] + lengths[:, :-1])
    of_neus = opacity_weights(neus_opacity(distance, 20.0))
    of_naive = compute_weights(naive_sdf_to_density(0.5 * (1.0 - middle), 20.0), lengths[:, 1:] - lengths[:, :-1])
    assert abs(float(middle[0, of_neus.argmax()]) - 1.0) < 2e-3
    assert 1.0 - float(middle[0, of_naive.argmax()]) > 2e-2
    assert set(CONVERSIONS) == {"volsdf", "neus", "naive"}


def test_distortion_is_the_sum_over_pairs():
    generator = torch.Generator().manual_seed(5)
    count = torch.tensor([4, 0, 1, 7])
    ray = torch.repeat_interleave(torch.arange(4), count)
    deltas = 0.1 + torch.rand(12, generator=generator)
    lengths = torch.cat([deltas[ray == r].cumsum(0) for r in range(4)])
    weights = torch.rand(12, generator=generator, dtype=torch.float64).requires_grad_()
    samples = PackedSamples(ray, lengths.double(), deltas.double(), torch.zeros(12, 3))
    value = distortion(weights, samples, 4)
    s = lambda t: 1 - 1 / (1 + t)  # noqa: E731
    low, high = s(samples.lengths - samples.deltas / 2), s(samples.lengths + samples.deltas / 2)
    middle = (low + high) / 2
    expected = torch.zeros(4, dtype=torch.float64)
    for i in range(12):
        expected[ray[i]] += weights[i] ** 2 * (high - low)[i] / 3
        for j in range(12):
            if ray[i] == ray[j]:
                expected[ray[i]] += weights[i] * weights[j] * (middle[i] - middle[j]).abs()
    torch.testing.assert_close(value, expected)
    assert value[1] == 0
    assert torch.autograd.gradcheck(lambda w: distortion(w, samples, 4), weights)


class Shells(PackedRenderer):
    """Asks no network: rings of density whose colour is the place."""

    shown, asked = "feature", 0

    def ask(self, field, samples, directions):
        self.asked += len(samples.ray)
        radius = samples.points.norm(dim=1)
        return 30.0 * (1 + torch.sin(25 * radius)) * (radius < 0.8), samples.points.abs()


@pytest.mark.parametrize("white", [False, True])
def test_rays_that_end_early_look_the_same(white):
    space = OccupancyGrid(torch.tensor([[-1.0] * 3, [1.0] * 3]), 8)
    field = PackedField(space, 1.0)
    renderer = Shells(SimpleNamespace(chunk_size=100, white_background=white), 0.0, 10.0).eval()
    generator = torch.Generator().manual_seed(0)
    origins = 3 * torch.nn.functional.normalize(torch.randn(250, 3, generator=generator), dim=1)
    targets = torch.rand(250, 3, generator=generator) - 0.5
    directions = torch.nn.functional.normalize(targets - origins, dim=1)
    rays = RayBundle(origins, directions, origins[:, None], origins[:, None, :1])
    early, asked = renderer(None, field, rays), renderer.asked
    renderer.stops_early, renderer.asked = False, 0
    whole = renderer(None, field, rays)
    for name in ("feature", "opacity"):
        torch.testing.assert_close(early[name], whole[name], atol=2e-3, rtol=0)
    torch.testing.assert_close(early["depth"], whole["depth"], atol=1e-2, rtol=0)
    assert asked < 0.6 * renderer.asked
