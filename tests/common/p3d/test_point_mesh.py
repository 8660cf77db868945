"""Distances of points to meshes and back: against PyTorch3D's outputs, all pairs, closed forms, finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import Meshes, Pointclouds, point_mesh_edge_distance, point_mesh_face_distance
from common.p3d import point_mesh as module

TRIANGLE = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
CUBE = torch.tensor([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
CUBE_FACES = torch.tensor(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4]]
    + [[1, 5, 7], [1, 7, 3]]
)


def face(points, verts=TRIANGLE, faces=((0, 1, 2),), **options):
    return point_mesh_face_distance(Meshes([verts], [torch.as_tensor(faces)]), Pointclouds([points]), **options)


def soup(seed, faces, points, sizes=(0.02, 1.0)):
    """Triangles of very unlike sizes, and points."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.empty(faces, 1, 1, dtype=torch.float64).uniform_(*sizes, generator=generator) ** 2
    corners = torch.rand(faces, 1, 3, generator=generator, dtype=torch.float64)
    corners = corners + scale * torch.randn(faces, 3, 3, generator=generator, dtype=torch.float64)
    cloud = torch.rand(points, 3, generator=generator, dtype=torch.float64) * 1.5
    return corners.view(-1, 3), torch.arange(3 * faces).view(-1, 3), cloud


def projected(points, corners):
    """Squared distance of points to simplices (P, M): of the nearest of many points of each, found by a fine search."""
    H, count = corners.shape[1], 40
    grid = torch.cartesian_prod(*[torch.linspace(0, 1, count, dtype=points.dtype)] * (H - 1)).view(-1, H - 1)
    grid = grid[grid.sum(1) <= 1 + 1e-9]
    weights = torch.cat((grid, 1 - grid.sum(1, keepdim=True)), 1)
    return torch.cdist(points, (weights @ corners).view(-1, 3)).square().view(len(points), len(corners), -1).amin(2)


@pytest.mark.parametrize("name,call", [("face", point_mesh_face_distance), ("edge", point_mesh_edge_distance)])
def test_equals_pytorch3d(golden, name, call):
    z, _ = golden("point_mesh_distance")
    leaves = {k: z[k].clone().requires_grad_() for k in ("verts0", "verts1", "points0", "points1")}
    meshes = Meshes([leaves["verts0"], leaves["verts1"]], [z["faces0"], z["faces1"]])
    loss = call(meshes, Pointclouds([leaves["points0"], leaves["points1"]]))
    torch.testing.assert_close(loss, z[name], rtol=1e-6, atol=0.0)
    loss.backward()
    for key, leaf in leaves.items():
        torch.testing.assert_close(leaf.grad, z[f"{name}.grad_{key}"], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("H", [2, 3])
def test_pruning_loses_nothing(seed, H):
    verts, faces, points = soup(seed, 60, 90)
    hulls = verts[faces][:, :H]
    p = points[:, None].expand(-1, len(hulls), -1).reshape(-1, 3)
    q = hulls[None].expand(len(points), -1, -1, -1).reshape(-1, H, 3)
    for area in (0.0, 0.02):
        everything = module._distance(p, q, area).view(len(points), -1)
        of_point, of_hull = module._nearest_pairs(points, hulls, area)
        torch.testing.assert_close(everything.gather(1, of_point[:, None])[:, 0], everything.amin(1))
        torch.testing.assert_close(everything.gather(0, of_hull[None])[0], everything.amin(0))
    assert (module._distance(p, q, 0.0) <= projected(points, hulls).view(-1) + 1e-12).all()
    torch.testing.assert_close(
        module._distance(p, q, 0.0).sqrt(), projected(points, hulls).view(-1).sqrt(), atol=0.1, rtol=0.05
    )


def test_closed_forms():
    above = torch.tensor([[0.5, 0.25, 3.0]])
    torch.testing.assert_close(face(above), torch.tensor(18.0))  # there and back
    torch.testing.assert_close(face(torch.tensor([[-3.0, -4.0, 0.0]])), torch.tensor(50.0))
    torch.testing.assert_close(face(torch.tensor([[1.0, -2.0, 1.0]])), torch.tensor(10.0))
    torch.testing.assert_close(face(above * 0.01 + 1e-3, min_triangle_area=1e-9, verts=TRIANGLE * 0.01),
                               torch.tensor(2 * 0.031**2), rtol=1e-4, atol=0.0)  # fmt: skip
    small = face(above * 0.01, TRIANGLE * 0.01)  # by default so small a triangle is its edges alone
    torch.testing.assert_close(small, torch.tensor(2 * (0.03**2 + 0.0025**2)))
    edge = point_mesh_edge_distance(Meshes([TRIANGLE], [torch.tensor([[0, 1, 2]])]), Pointclouds([above]))
    torch.testing.assert_close(edge, torch.tensor(9.0625 + (9.0625 + 9.25 + 9.2) / 3))


def test_points_in_and_around_a_cube():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(3000, 3, generator=generator) * 3 - 1
    detail = 0.5 + 0.01 * torch.randn(300, 3, generator=generator)  # small faces deep inside among the twelve large
    faces = torch.cat((CUBE_FACES, torch.arange(300).view(-1, 3) + 8))
    points = points[((points < 0) | (points > 1)).any(1)]
    outside = (points - points.clamp(0.0, 1.0)).square().sum(1).mean()
    back = face(points, torch.cat((CUBE, detail)), faces) - outside
    nearest = torch.cdist(detail.view(-1, 3, 3).mean(1), points).amin(1)
    assert abs(back.sqrt() - (nearest.square().sum() / 112).sqrt()) < 0.02


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 9))
def test_moves_with_the_scene(seed, faces, points):
    verts, faces, cloud = soup(seed, faces, points)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    before = face(cloud, verts, faces, min_triangle_area=0.0)
    after = face(3 * cloud @ turn + 5, 3 * verts @ turn + 5, faces, min_triangle_area=0.0)
    torch.testing.assert_close(after, 9 * before)
    order = torch.randperm(len(cloud))
    torch.testing.assert_close(face(cloud[order], verts, faces.flip(0), min_triangle_area=0.0), before)


