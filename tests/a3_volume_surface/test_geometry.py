"""Meshes of signed distances that are known, and how far they are from the truth."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from a3_volume_surface import geometry
from a3_volume_surface.geometry import extract_mesh, geometry_views, largest_pieces, surface_errors
from a3_volume_surface.train_points import distance_metrics, distance_to_zero_set
from common.camera_poses import create_surround_cameras
from common.cli import UserError
from common.p3d import Meshes, TexturesVertex, ico_sphere, join_meshes_as_scene

CENTRE, RADIUS = torch.tensor([0.1, -0.3, 0.45]), 0.6
BOX = torch.tensor([[-0.7, -1.2, -0.4], [0.9, 0.6, 2.1]])


def ball(points: torch.Tensor) -> torch.Tensor:
    return (points - CENTRE).norm(dim=1, keepdim=True) - RADIUS


def volume(mesh: Meshes) -> float:
    """What the faces enclose; below 0 where they look inwards."""
    a, b, c = mesh.verts_packed()[mesh.faces_packed()].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def sphere_mesh(level: int, radius: float = 1.0, middle=(0.0, 0.0, 0.0)) -> Meshes:
    mesh = ico_sphere(level).scale_verts(radius).offset_verts(torch.tensor(middle))
    return Meshes(mesh.verts_list(), mesh.faces_list(), TexturesVertex([torch.full_like(mesh.verts_packed(), 0.5)]))


def points_of_sphere(count: int) -> np.ndarray:
    return functional.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(1)), dim=1).numpy()


@pytest.mark.parametrize("resolution", [20, 41])
def test_the_mesh_of_a_ball_lies_on_it(resolution):
    mesh = extract_mesh(ball, BOX, resolution)
    step = 2.5 / (resolution - 1)  # the longest side is along z
    off = (mesh.verts_packed() - CENTRE).norm(dim=1) - RADIUS
    # Between two grid points the distance is taken for linear; its second derivative is at most one over the radius.
    assert off.abs().max() <= step**2 / (8 * (RADIUS - step)) + 1e-6
    cell = (mesh.verts_packed() - BOX[0]) / step
    assert (((cell - cell.round()).abs() < 1e-3).sum(1) >= 2).all()  # vertices lie on the grid's edges
    V, F = len(mesh.verts_packed()), len(mesh.faces_packed())
    assert len(mesh.edges_packed()) == 3 * F // 2 and V - 3 * F // 2 + F == 2  # closed, and one piece without holes
    assert volume(mesh) == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=2 * (step / RADIUS) ** 2)


def test_vertices_have_the_colours_asked_for(monkeypatch):
    plain = extract_mesh(ball, BOX, 16)
    monkeypatch.setattr(geometry, "BLOCK", 100)  # asked in parts that do not divide the number of points
    asked = []
    mesh = extract_mesh(lambda x: asked.append(len(x)) or ball(x), BOX, 16, color=lambda x: 0.3 + 0.1 * x)
    assert torch.equal(mesh.verts_packed(), plain.verts_packed()) and max(asked) == 100
    assert torch.equal(mesh.textures.verts_features_packed(), 0.3 + 0.1 * mesh.verts_packed())
    assert (plain.textures.verts_features_packed() == 0.7).all()


@pytest.mark.parametrize("offset", [5.0, -5.0])
def test_a_box_without_a_surface(offset):
    with pytest.raises(UserError, match="no surface in its box"):
        extract_mesh(lambda x: ball(x) + offset, BOX, 8)


def test_small_pieces_go():
    large, small = sphere_mesh(3), sphere_mesh(0, 0.1, (2.0, 0.0, 0.0))
    both = join_meshes_as_scene([small, large])
    kept = largest_pieces(both)
    assert len(kept.faces_packed()) == 1280 and len(kept.verts_packed()) == 642
    assert torch.equal(kept.verts_packed(), large.verts_packed())
    assert len(kept.textures.verts_features_packed()) == 642
    assert largest_pieces(both, share=0.01) is both  # the small one has 20 faces of 1300
    two = join_meshes_as_scene([sphere_mesh(2), sphere_mesh(2, 1.0, (3.0, 0.0, 0.0))])
    assert largest_pieces(two, share=0.5) is two


def test_a_surface_is_no_farther_from_itself_than_its_points_lie_apart():
    truth, diagonal = points_of_sphere(3000), 2 * math.sqrt(3)
    state = torch.get_rng_state()
    errors = surface_errors(sphere_mesh(4), truth)
    assert torch.equal(torch.get_rng_state(), state) and errors == surface_errors(sphere_mesh(4), truth)
    apart = 0.5 * math.sqrt(4 * math.pi / 3000)  # mean distance to the nearest of points spread at random over an area
    for value in errors.values():
        assert value * diagonal == pytest.approx(apart, rel=0.1)
    assert errors["chamfer"] == pytest.approx((errors["accuracy"] + errors["completeness"]) / 2)
    assert surface_errors(sphere_mesh(4), truth, seed=1) != errors


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_a_scaled_sphere_is_as_far_off_as_its_radius(scale):
    errors = surface_errors(sphere_mesh(4, scale), points_of_sphere(3000))
    assert all(value * 2 * math.sqrt(3) == pytest.approx(0.5, rel=0.01) for value in errors.values())


def test_what_is_missing_is_incomplete_and_what_is_too_much_is_inaccurate():
    truth = points_of_sphere(3000)
    far = join_meshes_as_scene([sphere_mesh(3), sphere_mesh(3, 1.0, (10.0, 0.0, 0.0))])
    more, less = surface_errors(far, truth), surface_errors(sphere_mesh(3), np.concatenate((truth, truth + [10, 0, 0])))
    assert more["accuracy"] * 2 * math.sqrt(3) > 4.5 and more["completeness"] * 2 * math.sqrt(3) < 0.06
    assert less["completeness"] * math.sqrt(152) > 4.5 and less["accuracy"] * math.sqrt(152) < 0.06


def test_pictures_of_a_mesh_show_it_lit_and_grey():
    mesh = extract_mesh(lambda x: x.norm(dim=1, keepdim=True) - 1, torch.tensor([[-1.2] * 3, [1.2] * 3]), 24)
    frames = geometry_views(mesh, create_surround_cameras(3.0, 2), 40)
    assert frames.shape == (2, 40, 40, 3) and frames.dtype == np.uint8
    assert (frames[:, 0] == 255).all() and (frames[..., :1] == frames).all()
    seen = (frames[..., 0] < 255).mean()
    assert seen == pytest.approx(math.pi / 8 / 4, rel=0.15)  # a ball of radius 1 from 3: tan^2 = 1 / 8, in NDC
    assert frames[frames < 255].mean() > 130  # its faces look outwards, into the light; it is 97 if they look inwards


class Ball:
    """A ball's distance, times ``slope`` so that it is none."""

    def __init__(self, slope: float = 1.0):
        self.slope = slope

    def get_distance_and_gradient(self, points):
        local = points - CENTRE
        length = local.norm(dim=1, keepdim=True)
        return self.slope * (length - RADIUS), self.slope * local / length


@pytest.mark.parametrize("slope", [1.0, 0.4, 3.0])
def test_points_go_to_the_zero_set_the_nearest_way(slope):
    radii = torch.tensor([0.2, 0.6, 0.75, 3.0])
    points = CENTRE + radii[:, None] * torch.from_numpy(points_of_sphere(4)).float()
    torch.testing.assert_close(distance_to_zero_set(Ball(slope), points), (radii - RADIUS).abs(), atol=1e-6, rtol=1e-6)
    metrics = distance_metrics(Ball(slope), points, 2.0)
    assert metrics["mean_point_distance"] == pytest.approx((0.4 + 0 + 0.15 + 2.4) / 8, rel=1e-5)
    assert metrics["greatest_point_distance"] == pytest.approx(1.2, rel=1e-5)
    assert metrics["gradient_error"] == pytest.approx(abs(slope - 1), abs=1e-6)
    assert metrics == distance_metrics(Ball(slope), points, 2.0)  # whatever was drawn before
