"""Half-space cuts: what is left, its distance, and the cap."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from common.shapes.primitives import Box, Cone, Cut, Ellipsoid, Prism, Revolution, Superquadric, Torus, Tube

PIPE = Revolution(((0.3, -0.5), (0.5, -0.5), (0.5, 0.5), (0.3, 0.5)))
U_SHAPE = Prism(((0, 0), (1, 0), (1, 1), (0.7, 1), (0.7, 0.3), (0.3, 0.3), (0.3, 1), (0, 1)), 0.4)
CASES = {
    "box": (Box((1, 0.6, 0.4)), (1, 2, 0.5), 0.1),
    "cone": (Cone(0.5, 0.3, 1.0), (1, 1, 0.2), 0.1),
    "ellipsoid": (Ellipsoid((1, 0.5, 0.3)), (0, 1, 1), 0.2),
    "a thin slice of a ball": (Ellipsoid((1, 1, 1)), (0, 1, 0), -0.95),
    "superquadric": (Superquadric((1, 0.7, 0.5), 0.3, 0.4), (1, 1, 1), 0.3),
    "capsule": (Tube(((0, 0, 0), (1, 0, 0)), 0.3), (1, 0.2, 0), 0.8),
    "pipe along": (PIPE, (1, 0, 0), 0.1),
    "pipe across": (PIPE, (0, 1, 0.2), 0.1),
    "torus into two": (Torus(0.6, 0.2), (0, 0, 1), 0.0),
    "torus into a bagel": (Torus(0.6, 0.2), (0, 1, 0), 0.05),
    "three prongs and a hole": (U_SHAPE, (0, 1, 0.1), 0.6),
    "bent tube": (Tube(((0, 0, 0), (1, 0, 0), (1, 1, 0)), 0.1), (1, 1, 0), 0.7),
}


@pytest.fixture(params=CASES)
def case(request):
    base, normal, offset = CASES[request.param]
    return base, np.array(normal) / np.linalg.norm(normal), offset


def test_two_halves_make_the_whole(case, mesh_tools):
    base, normal, offset = case
    whole = mesh_tools.volume(*base.mesh()[:2])
    halves = [Cut(base, tuple(s * normal), s * offset).mesh() for s in (1, -1)]
    assert sum(mesh_tools.volume(*half[:2]) for half in halves) == pytest.approx(whole, rel=1e-9)
    for verts, faces, uvs in halves:
        assert mesh_tools.open_edges(verts, faces) == 0
        assert uvs.shape == (len(verts), 2) and uvs.min() > -1e-9 and uvs.max() < 1 + 1e-9


def test_the_cap_is_the_section(case, mesh_tools):
    """Cap faces lie in the plane, inside the base, face along the normal, and have the section's area."""
    base, normal, offset = case
    verts, faces, _ = Cut(base, tuple(normal), offset).mesh()
    corners = verts[faces]
    flat = (np.abs(corners @ normal - offset) < 1e-9).all(1)
    direction = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[flat]
    size = 0.5 * np.linalg.norm(direction, axis=1)
    assert (direction @ normal > -1e-12).all()
    middles = torch.from_numpy(corners[flat].mean(1))[size > 1e-9]
    assert (base.sdf(middles) < 0.01).all()
    step = 1e-5  # volume grows with the plane by the section's area
    above, below = (mesh_tools.volume(*Cut(base, tuple(normal), offset + s * step).mesh()[:2]) for s in (1, -1))
    assert size.sum() == pytest.approx((above - below) / (2 * step), rel=1e-3)


def test_distance(case, mesh_tools):
    """Exact for convex bases; for others exact inside and a lower bound outside."""
    base, normal, offset = case
    solid = Cut(base, tuple(3 * normal), offset)  # the normal's length does not matter
    verts, faces, _ = solid.mesh()
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (1000, 3)) * np.abs(verts).max(0).clip(0.3)
    brute, _ = cKDTree(mesh_tools.surface_points(verts, faces, 300_000)).query(points)
    distance = solid.sdf(torch.from_numpy(points)).numpy()
    room = 0.011
    exact = np.ones(len(points), bool) if base.convex else distance < 0
    assert np.abs(np.abs(distance) - brute)[exact].max() < room
    assert (np.abs(distance) < brute + room).all()
    truth = (base.sdf(torch.from_numpy(points)).numpy() < 0) & (points @ normal < offset)
    assert ((distance < 0) == truth).all()


def test_in_front_of_the_rim():
    """A quarter of a box: beyond both faces of its new edge the distance is to the edge, where max() says less."""
    solid = Cut(Box((2.0, 2.0, 2.0)), (1, 0, 0), 0.0)
    points = torch.tensor([[0.3, 1.4, 0.0], [0.3, 1.4, 1.4], [0.3, 0.2, 0.2], [-0.4, 1.4, 0.0], [-0.4, 0.0, 0.0]])
    wanted = torch.tensor([0.5, (0.09 + 0.16 + 0.16) ** 0.5, 0.3, 0.4, -0.4])
    torch.testing.assert_close(solid.sdf(points), wanted, atol=1e-6, rtol=0)
    ball = Cut(Ellipsoid((1.0, 1.0, 1.0)), (0, 1, 0), -0.6)  # its rim: radius 0.8 at y = -0.6
    points = torch.tensor([[1.1, -0.2, 0.0], [0.0, 0.0, 0.9]])
    torch.testing.assert_close(
        ball.sdf(points), torch.tensor([0.5, 0.1**2 + 0.36]) ** torch.tensor([1.0, 0.5]), atol=2e-6, rtol=0
    )


def test_a_plane_in_a_face_changes_nothing(mesh_tools):
    box = Box((1.0, 1.0, 1.0))
    for offset in (0.5, 0.9):
        verts, faces, _ = Cut(box, (0, 1, 0), offset).mesh()
        assert mesh_tools.volume(verts, faces) == pytest.approx(1.0)
        assert mesh_tools.open_edges(verts, faces) == 0
    for offset in (-0.5, -0.9):
        with pytest.raises(ValueError, match="leaves nothing"):
            Cut(box, (0, 1, 0), offset).mesh()
    with pytest.raises(ValueError, match="zero"):
        Cut(box, (0, 0, 0), 0.1)


def test_cuts_of_cuts(mesh_tools):
    """An octant of a cube, by three cuts through corners and edges that the earlier ones made."""
    octant = Cut(Cut(Cut(Box((2.0, 2.0, 2.0)), (1, 0, 0), 0.0), (0, 1, 0), 0.0), (0, 0, 1), 0.0)
    verts, faces, _ = octant.mesh()
    assert mesh_tools.volume(verts, faces) == pytest.approx(1.0) and mesh_tools.open_edges(verts, faces) == 0
    points = torch.from_numpy(np.random.default_rng(0).uniform(-1.5, 1.5, (500, 3)))
    wanted = Box((1.0, 1.0, 1.0)).sdf(points + 0.5)
    torch.testing.assert_close(octant.sdf(points), wanted, atol=1e-6, rtol=0)
    wedge = Cut(Cut(Box((2.0, 2.0, 2.0)), (1, 1, 0), 0.0), (1, -1, 0), 0.0)
    assert mesh_tools.volume(*wedge.mesh()[:2]) == pytest.approx(2.0)
