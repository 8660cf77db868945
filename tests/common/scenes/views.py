"""Views with pictures of noise, written as instant-ngp and NeRF-synthetic write them."""

import json

import numpy as np
import torch
from PIL import Image

from common.p3d import random_rotations


def poses(count, seed=0):
    """Random rigid motions (count, 4, 4), camera to world."""
    torch.manual_seed(seed)
    matrix = torch.eye(4).repeat(count, 1, 1)
    matrix[:, :3, :3], matrix[:, :3, 3] = random_rotations(count), torch.randn(count, 3)
    return matrix


def noise(size, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)


def write(
    folder, size=(6, 8), count=17, name="transforms.json", suffix=".png", channels=3, start=0, frame=(), **shared
):
    """A file of ``count`` views with its pictures of noise; ``frame``: what every frame says besides."""
    folder.mkdir(parents=True, exist_ok=True)
    matrices = poses(count, start)
    frames = []
    for number, matrix in enumerate(matrices.tolist(), start):
        Image.fromarray(noise(size, channels, number)).save(folder / f"{number}.png")
        frames.append({"file_path": f"./{number}{suffix}", "transform_matrix": matrix, **dict(frame)})
    (folder / name).write_text(json.dumps({**shared, "frames": frames}))
    return matrices


def pixels_by_hand(points, matrix, fx, fy, cx, cy):
    """Of world points (P, 3): the camera looks along -z, x to the right, y up; rows grow downwards."""
    local = (points - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    return np.stack([cx + fx * local[:, 0] / -local[:, 2], cy - fy * local[:, 1] / -local[:, 2]], 1)


def in_front(matrix, count=20, seed=1):
    """World points before a camera."""
    generator = np.random.default_rng(seed)
    local = np.column_stack([generator.uniform(-1, 1, (count, 2)), generator.uniform(-5, -2, count)])
    return local @ matrix[:3, :3].T + matrix[:3, 3]


def check_pixels(scene, matrices, *lens):
    """Points before each camera land on the pixels that its lens (fx, fy, cx, cy, or lists of them) says."""
    for view, matrix in enumerate(matrices.double().numpy()):
        points = in_front(matrix)
        camera = scene.cameras[view]
        got = camera.transform_points_screen(torch.from_numpy(points).float()).numpy()[:, :2]
        values = [value[view] if isinstance(value, list) else value for value in lens]
        np.testing.assert_allclose(got, pixels_by_hand(points, matrix, *values), atol=2e-4)
        depth = camera.get_world_to_view_transform().transform_points(torch.from_numpy(points).float())[:, 2]
        np.testing.assert_allclose(depth, -((points - matrix[:3, 3]) @ matrix[:3, 2]), atol=1e-5)
