"""Decoders: shapes, closed forms at their start, and gradients into every part."""

import math

import pytest
import torch

from a2_single_view.decoders import (
    GraphLayer,
    ImplicitDecoder,
    MeshDecoder,
    ParametricDecoder,
    PointDecoder,
    VoxelDecoder,
)
from a2_single_view.eval_model import predict, score
from a2_single_view.model import TYPES, SingleViewTo3D


@pytest.fixture
def features():
    return torch.randn(3, 512, generator=torch.Generator().manual_seed(0))


def check_gradients(module, value):
    value.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_voxels(features):
    decoder = VoxelDecoder()
    logits = decoder(features)
    assert logits.shape == (3, 32, 32, 32)
    check_gradients(decoder, logits)


def test_points(features):
    decoder = PointDecoder(700)
    points = decoder(features)
    assert points.shape == (3, 700, 3) and points.norm(dim=2).max() < 0.6
    check_gradients(decoder, points)


def test_graph_layer_is_its_formula():
    layer, x = GraphLayer(2, 5), torch.randn(4, 3, 2)
    share = torch.tensor([[0, 0.5, 0.5, 0], [0.5, 0, 0.5, 0], [1 / 3, 1 / 3, 0, 1 / 3], [0, 0, 1, 0]])
    out = layer(x, share.to_sparse())
    torch.testing.assert_close(out, layer.w0(x) + torch.einsum("vu,ubc->vbc", share, layer.w1(x)))


def test_mesh(features):
    decoder = MeshDecoder(level=2)
    verts = decoder(features)
    assert verts.shape == (3, 162, 3) and verts.isfinite().all()
    meshes = decoder.meshes(verts)
    assert len(meshes) == 3 and meshes.faces_packed().shape == (3 * 320, 3)
    torch.testing.assert_close(meshes.verts_padded(), verts)
    check_gradients(decoder, verts)


def test_occupancy_of_one_place_does_not_depend_on_the_others(features):
    decoder, places = ImplicitDecoder(), torch.rand(3, 50, 3) - 0.5
    logits = decoder(features, places)
    assert logits.shape == (3, 50)
    torch.testing.assert_close(decoder(features[1:2], places[1:2, 7:9])[0], logits[1, 7:9])
    check_gradients(decoder, logits)


def test_occupancy_adds_to_what_voxels_say(features):
    decoder = ImplicitDecoder()
    torch.nn.init.zeros_(decoder.last.weight)
    torch.nn.init.zeros_(decoder.last.bias)
    cell = torch.tensor([[3, 14, 29], [0, 31, 5]])
    places = ((cell + 0.5) / 32 - 0.5).expand(3, 2, 3)
    voxels = decoder.voxels(features)
    torch.testing.assert_close(decoder(features, places), voxels[:, cell[:, 0], cell[:, 1], cell[:, 2]])


def test_parametric_surface(features):
    decoder = ParametricDecoder(patches=4)
    uv, faces = decoder.grid(5)
    points = decoder(features, uv)
    assert points.shape == (3, 100, 3) and faces.shape == (4 * 32, 3) and faces.max() == 99
    assert (faces // 25 == faces[:, :1] // 25).all()  # no face joins two squares
    torch.testing.assert_close(decoder(features, uv[:, 3:4]).view(3, 4, 3), points.view(3, 4, 25, 3)[:, :, 3])
    check_gradients(decoder, points)


def test_occupancy_on_a_grid_is_that_at_its_places(features):
    model, one = SingleViewTo3D("small", "implicit", kept=True).eval(), features[:1]
    with torch.no_grad():
        model.decoder.voxels.basis.weight.zero_()
        model.decoder.voxels.layers[-1].weight.zero_()
        model.decoder.voxels.layers[-1].bias.zero_()
        bias = model.decoder.voxels.basis.bias.view(32, 32, 32).fill_(-9.0)
        bias[4, 9, 20] = 5.0  # one voxel that may be filled
    ticks = (torch.arange(64) + 0.5) / 64 - 0.5
    places = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).view(1, -1, 3)
    true = model.decoder(one, places).detach().view(64, 64, 64) - math.log(0.75 / 0.25)  # it is 0 at the level
    grid = model.occupancy(one)
    near = (slice(6, 12), slice(16, 22), slice(38, 44))
    torch.testing.assert_close(grid[near], true[near])
    grid[near] = -9.0 - math.log(3)
    torch.testing.assert_close(grid, torch.full_like(grid, -9.0 - math.log(3)))  # the others were not asked
    assert model.occupancy(one, 3).shape == (96, 96, 96)


def test_iou_of_an_occupancy_is_that_of_the_voxels_it_touches():
    truth = torch.rand(32, 32, 32, generator=torch.Generator().manual_seed(0)) < 0.1
    fine = torch.full((64, 64, 64), -5.0)
    fine[1::2, ::2, 1::2][truth] = 5.0
    points = torch.rand(5000, 3) - 0.5
    assert score("implicit", fine, points, truth)["voxel_iou"] == 1.0


def test_predictions_are_0_at_the_level_and_iou_is_taken_where_filled_is_likelier(features):
    model = SingleViewTo3D("small", "vox", kept=True).eval()
    features = 100 * features  # logits of both signs
    logits, model.level = model(features).detach(), 0.2
    made = torch.stack(predict(model, features))
    assert torch.equal(made > 0, torch.sigmoid(logits) > 0.2) and 0 < (made > 0).sum() < made.numel()
    truth = logits[0] > 0
    points = torch.rand(5000, 3) - 0.5
    assert score("vox", made[0], points, truth, 0.2)["voxel_iou"] == 1.0
    assert score("vox", made[0], points, truth)["voxel_iou"] < 1.0


@pytest.mark.parametrize("kind", TYPES)
def test_every_kind_is_made(kind):
    model = SingleViewTo3D("small", kind, 100)
    assert model.kind == kind and sum(p.numel() for p in model.parameters()) > 1e5
