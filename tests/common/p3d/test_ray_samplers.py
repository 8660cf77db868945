"""Rays and places on them: against PyTorch3D's outputs, projection, and the distributions that they are drawn from."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import FoVPerspectiveCameras, OrthographicCameras, PerspectiveCameras
from common.p3d.ray_samplers import (
    HeterogeneousRayBundle,
    MonteCarloRaysampler,
    MultinomialRaysampler,
    NDCMultinomialRaysampler,
    ray_bundle_to_ray_points,
    sample_pdf,
)

DEPTHS = {"n_pts_per_ray": 12, "min_depth": 1.5, "max_depth": 4.5}


def close(ours, theirs, atol=1e-5, rtol=1e-5):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=rtol)


def test_rays_are_pytorch3ds(golden):
    arrays, _ = golden("volumetric")
    cameras = FoVPerspectiveCameras(R=arrays["R"], T=arrays["T"], fov=55.0)
    rays = NDCMultinomialRaysampler(image_width=20, image_height=16, **DEPTHS)(cameras)
    close(rays.origins, arrays["origins"].expand(-1, 16, 20, -1))
    close(rays.directions, arrays["directions"])
    close(rays.lengths, arrays["lengths"].expand(-1, 16, 20, -1))
    close(rays.xys, arrays["xys"])
    close(ray_bundle_to_ray_points(rays)[:, ::4, ::4], arrays["ray_points"])
    unit = NDCMultinomialRaysampler(image_width=20, image_height=16, unit_directions=True, **DEPTHS)(cameras)
    close(unit.directions, arrays["unit_directions"])


def test_quantiles_are_pytorch3ds(golden):
    arrays, _ = golden("volumetric")
    bins, weights = arrays["pdf_bins"], arrays["pdf_weights"]
    close(sample_pdf(bins, weights, 16, det=True, eps=1e-9), arrays["sample_pdf"], 1e-5)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_quantiles_invert_the_distribution(B, n, seed):
    torch.manual_seed(seed)
    weights, bins = torch.rand(3, B, dtype=torch.float64) + 0.05, torch.rand(3, B + 1, dtype=torch.float64).cumsum(1)
    for row, edges, mass in zip(sample_pdf(bins, weights, n, det=True, eps=0), bins, weights, strict=True):
        cdf = torch.cat((mass.new_zeros(1), mass.cumsum(0))) / mass.sum()
        for sample, quantile in zip(row, torch.linspace(0, 1, n, dtype=torch.float64), strict=True):
            k = min(int((edges[1:] <= sample).sum()), B - 1)
            below = cdf[k] + (sample - edges[k]) / (edges[k + 1] - edges[k]) * (cdf[k + 1] - cdf[k])
            assert abs(below - quantile) < 1e-9


def test_weightless_ray_is_sampled_evenly():
    close(sample_pdf(torch.tensor([[0.0, 1.0, 3.0]]), torch.zeros(1, 2), 3, det=True), torch.tensor([[0.0, 1.0, 3.0]]))
    with pytest.raises(ValueError, match="negative"):
        sample_pdf(torch.arange(3.0), torch.tensor([1.0, -1.0]), 3)
    with pytest.raises(ValueError, match="one more edge"):
        sample_pdf(torch.arange(3.0), torch.ones(3), 3)


@pytest.mark.parametrize("kind", [PerspectiveCameras, OrthographicCameras])
def test_ray_points_project_onto_their_pixels(kind):
    torch.manual_seed(0)
    R = torch.linalg.qr(torch.randn(3, 3, 3))[0]
    cameras = kind(R=R, T=torch.randn(3, 3), focal_length=1.3, principal_point=torch.rand(3, 2))
    rays = MultinomialRaysampler(min_x=-1, max_x=1, min_y=-2, max_y=2, image_width=3, image_height=4, **DEPTHS)(cameras)
    points = ray_bundle_to_ray_points(rays).flatten(1, -2)
    depth = cameras.get_world_to_view_transform().transform_points(points)[..., 2]
    close(depth, rays.lengths.flatten(1), 1e-4)
    close(
        cameras.transform_points(points)[..., :2].view(3, 4, 3, 12, 2),
        rays.xys[..., None, :].expand(3, 4, 3, 12, 2),
        1e-4,
    )


def test_drawn_rays_are_rays_of_the_grid():
    cameras = PerspectiveCameras(T=torch.rand(2, 3))
    sampler = NDCMultinomialRaysampler(image_width=5, image_height=4, n_rays_per_image=7, **DEPTHS)
    rays, grid = sampler(cameras), sampler._xy_grid.flatten(0, 1).tolist()
    assert rays.directions.shape == (2, 7, 1, 3)
    for image in rays.xys[:, :, 0].tolist():
        assert len({tuple(xy) for xy in image}) == 7 and all(xy in grid for xy in image)
    assert sampler(cameras, n_rays_per_image=20, n_pts_per_ray=3).lengths.shape == (2, 20, 1, 3)


def test_masked_pixels_are_never_drawn():
    cameras = PerspectiveCameras(T=torch.rand(2, 3))
    sampler = NDCMultinomialRaysampler(image_width=5, image_height=4, **DEPTHS)
    mask = torch.zeros(2, 4, 5)
    mask[0, 1, 1:3] = mask[1, 2:, :] = 1
    inside = [{tuple(xy) for xy in sampler._xy_grid[m > 0].tolist()} for m in mask]
    for n in (None, 6):
        rays = sampler(cameras, mask=mask, n_rays_per_image=n)
        assert rays.xys.shape == (2, n or 2, 1, 2)
        for allowed, image in zip(inside, rays.xys[:, :, 0].tolist(), strict=True):
            drawn = {tuple(xy) for xy in image}
            assert drawn <= allowed and len(drawn) == min(len(allowed), len(image))
    for bad in (torch.zeros(2, 4, 5), torch.ones(2, 5, 4)):
        with pytest.raises(ValueError, match="mask"):
            sampler(cameras, mask=bad)


@pytest.mark.parametrize("monte_carlo", [False, True])
def test_rays_of_randomly_drawn_cameras(monte_carlo):
    torch.manual_seed(0)
    cameras = PerspectiveCameras(T=torch.rand(5, 3))
    bounds = {"min_x": -1.0, "max_x": 1.0, "min_y": -1.0, "max_y": 1.0, "n_rays_total": 11, **DEPTHS}
    if monte_carlo:
        sampler = MonteCarloRaysampler(n_rays_per_image=None, **bounds)
    else:
        sampler = MultinomialRaysampler(image_width=6, image_height=6, **bounds)
    rays = sampler(cameras)
    assert isinstance(rays, HeterogeneousRayBundle) and rays.origins.shape == (11, 1, *[1] * (not monte_carlo), 3)
    assert rays.camera_counts.sum() == 11 and rays.camera_ids.unique().numel() == rays.camera_ids.numel()
    ids = rays.camera_ids.repeat_interleave(rays.camera_counts)
    close(rays.origins.view(11, 3), cameras.get_camera_center()[ids])
    with pytest.raises(ValueError, match="exclude"):
        sampler(cameras, n_rays_per_image=3)


def test_stratified_lengths_stay_in_their_intervals():
    torch.manual_seed(0)
    sampler = MonteCarloRaysampler(-1, 1, -2, 0.5, 50, 12, 1.5, 4.5, stratified_sampling=True)
    rays = sampler(PerspectiveCameras())
    centres, half = torch.linspace(1.5, 4.5, 12), 1.5 / 11
    away = rays.lengths - centres
    assert (away.abs() <= half + 1e-6).all() and away[..., 0].min() >= 0 and away[..., -1].max() <= 0
    assert away.std() > 0.4 * half
    assert (rays.xys[..., 1] <= 0.5).all() and (rays.xys[..., 1] >= -2).all() and rays.xys[..., 1].min() < -1.5
    close(sampler(PerspectiveCameras(), stratified_sampling=False).lengths, centres.expand(1, 50, 12))
