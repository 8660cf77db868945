"""Random changes of clouds against closed forms and their statistics."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import kstest

from a5_pointclouds.augment import (
    MODES,
    add_noise,
    add_outliers,
    augment,
    axis_rotation,
    cut_region,
    random_rotations,
    rotate,
)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


@pytest.fixture
def points(generator):
    """Six clouds of 200 points, all coordinates apart from 0."""
    points = generator.standard_normal((6, 200, 3)).astype(np.float32)
    return points + np.sign(points)


def test_random_rotations_are_proper(generator):
    r = random_rotations(500, generator)
    np.testing.assert_allclose(r @ r.swapaxes(1, 2), np.broadcast_to(np.eye(3), (500, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(r), 1, atol=1e-12)


def test_random_rotations_are_uniform(generator):
    r = random_rotations(20_000, generator)
    angle = np.arccos(np.clip((np.trace(r, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert kstest(angle, lambda a: (a - np.sin(a)) / np.pi).pvalue > 0.01  # Haar measure's angle
    for column in range(3):  # each axis lands evenly on the sphere, so each of its coordinates evenly on [-1, 1]
        for row in range(3):
            assert kstest(r[:, row, column], "uniform", (-1, 2)).pvalue > 0.001


def test_axis_rotation_is_the_exponential_of_its_generator(generator):
    axes, degrees = generator.standard_normal((20, 3)), generator.uniform(-400, 400, 20)
    for axis, angle, r in zip(axes, degrees, axis_rotation(axes, degrees), strict=True):
        x, y, z = axis / np.linalg.norm(axis) * np.radians(angle)
        np.testing.assert_allclose(r, expm(np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])), atol=1e-10)


def test_axis_rotation_by_one_angle_about_one_axis():
    quarter = axis_rotation(np.array([0.0, 2.0, 0.0]), 90)
    assert quarter.shape == (1, 3, 3)
    np.testing.assert_allclose(quarter[0] @ [0, 0, 1], [1, 0, 0], atol=1e-12)  # counter-clockwise: z goes to x
    np.testing.assert_array_equal(axis_rotation(np.eye(3), 0), np.broadcast_to(np.eye(3), (3, 3, 3)))


def test_rotate_turns_each_cloud_by_its_own(points, generator):
    r = random_rotations(6, generator)
    turned = rotate(points, r)
    assert turned.dtype == np.float32
    np.testing.assert_allclose(turned, np.einsum("bij,bnj->bni", r, points), atol=1e-5)
    np.testing.assert_allclose(rotate(points, r[:1]), np.einsum("ij,bnj->bni", r[0], points), atol=1e-5)


def test_noise_has_its_standard_deviation(points, generator):
    noise = add_noise(points, 0.1, generator) - points
    assert noise.dtype == np.float32 and noise.std() == pytest.approx(0.1, rel=0.05) and abs(noise.mean()) < 0.01
    np.testing.assert_array_equal(add_noise(points, 0, generator), points)


@pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.333, 1])
def test_outliers_take_an_exact_share(points, generator, share):
    changed = add_outliers(points, share, generator)
    moved = (changed != points).any(2)
    assert changed.shape == points.shape and changed.dtype == np.float32
    assert (moved.sum(1) == round(share * 200)).all()


def test_outliers_fill_the_ball_evenly(generator):
    outliers = add_outliers(np.full((10, 1000, 3), 9, np.float32), 1, generator).reshape(-1, 3)
    radius = np.linalg.norm(outliers, axis=1)
    assert radius.max() <= 1 + 1e-6 and kstest(radius.astype(float) ** 3, "uniform").pvalue > 0.01
    for axis in range(3):
        assert kstest((outliers[:, axis] / radius).astype(float), "uniform", (-1, 2)).pvalue > 0.01


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 0.5, 0.999])
def test_cut_region_loses_the_farthest_along_a_direction(points, share):
    direction = np.random.default_rng(7).standard_normal((6, 3, 1)).astype(np.float32)
    indices = cut_region(points, share, np.random.default_rng(7))
    assert indices.shape == (6, 200)
    number = max(1, round((1 - share) * 200))
    for chosen, along in zip(indices, (points @ direction)[..., 0], strict=True):
        assert set(chosen.tolist()) == set(np.argsort(along)[:number].tolist())  # and repeats come from these alone
        assert len(set(chosen[:number].tolist())) == number  # each kept point is there, then repeats


def test_everything_may_be_lost_but_one(points, generator):
    indices = cut_region(points, 1, generator)
    assert (indices == indices[:, :1]).all()


def test_directions_of_cuts_differ(points):
    same = np.repeat(points[:1], 6, 0)
    kept = [frozenset(row) for row in cut_region(same, 0.3, np.random.default_rng(0)).tolist()]
    assert len(set(kept)) == 6


@pytest.fixture
def far(points):
    """Clouds so large that the jitter does not show."""
    return points * np.float32(1e4)


def test_without_rotation_axes_are_stretched_and_half_the_clouds_mirrored(far, generator):
    ratio = augment(far, "none", generator) / far
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-4)
    mirrored = ratio[:, 0, 0] < 0
    assert 0 < mirrored.sum() < len(far) and (ratio[:, 0, 1:] > 0).all()
    factors = np.abs(ratio[:, 0])
    assert (factors > 0.8 - 1e-4).all() and (factors < 1.25 + 1e-4).all() and len(np.unique(factors.round(3))) > 15


def linear_map(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The matrix that takes one cloud to the other."""
    return np.linalg.lstsq(before.astype(float), after.astype(float), rcond=None)[0].T


