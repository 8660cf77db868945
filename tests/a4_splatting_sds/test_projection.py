"""Gaussians in space to Gaussians in a picture."""

import pytest
import torch

from a4_splatting_sds.projection import (
    BLUR,
    Pinhole,
    compute_cov_2D,
    compute_cov_3D,
    compute_jacobian,
    compute_means_2D,
    invert_cov_2D,
    pinhole,
    to_camera,
)
from common.p3d import (
    FoVOrthographicCameras,
    FoVPerspectiveCameras,
    PerspectiveCameras,
    look_at_view_transform,
    random_rotations,
)
from tests.a4_splatting_sds.conftest import camera

SIZE = (40, 60)


def cameras():
    R, T = look_at_view_transform(3.0, 20.0, 50.0)
    ndc = {"focal_length": ((2.1, 1.9),), "principal_point": ((0.1, -0.2),), "R": R, "T": T}
    screen = {"focal_length": ((42.0, 38.0),), "principal_point": ((28.0, 24.0),), "R": R, "T": T}
    return {
        "ndc": PerspectiveCameras(**ndc),
        "screen": PerspectiveCameras(**screen, in_ndc=False, image_size=(SIZE,)),
        "field of view": FoVPerspectiveCameras(fov=50.0, R=R, T=T),
        "aspect": FoVPerspectiveCameras(fov=50.0, aspect_ratio=1.5, R=R, T=T),
    }


