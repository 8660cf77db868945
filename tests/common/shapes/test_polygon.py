"""Polygons: distance, orientation, convexity, triangulation with holes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.shapes.polygon import is_convex, polygon_sdf, signed_area, triangulate, triangulate_loops

ARROW = np.array([[0, 0], [1, 0.5], [0, 1], [0.4, 0.5]])
COMB = np.array([[0, 0], [5, 0], [5, 2], [4, 2], [4, 1], [3, 1], [3, 2], [2, 2], [2, 1], [1, 1], [1, 2], [0, 2]], float)


def star(seed, count):
    """A simple polygon around the origin, mostly far from convex, counter-clockwise: no gap is half a turn."""
    generator = np.random.default_rng(seed)
    angle = 2 * np.pi / count * (np.arange(count) + generator.uniform(0, 0.45, count))
    return generator.uniform(0.2, 1, (count, 1)) * np.stack([np.cos(angle), np.sin(angle)], 1)


def triangle_areas(points, triangles):
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])


def wraps(polygon, points):
    """Winding number of each point by the angles that the edges subtend."""
    a = polygon - points[:, None]
    b = np.roll(polygon, -1, 0) - points[:, None]
    turn = np.arctan2(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], (a * b).sum(-1))
    return (turn.sum(1) / (2 * np.pi)).round().astype(int)


@pytest.mark.parametrize("polygon", [ARROW, ARROW[::-1], COMB, star(0, 12)])
def test_signed_distance(polygon):
    points = np.random.default_rng(0).uniform(-1, 6, (800, 2))
    ends = np.roll(polygon, -1, 0)
    edge = polygon + (ends - polygon) * np.linspace(0, 1, 4001)[:, None, None]
    brute = np.linalg.norm(points[:, None, None] - edge[None, ::8], axis=-1).min((1, 2))
    found = polygon_sdf(torch.from_numpy(points), torch.from_numpy(polygon.copy())).numpy()
    np.testing.assert_allclose(np.abs(found), brute, atol=6e-3)
    np.testing.assert_array_equal(found < 0, wraps(polygon, points) != 0)


def test_edges_that_do_not_count():
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    counted = torch.tensor([True, True, True, False])
    found = polygon_sdf(torch.tensor([[0.1, 0.5], [-0.5, 0.5]]), square, counted)
    torch.testing.assert_close(found, torch.tensor([-0.5, 0.5**0.5]))


def test_area_and_convexity():
    assert signed_area(COMB) == pytest.approx(8) and signed_area(COMB[::-1]) == pytest.approx(-8)
    square = np.array([[0, 0], [0.5, 0], [1, 0], [1, 1], [0, 1]], float)  # with a straight corner
    assert is_convex(square) and is_convex(square[::-1])
    assert not is_convex(ARROW) and not is_convex(COMB[::-1])


def check_cover(points, triangles, area):
    sizes = triangle_areas(points, triangles)
    assert (sizes > -1e-12).all()
    assert sizes.sum() == pytest.approx(area, rel=1e-9)


@given(seed=st.integers(0, 10_000), count=st.integers(3, 40))
@settings(max_examples=40, deadline=None)
def test_triangles_fill_the_polygon(seed, count):
    polygon = star(seed, count)
    assert signed_area(polygon) > 0
    triangles = triangulate(polygon)
    assert triangles.shape == (count - 2, 3)
    inside = wraps(polygon, polygon[triangles].mean(1)) == 1
    sizes = triangle_areas(polygon, triangles)
    assert inside[sizes > 1e-9].all()
    check_cover(polygon, triangles, signed_area(polygon))


@pytest.mark.parametrize("polygon", [ARROW, COMB, star(3, 30)])
def test_triangles_of_known_polygons(polygon):
    check_cover(polygon, triangulate(polygon), signed_area(polygon))


def test_a_convex_polygon_becomes_a_fan():
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    triangles = triangulate(np.stack([np.cos(turn), np.sin(turn)], 1))
    assert any((triangles == corner).any(1).all() for corner in range(8))


def ring(centre, radius, count, clockwise=False):
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)[:: -1 if clockwise else 1]
    return np.array(centre) + radius * np.stack([np.cos(turn), np.sin(turn)], 1)


def joined(*rings):
    ends = np.cumsum([0, *map(len, rings)])
    return np.concatenate(rings), [list(range(a, b)) for a, b in zip(ends[:-1], ends[1:], strict=True)]


@pytest.mark.parametrize("order", [0, 1, 2])
def test_holes_islands_and_neighbours(order):
    """A disc with four holes, one of them with an island that has a hole itself, and a second disc beside it."""
    rings = [
        ring((0, 0), 3, 48),
        ring((1.4, 0), 0.5, 12, True),
        ring((-1.4, 0.1), 1.0, 24, True),
        ring((-1.4, 0.1), 0.6, 16),
        ring((-1.4, 0.1), 0.2, 8, True),
        ring((0.2, 1.8), 0.4, 9, True),
        ring((0.2, -1.8), 0.4, 64, True),
        ring((8, 0), 1, 20),
    ]
    points, loops = joined(*np.roll(np.array(rings, dtype=object), 3 * order).tolist())
    triangles = triangulate_loops(points, loops)
    check_cover(points, triangles, sum(signed_area(points[loop]) for loop in loops))
    middles = points[triangles].mean(1)[triangle_areas(points, triangles) > 1e-9]
    assert (sum(wraps(points[loop], middles) for loop in loops) == 1).all()
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), 1)
    border = {tuple(e) for e, n in zip(*np.unique(edges, axis=0, return_counts=True), strict=True) if n == 1}
    assert border == {tuple(sorted(e)) for loop in loops for e in zip(loop, np.roll(loop, -1).tolist(), strict=True)}


def test_loops_that_share_a_corner():
    """Two squares that touch at a corner, and a hole that touches its outer loop."""
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [2, 1], [2, 2], [1, 2]], float)
    check_cover(points, triangulate_loops(points, [[0, 1, 2, 3], [2, 4, 5, 6]]), 2.0)
    points = np.array([[0, 0], [2, 0], [2, 2], [0, 2], [0.5, 1.5], [1, 1], [0.3, 0.6]], float)
    loops = [[0, 1, 2, 3], [0, 6, 4, 5]]
    check_cover(points, triangulate_loops(points, loops), sum(signed_area(points[loop]) for loop in loops))
