"""F1 against a loop, IoU by hand, and the surfaces of known occupancies."""

import pytest
import torch

from a2_single_view.retrieval import chamfer_table, nearest_of
from a2_single_view.scores import (
    THRESHOLDS,
    compute_sampling_metrics,
    occupancy_mesh,
    recentred,
    sample_occupancy,
    voxel_iou,
)
from common.p3d import chamfer_distance


def test_f1_equals_a_loop():
    generator = torch.Generator().manual_seed(0)
    one, two = 0.1 * torch.randn(2, 60, 3, generator=generator), 0.1 * torch.randn(2, 50, 3, generator=generator)
    metrics = compute_sampling_metrics(one, two)
    for number, (a, b) in enumerate(zip(one, two, strict=True)):
        d = (a[:, None] - b[None]).norm(dim=-1)
        for t in THRESHOLDS:
            precision = 100 * (d.amin(1) < t).double().mean().item()
            recall = 100 * (d.amin(0) < t).double().mean().item()
            assert metrics[f"Precision@{t:f}"][number] == pytest.approx(precision, rel=1e-5)
            assert metrics[f"Recall@{t:f}"][number] == pytest.approx(recall, rel=1e-5)
            f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
            assert metrics[f"F1@{t:f}"][number] == pytest.approx(f1, rel=1e-5)
        assert metrics["Chamfer"][number] == pytest.approx(
            float(d.amin(1).square().mean() + d.amin(0).square().mean()), rel=1e-4
        )


def test_f1_of_a_cloud_with_itself_and_with_one_far_away():
    cloud = torch.rand(1, 100, 3, generator=torch.Generator().manual_seed(0))
    assert compute_sampling_metrics(cloud, cloud)["F1@0.010000"].item() == pytest.approx(100.0)
    assert compute_sampling_metrics(cloud, cloud + 5)["F1@0.050000"].item() == 0.0


def test_iou_by_hand():
    logits = torch.tensor([[3.0, 2.0, -1.0, -2.0], [-1.0, -1.0, -1.0, -1.0]])
    truth = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0]])
    assert voxel_iou(logits, truth).tolist() == [pytest.approx(1 / 3), 0.0]


def ball_logits(resolution=32, radius=0.3, centre=(0.05, -0.1, 0.12)):
    ticks = (torch.arange(resolution) + 0.5) / resolution - 0.5
    places = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), -1)
    return 40.0 * (radius - (places - torch.tensor(centre)).norm(dim=-1))


def test_surface_of_an_occupancy_lies_where_it_should():
    mesh = occupancy_mesh(ball_logits())
    verts, centre = mesh.verts_packed(), torch.tensor([0.05, -0.1, 0.12])
    assert ((verts - centre).norm(dim=1) - 0.3).abs().max() < 2e-3
    normals = mesh.faces_normals_packed()
    outwards = verts[mesh.faces_packed()].mean(1) - centre
    assert ((normals * outwards).sum(1) > 0).all()
    full = occupancy_mesh(torch.full((4, 4, 4), 9.0))  # closed at the cube's sides
    assert full.verts_packed().abs().max() == pytest.approx(0.5, abs=0.13)
    edges = full.faces_packed()[:, [0, 1, 1, 2, 2, 0]].view(-1, 2).sort(1).values
    assert (edges.unique(dim=0, return_counts=True)[1] == 2).all()


def test_points_of_an_occupancy():
    points = sample_occupancy(ball_logits(), 500)
    assert points.shape == (1, 500, 3)
    assert sample_occupancy(torch.full((8, 8, 8), -5.0), 10) is None
    assert recentred(points).mean(1).abs().max() < 1e-6


def test_the_nearest_shape_is_found_among_the_first():
    generator = torch.Generator().manual_seed(0)
    others = torch.rand(60, 200, 3, generator=generator) * torch.rand(60, 1, 3, generator=generator)
    clouds = others[[7, 31, 50]][:, torch.randperm(200, generator=generator)] + 0.003
    assert nearest_of(clouds, others).tolist() == [7, 31, 50]
    table = chamfer_table(clouds, others, None)
    torch.testing.assert_close(table[1, 4], chamfer_distance(clouds[1:2], others[4:5])[0])
