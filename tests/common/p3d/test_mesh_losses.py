"""Mesh losses and Laplacians against PyTorch3D's outputs, plain loops and closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from common.p3d.laplacian_matrices import cot_laplacian, laplacian, norm_laplacian
from common.p3d.mesh_losses import (
    mesh_edge_loss,
    mesh_face_areas_normals,
    mesh_laplacian_smoothing,
    mesh_normal_consistency,
)
from common.p3d.mesh_shapes import ico_sphere
from common.p3d.meshes import Meshes

LOSSES = {
    "uniform": lambda meshes: mesh_laplacian_smoothing(meshes, "uniform"),
    "cot": lambda meshes: mesh_laplacian_smoothing(meshes, "cot"),
    "cotcurv": lambda meshes: mesh_laplacian_smoothing(meshes, "cotcurv"),
    "edge0": mesh_edge_loss,
    "edge0.2": lambda meshes: mesh_edge_loss(meshes, target_length=0.2),
    "normal_consistency": mesh_normal_consistency,
}
EMPTY = (torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))


def bumpy(seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """An icosahedron with moved vertices."""
    sphere = ico_sphere(0)
    noise = 0.2 * torch.randn(12, 3, generator=torch.Generator().manual_seed(seed))
    return (sphere.verts_packed() + noise).to(dtype), sphere.faces_packed()


def angle_cotangent(verts: np.ndarray, at: int, one: int, other: int) -> float:
    u, v = verts[one] - verts[at], verts[other] - verts[at]
    return u @ v / np.linalg.norm(np.cross(u, v))


def slow_laplacian_loss(verts: Tensor, faces: Tensor, method: str) -> float:
    """The mean over vertices of |sum_j w_ij (v_j - v_i)|, by loops."""
    points, corners = verts.numpy(), faces.tolist()
    weight: dict[tuple[int, int], float] = {}
    area = np.zeros(len(points))
    for face in corners:
        for k in range(3):
            at, one, other = face[k], face[k - 1], face[k - 2]
            for edge in ((one, other), (other, one)):
                cot = angle_cotangent(points, at, one, other)
                weight[edge] = 1 if method == "uniform" else weight.get(edge, 0) + cot
            area[at] += np.linalg.norm(np.cross(points[one] - points[at], points[other] - points[at])) / 2
    total = 0.0
    for i, point in enumerate(points):
        own = {j: w for (start, j), w in weight.items() if start == i}
        scale = 4 * area[i] if method == "cotcurv" else sum(own.values())
        total += np.linalg.norm(sum(w * (points[j] - point) for j, w in own.items()) / scale)
    return total / len(points)


def slow_normal_consistency(verts: Tensor, faces: Tensor) -> float:
    values = []
    for i, first in enumerate(faces.tolist()):
        for second in faces.tolist()[i + 1 :]:
            shared = sorted(set(first) & set(second))
            if len(shared) == 2:
                a, b = (verts[k] for k in shared)
                one, two = (verts[next(k for k in face if k not in shared)] for face in (first, second))
                n, m = torch.linalg.cross(b - a, one - a), -torch.linalg.cross(b - a, two - a)
                values.append(1 - float(n @ m / n.norm() / m.norm()))
    return sum(values) / len(values)


@pytest.mark.parametrize("name", LOSSES)
def test_golden(name: str, golden):
    arrays, _ = golden("mesh_losses")
    verts = [arrays[f"verts{i}"].requires_grad_() for i in range(2)]
    loss = LOSSES[name](Meshes(verts, [arrays["faces0"], arrays["faces1"]]))
    loss.backward()
    assert loss.shape == ()
    assert loss.item() == pytest.approx(arrays[name].item(), rel=1e-6)
    for i in range(2):
        wanted = arrays[f"{name}.grad_verts{i}"]
        assert (verts[i].grad - wanted).norm() < (1e-3 if "cot" in name else 1e-4) * wanted.norm()


def test_golden_matrices(golden):
    arrays, _ = golden("mesh_losses")
    verts, faces = arrays["dense_verts"], arrays["dense_faces"].long()
    edges = Meshes([verts], [faces]).edges_packed()
    matrix, inverse_areas = cot_laplacian(verts, faces)
    assert torch.equal(laplacian(verts, edges).to_dense(), arrays["dense_laplacian"])
    assert torch.allclose(norm_laplacian(verts, edges).to_dense(), arrays["dense_norm_laplacian"], atol=1e-6)
    assert torch.allclose(matrix.to_dense(), arrays["dense_cot_laplacian"], atol=2e-6)
    assert torch.allclose(inverse_areas, arrays["dense_cot_inv_areas"], atol=2e-6)


def test_golden_areas_and_normals(golden, wave):
    arrays, _ = golden("meshes_structure")
    verts = arrays["verts0"].requires_grad_()
    areas, normals = mesh_face_areas_normals(verts, arrays["faces0"].long())
    assert torch.allclose(areas, arrays["m.faces_areas_packed"][:80], atol=1e-6)
    assert torch.allclose(normals, arrays["m.faces_normals_packed"][:80], atol=1e-5)
    ((areas * wave(areas.shape, 0.1)).sum() + (normals * wave(normals.shape, 0.6)).sum()).backward()
    # of z PyTorch3D's derivative of a second corner is wrong: it takes the normal's x for its y
    assert torch.allclose(verts.grad[:, :2], arrays["area_grad"][:, :2], atol=1e-5)


@pytest.mark.parametrize("method", ["uniform", "cot", "cotcurv"])
@pytest.mark.parametrize("seed", range(3))
def test_smoothing_against_loops(method: str, seed: int):
    verts, faces = bumpy(seed)
    loss = mesh_laplacian_smoothing(Meshes([verts], [faces]), method)
    assert loss.item() == pytest.approx(slow_laplacian_loss(verts, faces, method), rel=1e-9)


def test_consistency_against_loops_with_three_faces_at_an_edge_and_unlike_orientation():
    verts, faces = bumpy(1)
    verts = torch.cat((verts, torch.tensor([[2.0, 0.3, 0.1]], dtype=torch.float64)))
    faces = torch.cat((faces, torch.tensor([[0, 11, 12]])))
    faces[::3] = faces[::3].flip(1)
    loss = mesh_normal_consistency(Meshes([verts], [faces]))
    assert loss.item() == pytest.approx(slow_normal_consistency(verts, faces), rel=1e-9)


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, 3.0])
@pytest.mark.parametrize("flip", [False, True])
def test_consistency_of_a_hinge(angle: float, flip: bool):
    verts = torch.tensor([[0.0, 0, 0], [0, 1, 0], [-1, 0, 0], [math.cos(angle), 0, math.sin(angle)]])
    second = [0, 3, 1] if flip else [0, 1, 3]
    loss = mesh_normal_consistency(Meshes([verts.double()], [torch.tensor([[0, 1, 2], second])]))
    assert loss.item() == pytest.approx(1 - math.cos(angle), abs=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_batch_is_the_mean_of_its_meshes(name: str):
    verts, faces = zip(*(bumpy(seed, torch.float32) for seed in range(2)), strict=True)
    single = [LOSSES[name](Meshes([v], [f])) for v, f in zip(verts, faces, strict=True)]
    half = LOSSES[name](Meshes([verts[1]], [faces[1][:9]]))
    batch = Meshes([verts[0], EMPTY[0], verts[1], verts[1]], [faces[0], EMPTY[1], faces[1], faces[1][:9]])
    assert LOSSES[name](batch).item() == pytest.approx((sum(single) + half).item() / 4, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("meshes", [Meshes([], []), Meshes([EMPTY[0]] * 2, [EMPTY[1]] * 2)])
def test_empty(name: str, meshes: Meshes):
    loss = LOSSES[name](meshes)
    assert loss.tolist() == [0]
    assert loss.requires_grad


def test_no_faces_share_an_edge():
    assert mesh_normal_consistency(Meshes([torch.rand(3, 3)], [torch.tensor([[0, 1, 2]])])).tolist() == [0]


@pytest.mark.parametrize("name", ["edge0.2", "normal_consistency", "uniform"])
def test_gradients(name: str):
    verts, faces = bumpy(3)
    assert torch.autograd.gradcheck(lambda v: LOSSES[name](Meshes([v], [faces])), verts.requires_grad_())


@pytest.mark.parametrize("method", ["cot", "cotcurv"])
def test_cotangent_weights_are_constants_to_the_gradient(method: str):
    verts, faces = bumpy(4)
    matrix, inverse_areas = cot_laplacian(verts, faces)
    total = matrix.to_dense().sum(1, keepdim=True)
    free = verts.clone().requires_grad_()
    scale = 1 / total if method == "cot" else inverse_areas / 4
    ((matrix.to_dense() @ free - total * free) * scale).norm(dim=1).mean().backward()
    leaf = verts.clone().requires_grad_()
    mesh_laplacian_smoothing(Meshes([leaf], [faces]), method).backward()
    assert torch.allclose(leaf.grad, free.grad, atol=1e-12)


def test_matrices_have_gradients():
    verts, faces = bumpy(5)
    edges = Meshes([verts], [faces]).edges_packed()

    def outputs(verts: Tensor):
        matrix, inverse_areas = cot_laplacian(verts, faces)
        return matrix.to_dense(), inverse_areas, norm_laplacian(verts, edges).to_dense()

    assert torch.autograd.gradcheck(outputs, verts.requires_grad_())


def test_matrices_of_vertices_without_faces():
    verts = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [7, 7, 7]])
    matrix, inverse_areas = cot_laplacian(verts, torch.tensor([[0, 1, 2]]))
    assert inverse_areas.tolist() == [[2], [2], [2], [0]]
    assert matrix.to_dense().tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert laplacian(verts, torch.tensor([[0, 1]])).to_dense().diagonal().tolist() == [-1] * 4
    assert [m.shape for m in (laplacian(*EMPTY[:1], EMPTY[1][:, :2]), cot_laplacian(*EMPTY)[0])] == [(0, 0)] * 2


def test_areas_normals_gradients_and_degenerate_faces():
    verts, faces = bumpy(6)
    assert torch.autograd.gradcheck(lambda v: mesh_face_areas_normals(v, faces), verts.clone().requires_grad_())
    areas, normals = mesh_face_areas_normals(verts, torch.tensor([[0, 1, 1]]))
    assert (areas.tolist(), normals.tolist()) == ([0], [[0, 0, 0]])
    assert [x.shape[0] for x in mesh_face_areas_normals(*EMPTY)] == [0, 0]


@pytest.mark.parametrize("name", LOSSES)
def test_moved_copies_share_topology_and_losses_can_be_repeated(name: str):
    verts, faces = bumpy(7, torch.float32)
    source = Meshes([verts], [faces])
    offsets = torch.full_like(verts, 0.1).mul_(torch.arange(12)[:, None]).requires_grad_()
    moved = source.offset_verts(offsets)
    with torch.no_grad():
        value = LOSSES[name](moved).item()
    for _ in range(2):
        LOSSES[name](source.offset_verts(offsets)).backward()
    again = (verts + offsets.detach()).requires_grad_()
    loss = LOSSES[name](Meshes([again], [faces]))
    loss.backward()
    assert loss.item() == pytest.approx(value, rel=1e-6)
    assert torch.allclose(offsets.grad, 2 * again.grad, atol=1e-6)


def test_bad_input():
    verts, faces = bumpy(8)
    with pytest.raises(ValueError, match="Method should be one of"):
        mesh_laplacian_smoothing(Meshes([], []), "mean")
    for bad in ((verts[None], faces), (verts[:, :2], faces), (verts, faces.int()), (verts, faces[:, :2])):
        with pytest.raises(ValueError, match="verts need to be"):
            mesh_face_areas_normals(*bad)
