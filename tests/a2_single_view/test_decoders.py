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


def test_occupancy_begins_with_what_voxels_say(features):
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


def test_occupancy_on_a_grid_is_that_at_its_places(monkeypatch):
    model = SingleViewTo3D("small", "implicit").eval()
    features, asked = torch.randn(1, 512), []

    def ball(places):
        asked.append(len(places))
        return 0.3 - places.norm(dim=1)

    def logits(features, places):
        return ball(places)

    monkeypatch.setattr(model, "_logits", logits)
    grid = model.occupancy(features, 32)
    ticks = (torch.arange(32) + 0.5) / 32 - 0.5
    true = ball(torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).view(-1, 3)).view(32, 32, 32)
    assert torch.equal(grid > 0, true > 0)
    near = true.abs() < 1 / 32
    assert torch.equal(grid[near], true[near])
    assert asked[:2] == [16**3, asked[1]] and asked[1] < 0.4 * 32**3
    monkeypatch.undo()
    grid = model.occupancy(features, 6)
    place = torch.tensor([[(4 + 0.5) / 6, (1 + 0.5) / 6, (5 + 0.5) / 6]]) - 0.5
    coarse = torch.tensor([[(2 + 0.5) / 3, (0 + 0.5) / 3, (2 + 0.5) / 3]]) - 0.5
    level = math.log(0.75 / 0.25)  # at which the grid is 0
    values = [float(model.decoder(features, p[None]).detach()) - level for p in (place, coarse)]
    assert min(abs(float(grid[4, 1, 5]) - value) for value in values) < 1e-5


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
