"""Pictures of whole scenes."""

import numpy as np
import pytest
import torch

from a4_splatting_sds import reference
from a4_splatting_sds.gaussians import Gaussians, gaussians_at, random_gaussians
from a4_splatting_sds.pictures import UP, around, render_all
from a4_splatting_sds.projection import compute_means_2D, to_camera
from a4_splatting_sds.scene import (
    compute_depth_values,
    get_idxs_to_filter_and_sort,
    rasterizer_of,
    render,
)
from a4_splatting_sds.tiles import composite_tiles
from tests.a4_splatting_sds.conftest import camera, scene


def one(mean, scale=0.05, opacity=4.0, colour=(0.9, 0.4, 0.1)):
    """A single round Gaussian."""
    from a4_splatting_sds.spherical_harmonics import harmonics_of_colours

    return Gaussians(
        means=torch.tensor([mean]),
        log_scales=torch.full((1, 3), scale).log(),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        opacity_logits=torch.tensor([opacity]),
        sh_dc=harmonics_of_colours(torch.tensor([colour])),
        sh_rest=torch.zeros(1, 0, 3),
    )


@pytest.mark.parametrize("isotropic", [False, True])
def test_fast_equals_reference(isotropic):
    """Colour, depth, silhouette, and the gradient of every parameter."""
    gaussians, results = scene(80, 2, isotropic), []
    with torch.no_grad():  # short ones have gradients so long that rounding hides the others
        gaussians.quats.copy_(torch.nn.functional.normalize(gaussians.quats, dim=1))
    for name in ("fast", "reference"):
        gaussians.zero_grad(set_to_none=True)
        seen = render(gaussians, camera(), torch.tensor([0.2, 0.5, 0.9]), rasterizer_of(name, per_splat=30))
        (seen.image.square().sum() + seen.depth.sum() + seen.mask.square().sum()).backward()
        slopes = [p.grad for p in gaussians.parameters() if p.grad is not None]
        results.append([seen.image.detach(), seen.depth.detach(), seen.mask.detach(), *slopes])
    assert len(results[0]) == (8 if isotropic else 9)
    for own, true in zip(*results, strict=True):
        torch.testing.assert_close(own, true, atol=1e-5 * float(true.abs().max()), rtol=1e-4)


@pytest.mark.parametrize("num_mini_batches", [1, 3, 90])
def test_the_steps_of_the_course_give_the_same_picture(num_mini_batches):
    """In any number of parts."""
    gaussians, cam, colour = scene(80, 2), camera(), torch.tensor([0.2, 0.5, 0.9])
    image, depth, mask = reference.render(gaussians, cam, num_mini_batches, colour)
    seen = render(gaussians, cam, colour)
    torch.testing.assert_close(image, seen.image, atol=1e-5, rtol=0)
    torch.testing.assert_close(depth, seen.depth, atol=5e-5, rtol=0)
    torch.testing.assert_close(mask, seen.mask, atol=1e-5, rtol=0)


def test_the_steps_of_the_course_have_the_same_gradients():
    """Of colour, depth and silhouette, with respect to every parameter."""
    gaussians, cam, slopes = scene(80, 2), camera(), []
    gaussians.opacity_logits.data += 3.0  # so that some pixels end in front of the last Gaussian
    with torch.no_grad():
        gaussians.quats.copy_(torch.nn.functional.normalize(gaussians.quats, dim=1))
    seen = render(gaussians, cam, 0.5)
    for image, depth, mask in ((seen.image, seen.depth, seen.mask), reference.render(gaussians, cam, 3, 0.5)):
        gaussians.zero_grad(set_to_none=True)
        (image.square().sum() + depth.sum() + mask.square().sum()).backward()
        slopes.append({name: p.grad for name, p in gaussians.named_parameters()})
    assert (seen.mask == 1).any()
    for name, true in slopes[1].items():
        torch.testing.assert_close(slopes[0][name], true, atol=1e-5 * float(true.abs().max()), rtol=1e-4)


def test_one_gaussian_is_where_and_as_far_as_it_is():
    """Colour in its middle, depth over silhouette."""
    cam, gaussians = camera(), one((0.2, 0.1, -0.3), scale=0.2)
    seen = render(gaussians, cam, 0.0)
    x, y = compute_means_2D(to_camera(gaussians.means, cam), cam)[0].floor().int().tolist()
    assert seen.mask[y, x] > 0.95
    torch.testing.assert_close(seen.image[y, x] / seen.mask[y, x], torch.tensor([0.9, 0.4, 0.1]), atol=1e-5, rtol=0)
    depth = compute_depth_values(gaussians.means, cam)[0]
    torch.testing.assert_close(seen.depth[y, x] / seen.mask[y, x], depth, atol=1e-4, rtol=0)
    assert seen.mask[0, 0] == 0


