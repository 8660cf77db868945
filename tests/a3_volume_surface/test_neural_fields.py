"""Networks against forward passes written out, and the sphere that a neural surface starts as."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from a3_volume_surface.neural_fields import MLPWithInputSkips, NeuralRadianceField, NeuralSurface, RadianceMLP
from a3_volume_surface.rays import RayBundle
from a3_volume_surface.samplers import with_samples
from a3_volume_surface.surface_losses import eikonal_loss


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def radiance(**changes) -> SimpleNamespace:
    fields = {
        "n_harmonic_functions_xyz": 3,
        "n_harmonic_functions_dir": 2,
        "n_hidden_neurons_xyz": 16,
        "n_hidden_neurons_dir": 8,
        "density_noise_std": 0.0,
        "n_layers_xyz": 4,
        "append_xyz": (2,),
        "view_dependence": True,
    }
    return SimpleNamespace(**{**fields, **changes})


def surface(hidden: int = 64, skips=(), waves: int = 4, layers: int = 6, radius: float = 1.0) -> NeuralSurface:
    cfg = SimpleNamespace(
        n_harmonic_functions_xyz=waves,
        n_layers_distance=layers,
        n_hidden_neurons_distance=hidden,
        append_distance=skips,
        n_layers_color=2,
        n_hidden_neurons_color=16,
        append_color=(1,),
    )
    return NeuralSurface(cfg, radius)


def sphere(count: int) -> torch.Tensor:
    return functional.normalize(torch.randn(count, 3), dim=1)


@pytest.mark.parametrize("skips", [(), (1,), (2, 3), (0, 9)])
def test_skips_join_the_input_again(skips):
    network = MLPWithInputSkips(4, 5, 7, skips, torch.nn.Tanh())
    x = torch.randn(2, 3, 5)
    y = x
    for index, layer in enumerate(network.layers):
        if index and index in skips:
            y = torch.cat((y, x), -1)
        assert layer.in_features == y.shape[-1]
        y = torch.tanh(y @ layer.weight.T + layer.bias)
    torch.testing.assert_close(network(x), y)


@pytest.mark.parametrize("view_dependence", [True, False])
def test_radiance_equals_a_forward_pass_written_out(view_dependence):
    """The directions' part of a layer is computed once a ray: the same as joining them to each sample."""
    field = RadianceMLP(radiance(view_dependence=view_dependence))
    points, directions = torch.randn(5, 6, 3), sphere(5)
    hidden = field.trunk(field.embed_xyz(points))
    shade = field.feature(hidden)
    if view_dependence:
        shade = torch.cat((shade, field.embed_dir(directions)[:, None].expand(5, 6, -1)), -1)
    density, color = field(points, directions)
    torch.testing.assert_close(density, functional.relu(field.density(hidden)[..., 0]))
    torch.testing.assert_close(color, field.color(shade))


def test_colour_depends_on_the_direction_and_density_does_not():
    points, one, other = torch.randn(5, 6, 3), sphere(5), sphere(5)
    field = RadianceMLP(radiance())
    (density, color), (same, changed) = field(points, one), field(points, other)
    assert torch.equal(density, same) and (color - changed).abs().min() > 0
    assert (density > 0).any(1).all() and ((color > 0) & (color < 1)).all()
    blind = RadianceMLP(radiance(view_dependence=False))
    assert torch.equal(blind(points, one)[1], blind(points, other)[1])