def test_so2_leaves_the_vertical_up(far, generator):
    angles = []
    for before, after in zip(np.repeat(far, 60, 0), augment(np.repeat(far, 60, 0), "so2", generator), strict=True):
        m = linear_map(before, after)
        np.testing.assert_allclose([m[0, 1], m[1, 0], m[1, 2], m[2, 1]], 0, atol=1e-4)
        assert 0.8 - 1e-4 < m[1, 1] < 1.25 + 1e-4
        assert np.dot(m[:, 0], m[:, 2]) == pytest.approx(0, abs=1e-4) and abs(np.linalg.det(m)) > 0.5
        angles.append(np.arctan2(m[0, 2], m[2, 2]))
    assert kstest(angles, "uniform", (-np.pi, 2 * np.pi)).pvalue > 0.01


def test_so3_turns_what_was_stretched(far, generator):
    turned = []
    for before, after in zip(np.repeat(far, 60, 0), augment(np.repeat(far, 60, 0), "so3", generator), strict=True):
        u, stretch, v = np.linalg.svd(linear_map(before, after))
        assert (stretch > 0.8 - 1e-4).all() and (stretch < 1.25 + 1e-4).all()
        turned.append((u @ v)[1, 1])  # a mirror about x changes nothing of the vertical axis
    assert kstest(turned, "uniform", (-1, 2)).pvalue > 0.01


def test_jitter_is_small_and_differs_from_cloud_to_cloud(generator):
    still = np.zeros((300, 500, 3), np.float32)
    sigma = augment(still, "none", generator).std((1, 2))
    assert kstest(sigma / 0.02, "uniform").pvalue > 0.01


@pytest.mark.parametrize("mode", MODES)
def test_the_generator_decides_and_the_input_stays(points, mode):
    before = points.copy()
    first, second, other = (augment(points, mode, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(points, before)
    assert (first != other).any() and first.dtype == np.float32 and first.shape == points.shape


@pytest.mark.parametrize("change", [add_noise, add_outliers, cut_region])
def test_changes_follow_the_generator_and_leave_the_input(points, change):
    before = points.copy()
    first, second = (change(points, 0.2, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(points, before)
