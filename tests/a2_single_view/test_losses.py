"""Losses against their formulas, a slow twin, and finite differences."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from a2_single_view.losses import chamfer_loss, chamfer_of_some, edge_loss, normal_loss, smoothness_loss, voxel_loss
from common.p3d import Meshes, ico_sphere
from tests.common.p3d.conftest import GOLDEN


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_voxel_losses_follow_their_formulas():
    logits, truth = noise(2, 3, 3, 3), (noise(2, 3, 3, 3, seed=1) > 0.5).double()
    p = torch.sigmoid(logits)
    each = -(4.0 * truth * p.log() + (1 - truth) * (1 - p).log())
    torch.testing.assert_close(voxel_loss(logits, truth, 4.0), each.mean())
    right = torch.where(truth > 0, p, 1 - p)
    focal = ((1 - right) ** 2 * -right.log() * torch.where(truth > 0, 4.0, 1.0)).mean()
    torch.testing.assert_close(voxel_loss(logits, truth, 4.0, "focal"), focal)
    dice = 1 - ((2 * (p * truth).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + truth.sum((1, 2, 3)) + 1)).mean()
    torch.testing.assert_close(voxel_loss(logits, truth, kind="dice"), voxel_loss(logits, truth) + dice)


@pytest.mark.parametrize("kind", ["bce", "focal", "dice"])
def test_a_weight_of_two_is_being_there_twice(kind):
    logits, truth = noise(3, 8), noise(3, 8, seed=1) > 0
    weights = torch.tensor([2.0, 1, 1, 2, 0, 1, 1, 0]).expand(3, -1)
    count = [0, 0, 1, 2, 3, 3, 5, 6]
    twice = voxel_loss(logits[:, count], truth[:, count], 3.0, kind)
    torch.testing.assert_close(voxel_loss(logits, truth, 3.0, kind, weights.double()), twice)


@pytest.mark.parametrize("kind", ["bce", "focal", "dice"])
def test_voxel_losses_have_the_right_gradients(kind):
    truth = noise(2, 2, 2, 2, seed=1) > 0
    assert torch.autograd.gradcheck(lambda x: voxel_loss(x, truth, 2.0, kind), noise(2, 2, 2, 2).requires_grad_())


def test_wrong_voxels_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        voxel_loss(torch.zeros(2, 3), torch.zeros(3, 2))
    with pytest.raises(ValueError, match="bce, focal, dice"):
        voxel_loss(torch.zeros(2), torch.zeros(2), kind="mse")


def test_chamfer_equals_a_loop():
    one, two = noise(2, 7, 3), noise(2, 5, 3, seed=1)
    expected = 0.0
    for a, b in zip(one, two, strict=True):
        expected += sum(min(float((p - q).square().sum()) for q in b) for p in a) / len(a) / 2
        expected += sum(min(float((p - q).square().sum()) for q in a) for p in b) / len(b) / 2
    assert float(chamfer_loss(one, two)) == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(chamfer_loss, (one.requires_grad_(), two.requires_grad_()))


def golden(name):
    """PyTorch3D's own outputs."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}, json.loads(str(file["meta"]))


def test_chamfer_is_pytorch3ds():
    arrays, meta = golden("chamfer_distance")
    plain = {"lengths": False, "weights": False, "norm": 2, "point_reduction": "mean", "batch_reduction": "mean"}
    plain |= {"single_directional": False}
    names = [name for name, flags in meta["variants"].items() if flags | plain == flags]
    assert names
    for name in names:
        torch.testing.assert_close(
            chamfer_loss(arrays["x"], arrays["y"]), arrays[f"{name}.dist0"], rtol=1e-5, atol=1e-6
        )


LOSSES = {
    "uniform": smoothness_loss,
    "cot": partial(smoothness_loss, method="cot"),
    "edge0": edge_loss,
    "normal_consistency": normal_loss,
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_meshes_are_pytorch3ds(name):
    arrays, _ = golden("mesh_losses")
    verts = [arrays[f"verts{i}"].requires_grad_() for i in range(2)]
    loss = LOSSES[name](Meshes(verts, [arrays["faces0"], arrays["faces1"]]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(arrays[name]), rel=1e-6)
    for i in range(2):
        wanted = arrays[f"{name}.grad_verts{i}"]
        assert (verts[i].grad - wanted).norm() < 1e-3 * wanted.norm()


def test_some_points_stand_for_all():
    one, two = noise(1, 400, 3), noise(1, 300, 3, seed=1)
    torch.manual_seed(0)
    draws = torch.stack([chamfer_of_some(one, two, 100) for _ in range(200)])
    assert float(draws.mean()) == pytest.approx(float(chamfer_loss(one, two)), abs=4 * float(draws.std()) / 200**0.5)
    torch.testing.assert_close(chamfer_of_some(one, two, 400), chamfer_loss(one, two))
    apart = torch.cdist(one, two)[0]
    l1 = apart.amin(0).mean() + apart.amin(1).mean()
    torch.testing.assert_close(chamfer_of_some(one, two, 400, "l1"), l1, atol=1e-9, rtol=0)


@pytest.mark.parametrize("loss", [smoothness_loss, edge_loss, normal_loss])
def test_losses_of_meshes_have_the_right_gradients(loss):
    sphere = ico_sphere(0)
    start = sphere.verts_packed().double() + 0.1 * noise(12, 3)
    assert torch.autograd.gradcheck(lambda v: loss(Meshes([v], sphere.faces_list())), start.requires_grad_())


def test_cotangent_smoothness_is_that_of_a_constant_matrix():
    sphere = ico_sphere(0)
    verts = (sphere.verts_packed().double() + 0.1 * noise(12, 3)).requires_grad_()
    weights = torch.zeros(12, 12, dtype=torch.float64)
    for face in sphere.faces_packed().tolist():
        for corner in range(3):
            at, one, two = (face[(corner + k) % 3] for k in range(3))
            u, v = (verts[one] - verts[at]).detach(), (verts[two] - verts[at]).detach()
            cotangent = u.dot(v) / torch.linalg.cross(u, v).norm()
            weights[one, two] += cotangent
            weights[two, one] += cotangent
    expected = ((weights / weights.sum(1, keepdim=True)) @ verts - verts).norm(dim=1).mean()
    loss = smoothness_loss(Meshes([verts], sphere.faces_list()), "cot")
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=0)
    slopes = (torch.autograd.grad(value, verts)[0] for value in (loss, expected))
    torch.testing.assert_close(*slopes, atol=1e-12, rtol=0)


def test_smoothness_of_a_tetrahedron():
    verts = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    faces = torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    mesh = Meshes([verts], [faces])
    # The neighbours' mean is -v / 3: each Laplacian is 4 / 3 as long as the vertex.
    assert float(smoothness_loss(mesh)) == pytest.approx(4 / 3 * 3**0.5, rel=1e-6)
    assert float(edge_loss(mesh)) == pytest.approx(8.0, rel=1e-6)
    normals = mesh.faces_normals_packed()
    assert float(normal_loss(mesh)) == pytest.approx(float(1 - functional.cosine_similarity(normals[:1], normals[1:2])))
