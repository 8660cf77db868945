"""Poses as COLMAP and NeRF write them: points land on the pixels that their own formulas say."""

import math

import pytest
import torch

from common.camera_poses import cameras_from_colmap, cameras_from_nerf_synthetic
from common.p3d import quaternion_to_matrix, random_quaternions


def test_colmap_projects_as_its_documentation_says():
    torch.manual_seed(0)
    q, t = random_quaternions(3, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64)
    t[:, 2] += 6.0
    K = torch.tensor([[[500.0, 0.0, 300.0], [0.0, 480.0, 260.0], [0.0, 0.0, 1.0]]], dtype=torch.float64)
    cameras = cameras_from_colmap(2.5 * q, t, K, torch.tensor([[512, 640]]))
    points = torch.rand(7, 3, dtype=torch.float64) - 0.5
    seen = torch.einsum("nij,pj->npi", quaternion_to_matrix(q), points) + t[:, None]
    expected = torch.einsum("ij,npj->npi", K[0], seen)
    pixels = cameras.transform_points_screen(points.expand(3, 7, 3))
    torch.testing.assert_close(pixels[..., :2], expected[..., :2] / expected[..., 2:], atol=1e-3, rtol=0)
    view = cameras.get_world_to_view_transform().transform_points(points.expand(3, 7, 3))
    torch.testing.assert_close(view[..., 2], seen[..., 2], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="zero"):
        cameras_from_colmap(torch.zeros(1, 4), torch.zeros(1, 3), K.float(), torch.tensor([[512, 640]]))


def test_nerf_synthetic_casts_the_rays_of_its_own_code():
    """There the ray through pixel (i, j) is ((i - W/2) / f, -(j - H/2) / f, -1), turned by the matrix."""
    torch.manual_seed(1)
    height, width, angle = 60, 80, 0.7
    pose = torch.eye(4).repeat(4, 1, 1)
    pose[:, :3, :3] = quaternion_to_matrix(random_quaternions(4))
    pose[:, :3, 3] = torch.randn(4, 3)
    focal = 0.5 * width / math.tan(0.5 * angle)
    i, j = torch.tensor([3.0, 40.0, 77.5]), torch.tensor([10.0, 30.0, 59.0])
    rays = torch.stack(((i - width / 2) / focal, -(j - height / 2) / focal, -torch.ones(3)), 1)
    points = pose[:, None, :3, 3] + 2.5 * torch.einsum("nab,pb->npa", pose[:, :3, :3], rays)
    cameras = cameras_from_nerf_synthetic(pose, angle, (height, width))
    pixels = cameras.transform_points_screen(points)
    torch.testing.assert_close(pixels[..., :2], torch.stack((i, j), 1).expand(4, 3, 2), atol=1e-3, rtol=0)
    torch.testing.assert_close(cameras.get_camera_center(), pose[:, :3, 3], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="camera_angle_x"):
        cameras_from_nerf_synthetic(pose, 4.0, (height, width))