@pytest.mark.parametrize("call", [point_mesh_face_distance, point_mesh_edge_distance])
def test_gradcheck(call):
    verts, faces, points = soup(3, 5, 6, (0.5, 0.8))
    inputs = (verts.requires_grad_(), points.requires_grad_())
    assert torch.autograd.gradcheck(lambda v, p: call(Meshes([v], [faces]), Pointclouds([p])), inputs)


def test_degenerate_faces():
    line = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [1.0, 0.0, 0.0]], requires_grad=True)
    points = torch.tensor([[1.0, 3.0, 0.0], [4.0, 0.0, 0.0]])
    loss = face(points, line, min_triangle_area=0.0)
    torch.testing.assert_close(loss, torch.tensor((9.0 + 4.0) / 2 + 4.0))
    dot = torch.ones(3, 3, requires_grad=True)
    (loss + face(points, dot)).backward()
    torch.testing.assert_close(face(points, dot), torch.tensor((4.0 + 1.0 + 9.0 + 1.0 + 1.0) / 2 + 5.0))
    assert line.grad.isfinite().all() and dot.grad.isfinite().all()


def test_unequal_and_empty_batches():
    verts, faces, points = (t.float() if t.is_floating_point() else t for t in soup(1, 20, 30))
    nothing, none = torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)
    for call in (point_mesh_face_distance, point_mesh_edge_distance):
        first = call(Meshes([verts], [faces]), Pointclouds([points]))
        second = call(Meshes([verts], [faces[:5]]), Pointclouds([points[:3]]))
        meshes = Meshes([verts, verts, nothing], [faces, faces[:5], none])
        both = call(meshes, Pointclouds([points, points[:3], nothing]))
        torch.testing.assert_close(both, (first + second) / 3)
        assert call(Meshes([verts, verts], [faces, faces]), Pointclouds([points, nothing])).isinf()
        assert call(Meshes([verts], [none]), Pointclouds([points])).isinf()
        with pytest.raises(ValueError):
            call(Meshes([verts], [faces]), Pointclouds([points, points]))