@pytest.mark.parametrize("view_dependence", [True, False])
def test_packed_samples_are_those_of_their_rays(view_dependence):
    field, points = RadianceMLP(radiance(view_dependence=view_dependence)), torch.randn(3, 4, 3)
    directions = functional.normalize(torch.randn(3, 3), dim=1)
    density, color = field(points, directions)
    kept = torch.tensor([0, 2, 3, 5, 10, 11])
    packed_density, packed_color = field(points.view(-1, 3)[kept], directions, kept // 4)
    torch.testing.assert_close(packed_density, density.flatten()[kept], atol=1e-6, rtol=0)
    torch.testing.assert_close(packed_color, color.flatten(0, 1)[kept], atol=1e-6, rtol=0)


def test_noise_is_added_to_the_density_in_training_alone():
    field, points, directions = RadianceMLP(radiance(density_noise_std=0.5)), torch.randn(40, 50, 3), sphere(40)
    plain = field.eval()(points, directions)
    assert torch.equal(plain[0], field(points, directions)[0])
    field.train()
    with torch.no_grad():
        field.density.bias += 10.0  # above 0 everywhere, so that what is added is seen whole
        field.density.weight.zero_()
        noisy, color = field(points, directions)
    assert torch.equal(color, plain[1])
    assert float(noisy.mean()) == pytest.approx(10.5, abs=0.05) and float(noisy.std()) == pytest.approx(0.5, rel=0.05)


def test_two_passes_have_a_network_each():
    origins = torch.randn(4, 3)
    rays = with_samples(RayBundle(origins, sphere(4), origins[:, None], origins[:, None, :1]), torch.rand(4, 6))
    assert NeuralRadianceField(radiance()).coarse is None
    field = NeuralRadianceField(radiance(), two_passes=True)
    for network, asked in ((field.fine, field), (field.first, field.coarse)):
        out = asked(rays)
        density, color = network(rays.sample_points, rays.directions)
        assert torch.equal(out["density"], density) and torch.equal(out["feature"], color)
    assert not torch.equal(field(rays)["density"], field.coarse(rays)["density"])


@pytest.mark.parametrize("skips", [(), (3,), (2, 4)])
@pytest.mark.parametrize("radius", [1.0, 0.5])
def test_a_surface_starts_as_a_sphere(skips, radius):
    """On an average of networks: what is random about one falls with the square root of its width."""
    direction, on, slope = sphere(200), [], []
    for _ in range(6):
        field = surface(256, skips, radius=radius)
        with torch.no_grad():
            assert (field(0.3 * radius * direction) < 0).all() and (field(2.5 * radius * direction) > 0).all()
            distance, gradient = field.get_distance_and_gradient(radius * direction)
        on.append(distance.detach() / radius)
        slope.append((gradient * direction).sum(1))
    on, slope = torch.stack(on), torch.stack(slope)
    assert on.abs().max() < 0.7 and abs(float(on.mean())) < 0.2
    assert float(slope.mean()) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("skips", [(), (2,)])
def test_waves_start_without_weight(skips):
    one, other = surface(16, skips, waves=5), surface(16, skips, waves=0)
    with torch.no_grad():
        for index, (layer, small) in enumerate(zip(one.trunk.layers, other.trunk.layers, strict=True)):
            keep = list(range(layer.in_features))
            if index == 0 or index in skips:
                waves = keep[-33:-3]  # 5 frequencies, sine and cosine, 3 axes; the coordinates come last
                assert not layer.weight[:, waves].any() and layer.weight[:, -3:].all()
                keep = [k for k in keep if k not in waves]
            small.weight.copy_(layer.weight[:, keep])
        other.distance.weight.copy_(one.distance.weight)
    points = torch.randn(50, 3)
    torch.testing.assert_close(one(points), other(points), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("skips", [(), (2,)])
def test_gradients_equal_finite_differences(skips):
    field, points, h = surface(16, skips, layers=3).double(), torch.randn(30, 3, dtype=torch.float64), 1e-6
    with torch.no_grad():
        for parameter in field.parameters():
            parameter += 0.05 * torch.randn_like(parameter)  # away from the start, where the waves weigh nothing
        distance, gradient = field.get_distance_and_gradient(points)
        steps = h * torch.eye(3, dtype=torch.float64)
        differences = [(field(points + step) - field(points - step)) / (2 * h) for step in steps]
        assert torch.equal(distance, field(points)) and not gradient.requires_grad
    torch.testing.assert_close(gradient, torch.cat(differences, 1), atol=1e-6, rtol=1e-6)


def test_gradients_carry_gradients_to_the_network():
    field, points = surface(8, layers=2).double(), torch.randn(20, 3, dtype=torch.float64)
    eikonal_loss(field.get_distance_and_gradient(points)[1]).backward()
    weight, h = field.trunk.layers[1].weight, 1e-6
    expected = weight.grad[2, 3].item()
    values = []
    with torch.no_grad():
        for move in (h, -2 * h):
            weight[2, 3] += move
            values.append(float(eikonal_loss(field.get_distance_and_gradient(points)[1])))
    assert expected != 0 and expected == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5)


def test_distance_and_colour_together_are_those_asked_for_alone():
    field, points = surface(16, (1,), layers=2), torch.randn(4, 5, 3)
    distance, color = field.get_distance_color(points)
    assert distance.shape == (20, 1) and color.shape == (20, 3)
    assert torch.equal(distance, field.get_distance(points)) and torch.equal(distance, field(points))
    assert torch.equal(color, field.get_color(points)) and ((color > 0) & (color < 1)).all()
    embedded = field.embed(points.view(-1, 3))
    hidden = field.trunk(embedded)
    torch.testing.assert_close(color, torch.sigmoid(field.color(field.shade(torch.cat((hidden, embedded), 1)))))
