"""Rendered point clouds against PyTorch3D's images and what must hold of any renderer."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import (
    AlphaCompositor,
    FoVOrthographicCameras,
    FoVPerspectiveCameras,
    NormWeightedCompositor,
    PerspectiveCameras,
    Pointclouds,
    PointsRasterizationSettings,
    PointsRasterizer,
    PointsRenderer,
    look_at_view_transform,
    random_rotations,
)

# Golden renders of the course's cow stand outside the repository, in the folder cow/ of the one that L3D_GOLDEN names.
COW = Path(os.environ.get("L3D_GOLDEN", "/nowhere")) / "cow" / "points_render_cow96.npz"


def renderer(cameras, compositor=None, **kwargs):
    rasterizer = PointsRasterizer(cameras, PointsRasterizationSettings(**kwargs))
    return PointsRenderer(rasterizer, compositor or AlphaCompositor())


def random_cloud(seed, n=60, channels=4):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(n, 3, generator=generator, dtype=torch.float64) - 0.5
    return points, torch.rand(n, channels, generator=generator, dtype=torch.float64)


if COW.is_file():

    @pytest.mark.parametrize("variant", ["alpha_bg", "alpha_nobg", "norm_bg", "norm_nobg"])
    def test_the_cow_equals_pytorch3d(golden, wave, variant):
        z, _ = golden(COW)
        points, features = (z[name].clone().requires_grad_() for name in ("points", "features"))
        background = (1.0,) * 4 if variant.endswith("_bg") else None
        compositor = (AlphaCompositor if variant.startswith("alpha") else NormWeightedCompositor)(background)
        cameras = FoVPerspectiveCameras(R=z["R"], T=z["T"])
        render = renderer(cameras, compositor, image_size=96, radius=0.02, points_per_pixel=8)
        image = render(Pointclouds([points], features=[features]))
        difference = (image - z[f"{variant}.image"]).abs().amax(-1)
        assert (difference > 2e-5).float().mean() <= 2e-3
        (image * wave(image.shape, 0.4)).sum().backward()
        for name, tensor in (("points", points), ("features", features)):
            if f"{variant}.grad_{name}" in z:
                expected = z[f"{variant}.grad_{name}"]
                assert (tensor.grad - expected).norm() <= 5e-3 * expected.norm()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from([FoVPerspectiveCameras, FoVOrthographicCameras, PerspectiveCameras]))
def test_turning_world_and_camera_together_changes_nothing(seed, kind):
    points, features = random_cloud(seed)
    torch.manual_seed(seed)
    turn = random_rotations(1, dtype=torch.float64)
    R, T = look_at_view_transform(3.0, 20.0, 50.0)
    R, T = R.double(), T.double()
    images = []
    for world, extrinsic in ((points, R), (points @ turn[0], turn.transpose(1, 2) @ R)):
        render = renderer(kind(R=extrinsic, T=T), image_size=(24, 32), radius=0.1)
        images.append(render(Pointclouds([world], features=[features])))
    assert images[0].any()
    differs = (images[0] - images[1]).abs().amax(-1) > 1e-4
    assert differs.double().mean() < 0.01


def test_a_batch_is_its_clouds_one_by_one():
    clouds = [random_cloud(s, n) for s, n in ((0, 50), (1, 0), (2, 20))]
    R, T = look_at_view_transform(2.0, 10.0, torch.tensor([0.0, 120.0, 240.0]))
    batch = Pointclouds([c[0] for c in clouds], features=[c[1] for c in clouds])
    cameras = FoVPerspectiveCameras(R=R.double(), T=T.double())
    together = renderer(cameras, image_size=20, radius=0.1)(batch)
    for i in range(3):
        alone = renderer(cameras[i], image_size=20, radius=0.1)(batch[i])
        torch.testing.assert_close(together[i : i + 1], alone)
    assert together[0].any() and not together[1].any()


def test_one_opaque_point_is_a_disc_of_its_colour():
    cloud = Pointclouds([torch.zeros(1, 3)], features=[torch.tensor([[0.2, 0.4, 0.6]])])
    R, T = look_at_view_transform(2.0, 0.0, 0.0)
    image = renderer(FoVPerspectiveCameras(R=R, T=T), image_size=33, radius=0.5)(cloud)
    torch.testing.assert_close(image[0, 16, 16], torch.tensor([0.2, 0.4, 0.6]))
    weight = 1.0 - (4 / 33 * 2) ** 2 / 0.25 * 1.0
    torch.testing.assert_close(image[0, 16, 20], weight * torch.tensor([0.2, 0.4, 0.6]))
    assert not image[0, 0, 0].any()


def test_radius_per_point_and_keyword_arguments_pass_through():
    points, features = random_cloud(4)
    R, T = look_at_view_transform(2.0, 10.0, 30.0)
    cloud = Pointclouds([points], features=[features])
    cameras = FoVPerspectiveCameras(R=R.double(), T=T.double())
    one = renderer(cameras, image_size=20, radius=0.1)
    per_point = renderer(cameras, image_size=20, radius=torch.full((60,), 0.1))
    torch.testing.assert_close(one(cloud), per_point(cloud))
    other = renderer(FoVPerspectiveCameras(R=torch.eye(3, dtype=torch.float64)[None]), image_size=20, radius=0.1)
    torch.testing.assert_close(one(cloud), other(cloud, R=cameras.R, T=cameras.T))
    torch.testing.assert_close(one(cloud), other(cloud, cameras=cameras))
    white = one(cloud, background_color=(1.0,) * 4)
    assert (white[one(cloud).sum(-1) == 0] == 1.0).all()
    assert one.to("cpu") is one


def test_screen_cameras_render_like_ndc_cameras():
    points, features = random_cloud(5)
    R, T = look_at_view_transform(2.0, 10.0, 30.0)
    R, T = R.double(), T.double()
    size = torch.tensor([[24.0, 32.0]])
    ndc = PerspectiveCameras(focal_length=2.0, R=R, T=T)
    screen = PerspectiveCameras(
        focal_length=24.0, principal_point=((16.0, 12.0),), R=R, T=T, in_ndc=False, image_size=size
    )
    cloud = Pointclouds([points], features=[features])
    images = [renderer(c, image_size=(24, 32), radius=0.08)(cloud) for c in (ndc, screen)]
    torch.testing.assert_close(images[0], images[1], atol=1e-5, rtol=0.0)


def test_gradcheck_of_points_and_features():
    points, features = random_cloud(6, 8, 2)
    R, T = look_at_view_transform(2.0, 10.0, 30.0)
    render = renderer(FoVPerspectiveCameras(R=R.double(), T=T.double()), image_size=6, radius=0.4)
    inputs = (points.requires_grad_(), features.requires_grad_())
    assert torch.autograd.gradcheck(lambda p, f: render(Pointclouds([p], features=[f])), inputs)
