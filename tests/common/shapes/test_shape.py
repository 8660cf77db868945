"""Shapes of placed parts: distances, labels, meshes, voxels and visible surface points against closed forms."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from common.shapes.build import rotation_xyz
from common.shapes.primitives import Box, Ellipsoid
from common.shapes.shape import Material, Part, Shape, normalise

RED, GREEN = Material("red paint", (1.0, 0.0, 0.0)), Material("green paint", (0.0, 0.5, 0.0))


def ball(radius, at=(0, 0, 0), label=0, material=RED, scale=1.0):
    return Part(Ellipsoid((radius / scale,) * 3), label, material, np.eye(3), np.asarray(at, float), scale)


def shape(*parts):
    return Shape("test", "plain", parts, ("first", "second"))


@pytest.fixture
def points():
    return torch.from_numpy(np.random.default_rng(0).uniform(-2, 2, (2000, 3)))


def test_a_placed_part_measures_in_the_frame_of_the_shape(points):
    rotation, at = rotation_xyz(20, -50, 70), np.array([0.3, -0.2, 0.5])
    part = Part(Box((1.0, 0.6, 0.4)), 0, RED, rotation, at, 1.5)
    local = (points.numpy() - at) @ rotation  # the inverse of a rotation is its transpose
    gap = np.abs(local) - np.array([0.75, 0.45, 0.3])
    wanted = np.linalg.norm(gap.clip(0), axis=1) + np.minimum(gap.max(1), 0)
    np.testing.assert_allclose(part.sdf(points).numpy(), wanted, atol=1e-12)
    np.testing.assert_array_equal(part.contains(points, 0.1).numpy(), wanted < -0.1)
    assert np.abs(part.sdf(torch.from_numpy(part.mesh[0])).numpy()).max() < 1e-12


def test_a_shape_is_the_union_of_its_parts(points):
    both = shape(ball(0.6, (-0.5, 0, 0)), ball(0.8, (0.7, 0, 0), 1, scale=2.0))
    one = np.linalg.norm(points.numpy() - (-0.5, 0, 0), axis=1) - 0.6
    two = np.linalg.norm(points.numpy() - (0.7, 0, 0), axis=1) - 0.8
    np.testing.assert_allclose(both.sdf(points).numpy(), np.minimum(one, two), atol=1e-6)
    clear = np.abs(one - two) > 1e-5
    np.testing.assert_array_equal(both.nearest_label(points).numpy()[clear], (two < one)[clear])


def test_the_joint_mesh_and_its_colors():
    both = shape(ball(0.6), Part(Box((1, 1, 1)), 1, GREEN))
    verts, faces, uvs, owner = both.mesh
    assert len(verts) == len(uvs) == len(both.vertex_colors()) and len(faces) == len(owner)
    start = 0
    for index, (part, material) in enumerate(zip(both.parts, (RED, GREEN), strict=True)):
        own_verts, own_faces, own_uvs = part.mesh
        rows = slice(start, start + len(own_verts))
        np.testing.assert_array_equal(verts[rows], own_verts)
        np.testing.assert_array_equal(uvs[rows], own_uvs)
        np.testing.assert_array_equal(faces[owner == index], own_faces + start)
        assert (both.vertex_colors()[rows] == np.float32(material.color)).all()
        start += len(own_verts)
    assert start == len(verts)
    np.testing.assert_allclose(both.bounds(), [[-0.6] * 3, [0.6] * 3], atol=1e-9)


def test_moving_a_shape_moves_its_distances(points):
    both = shape(
        ball(0.6, (-0.5, 0, 0)), Part(Box((1, 0.5, 0.3), 0.1), 1, GREEN, rotation_xyz(30), np.array([1, 0, 0]))
    )
    at = np.array([0.1, 0.2, -0.3])
    moved = both.moved(2.5, at)
    torch.testing.assert_close(moved.sdf(2.5 * points + torch.from_numpy(at)), 2.5 * both.sdf(points))
    np.testing.assert_allclose(moved.mesh[0], 2.5 * both.mesh[0] + at, atol=1e-12)


def test_voxels_are_filled_where_the_distance_is_negative():
    both = shape(ball(0.6, (-0.3, 0.1, 0)), Part(Box((1, 0.5, 0.3)), 1, GREEN, rotation_xyz(30, 40, 50)))
    centre, bound, resolution = (0.1, 0.0, -0.2), 1.0, 24
    filled = both.occupancy(resolution, bound, centre)
    middles = (2 * (np.arange(resolution) + 0.5) / resolution - 1) * bound
    grid = np.stack(np.meshgrid(*(middles + c for c in centre), indexing="ij"), -1)
    wanted = both.sdf(torch.from_numpy(grid.reshape(-1, 3))).numpy().reshape((resolution,) * 3) < 0
    np.testing.assert_array_equal(filled, wanted)
    assert 0.02 < filled.mean() < 0.5
    assert not both.occupancy(8, 0.1, (5, 5, 5)).any()


def test_surface_points_are_even_and_none_is_hidden():
    """Two unit balls whose middles are 1 apart: each loses the cap of height 1/2, a quarter of its area."""
    balls = shape(ball(1.0), ball(1.0, (1, 0, 0), 1))
    points, labels = balls.sample_surface(40_000, np.random.default_rng(0))
    assert points.shape == (40_000, 3) and points.dtype == np.float32 and labels.dtype == np.uint8
    middles = np.stack([labels, 0 * labels, 0 * labels], 1).astype(float)
    assert np.abs(np.linalg.norm(points - middles, axis=1) - 1).max() < 5e-3
    assert np.linalg.norm(points - (1 - middles) * (1, 0, 0), axis=1).min() > 1 - 5e-3
    assert abs((labels == 1).mean() - 0.5) < 4 * np.sqrt(0.25 / 40_000)
    height = points[labels == 0, 0]  # by Archimedes even over [-1, 1/2]
    counts, _ = np.histogram(height, np.linspace(-0.95, 0.45, 15))
    assert chisquare(counts).pvalue > 1e-4


def test_a_part_that_only_touches_hides_nothing():
    cubes = shape(Part(Box((1, 1, 1)), 0, RED), Part(Box((1, 1, 1)), 1, GREEN, translation=np.array([0, 1.0, 0])))
    points, labels = cubes.sample_surface(30_000, np.random.default_rng(0))
    assert abs((np.abs(points[:, 1] - 0.5) < 1e-6).mean() - 2 / 12) < 0.01


def test_surface_hidden_but_for_a_hundredth_is_an_error():
    nested = shape(ball(1.0), *[ball(0.95)] * 99)
    with pytest.raises(ValueError, match="test/plain: almost no visible surface"):
        nested.sample_surface(200, np.random.default_rng(0))


def test_normalised_points_have_mean_0_and_radius_1():
    clouds = np.random.default_rng(0).normal(3, 2, (4, 100, 3))
    out = normalise(clouds)
    np.testing.assert_allclose(out.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(out, axis=2).max(1), 1, atol=1e-12)
    assert np.array_equal(normalise(np.ones((5, 3))), np.zeros((5, 3)))
