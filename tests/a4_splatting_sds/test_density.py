"""Gaussians that are added, removed and moved."""

import math

import numpy as np
import pytest
import torch

from a4_splatting_sds.density import DensityControl, SeenGradients, densify, reset_opacities
from a4_splatting_sds.mcmc import MonteCarlo, jitter, relocate, shared_opacity, shared_scale, sparseness
from a4_splatting_sds.regrow import regrow
from a4_splatting_sds.scene import render
from a4_splatting_sds.training import Settings, optimizer_of
from tests.a4_splatting_sds.conftest import camera, scene


def stepped(count=6, **kwargs):
    """Gaussians, and an optimiser that has taken a step with them."""
    gaussians = scene(count, 1, **kwargs)
    optimizer = optimizer_of(gaussians, Settings(), 1.0)
    sum(
        (p * torch.arange(1.0, len(p) + 1).view(-1, *[1] * (p.dim() - 1))).sum() for p in gaussians.parameters()
    ).backward()
    optimizer.step()
    return gaussians, optimizer


def test_rows_are_taken_with_what_the_optimiser_knows():
    """Parameters, both moments; fresh rows begin anew; the step count stays."""
    gaussians, optimizer = stepped()
    old, moments = gaussians.tensors(), optimizer.state[gaussians.means]["exp_avg"].clone()
    index, fresh = torch.tensor([3, 0, 0]), torch.tensor([False, False, True])
    regrow(gaussians, optimizer, index, fresh, {"means": torch.ones(3, 3)})
    assert torch.equal(gaussians.means, torch.ones(3, 3))
    for name in ("log_scales", "quats", "opacity_logits", "sh_dc", "sh_rest"):
        assert torch.equal(getattr(gaussians, name), old[name][index])
    state = optimizer.state[gaussians.means]
    assert torch.equal(state["exp_avg"], torch.stack((moments[3], moments[0], torch.zeros(3))))
    assert int(state["step"]) == 1
    assert {id(p) for g in optimizer.param_groups for p in g["params"]} == {id(p) for p in gaussians.parameters()}
    assert len(optimizer.state) == 6  # nothing is kept of those that are gone
    sum(p.sum() for p in gaussians.parameters()).backward()
    optimizer.step()
    assert not torch.equal(gaussians.means, torch.ones(3, 3))


def pulled(gaussians, which, length=1.0):
    gradients = SeenGradients(len(gaussians))
    gradients.total[which], gradients.count[which] = length, 1.0
    return gradients


def test_small_ones_double_large_ones_split_faint_ones_go():
    """Doubles are the same, halves are 1.6 times narrower and lie inside; all others stay as they are."""
    gaussians, optimizer = stepped()
    with torch.no_grad():
        gaussians.log_scales.fill_(math.log(0.001))
        gaussians.log_scales[2] = math.log(0.1)
        gaussians.opacity_logits.fill_(1.0)
        gaussians.opacity_logits[4] = -7.0
        gaussians.log_scales[5] = math.log(2.0)  # huge
    old = gaussians.tensors()
    gradients = pulled(gaussians, [1, 2, 4])
    torch.manual_seed(0)
    densify(gaussians, optimizer, gradients, DensityControl(huge=1.0), 1.0)
    assert torch.equal(gaussians.means[:3], old["means"][[0, 1, 3]])
    assert torch.equal(gaussians.means[3], old["means"][1])
    halves = gaussians.means[4:]
    assert len(halves) == 2
    assert not torch.equal(halves[0], halves[1])
    assert ((halves - old["means"][2]).norm(dim=1) < 0.5).all()
    torch.testing.assert_close(gaussians.scales[4:], torch.full((2, 3), 0.1 / 1.6))
    assert len(gradients.total) == len(gradients.count) == 6
    assert not gradients.total.any()


def test_no_more_than_the_most():
    """The hardest pulled come first."""
    gaussians, optimizer = stepped(10)
    with torch.no_grad():
        gaussians.log_scales.fill_(math.log(0.001))
        gaussians.opacity_logits.fill_(1.0)
    gradients = pulled(gaussians, list(range(10)))
    gradients.total += torch.arange(10.0)
    means = gaussians.tensors()["means"]
    densify(gaussians, optimizer, gradients, DensityControl(most=12), 1.0)
    assert torch.equal(gaussians.means[10:], means[[8, 9]])
    densify(gaussians, optimizer, pulled(gaussians, list(range(12))), DensityControl(most=12), 1.0)
    assert len(gaussians) == 12
    densify(gaussians, optimizer, pulled(gaussians, list(range(12))), DensityControl(most=14), 1.0)
    assert len(gaussians) == 14  # of equals, two


def test_something_is_left():
    """Where all are faint none is removed."""
    gaussians, optimizer = stepped(5)
    with torch.no_grad():
        gaussians.opacity_logits.fill_(-9.0)
    densify(gaussians, optimizer, pulled(gaussians, [0, 1]), DensityControl(), 1.0)
    assert len(gaussians) == 5


