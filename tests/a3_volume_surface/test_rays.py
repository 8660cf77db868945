"""Pixels, rays and samples along them."""

import pytest
import torch

from a3_volume_surface.rays import (
    cast,
    get_pixels_from_image,
    get_random_pixels_from_image,
    get_rays_from_pixels,
    sample_images_at_xy,
)
from a3_volume_surface.samplers import sample_importance, with_samples
from common.camera_poses import create_surround_cameras
from common.p3d import PerspectiveCameras

SIZES = [(8, 8), (12, 6), (5, 9)]  # width, height


@pytest.mark.parametrize("size", SIZES)
def test_points_on_rays_project_back_to_their_pixels(size):
    cameras = create_surround_cameras(3.0, 3, up=(0.0, 0.0, 1.0), focal_length=1.3)
    xy = get_pixels_from_image(size)
    assert xy.shape == (size[0] * size[1], 2)
    for camera in cameras:
        rays = get_rays_from_pixels(xy, size, camera)
        torch.testing.assert_close(rays.directions.norm(dim=1), torch.ones(len(xy)))
        points = rays.origins + 2.7 * rays.directions
        torch.testing.assert_close(camera.transform_points_ndc(points)[:, :2], xy, atol=1e-5, rtol=0.0)
        screen = camera.transform_points_screen(points, image_size=(size[::-1],))[:, :2]
        column, row = (torch.arange(n) + 0.5 for n in size)
        expected = torch.stack(torch.meshgrid(column, row, indexing="xy"), -1).view(-1, 2)
        torch.testing.assert_close(screen, expected, atol=1e-4, rtol=0.0)


def test_cast_is_get_rays_of_each_camera():
    cameras = create_surround_cameras(3.0, 4, up=(0.0, 0.0, 1.0), focal_length=1.3)
    cameras = PerspectiveCameras(torch.tensor([[1.3, 1.1]]).expand(4, 2), torch.rand(4, 2) * 0.2, cameras.R, cameras.T)
    xy = get_pixels_from_image((6, 4))
    view = torch.arange(len(xy)) % 4
    origins, directions = cast(cameras, xy, view)
    for index in range(4):
        rays = get_rays_from_pixels(xy, (6, 4), cameras[index])
        torch.testing.assert_close(directions[view == index], rays.directions[view == index], atol=1e-6, rtol=0.0)
        torch.testing.assert_close(origins[view == index], rays.origins[view == index], atol=1e-6, rtol=0.0)


@pytest.mark.parametrize("size", SIZES)
def test_colors_at_pixels_are_the_pixels(size):
    image = torch.rand(1, size[1], size[0], 3)
    torch.testing.assert_close(sample_images_at_xy(image, get_pixels_from_image(size)), image.view(-1, 3))


def test_random_pixels_are_pixels_and_none_twice():
    every = {tuple(v) for v in get_pixels_from_image((7, 5)).tolist()}
    some = [tuple(v) for v in get_random_pixels_from_image(30, (7, 5)).tolist()]
    assert len(set(some)) == 30 and set(some) <= every
    assert len(get_random_pixels_from_image(100, (7, 5))) == 100


def test_samples_lie_at_their_lengths():
    rays = get_rays_from_pixels(get_pixels_from_image((3, 2)), (3, 2), create_surround_cameras(2.0, 1)[0])
    lengths = torch.rand(6, 5).sort(1).values
    sampled = with_samples(rays, lengths)
    assert sampled.shape == (6,) and sampled.sample_shape == (6, 5)
    measured = (sampled.sample_points - sampled.origins[:, None]).norm(dim=-1)
    torch.testing.assert_close(measured, lengths, atol=1e-5, rtol=0.0)
    assert sampled[2:4].sample_lengths.shape == (2, 5, 1)


@pytest.mark.parametrize("random", [False, True])
def test_importance_samples_follow_the_weights(random):
    torch.manual_seed(0)
    edges = torch.tensor([[0.0, 1.0, 1.5, 4.0]])
    weights = torch.tensor([[0.2, 0.7, 0.1]])
    drawn = sample_importance(edges, weights, 20_000, random)
    assert (drawn[:, 1:] >= drawn[:, :-1]).all()
    share = torch.histogram(drawn[0], bins=edges[0]).hist / 20_000
    torch.testing.assert_close(share, weights[0], atol=2e-4, rtol=0.0)
    inside = drawn[0][(drawn[0] > 1.5)]
    assert float(inside.mean()) == pytest.approx(2.75, abs=0.01)  # evenly within a stretch


def test_importance_without_weights_is_even():
    drawn = sample_importance(torch.linspace(0, 1, 5)[None], torch.zeros(1, 4), 4, False)
    torch.testing.assert_close(drawn, torch.tensor([[0.125, 0.375, 0.625, 0.875]]))