@pytest.mark.parametrize("name", cameras())
def test_points_are_seen_where_pytorch3d_sees_them(name):
    """Each class of camera, and units."""
    given = cameras()[name]
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 0.4
    seen = given.transform_points_screen(points[None], image_size=(SIZE,))[0, :, :2]
    cam = pinhole(given, SIZE)
    torch.testing.assert_close(compute_means_2D(to_camera(points, cam), cam), seen, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(cam.position, given.get_camera_center()[0], atol=1e-5, rtol=1e-5)
    depth = given.get_world_to_view_transform().transform_points(points[None])[0, :, 2]
    torch.testing.assert_close(to_camera(points, cam)[:, 2], depth, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("away", [0.0, 1e3, 1e6])
def test_the_lens_is_the_same_however_far_from_the_origin(away):
    """As in models in the coordinates of a map."""
    R, T = look_at_view_transform(3.0, 20.0, 40.0, at=((away, -away, away),))
    cam = pinhole(PerspectiveCameras(focal_length=2.4, principal_point=((0.1, -0.2),), R=R, T=T), (512, 512))
    torch.testing.assert_close(cam.focal, torch.tensor([614.4, 614.4]))
    torch.testing.assert_close(cam.centre, torch.tensor([256 - 25.6, 256 + 51.2]))


def test_only_one_perspective_camera_is_taken():
    """Others are named."""
    R, T = look_at_view_transform(3.0, 20.0, torch.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="got 2 of PerspectiveCameras"):
        pinhole(PerspectiveCameras(R=R, T=T), SIZE)
    with pytest.raises(ValueError, match="FoVOrthographicCameras"):
        pinhole(FoVOrthographicCameras(R=R[:1], T=T[:1]), SIZE)


def test_the_jacobian_is_the_derivative_of_the_projection():
    """Where slopes are not held; where they are, it is that at the edge."""
    cam = camera(dtype=torch.float64)
    points = torch.tensor([[0.3, -0.4, 3.0], [-0.8, 0.2, 2.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    J = compute_jacobian(points, cam)
    for point, own in zip(points, J, strict=True):
        exact = torch.autograd.functional.jacobian(lambda p: compute_means_2D(p[None], cam)[0], point)
        torch.testing.assert_close(own, exact)
    far = torch.tensor([[50.0, 0.0, 1.0]], dtype=torch.float64)
    most = 1.3 * max(50 - 26, 26) / 45
    assert compute_jacobian(far, cam)[0, 0, 2] == pytest.approx(-45.0 * most)


def test_covariances():
    """Eigenvalues are squared scales, whatever the rotation and a quaternion's length; isotropic ones need none."""
    g = torch.Generator().manual_seed(1)
    quats, scales = torch.randn(20, 4, generator=g).double(), torch.rand(20, 3, generator=g).double() + 0.1
    cov = compute_cov_3D(quats, scales)
    torch.testing.assert_close(torch.linalg.eigvalsh(cov), scales.sort(1).values.square())
    torch.testing.assert_close(compute_cov_3D(3.0 * quats, scales), cov)
    torch.testing.assert_close(
        compute_cov_3D(quats, scales[:, :1]), torch.diag_embed(scales[:, :1].square().expand(-1, 3))
    )
    # A quarter turn about z exchanges x and y.
    turn = torch.tensor([[0.5**0.5, 0.0, 0.0, 0.5**0.5]])
    torch.testing.assert_close(
        compute_cov_3D(turn, torch.tensor([[1.0, 2.0, 3.0]]))[0], torch.diag(torch.tensor([4.0, 1.0, 9.0]))
    )


def test_a_small_gaussian_is_seen_as_its_samples_are():
    """The mean and covariance of projected samples, to their own error."""
    cam = camera(dtype=torch.float64)
    g = torch.Generator().manual_seed(2)
    mean = torch.tensor([[0.2, 0.1, -0.3]], dtype=torch.float64)
    quats, scales = torch.randn(1, 4, generator=g).double(), torch.tensor([[0.01, 0.03, 0.02]], dtype=torch.float64)
    cov = compute_cov_3D(quats, scales)
    samples = mean + torch.randn(200_000, 3, generator=g).double() @ torch.linalg.cholesky(cov)[0].T
    seen = compute_means_2D(to_camera(samples, cam), cam)
    local = to_camera(mean, cam)
    torch.testing.assert_close(seen.mean(0), compute_means_2D(local, cam)[0], atol=5e-3, rtol=0)
    own = compute_cov_2D(local, cov, cam)[0] - BLUR * torch.eye(2)
    torch.testing.assert_close(seen.T.cov(), own, atol=0, rtol=0.02)


def test_inverses():
    """Of symmetric matrices."""
    a = torch.randn(10, 2, 2, generator=torch.Generator().manual_seed(3)).double()
    cov = a @ a.mT + 0.3 * torch.eye(2)
    torch.testing.assert_close(invert_cov_2D(cov) @ cov, torch.eye(2).double().expand(10, 2, 2))


def test_gradients():
    """By finite differences, in double precision."""
    cam = camera(dtype=torch.float64)
    g = torch.Generator().manual_seed(4)
    inputs = [torch.randn(4, n, generator=g, dtype=torch.float64) * 0.3 for n in (3, 4, 3)]
    inputs[1] = inputs[1] + 1.0

    def projected(means, quats, log_scales):
        points = to_camera(means, cam)
        cov = compute_cov_2D(points, compute_cov_3D(quats, log_scales.exp()), cam)
        return compute_means_2D(points, cam), cov, invert_cov_2D(cov)

    assert torch.autograd.gradcheck(projected, [x.requires_grad_() for x in inputs])


def test_turning_the_world_and_the_camera_together_changes_nothing():
    """Means and covariances in the picture."""
    g = torch.Generator().manual_seed(5)
    torch.manual_seed(5)
    cam, turn = camera(dtype=torch.float64), random_rotations(1, dtype=torch.float64)[0]
    means = 0.3 * torch.randn(6, 3, generator=g, dtype=torch.float64)
    a = torch.randn(6, 3, 3, generator=g, dtype=torch.float64) * 0.2
    cov = a @ a.mT
    other = Pinhole(cam.R @ turn.T, cam.t, cam.focal, cam.centre, cam.size)
    points, turned = to_camera(means, cam), to_camera(means @ turn.T, other)
    torch.testing.assert_close(points, turned)
    torch.testing.assert_close(compute_cov_2D(points, cov, cam), compute_cov_2D(turned, turn @ cov @ turn.T, other))
