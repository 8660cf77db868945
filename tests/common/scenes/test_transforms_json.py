"""NeRF-synthetic and instant-ngp folders: pixels where their own formulas say, lenses undone."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from common.scenes import load_scene
from common.scenes.transforms_json import transforms_scene
from tests.common.scenes.views import check_pixels, noise, poses, write


@pytest.mark.parametrize("size", [(6, 8), (9, 5)])
def test_nerf_synthetic(tmp_path, size):
    counts, angle, matrices, start = {"train": 4, "val": 2, "test": 3}, 0.69, [], 0
    for part, count in counts.items():
        name = f"transforms_{part}.json"
        matrices.append(write(tmp_path, size, count, name, "", 4, start, camera_angle_x=angle))
        start += count
    scene = load_scene(str(tmp_path), size)
    assert {k: v.tolist() for k, v in scene.split.items()} == {"train": [0, 1, 2, 3], "val": [4, 5], "test": [6, 7, 8]}
    raw = np.stack([noise(size, 4, number) for number in range(9)]) / 255.0
    np.testing.assert_allclose(scene.alpha, raw[..., 3], atol=1e-7)
    np.testing.assert_allclose(scene.images, raw[..., :3] * raw[..., 3:], atol=1e-7)
    focal = 0.5 * size[1] / math.tan(0.5 * angle)
    check_pixels(scene, torch.cat(matrices), focal, focal, size[1] / 2, size[0] / 2)
    assert scene.name == tmp_path.name and scene.source == str(tmp_path) and scene.surface is None
    assert scene.bounds.tolist() == [[-1.5] * 3, [1.5] * 3] and scene.depth_range == (2.0, 6.0)
    named = load_scene(tmp_path.name, None, str(tmp_path.parent))  # in the data folder, in its pictures' own size
    assert torch.equal(named.images, scene.images) and named.source == scene.source


def test_one_file_holds_every_eighth_view_out(tmp_path):
    matrices = write(tmp_path, fl_x=9.0, fl_y=8.5, cx=4.2, cy=2.7)
    for given in (tmp_path, tmp_path / "transforms.json"):
        scene = load_scene(str(given), (6, 8))
        assert scene.split["test"].tolist() == [0, 8, 16] and scene.split["val"].tolist() == []
        assert sorted(scene.split["train"].tolist() + [0, 8, 16]) == list(range(17))
        assert scene.alpha is None and scene.bounds is None
        wanted = np.stack([noise((6, 8), 3, number) for number in range(17)])
        np.testing.assert_array_equal((scene.images * 255).round().byte(), wanted)
        check_pixels(scene, matrices, 9.0, 8.5, 4.2, 2.7)


@pytest.mark.parametrize("size", [(6, 8), (12, 16), (24, 32), (8, 8)])
def test_pictures_of_another_size_than_the_calibrated_one(tmp_path, size):
    matrices = write(tmp_path, size, 3, w=16, h=12, fl_x=20.0, fl_y=19.0, cx=7.0, cy=6.5)
    across, down = size[1] / 16, size[0] / 12
    check_pixels(transforms_scene(tmp_path), matrices, 20 * across, 19 * down, 7 * across, 6.5 * down)
    matrices = write(tmp_path, size, 3, w=16, h=12, camera_angle_x=0.8)
    focal = 8 / math.tan(0.4)
    check_pixels(transforms_scene(tmp_path), matrices, focal * across, focal * down, size[1] / 2, size[0] / 2)


def test_frames_have_lenses_of_their_own(tmp_path):
    write(tmp_path, count=3, fl_x=10.0, cy=2.5, k1=None, camera_model="OPENCV", is_fisheye=False)
    file = tmp_path / "transforms.json"
    contents = json.loads(file.read_text())
    contents["frames"][1] |= {"fl_x": 14.0, "cx": 3.5}
    contents["frames"][2]["transform_matrix"].pop()  # 3 x 4 says as much
    file.write_text(json.dumps(contents))
    focal = [10.0, 14.0, 10.0]
    check_pixels(transforms_scene(file), poses(3), focal, focal, [4.0, 3.5, 4.0], [2.5] * 3)


def scenery(x, y):
    """Colours (..., 3) seen in the direction (x, y, 1)."""
    waves = [np.sin(5 * x + 2 * y), np.cos(4 * y - 3 * x), np.sin(6 * y + 1) * np.cos(3 * x)]
    return 0.5 + 0.4 * np.stack(waves, -1)


def undistorted_by_newton(u, v, k1, k2, k3, k4, p1, p2):
    """The directions (x, y) that OpenCV's formula takes to (u, v)."""
    x, y = u.copy(), v.copy()
    for _ in range(60):
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
        x -= x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) - u
        y -= y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y - v
    return x, y


MOST = {  # between these every direction has a place of its own in the picture
    "k1": (-0.1, 0.1),
    "k2": (-0.08, 0.1),
    "k3": (-0.05, 0.15),
    "k4": (-0.04, 0.15),
    "p1": (-0.015, 0.015),
    "p2": (-0.015, 0.015),
}
BENT = [{name: value} for name, values in MOST.items() for value in values]


@pytest.mark.parametrize("bent", [*BENT, {"k1": -0.1, "k2": 0.05, "p1": 0.01, "p2": -0.01}], ids=str)
def test_a_lens_is_undone(tmp_path, bent):
    fx, fy, cx, cy, (height, width) = 64.0, 68.0, 49.5, 34.5, (72, 96)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    u, v = (columns - cx) / fx, (rows - cy) / fy
    taken = scenery(*undistorted_by_newton(u, v, *(bent.get(name, 0.0) for name in MOST)))
    write(tmp_path, (height, width), 2, fl_x=fx, fl_y=fy, cx=cx, cy=cy, **bent)
    Image.fromarray((255 * taken).round().astype(np.uint8)).save(tmp_path / "1.png")
    got, wanted = transforms_scene(tmp_path).images[1].numpy(), scenery(u, v)
    inside = np.s_[6:-6, 6:-6]  # what the lens saw, whichever way it bends
    error = np.abs(got - wanted)[inside].max()
    assert error < 0.005 and np.abs(taken - wanted)[inside].max() > 2 * error


def test_a_transparent_picture_is_undistorted_with_its_alpha(tmp_path):
    write(tmp_path, (20, 24), 2, channels=4, fl_x=30.0)
    straight = transforms_scene(tmp_path)
    write(tmp_path, (20, 24), 2, channels=4, fl_x=30.0, k1=1e-12)
    scene = transforms_scene(tmp_path)
    torch.testing.assert_close(scene.images, straight.images, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(scene.alpha, straight.alpha, atol=1e-5, rtol=0.0)
    write(tmp_path, (20, 24), 2, channels=4, fl_x=30.0, k1=0.3)
    bent = transforms_scene(tmp_path)
    assert (bent.alpha - straight.alpha).abs().max() > 0.1 and 0 <= bent.images.min() <= bent.images.max() <= 1
