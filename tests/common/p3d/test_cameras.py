"""Cameras against PyTorch3D's outputs and closed forms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import (
    FoVOrthographicCameras,
    FoVPerspectiveCameras,
    OrthographicCameras,
    PerspectiveCameras,
    get_ndc_to_screen_transform,
    get_screen_to_ndc_transform,
    join_cameras_as_batch,
    look_at_view_transform,
    random_rotations,
)
from common.p3d.cameras import CamerasBase, try_get_projection_transform

CAMERAS = {
    "fov60": lambda **e: FoVPerspectiveCameras(fov=60.0, **e),
    "fov_rad_aspect": lambda **e: FoVPerspectiveCameras(
        fov=0.9, degrees=False, aspect_ratio=1.5, znear=0.5, zfar=20.0, **e
    ),
    "persp_ndc": lambda **e: PerspectiveCameras(
        focal_length=[[1.2, 1.3], [2.0, 2.0], [0.9, 1.1]],
        principal_point=[[0.1, -0.2], [0.0, 0.0], [0.3, 0.1]],
        **e,
    ),
    "persp_screen": lambda **e: PerspectiveCameras(
        focal_length=[[110.0, 120.0], [200.0, 200.0], [90.0, 95.0]],
        principal_point=[[64.0, 48.0], [60.0, 50.0], [70.0, 40.0]],
        in_ndc=False,
        image_size=[[96.0, 128.0]] * 3,
        **e,
    ),
    "fovortho": lambda **e: FoVOrthographicCameras(
        max_x=1.5, min_x=-1.2, max_y=1.1, min_y=-0.9, znear=0.1, zfar=10.0, **e
    ),
    "ortho_ndc": lambda **e: OrthographicCameras(
        focal_length=[[1.2, 1.3], [0.8, 0.8], [1.0, 1.1]],
        principal_point=[[0.1, -0.2], [0.0, 0.0], [0.3, 0.1]],
        **e,
    ),
}
seeds = st.integers(0, 2**31 - 1)


def check(z, name, value, pixels=False):
    tolerance = {"atol": 2e-3, "rtol": 0.0} if pixels else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(value, z[name], **tolerance, msg=lambda m: f"{name}: {m}")


def random_extrinsics(seed, n=3):
    torch.manual_seed(seed)
    return random_rotations(n), torch.randn(n, 3) + torch.tensor([0.0, 0.0, 6.0])


# --- PyTorch3D's own outputs


@pytest.mark.parametrize("name", CAMERAS)
def test_transforms_equal_pytorch3d(golden, name):
    z, _ = golden("cameras")
    cameras, points = CAMERAS[name](R=z["R"], T=z["T"]), z["points"]
    check(z, f"{name}.world_to_view", cameras.get_world_to_view_transform().get_matrix())
    check(z, f"{name}.projection", cameras.get_projection_transform().get_matrix())
    check(z, f"{name}.full", cameras.get_full_projection_transform().get_matrix())
    check(z, f"{name}.center", cameras.get_camera_center())
    check(z, f"{name}.points", cameras.transform_points(points))
    check(z, f"{name}.points_eps", cameras.transform_points(points, eps=0.1))
    check(z, f"{name}.points_ndc", cameras.transform_points_ndc(points))
    for i, size in enumerate([(96, 128), (64, 64)]):
        if f"{name}.screen{i}" in z:
            kwargs = {} if name == "persp_screen" else {"image_size": (size,)}
            check(z, f"{name}.screen{i}", cameras.transform_points_screen(points, **kwargs), pixels=True)
            unflipped = cameras.transform_points_screen(points, with_xyflip=False, **kwargs)
            check(z, f"{name}.screen{i}_noflip", unflipped, pixels=True)


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("world", [True, False])
def test_unprojection_equals_pytorch3d(golden, name, world):
    z, _ = golden("cameras")
    cameras, xy_depth = CAMERAS[name](R=z["R"], T=z["T"]), z["xy_depth"]
    scaled = torch.cat((xy_depth[..., :2], (xy_depth[..., 2:] - 0.5) / 3), -1)
    key = f"{name}.unproject_world{int(world)}"
    if name.startswith("fov"):
        inputs = {"_scaled1": (scaled, {"scaled_depth_input": True}), "_scaled0": (xy_depth, {})}
    else:
        inputs = {"": (xy_depth, {}), "_fromndc": (xy_depth, {"from_ndc": True})}
    for suffix, (given_points, kwargs) in inputs.items():
        check(z, key + suffix, cameras.unproject_points(given_points, world_coordinates=world, **kwargs))


# --- closed forms


def test_a_camera_on_the_z_axis_sees_x_to_the_left_and_y_up():
    R, T = look_at_view_transform(2.0, 0.0, 0.0)
    cameras = FoVPerspectiveCameras(R=R, T=T, fov=90.0)
    ndc = cameras.transform_points(torch.tensor([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    # From +z one looks along -z with +y up, so world -x is on the left: NDC +x.
    torch.testing.assert_close(ndc[:, :2], torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]), atol=1e-6, rtol=0)
    pixels = cameras.transform_points_screen(torch.tensor([[-1.0, 1.0, 0.0]]), image_size=(100, 200))
    torch.testing.assert_close(pixels[0, :2], torch.tensor([75.0, 25.0]), atol=1e-4, rtol=0.0)


def test_depth_range_maps_to_zero_and_one():
    for cameras in (FoVPerspectiveCameras(znear=0.5, zfar=7.0), FoVOrthographicCameras(znear=0.5, zfar=7.0)):
        z = cameras.transform_points(torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 7.0]]))[:, 2]
        torch.testing.assert_close(z, torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0.0)
        assert cameras.get_znear().tolist() == [0.5]


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from(sorted(CAMERAS)))
def test_unprojecting_a_projection_gives_the_point_back(seed, name):
    R, T = random_extrinsics(seed)
    cameras = CAMERAS[name](R=R, T=T)
    points = torch.rand(3, 9, 3) - 0.5
    depth = cameras.get_world_to_view_transform().transform_points(points)[..., 2:]
    xy = cameras.transform_points(points)[..., :2]
    back = cameras.unproject_points(torch.cat((xy, depth), -1), world_coordinates=True)
    torch.testing.assert_close(back, points, atol=1e-3, rtol=0.0)


def test_screen_and_ndc_cameras_of_the_same_lens_agree():
    R, T = look_at_view_transform(3.0, 20.0, torch.tensor([10.0, 200.0]))
    size = torch.tensor([[96.0, 128.0]])
    screen = PerspectiveCameras(
        focal_length=96.0, principal_point=((70.0, 40.0),), R=R, T=T, in_ndc=False, image_size=size
    )
    ndc = PerspectiveCameras(focal_length=2.0, principal_point=((-6.0 / 48, 8.0 / 48),), R=R, T=T, image_size=size)
    points = torch.rand(5, 3)
    torch.testing.assert_close(screen.transform_points_ndc(points), ndc.transform_points_ndc(points))
    torch.testing.assert_close(
        screen.transform_points_screen(points), ndc.transform_points_screen(points), atol=1e-3, rtol=0.0
    )


def test_ndc_and_screen_transforms_are_inverse():
    cameras = FoVPerspectiveCameras()
    for flip in (True, False):
        there = get_ndc_to_screen_transform(cameras, flip, (30, 50))
        back = get_screen_to_ndc_transform(cameras, flip, (30, 50))
        torch.testing.assert_close(there.compose(back).get_matrix()[0], torch.eye(4), atol=1e-6, rtol=0.0)


def test_given_matrix_replaces_the_model():
    K = FoVPerspectiveCameras(fov=40.0).compute_projection_matrix(
        torch.tensor([1.0]), torch.tensor([100.0]), torch.tensor([40.0]), torch.tensor([1.0]), True
    )
    points = torch.rand(5, 3) + 1
    expected = FoVPerspectiveCameras(fov=40.0).transform_points(points)
    torch.testing.assert_close(FoVPerspectiveCameras(K=K).transform_points(points), expected)
    torch.testing.assert_close(FoVPerspectiveCameras().transform_points(points, K=K), expected)
    torch.testing.assert_close(PerspectiveCameras(K=K).transform_points(points), expected)


# --- objects


def test_keyword_arguments_replace_attributes():
    R, T = random_extrinsics(1)
    points = torch.rand(4, 3)
    cameras = FoVPerspectiveCameras()
    expected = FoVPerspectiveCameras(R=R, T=T, fov=30.0).transform_points(points)
    torch.testing.assert_close(cameras.transform_points(points, R=R, T=T, fov=30.0), expected)
    assert torch.equal(cameras.R, R)
    focal = PerspectiveCameras().transform_points(points + 1, focal_length=torch.tensor([2.0]))
    torch.testing.assert_close(focal, PerspectiveCameras(focal_length=2.0).transform_points(points + 1))


def test_batches_are_indexed_cloned_and_joined():
    R, T = random_extrinsics(2)
    cameras = FoVPerspectiveCameras(R=R, T=T, fov=torch.tensor([30.0, 40.0, 50.0]))
    assert len(cameras) == 3 and not cameras.isempty()
    assert len(cameras[0]) == 1 and cameras[-1].fov.tolist() == [50.0]
    assert cameras[[2, 0]].fov.tolist() == [50.0, 30.0]
    assert cameras[1:].fov.tolist() == [40.0, 50.0]
    assert cameras[torch.tensor([True, False, True])].fov.tolist() == [30.0, 50.0]
    assert cameras.gather_props(torch.tensor([0, 0, 1, 1])).fov.tolist() == [30.0, 30.0, 40.0, 40.0]
    assert cameras[0].degrees is True and cameras.K is None
    copy = cameras.clone()
    copy.R.zero_()
    assert torch.equal(cameras.R, R)
    joined = join_cameras_as_batch([cameras[0], cameras[1:]])
    assert torch.equal(joined.R, R) and joined.fov.tolist() == [30.0, 40.0, 50.0]
    screen = PerspectiveCameras(in_ndc=False, image_size=((4, 4),), R=R, T=T)
    assert not join_cameras_as_batch([screen, screen]).in_ndc()
    with pytest.raises(IndexError):
        cameras[3]
    assert len(list(cameras)) == 3


def test_changing_a_camera_leaves_defaults_and_inputs_alone():
    R, T = random_extrinsics(3)
    cameras = FoVPerspectiveCameras(R=R, T=T)
    before = R.clone()
    cameras.R[0] = 0.0
    assert torch.equal(R, before)
    default = FoVPerspectiveCameras()
    default.T[0] = 5.0
    assert torch.equal(FoVPerspectiveCameras().T, torch.zeros(1, 3))


def test_properties_of_the_kinds():
    assert FoVPerspectiveCameras().is_perspective() and PerspectiveCameras().is_perspective()
    assert not FoVOrthographicCameras().is_perspective() and not OrthographicCameras().is_perspective()
    assert FoVPerspectiveCameras().in_ndc() and FoVOrthographicCameras().in_ndc() and PerspectiveCameras().in_ndc()
    assert PerspectiveCameras().get_znear() is None and PerspectiveCameras().get_image_size() is None
    assert try_get_projection_transform(CamerasBase(), {}) is None
    assert FoVPerspectiveCameras(fov=torch.tensor([30.0, 40.0])).to("cpu").cpu().R.shape == (2, 3, 3)


def test_gradients_reach_the_extrinsics_and_the_lens():
    T = torch.tensor([[0.1, -0.2, 3.0]], dtype=torch.float64, requires_grad=True)
    focal = torch.tensor([1.3], dtype=torch.float64, requires_grad=True)
    R = torch.eye(3, dtype=torch.float64)[None]
    points = torch.rand(1, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    principal = torch.zeros(1, 2, dtype=torch.float64)

    def project(T, focal):
        return PerspectiveCameras(focal, principal, R=R, T=T).transform_points_ndc(points)

    assert torch.autograd.gradcheck(project, (T, focal))


@pytest.mark.parametrize(
    "call",
    [
        lambda: FoVPerspectiveCameras(R=torch.zeros(2, 3, 3), T=torch.zeros(3, 3)),
        lambda: FoVPerspectiveCameras(fov="wide").transform_points(torch.zeros(1, 3)),
        lambda: FoVPerspectiveCameras(K=torch.eye(3)[None]).transform_points(torch.zeros(1, 3)),
        lambda: FoVPerspectiveCameras().transform_points_screen(torch.zeros(1, 3)),
        lambda: FoVPerspectiveCameras().transform_points_screen(torch.zeros(1, 3), image_size=(0, 5)),
        lambda: FoVPerspectiveCameras(T=torch.zeros(1, 2)).get_camera_center(),
        lambda: PerspectiveCameras(in_ndc=False),
        lambda: PerspectiveCameras(image_size=((0, 4),)),
        lambda: join_cameras_as_batch([]),
        lambda: join_cameras_as_batch([FoVPerspectiveCameras(), PerspectiveCameras()]),
        lambda: join_cameras_as_batch([PerspectiveCameras(), PerspectiveCameras(image_size=((4, 4),))]),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises((ValueError, TypeError)):
        call()


def test_join_cameras_with_focal_lengths_of_other_shapes():
    both = torch.tensor([[2.0, 3.0], [4.0, 5.0]])
    cameras = [PerspectiveCameras(f) for f in (5.0, both, torch.tensor([[6.0]]))]
    expected = torch.tensor([[5.0, 5.0], [2.0, 3.0], [4.0, 5.0], [6.0, 6.0]])
    assert torch.equal(join_cameras_as_batch(cameras).focal_length, expected)
    given = PerspectiveCameras().get_projection_transform(focal_length=2.0, principal_point=((2.5, 3.5),))
    assert torch.equal(given.get_matrix()[0, :2, :2], 2 * torch.eye(2))
    assert torch.equal(given.get_matrix()[0, 2, :2], torch.tensor([2.5, 3.5]))


@pytest.mark.parametrize("kind", [PerspectiveCameras, OrthographicCameras])
def test_cameras_in_pixels_take_their_principal_point_from_a_given_matrix(kind):
    size, points = ((96, 128),), torch.tensor([[0.3, 0.2, 4.0], [-0.5, 0.1, 3.0]])
    cameras = kind(100.0, ((60.0, 40.0),), in_ndc=False, image_size=size)
    K = cameras.get_projection_transform().get_matrix().mT
    given_K = kind(K=K, in_ndc=False, image_size=size)
    torch.testing.assert_close(given_K.transform_points_screen(points), cameras.transform_points_screen(points))
    assert cameras.get_principal_point().tolist() == given_K.get_principal_point().tolist() == [[60.0, 40.0]]
    assert cameras.get_principal_point(principal_point=((1.0, 2.0),)).tolist() == [[1.0, 2.0]]


def test_whole_numbers_do_not_truncate_the_projection():
    half = torch.full((1, 2), 0.5)
    for cameras in (PerspectiveCameras(torch.tensor([2]), half), OrthographicCameras(torch.tensor([2]), half)):
        assert cameras.get_principal_point().tolist() == [[0.5, 0.5]]
        assert cameras.get_principal_point(focal_length=3).tolist() == [[0.5, 0.5]]
    box = FoVOrthographicCameras(znear=torch.tensor([1]), max_x=4.0)
    assert torch.equal(
        box.get_projection_transform().get_matrix(),
        FoVOrthographicCameras(max_x=4.0, znear=1.0).get_projection_transform().get_matrix(),
    )
