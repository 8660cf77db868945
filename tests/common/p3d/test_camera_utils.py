"""Look-at functions and conversions from OpenCV against PyTorch3D's outputs and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import (
    FoVPerspectiveCameras,
    PerspectiveCameras,
    axis_angle_to_matrix,
    camera_position_from_spherical_angles,
    camera_to_eye_at_up,
    cameras_from_opencv_projection,
    look_at_rotation,
    look_at_view_transform,
    opencv_from_cameras_projection,
    random_rotations,
    rotate_on_spot,
)

seeds = st.integers(0, 2**31 - 1)


def random_extrinsics(seed, n=3):
    torch.manual_seed(seed)
    return random_rotations(n), torch.randn(n, 3) + torch.tensor([0.0, 0.0, 6.0])


def test_look_at_equals_pytorch3d(golden):
    z, _ = golden("look_at_view_transform")
    for i, row in enumerate(z["rows"]):
        dist, elev, azim = row[:3]
        degrees = bool(row[9])
        R, T = look_at_view_transform(dist, elev, azim, degrees, at=row[None, 3:6], up=row[None, 6:9])
        centre = FoVPerspectiveCameras(R=R, T=T).get_camera_center()
        position = camera_position_from_spherical_angles(dist, elev, azim, degrees)
        values = {"R": R, "T": T, "camera_center": centre, "camera_position": position}
        for name, value in values.items():
            torch.testing.assert_close(value[0], z[name][i], atol=2e-6 * max(1.0, dist.item()), rtol=0.0)
    rows = z["eye_rows"]
    R, T = look_at_view_transform(eye=rows[:, :3], at=rows[:, 3:6], up=rows[:, 6:9])
    torch.testing.assert_close(R, z["eye_R"], atol=2e-6, rtol=0.0)
    torch.testing.assert_close(T, z["eye_T"], atol=1e-5, rtol=0.0)


def test_looking_along_up_is_a_rotation(golden):
    z, _ = golden("look_at_degenerate")
    for i, row in enumerate(z["rows"]):
        R, T = look_at_view_transform(row[0], row[1], row[2], up=row[None, 3:6])
        torch.testing.assert_close(T[0], z["T"][i], atol=2e-6 * row[0].item(), rtol=0.0)
        torch.testing.assert_close(R[0, :, 2], z["R"][i, :, 2], atol=1e-6, rtol=0.0)
        torch.testing.assert_close(R[0].T @ R[0], torch.eye(3), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("angle", [1e-2, 1e-4, 1e-5, 1e-6, 1e-7, 0.0])
def test_looking_nearly_along_up_is_a_rotation(angle):
    torch.manual_seed(0)
    eye, aside = torch.randn(2, 500, 3, dtype=torch.float64)
    up = torch.nn.functional.normalize(-eye) + angle * aside
    for dtype, least in ((torch.float64, 1e-10), (torch.float32, 1e-3)):
        R = look_at_rotation(eye.to(dtype), up=up.to(dtype))
        torch.testing.assert_close(R.mT @ R, torch.eye(3, dtype=dtype).expand_as(R), atol=1e-5, rtol=0.0)
        torch.testing.assert_close(R.det(), torch.ones(500, dtype=dtype), atol=1e-5, rtol=0.0)
        if angle > least:  # still enough to know the left by
            left = torch.linalg.cross(up, -eye)
            assert (torch.linalg.vecdot(R[..., 0].double(), left) > 0.9 * left.norm(dim=1)).all()


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_opencv_projection_is_the_same_pixels(seed):
    torch.manual_seed(seed)
    R, t = random_rotations(3), torch.randn(3, 3) * 0.3 + torch.tensor([0.0, 0.0, 5.0])
    K = torch.eye(3).repeat(3, 1, 1)
    K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2] = 130.0, 120.0, 70.0, 45.0
    size = torch.tensor([[96, 128]] * 3)
    points = torch.rand(6, 3) - 0.5
    projected = (points @ R.transpose(1, 2) + t[:, None]) @ K.transpose(1, 2)
    cameras = cameras_from_opencv_projection(R, t, K, size)
    pixels = cameras.transform_points_screen(points)
    torch.testing.assert_close(pixels[..., :2], projected[..., :2] / projected[..., 2:], atol=2e-3, rtol=0.0)
    for value, expected in zip(opencv_from_cameras_projection(cameras, size), (R, t, K), strict=True):
        torch.testing.assert_close(value, expected, atol=1e-4, rtol=0.0)


def test_rotating_on_the_spot_keeps_the_centre():
    R, T = random_extrinsics(0)
    centre = FoVPerspectiveCameras(R=R, T=T).get_camera_center()
    turned = rotate_on_spot(R, T, random_rotations(3))
    torch.testing.assert_close(FoVPerspectiveCameras(R=turned[0], T=turned[1]).get_camera_center(), centre)
    single = rotate_on_spot(R[0], T[0], torch.eye(3))
    torch.testing.assert_close(single[0], R[:1])
    torch.testing.assert_close(single[1], T[:1], atol=1e-5, rtol=0.0)
    quarter = axis_angle_to_matrix(torch.tensor([0.0, math.pi / 2, 0.0]))  # counterclockwise about +Y, in columns
    R, T = rotate_on_spot(torch.eye(3), torch.zeros(3), quarter)
    ahead = torch.tensor([[[0.0, 0.0, 1.0]]]) @ R  # what was ahead (+Z) is now where +Z turns to: +X, on the left
    torch.testing.assert_close(ahead[0], torch.tensor([[1.0, 0.0, 0.0]]), atol=1e-6, rtol=0.0)


def test_angles_broadcast():
    R, T = look_at_view_transform(2.0, 10.0, torch.linspace(0, 360, 5))
    assert R.shape == (5, 3, 3) and T.shape == (5, 3)
    R, _ = look_at_view_transform(eye=((0.0, 0.0, 3.0),), up=torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    assert R.shape == (2, 3, 3)
    top = camera_position_from_spherical_angles(2.0, math.pi / 2, 0.0, degrees=False)
    torch.testing.assert_close(top, torch.tensor([[0.0, 2.0, 0.0]]), atol=1e-6, rtol=0.0)


def test_look_at_gradcheck():
    position = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(look_at_rotation, position)


def test_nonsense_is_refused():
    with pytest.raises(ValueError):
        look_at_view_transform(eye=((1.0, 2.0),))
    with pytest.raises(ValueError):
        opencv_from_cameras_projection(PerspectiveCameras(in_ndc=False, image_size=((4, 4),)), torch.tensor([[4, 4]]))


def test_eye_at_up_make_the_same_camera():
    torch.manual_seed(0)
    R, T = look_at_view_transform(eye=torch.rand(5, 3) + 1, at=torch.rand(5, 3) - 1, up=torch.rand(5, 3))
    eye, at, up = camera_to_eye_at_up(PerspectiveCameras(R=R, T=T).get_world_to_view_transform())
    again = look_at_view_transform(eye=eye, at=at, up=up)
    torch.testing.assert_close(again[0], R, atol=2e-6, rtol=0)
    torch.testing.assert_close(again[1], T, atol=2e-6, rtol=0)


def test_angles_of_unequal_number_are_refused():
    with pytest.raises(ValueError, match="distances and angles"):
        camera_position_from_spherical_angles(torch.ones(3), torch.ones(2), 0.0)