def test_what_is_behind_the_camera_is_not_seen():
    """Nor what is at its very place; the nearest come first."""
    cam = camera()
    behind = one((2 * cam.position).tolist())
    at = one(cam.position.tolist())
    for gaussians in (behind, at):
        seen = render(gaussians, cam, 0.25)
        assert (seen.image == 0.25).all()
        assert not seen.mask.any()
        seen.image.sum().backward()
    order = get_idxs_to_filter_and_sort(torch.tensor([2.0, -1.0, 0.5, 0.001, 1.0]))
    assert order.tolist() == [2, 4, 0]


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_a_scene_in_other_units_looks_the_same_from_around(unit):
    """Nothing of a small one is too near to be seen."""
    one, other = scene(60, 0), scene(60, 0)
    with torch.no_grad():
        other.means.mul_(unit)
        other.log_scales.add_(torch.tensor(unit).log())
    images = [render_all(gs, around(gs, 2, (30, 30), UP["z"], 20.0))["image"] for gs in (one, other)]
    assert images[0].max() > 0.5
    np.testing.assert_allclose(images[1], images[0], atol=2e-3)


def test_zero_scales_and_huge_ones_make_finite_pictures():
    """And finite gradients."""
    for scale in (1e-12, 1e3, 1e8):
        gaussians = one((0.0, 0.0, 0.0), scale)
        seen = render(gaussians, camera())
        seen.image.sum().backward()
        assert seen.image.isfinite().all()
        assert all(p.grad.isfinite().all() for p in gaussians.parameters() if p.grad is not None)


def test_degrees_join_one_by_one():
    """Fewer are looked at when asked; `at_degree` drops them."""
    gaussians, cam = scene(30, 3), camera()
    full = render(gaussians, cam).image
    for degree in range(4):
        torch.testing.assert_close(
            render(gaussians, cam, degree=degree).image, render(gaussians.at_degree(degree), cam).image
        )
    assert (render(gaussians, cam, degree=0).image - full).abs().max() > 0.01


@pytest.mark.parametrize("name", UP)
@pytest.mark.parametrize("elevation", [-20.0, 30.0])
def test_cameras_stand_around_and_above(name, elevation):
    """As many degrees above the middle as asked for, whichever way is up, with that way up in the picture."""
    gaussians, up = scene(60, 0), torch.tensor(UP[name])
    seen = gaussians.means.detach()[gaussians.opacities > 0.1].sort(0).values
    middle = (seen[int(0.02 * (len(seen) - 1))] + seen[int(0.98 * (len(seen) - 1))]) / 2
    cameras = around(gaussians, 5, (40, 40), UP[name], elevation)
    for cam in cameras:
        offset = cam.position - middle
        rise = float(offset @ up / offset.norm())
        assert rise == pytest.approx(float(torch.tensor(elevation).deg2rad().sin()), abs=1e-4)
        assert float(-cam.R[1] @ up) > 0.8  # rows of R are the camera's axes, the second points down
        assert float(torch.nn.functional.cosine_similarity(-offset, cam.R[2], 0)) == pytest.approx(1.0, abs=1e-4)


def test_names_of_rasterizers():
    """An unknown one is named."""
    with pytest.raises(ValueError, match="auto, fast, reference, gsplat"):
        rasterizer_of("slow")
    assert rasterizer_of("auto", device=torch.device("cpu")) is composite_tiles


def test_shapes_that_do_not_fit_are_refused():
    """The parameter is named."""
    parts = scene(4).tensors()
    with pytest.raises(ValueError, match="quats of 4 Gaussians"):
        Gaussians(**{**parts, "quats": parts["quats"][:3]})
    with pytest.raises(ValueError, match="sh_rest"):
        Gaussians(**{**parts, "sh_rest": torch.zeros(4, 5, 3)})


def test_how_they_begin():
    """As wide as the way to their neighbours, with the colours given; in their box."""
    grid = torch.stack(torch.meshgrid(*[torch.arange(4.0)] * 3, indexing="ij"), -1).view(-1, 3)
    gaussians = gaussians_at(grid, torch.full((64, 3), 0.3))
    torch.testing.assert_close(gaussians.scales, torch.ones(64, 3))
    torch.testing.assert_close(gaussians.opacities, torch.full((64,), 0.1))
    bounds = torch.tensor([[-1.0, 0.0, 2.0], [1.0, 3.0, 4.0]])
    drawn = random_gaussians(500, bounds, generator=torch.Generator().manual_seed(0)).means
    assert ((drawn >= bounds[0]) & (drawn <= bounds[1])).all()
    assert (drawn.amax(0) - drawn.amin(0) > 0.9 * (bounds[1] - bounds[0])).all()
    with pytest.raises(ValueError, match="two points"):
        gaussians_at(grid[:1], grid[:1])


def test_turntables_hold_the_scene():
    """What is opaque is inside of every picture, from side to side, though not in its middle and with one far away."""
    gaussians = scene(60, 0)
    with torch.no_grad():
        gaussians.means[:40] += torch.tensor([2.0, -1.0, 0.0])  # most are on one side
        gaussians.means[0] = torch.tensor([90.0, 0.0, 0.0])
    seen = render_all(gaussians, around(gaussians, 6, (40, 40), (0.0, 0.0, 1.0), 20.0))
    assert seen["image"].shape == (6, 40, 40, 3)
    assert seen["depth"].shape == seen["mask"].shape == (6, 40, 40, 1)
    across = (seen["mask"][..., 0] > 0.1).any(1).sum(1)
    assert across.min() >= 20 and across.max() > 28
    assert (seen["mask"][:, [0, -1]].mean() + seen["mask"][:, :, [0, -1]].mean()) < 0.05
