"""The constructors of parts: where each puts its primitive, by the signed distance at points known to be on it."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from common.shapes.build import (
    LYING,
    SIDEWAYS,
    Builder,
    rotation_to,
    rotation_xyz,
    rounded_rectangle,
    shell_profile,
    smooth_path,
)
from common.shapes.primitives import Box
from common.shapes.shape import Material

WOOD, STEEL = Material("wood", (0.5, 0.3, 0.1)), Material("steel", (0.7, 0.7, 0.7))


@pytest.fixture
def builder():
    return Builder(WOOD)


def distance(part, *points):
    return part.sdf(torch.tensor(np.array(points), dtype=torch.float64)).numpy()


def test_rotations_are_those_of_scipy():
    np.testing.assert_allclose(
        rotation_xyz(20, -50, 130), Rotation.from_euler("xyz", (20, -50, 130), degrees=True).as_matrix(), atol=1e-12
    )
    for direction in np.random.default_rng(0).normal(size=(20, 3)).tolist() + [[0, 0, 1], [0, 0, -2], [0, -1, 0]]:
        turn = rotation_to(direction)
        np.testing.assert_allclose(turn @ (0, 1, 0), np.array(direction) / np.linalg.norm(direction), atol=1e-12)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)


def test_boxes_bars_and_rods_end_where_they_should(builder):
    start, end = np.array([0.1, 0.0, -0.2]), np.array([0.4, 1.0, 0.3])
    builder.box(2, (1, 2, 3), (0.4, 0.6, 0.8), turn=(0, 90, 0))
    builder.bar(0, start, end, 0.1)
    builder.bar(0, start, end, 0.1, width=0.3)
    builder.rod(1, start, end, 0.1, material=STEEL)
    builder.rod(1, start, end, 0.1, 0.05)
    box, bar, broad, rod, tapered = builder.parts
    assert (box.label, rod.label, box.material, rod.material) == (2, 1, WOOD, STEEL)
    np.testing.assert_allclose(distance(box, (1.4, 2, 3), (1, 2, 3.2), (1, 2.3, 3)), 0, atol=1e-12)
    middle = (start + end) / 2
    length = np.linalg.norm(end - start)
    for part, half in ((bar, 0.05), (broad, 0.05), (rod, 0.1), (tapered, 0.075)):
        np.testing.assert_allclose(distance(part, start, end), 0, atol=1e-7)
        assert -distance(part, middle)[0] == pytest.approx(half, abs=2e-3)  # a cone's side leans
        assert distance(part, end + 0.2 * (end - start) / length)[0] == pytest.approx(0.2, abs=1e-7)
    across = broad.rotation[:, 0]
    assert across[0] > 0.9 and distance(broad, middle + 0.15 * across)[0] == pytest.approx(0, abs=1e-12)


def test_round_parts(builder):
    builder.tube(0, [(0, 0, 0), (0, 1, 0), (1, 1, 0)], 0.1)
    builder.ellipsoid(0, (0, 1, 0), (0.5, 0.2, 0.3), turn=(0, 0, 90))
    builder.ring(0, (0, 0, 1), 0.5, 0.1)
    builder.turned(0, [(-1e-9, 0), (0.4, 0), (0.4, 1), (0, 1)], (1, 0, 0))
    builder.superquadric(0, (0, 0, 2), (0.5, 0.4, 0.3), 1.0, 1.0)
    tube, ellipsoid, ring, turned, quadric = builder.parts
    np.testing.assert_allclose(distance(tube, (0, -0.1, 0), (0.1, 0.5, 0), (1.1, 1, 0)), 0, atol=1e-6)
    np.testing.assert_allclose(distance(ellipsoid, (0, 1.5, 0), (0.2, 1, 0), (0, 1, 0.3)), 0, atol=1e-6)
    np.testing.assert_allclose(distance(ring, (0.6, 0, 1), (0.5, 0.1, 1), (0, 0, 0.6)), 0, atol=1e-6)
    np.testing.assert_allclose(distance(turned, (1.4, 0.5, 0), (1, 1, 0.2), (1, 0, 0)), 0, atol=1e-6)
    np.testing.assert_allclose(distance(quadric, (0.5, 0, 2), (0, -0.4, 2), (0, 0, 2.3)), 0, atol=1e-5)


def test_prisms_lie_down_and_turn_sideways(builder):
    outline = [(0, 0), (1, 0), (1, 0.4), (0, 0.4)]
    builder.prism(0, outline, 0.2, rotation=LYING)
    builder.prism(0, outline, 0.2, rotation=SIDEWAYS)
    lying, sideways = builder.parts
    np.testing.assert_allclose(lying.mesh[0].min(0), (0, -0.1, -0.4), atol=1e-12)
    np.testing.assert_allclose(lying.mesh[0].max(0), (1, 0.1, 0), atol=1e-12)
    np.testing.assert_allclose(sideways.mesh[0].min(0), (-0.1, 0, -1), atol=1e-12)
    np.testing.assert_allclose(sideways.mesh[0].max(0), (0.1, 0.4, 0), atol=1e-12)


def test_a_cut_is_given_in_the_frame_of_the_shape(builder):
    turn = rotation_xyz(0, 0, 90)
    builder.cut(Box((2, 1, 1)), (0, 3, 0), (0, 1.25, 0), 1, (0, 1, 0), turn)  # standing from y = 0 to 2, cut at 1.25
    (part,) = builder.parts
    np.testing.assert_allclose(part.mesh[0].min(0), (-0.5, 0, -0.5), atol=1e-12)
    np.testing.assert_allclose(part.mesh[0].max(0), (0.5, 1.25, 0.5), atol=1e-12)


def test_lift_raises_what_is_there(builder):
    builder.box(0, (0, 0, 0), (1, 1, 1))
    builder.lift(0.5)
    builder.box(0, (0, 0, 0), (1, 1, 1))
    assert [part.translation[1] for part in builder.parts] == [0.5, 0.0]


def test_outlines_and_paths():
    outline = rounded_rectangle(2.0, 1.0, 0.2)
    assert outline.shape == (20, 2)
    np.testing.assert_allclose([outline.min(0), outline.max(0)], [(-1, -0.5), (1, 0.5)], atol=1e-12)
    x, y = outline.T
    area = 0.5 * (x * np.roll(y, -1) - y * np.roll(x, -1)).sum()  # counter-clockwise: above 0
    assert area == pytest.approx(2 - (4 - np.pi) * 0.2**2, abs=0.005)
    tapered = rounded_rectangle(2.0, 1.0, 0.01, taper=0.5)
    assert tapered[tapered[:, 1] > 0.4, 0].max() == pytest.approx(0.5, abs=0.02)
    knots = np.array([(0, 0, 0), (1, 0, 1), (2, 1, 0)])
    path = smooth_path(knots, 41)
    np.testing.assert_allclose(path[[0, 20, 40]], knots, atol=1e-7)
    np.testing.assert_allclose(smooth_path([(0, 0), (1, 2), (2, 4)], 9), np.linspace((0, 0), (2, 4), 9), atol=1e-7)
    wall = shell_profile(np.array([(0.5, 0.0), (0.6, 1.0)]), 0.05)
    np.testing.assert_allclose(wall, [(0, 0), (0.5, 0), (0.6, 1), (0.55, 1), (0.55, 0.05), (0, 0.05)], atol=1e-12)