def test_gradients_are_those_of_centres_in_the_picture():
    """Lengths, in halves of the picture's sides, added where a Gaussian was seen."""
    gaussians, cam = scene(30), camera()
    seen = render(gaussians, cam, depth=False)
    seen.splats.means_2D.retain_grad()
    seen.image.square().sum().backward()
    gradients = SeenGradients(30)
    gradients.add(seen.splats, cam)
    gradients.add(seen.splats, cam)
    own = (seen.splats.means_2D.grad * torch.tensor([25.0, 18.5])).norm(dim=1)
    torch.testing.assert_close(gradients.total[seen.splats.index], 2 * own)
    assert torch.equal(gradients.count[seen.splats.index], 2.0 * (own > 0))


def test_opacities_fall_but_do_not_rise():
    """And the optimiser forgets them."""
    gaussians, optimizer = stepped()
    with torch.no_grad():
        gaussians.opacity_logits.copy_(torch.tensor([-6.0, -5.0, 0.0, 1.0, 2.0, 3.0]))
    reset_opacities(gaussians, optimizer, 0.02)
    torch.testing.assert_close(gaussians.opacities[2:], torch.full((4,), 0.02))
    torch.testing.assert_close(gaussians.opacity_logits[:2], torch.tensor([-6.0, -5.0]))
    assert not optimizer.state[gaussians.opacity_logits]["exp_avg"].any()
    assert optimizer.state[gaussians.means]["exp_avg"].any()


@pytest.mark.parametrize("times", [1, 2, 3, 7])
def test_shares_cover_as_much_as_the_one(times):
    """Opacity in the middle exactly; the integral along a line, by sums."""
    opacity = torch.tensor([0.8], dtype=torch.float64)
    n = torch.tensor([float(times)], dtype=torch.float64)
    shared = shared_opacity(opacity, n)
    assert float((1 - shared) ** times) == pytest.approx(0.2)
    scale = float(shared_scale(opacity, shared, n))
    x = np.linspace(-12, 12, 200_001)
    one = 0.8 * np.exp(-0.5 * x**2)
    many = 1 - (1 - float(shared) * np.exp(-0.5 * (x / scale) ** 2)) ** times
    assert np.trapezoid(many, x) == pytest.approx(np.trapezoid(one, x), rel=1e-6)


def test_faint_ones_move_and_a_few_are_added():
    """To opaque ones; the picture stays nearly the same; no more than the most."""
    torch.manual_seed(1)
    gaussians, optimizer = stepped(40)
    with torch.no_grad():
        gaussians.opacity_logits[:20] = -8.0
        gaussians.opacity_logits[20:] = -1.0
    before = render(gaussians, camera()).image
    places = gaussians.tensors()["means"][20:]
    relocate(gaussians, optimizer, MonteCarlo(growth=0.1, most=43))
    assert len(gaussians) == 43
    near = torch.cdist(gaussians.means, places, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    assert (near < 1e-6).all()
    assert (gaussians.opacities > 0.004).all()
    change = (render(gaussians, camera()).image - before).abs()
    assert change.mean() < 0.1 * before.abs().mean()


def test_what_is_not_needed_fades_and_shrinks():
    """The term by hand, and that its gradients point there."""
    gaussians = scene(9)
    opacities, scales = torch.sigmoid(gaussians.opacity_logits), gaussians.log_scales.exp()
    term = sparseness(gaussians, MonteCarlo(opacity=0.3, scale=0.2))
    torch.testing.assert_close(term, 0.3 * opacities.mean() + 0.2 * scales.mean())
    term.backward()
    assert (gaussians.opacity_logits.grad > 0).all() and (gaussians.log_scales.grad > 0).all()


def test_gradients_of_centres_do_not_depend_on_how_many_pictures_a_step_has():
    """The same view several times pulls as it does once."""
    totals = []
    for pictures in (1, 3):
        gaussians, seen = scene(40), SeenGradients(40)
        shown = [render(gaussians, camera()) for _ in range(pictures)]
        for picture in shown:
            picture.splats.means_2D.retain_grad()
        torch.stack([picture.image for picture in shown]).square().mean().backward()
        for picture in shown:
            seen.add(picture.splats, camera(), pictures)
        totals.append(seen.total / seen.count.clamp(min=1))
    assert totals[0].max() > 0
    torch.testing.assert_close(totals[0], totals[1])


def test_only_faint_ones_are_jittered():
    """Within their own extents."""
    torch.manual_seed(2)
    gaussians, _ = stepped(200)
    with torch.no_grad():
        gaussians.opacity_logits[:100] = -8.0
        gaussians.opacity_logits[100:] = 2.0
        gaussians.log_scales.fill_(math.log(0.01))
    before = gaussians.tensors()["means"].clone()
    jitter(gaussians, MonteCarlo(), 1.0, 0.5)
    moved = gaussians.means.detach() - before
    assert not moved[100:].any()
    weight = 1 / (1 + math.exp(100 * (1 / (1 + math.exp(8)) - 0.005)))
    assert float(moved[:100].std()) == pytest.approx(0.01**2 * 80 * 0.5 * weight, rel=0.15)
