"""Every primitive: its signed distance against brute force, winding numbers and volume, and its mesh."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from common.shapes.primitives import Box, Cone, Cut, Ellipsoid, Loft, Prism, Revolution, Superquadric, Torus, Tube

VASE = ((0, 0), (0.5, 0), (0.3, 0.5), (0.6, 1), (0.5, 1), (0.2, 0.5), (0.4, 0.1), (0, 0.1))
L_OUTLINE = ((0, 0), (1, 0), (1, 0.4), (0.4, 0.4), (0.4, 1), (0, 1))
BENT = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (0.2, 1.5, 1))
SOLIDS = {
    "box": Box((1, 0.6, 0.4)),
    "rounded box": Box((1, 0.6, 0.4), 0.1),
    "fully rounded box": Box((1, 0.6, 0.4), 0.2),
    "cone": Cone(0.5, 0.2, 1.0),
    "cylinder": Cone(0.3, 0.3, 1.0),
    "pointed cone": Cone(0.5, 0.0, 1.0),
    "ellipsoid": Ellipsoid((1, 0.5, 0.3)),
    "torus": Torus(0.6, 0.2),
    "vase": Revolution(VASE),
    "clockwise vase": Revolution(VASE[::-1]),
    "ring sector": Revolution(((0.3, 0), (0.6, 0), (0.6, 0.5), (0.4, 0.7)), 2.0),
    "wide sector": Revolution(((0, 0), (0.6, 0), (0.6, 0.5), (0, 0.7)), 5.0),
    "prism": Prism(L_OUTLINE, 0.5),
    "clockwise prism": Prism(L_OUTLINE[::-1], 0.5),
    "capsule": Tube(((0, 0, 0), (1, 0.5, 0.2)), 0.2),
    "bent tube": Tube(BENT, 0.15),
    "square superquadric": Superquadric((1, 0.7, 0.5), 0.3, 0.4),
    "octahedron": Superquadric((1, 0.7, 0.5), 2.0, 2.0),
    "pinched superquadric": Superquadric((0.5, 1.0, 0.5), 1.6, 0.7),
    "cut box": Cut(Box((1, 0.6, 0.4)), (1, 1, 0), 0.1),
    "cut ellipsoid": Cut(Ellipsoid((1, 0.5, 0.3)), (0, 1, 1), 0.2),
    "cut torus": Cut(Torus(0.6, 0.2), (1, 0, 0), 0.1),
    "twice cut vase": Cut(Cut(Revolution(VASE), (0.3, 1, 0), 0.6), (0, 0, 1), 0.1),
}
SQUARE = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
TURNED = ((0, -0.6), (0.6, 0), (0, 0.6), (-0.6, 0))
SOLIDS |= {
    "loft": Loft((-0.5, 0.1, 0.6), (SQUARE, TURNED, ((0.1, -0.2), (0.3, 0), (0.1, 0.2), (-0.1, 0)))),
    "clockwise pointed loft": Loft((0.0, 0.7), (SQUARE[::-1], ((0.3, 0.1),) * 4)),
    "concave loft": Loft((0, 0.3, 0.8), (L_OUTLINE, tuple((0.8 * x, 0.8 * y + 0.1) for x, y in L_OUTLINE), L_OUTLINE)),
}
BOUNDS_ONLY = {"cut torus", "twice cut vase"}  # outside, the cut of a hollow solid promises a lower bound alone
SAG = 0.006  # of the size: how far the facets lie within curved surfaces, at most


@pytest.fixture(params=SOLIDS)
def name(request):
    return request.param


@pytest.fixture
def solid(name):
    return SOLIDS[name]


def cloud(solid, count, seed=0, reach=1.3):
    """Points (count, 3) in and around a solid, double precision."""
    verts = solid.mesh()[0]
    middle, half = (verts.max(0) + verts.min(0)) / 2, np.ptp(verts, axis=0) / 2
    return middle + np.random.default_rng(seed).uniform(-1, 1, (count, 3)) * (reach * half + 0.05)


def test_distance_is_that_to_the_surface(name, solid, mesh_tools):
    verts, faces, _ = solid.mesh()
    points = cloud(solid, 1500)
    brute, _ = cKDTree(mesh_tools.surface_points(verts, faces, 200_000)).query(points)
    distance = solid.sdf(torch.from_numpy(points)).numpy()
    room = SAG * np.ptp(verts, axis=0).max() + 0.003
    checked = distance < 0 if name in BOUNDS_ONLY else np.ones(len(points), bool)
    assert checked.any()
    assert np.abs(np.abs(distance) - brute)[checked].max() < room
    assert (np.abs(distance) <= brute + room).all()


def test_sign_says_inside(solid, mesh_tools):
    verts, faces, _ = solid.mesh()
    points = cloud(solid, 200, seed=1)
    distance = solid.sdf(torch.from_numpy(points)).numpy()
    clear = np.abs(distance) > SAG * np.ptp(verts, axis=0).max()
    turns = mesh_tools.winding(verts, faces, points[clear])
    np.testing.assert_allclose(turns, (distance[clear] < 0).astype(float), atol=1e-6)


def test_gradient_has_length_one(solid):
    points = torch.from_numpy(cloud(solid, 3000, seed=2)).requires_grad_()
    solid.sdf(points).sum().backward()
    length = points.grad.norm(dim=1).numpy()
    assert np.isfinite(length).all()
    assert (np.abs(length - 1) < 1e-4).mean() > 0.99


def test_gradient_is_that_of_the_values(solid):
    at = torch.from_numpy(cloud(solid, 300, seed=3)).requires_grad_()
    solid.sdf(at).sum().backward()
    step = torch.nn.functional.normalize(
        torch.randn(300, 3, dtype=torch.float64, generator=torch.manual_seed(0)), dim=1
    )
    with torch.no_grad():
        slope = (solid.sdf(at + 1e-5 * step) - solid.sdf(at - 1e-5 * step)) / 2e-5
    assert ((slope - (at.grad * step).sum(1)).abs() < 1e-2).double().mean() > 0.97


def test_mesh_corners_lie_on_the_surface(name, solid):
    verts = solid.mesh()[0]
    room = SAG * np.ptp(verts, axis=0).max() if "cut" in name else 2e-6
    assert solid.sdf(torch.from_numpy(verts)).abs().max() < room


def test_mesh_is_closed_and_faces_outwards(solid, mesh_tools):
    verts, faces, uvs = solid.mesh()
    assert mesh_tools.open_edges(verts, faces) == 0
    assert mesh_tools.volume(verts, faces) > 0
    assert (mesh_tools.areas(verts, faces) > 0).mean() > 0.99
    assert uvs.shape == (len(verts), 2) and uvs.min() > -1e-9 and uvs.max() < 1 + 1e-9
    used = verts[np.unique(faces)]
    np.testing.assert_allclose([used.min(0), used.max(0)], [verts.min(0), verts.max(0)], atol=1e-12)


def test_volume_is_that_where_the_distance_is_negative(solid, mesh_tools):
    verts, faces, _ = solid.mesh()
    count = 8000 if isinstance(solid, (Superquadric, Cut)) else 60_000
    half = np.ptp(verts, axis=0) / 2
    points = cloud(solid, count, seed=4, reach=1.0)
    share = float((solid.sdf(torch.from_numpy(points)) < 0).double().mean())
    box = float(np.prod(2 * half + 0.1))
    noise = 4 * box * np.sqrt(share * (1 - share) / count)
    sag = 2 * SAG * float(mesh_tools.areas(verts, faces).sum()) * np.ptp(verts, axis=0).max()
    assert abs(share * box - mesh_tools.volume(verts, faces)) < noise + sag


@pytest.mark.parametrize("margin", [0.0, 0.03])
def test_contains(solid, margin):
    points = torch.from_numpy(cloud(solid, 4000, seed=5, reach=1.0))
    distance, inside = solid.sdf(points), solid.contains(points, margin)
    assert inside[distance < -margin - 1e-6].all()
    assert not inside[distance > 1e-6].any()
    if not isinstance(getattr(solid, "base", solid), (Ellipsoid, Loft, Superquadric)):
        assert not inside[distance > -margin + 1e-6].any()


def test_precision_and_emptiness(solid):
    points = cloud(solid, 500, seed=6)
    double = solid.sdf(torch.from_numpy(points))
    single = solid.sdf(torch.from_numpy(points.astype(np.float32)))
    assert double.dtype == torch.float64 and single.dtype == torch.float32
    assert (double - single).abs().max() < 1e-5
    assert solid.sdf(torch.empty(0, 3)).shape == (0,)
    assert solid.contains(torch.empty(0, 3), 0.0).shape == (0,)


def test_closed_forms():
    p = np.random.default_rng(0).uniform(-1.5, 1.5, (2000, 3))
    x, y, z = p.T
    r = np.hypot(x, z)

    def box(half, radius):
        out = []
        for point in p:  # the nearest point of the inner box, one coordinate after the other
            inner = [half[k] - radius for k in range(3)]
            gap = [abs(point[k]) - inner[k] for k in range(3)]
            out.append(max(gap) - radius if max(gap) < 0 else sum(max(g, 0) ** 2 for g in gap) ** 0.5 - radius)
        return np.array(out)

    def cylinder(radius, half):
        side, cap = r - radius, np.abs(y) - half
        return np.where((side < 0) & (cap < 0), np.maximum(side, cap), np.hypot(side.clip(0), cap.clip(0)))

    def capsule(a, b, radius):
        along = ((p - a) @ (b - a) / np.dot(b - a, b - a)).clip(0, 1)
        return np.linalg.norm(p - a - along[:, None] * (b - a), axis=1) - radius

    a, b = np.array([0.1, -0.5, 0.2]), np.array([0.4, 0.6, -0.3])
    square = ((0.2, -0.4), (0.5, -0.4), (0.5, 0.4), (0.2, 0.4))
    pipe = np.maximum(np.abs(r - 0.35) - 0.15, np.abs(y) - 0.4)
    pipe = np.where(pipe < 0, pipe, np.hypot((np.abs(r - 0.35) - 0.15).clip(0), (np.abs(y) - 0.4).clip(0)))
    cases = [
        (Box((1, 0.6, 0.4)), box((0.5, 0.3, 0.2), 0.0)),
        (Box((1, 0.6, 0.4), 0.1), box((0.5, 0.3, 0.2), 0.1)),
        (Cone(0.3, 0.3, 1.0), cylinder(0.3, 0.5)),
        (Ellipsoid((0.7, 0.7, 0.7)), np.linalg.norm(p, axis=1) - 0.7),
        (Torus(0.6, 0.2), np.hypot(r - 0.6, y) - 0.2),
        (Tube((tuple(a), tuple(b)), 0.2), capsule(a, b, 0.2)),
        (Tube((tuple(a), tuple((a + b) / 2), tuple(b)), 0.2), capsule(a, b, 0.2)),
        (Revolution(square), pipe),
        (Revolution(((0, -0.5), (0.3, -0.5), (0.3, 0.5), (0, 0.5))), cylinder(0.3, 0.5)),
        (Prism(((-0.5, -0.3), (0.5, -0.3), (0.5, 0.3), (-0.5, 0.3)), 0.4), box((0.5, 0.3, 0.2), 0.0)),
        (Loft((-0.5, 0.0, 0.5), (SQUARE,) * 3), box((0.5, 0.5, 0.5), 0.0)),
    ]
    for solid, wanted in cases:
        np.testing.assert_allclose(solid.sdf(torch.from_numpy(p)).numpy(), wanted, atol=2e-6, err_msg=str(solid))


def test_facets_are_as_near_as_the_docstring_says(mesh_tools):
    """A wheel of radius r: no point of its mesh lies deeper than r (1 - cos(pi / segments))."""
    wheel = Revolution(((0, -0.1), (2.0, -0.1), (2.0, 0.1), (0, 0.1)))
    depth = wheel.sdf(torch.from_numpy(mesh_tools.surface_points(*wheel.mesh()[:2], 20_000)))
    assert depth.max() < 1e-9 and depth.min() > -2.0 * (1 - np.cos(np.pi / 64)) - 1e-9


def test_the_mesh_of_a_bent_tube_follows_its_bends(mesh_tools):
    """At a right angle too: a mesh that cut the corner would lie 0.3 radii inside."""
    tube = Tube(((0, 0, 0), (1, 0, 0), (1, 1, 0)), 0.1)
    assert tube.sdf(torch.from_numpy(mesh_tools.surface_points(*tube.mesh()[:2], 20_000))).abs().max() < 0.03 * 0.1
    doubled = Tube(((0, 0, 0), (0, 0, 0), (1, 0, 0), (1, 1, 0)), 0.1)
    assert mesh_tools.volume(*doubled.mesh()[:2]) == pytest.approx(mesh_tools.volume(*tube.mesh()[:2]))


@pytest.mark.parametrize(
    ("solid", "convex"),
    [
        (Box((1, 1, 1)), True),
        (Torus(0.6, 0.2), False),
        (Prism(L_OUTLINE, 0.5), False),
        (Prism(((0, 0), (1, 0), (0.5, 1)), 0.5), True),
        (Revolution(((0, 0), (1, 0), (0.5, 1), (0, 1))), True),
        (Revolution(((0, 0.5), (1, 0), (1, 1), (0, 0.8))), False),  # dished at both ends
        (Revolution(((0.2, 0), (1, 0), (1, 1), (0.2, 1))), False),
        (Revolution(((0, 0), (1, 0), (1, 1), (0, 1)), 2.0), False),
        (Tube(BENT, 0.1), False),
        (Tube(BENT[:2], 0.1), True),
        (Cut(Torus(0.6, 0.2), (1, 0, 0)), False),
        (Cut(Box((1, 1, 1)), (1, 0, 0)), True),
    ],
)
def test_convex_is_told_apart(solid, convex):
    assert solid.convex == convex


def test_a_loft_takes_rising_levels_only():
    for levels in ((0.0,), (0.0, 0.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="rising"):
            Loft(levels, (SQUARE,) * len(levels))
