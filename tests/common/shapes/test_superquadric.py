"""Superquadrics: distances proven from both sides, by their dual norm and by brute force."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from common.shapes.primitives import Ellipsoid, Superquadric

EXPONENTS = [(0.2, 0.2), (0.2, 1.9), (1.0, 0.3), (2.0, 2.0), (0.6, 1.0), (1.9, 0.2), (1.0, 1.0), (2.0, 0.5)]
RADII = [(1.0, 0.7, 0.5), (0.6, 0.6, 0.6), (1.0, 0.08, 0.6)]


def gauge(points, radii, e1, e2):
    """1 on the surface: the nested norm whose unit ball the solid is."""
    x, y, z = np.abs(points / radii).T
    return ((x ** (2 / e2) + z ** (2 / e2)) ** (e2 / e1) + y ** (2 / e1)) ** (e1 / 2)


def support(normals, radii, e1, e2):
    """How far the solid reaches along unit normals (N, 3): the dual of the nested norm."""

    def dual(u, v, e):
        if e == 2:  # the 1-norm's dual is the maximum
            return np.maximum(u, v)
        power = 2 / (2 - e)  # 1 / p + 1 / q = 1 with p = 2 / e
        top = np.maximum(u, v).clip(1e-300)
        return top * ((u / top) ** power + (v / top) ** power) ** (1 / power)

    x, y, z = np.abs(normals * radii).T
    return dual(dual(x, z, e2), y, e1)


def angular_points(radii, e1, e2, count=500):
    """Surface points of the positive octant by Barr's angles, spread so that neither points nor normals crowd."""
    angle = np.linspace(0, np.pi / 2, count)
    angle = np.concatenate(
        [angle, np.pi / 2 * np.linspace(0, 1, count) ** 4, np.pi / 2 * (1 - np.linspace(0, 1, count) ** 4)]
    )
    angle = np.unique(angle)
    c1, s1, c2, s2 = np.cos(angle).clip(0) ** e1, np.sin(angle) ** e1, np.cos(angle).clip(0) ** e2, np.sin(angle) ** e2
    x, z = np.outer(c1, c2), np.outer(c1, s2)
    return np.stack([x, np.broadcast_to(s1[:, None], x.shape), z], -1).reshape(-1, 3) * radii


@pytest.mark.parametrize("radii", RADII)
@pytest.mark.parametrize(("e1", "e2"), EXPONENTS)
def test_distance_is_exact(e1, e2, radii):
    """Outside: |x - foot| with the foot on the surface is an upper bound, the support plane a lower one. Inside: the
    foot bounds the depth from above, and no point of a dense sample may be nearer."""
    solid, size = Superquadric(radii, e1, e2), np.array(radii)
    points = np.random.default_rng(0).uniform(-1.4, 1.4, (1200, 3)) * size
    at = torch.from_numpy(points).requires_grad_()
    distance = solid.sdf(at)
    distance.sum().backward()
    distance, normal = distance.detach().numpy(), at.grad.numpy()
    foot = points - distance[:, None] * normal
    away = np.abs(gauge(foot, size, e1, e2) - 1)
    outside = gauge(points, size, e1, e2) > 1
    assert ((distance > 0) == outside).all()
    lower = (points * normal).sum(1) - support(normal, size, e1, e2)
    np.testing.assert_allclose(distance[outside], lower[outside], atol=1e-5)
    assert away[outside].max() < 1e-4
    brute, _ = cKDTree(angular_points(size, e1, e2, 160)).query(np.abs(points[~outside]))
    assert (-distance[~outside] <= brute + 1e-5).all()
    assert (-distance[~outside] >= brute - 0.02).all()
    planes = support(normal, size, e1, e2) - (points * normal).sum(1)
    np.testing.assert_allclose(-distance[~outside], planes[~outside], atol=1e-5)


def test_round_ones_are_ellipsoids_and_straight_ones_octahedra():
    points = torch.from_numpy(np.random.default_rng(1).uniform(-1.2, 1.2, (2000, 3)))
    radii = (1.0, 0.6, 0.4)
    torch.testing.assert_close(Superquadric(radii).sdf(points), Ellipsoid(radii).sdf(points), atol=3e-6, rtol=0)
    inside = (points.abs() / torch.tensor(radii)).sum(1) < 1
    normal = 1 / torch.tensor(radii, dtype=torch.float64)
    depth = (1 - (points.abs() * normal).sum(1)) / normal.norm()
    found = Superquadric(radii, 2.0, 2.0).sdf(points)
    torch.testing.assert_close(found[inside], -depth[inside], atol=1e-6, rtol=0)
    tip = Superquadric(radii, 2.0, 2.0).sdf(torch.tensor([[0.0, 1.6, 0.0], [1.5, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    torch.testing.assert_close(tip, torch.tensor([1.0, 0.5, -1 / float(normal.norm())]), atol=1e-5, rtol=0)


def test_square_ones_approach_boxes():
    """With exponents of 0.2 the middles of the faces are all but flat."""
    solid = Superquadric((1.0, 0.5, 0.7), 0.2, 0.2)
    points = torch.tensor([[0.0, 2.0, 0.0], [0.3, 0.8, 0.2], [1.6, 0.1, 0.1], [0.0, 0.4, 0.0], [0.2, 0.0, -0.6]])
    torch.testing.assert_close(solid.sdf(points), torch.tensor([1.5, 0.3, 0.6, -0.1, -0.1]), atol=2e-4, rtol=0)


def test_far_and_many_points():
    solid = Superquadric((1.0, 0.7, 0.5), 0.4, 0.3)
    far = torch.tensor([[1e4, 0.0, 0.0], [0.0, -1e4, 0.0], [3e3, 3e3, 3e3]], dtype=torch.float64)
    assert solid.sdf(far)[0] == pytest.approx(1e4 - 1) and solid.sdf(far)[1] == pytest.approx(1e4 - 0.7)
    many = torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (9000, 3)))  # more than one chunk
    torch.testing.assert_close(solid.sdf(many)[-50:], solid.sdf(many[-50:]), atol=1e-9, rtol=0)


@pytest.mark.parametrize("bad", [((1, 1, 1), 0.1, 1.0), ((1, 1, 1), 1.0, 2.1), ((1, 0, 1), 1.0, 1.0)])
def test_what_it_cannot_be(bad):
    with pytest.raises(ValueError, match="superquadric"):
        Superquadric(*bad)
