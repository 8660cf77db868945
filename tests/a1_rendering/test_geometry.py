"""Polyhedra, surfaces, the dolly zoom, camera transforms, surface samples and the cow against what is known of them."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from a1_rendering.camera_transforms import TRANSFORMS, about, extrinsics
from a1_rendering.dolly_zoom import distance_for, subject_height
from a1_rendering.polyhedra import CORNERS, polyhedron, triangles
from a1_rendering.retexturing_mesh import gradient
from a1_rendering.sample_mesh import sample_surface
from a1_rendering.surfaces import SURFACES, names
from a1_rendering.torus_render import implicit_mesh
from a1_rendering.tradeoffs import torus_distance, torus_points
from common.mesh_views import cow, painted
from common.p3d import Meshes, look_at_view_transform
from common.shapes.cow import cow_color, cow_distance, cow_mesh

REGULAR = {  # corners, polygons, corners of each polygon, volume within the unit sphere
    "tetrahedron": (4, 4, 3, 8 / 27 * 3**0.5),
    "cube": (8, 6, 4, 8 / 27 * 3**0.5 * 3),
    "octahedron": (6, 8, 3, 4 / 3),
    "icosahedron": (12, 20, 3, 2.5361507101),
    "dodecahedron": (20, 12, 5, 2.7851638631),
}


def volume(verts, faces):
    a, b, c = (verts[faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("name", sorted(CORNERS))
def test_polyhedra_are_closed_and_face_outwards(name):
    verts, polygons = polyhedron(name)
    edges = [(a, b) for p in polygons for a, b in zip(p, p[1:] + p[:1], strict=True)]
    assert len(edges) == len(set(edges)) and all((b, a) in edges for a, b in edges)
    assert len(verts) - len(edges) // 2 + len(polygons) == 2  # Euler
    faces = triangles(polygons)
    assert volume(verts, faces) > 0 and len(faces) == sum(len(p) - 2 for p in polygons)
    if name in REGULAR:
        corners, sides, each, content = REGULAR[name]
        assert (len(verts), len(polygons), {len(p) for p in polygons}) == (corners, sides, {each})
        assert volume(verts, faces) == pytest.approx(content, rel=1e-6)
        lengths = [np.linalg.norm(verts[a] - verts[b]) for a, b in edges]
        assert np.ptp(lengths) < 1e-9


@pytest.mark.parametrize("name", [n for n in SURFACES if SURFACES[n].parametric and SURFACES[n].implicit])
def test_both_forms_of_a_surface_agree(name):
    surface = SURFACES[name]
    points = surface.points(60).double()
    assert surface.implicit(*points.unbind(1)).abs().max() < 2e-5
    mesh = implicit_mesh(surface, 40)
    assert surface.implicit(*mesh.verts_packed().unbind(1)).abs().max() < 0.1
    high, low = points.amax(0), points.amin(0)
    assert (mesh.verts_packed().amax(0) - high).abs().max() < 0.05 and (
        mesh.verts_packed().amin(0) - low
    ).abs().max() < 0.05


@pytest.mark.parametrize("name", names("implicit"))
def test_implicit_meshes_are_closed_and_face_outwards(name):
    mesh = implicit_mesh(SURFACES[name], 32)
    verts, faces = mesh.verts_packed().double().numpy(), mesh.faces_packed().numpy()
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {tuple(e) for e in edges.tolist()}
    assert len(directed) == len(edges) and all((b, a) in directed for a, b in directed)
    assert volume(verts, faces) > 0


def test_there_are_enough_surfaces():
    assert len(SURFACES) >= 7 and len(names("parametric")) >= 7 and len(names("implicit")) >= 7


# --- the dolly zoom


def test_a_flat_subject_gives_the_textbook_s_distance():
    """d = w / (2 tan(fov / 2)) for a subject of height w that fills the picture."""
    flat = torch.tensor([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.3, 0.0]])
    for fov in (5.0, 40.0, 90.0, 120.0):
        assert distance_for(flat, fov, 1.0) == pytest.approx(1.0 / math.tan(math.radians(fov / 2)), rel=1e-6)


def test_a_deep_subject_keeps_its_height():
    verts = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for fov in np.linspace(5, 120, 7):
        assert subject_height(verts, fov, distance_for(verts, fov, 0.6)) == pytest.approx(0.6, rel=1e-6)
    assert subject_height(verts, 60.0, 0.0) == math.inf


# --- camera transforms


@pytest.mark.parametrize("relative", TRANSFORMS, ids=lambda r: r.words)
def test_relative_transforms_are_the_views_that_they_are_said_to_be(relative):
    R, T = extrinsics(relative)
    R_there, T_there = look_at_view_transform(eye=(relative.eye,), at=(relative.at,), up=(relative.up,))
    torch.testing.assert_close(R, R_there, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(T, T_there, atol=1e-6, rtol=0.0)


def test_rotations_turn_anticlockwise():
    quarter = [about(axis, 90.0) @ torch.eye(3)[(k + 1) % 3] for k, axis in enumerate("xyz")]
    for k, turned in enumerate(quarter):
        torch.testing.assert_close(turned, torch.eye(3)[(k + 2) % 3], atol=1e-6, rtol=0.0)


# --- samples, colours


def test_samples_are_even_over_the_area_and_carry_the_texture():
    verts = torch.tensor([[0.0, 0, 0], [3, 0, 0], [3, 1, 0], [0, 1, 0], [0, 0, 1.0], [1, 0, 1]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 4, 5]])  # areas 1.5, 1.5 and 0.5
    mesh = painted(Meshes([verts], [faces]), verts / 3)
    points, colors = sample_surface(mesh, 30_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(colors, points / 3, atol=1e-6, rtol=0.0)
    flat = points[points[:, 2] < 1e-7]
    assert abs(len(flat) - 30_000 * 3 / 3.5) < 3
    counts = np.histogram2d(*flat[:, :2].T.numpy(), bins=(9, 3), range=((0, 3), (0, 1)))[0]
    assert chisquare(counts.ravel()).pvalue > 1e-4


def test_a_gradient_runs_from_front_to_back():
    mesh = Meshes([torch.tensor([[0.0, 0, -2], [1, 0, 0], [0, 1, 2]])], [torch.tensor([[0, 1, 2]])])
    colors = gradient(mesh, (0, 1, 1), (1, 1, 0)).textures.verts_features_packed()
    torch.testing.assert_close(colors, torch.tensor([[0, 1, 1], [0.5, 1, 0.5], [1, 1, 0]]))


def test_points_of_the_torus_are_even_over_its_area():
    points = torus_points(20_000, np.random.default_rng(0))
    assert torus_distance(points).max() < 1e-6
    outer = (points[:, :2].norm(dim=1) > 1.0).float().mean()
    expected = 0.5 + 0.4 / math.pi  # of the integral of R + r cos v over the outer half
    assert abs(float(outer) - expected) < 4 * (0.25 / 20_000) ** 0.5


# --- the cow


def test_the_cow_is_closed_upright_and_on_her_skin():
    verts, faces, uvs, corners, texture = cow_mesh(36)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {tuple(e) for e in edges.tolist()}
    assert len(directed) == len(edges) and all((b, a) in directed for a, b in directed)
    assert volume(verts.astype(float), faces) > 0.1
    assert cow_distance(torch.from_numpy(verts).double()).abs().max() < 5e-3
    assert corners.shape == faces.shape and uvs.min() >= 0 and uvs.max() <= 1
    assert texture.ndim == 3 and texture.min() >= 0 and texture.max() <= 1


def test_the_cow_s_texture_is_her_colour():
    mesh = cow()
    points, colors = sample_surface(mesh, 3000, torch.Generator().manual_seed(0))
    difference = np.abs(colors.numpy() - cow_color(points.numpy().astype(float))).mean(1)
    assert np.median(difference) < 0.01 and (difference > 0.15).mean() < 0.02  # a texel is wider than an eye's rim
