"""Predictions over a split, the figures reported of them, and the two evaluation commands."""

import numpy as np
import pytest
import torch
from torch import nn

from a5_pointclouds import data, eval_cls, eval_seg
from a5_pointclouds.evaluate import Predictions, predict, report, summary
from common.metrics import wilson_interval

CPU = torch.device("cpu")


class Sides(nn.Module):
    """Says on which side of 0 a cloud's mean x lies, or each point's; counts the clouds that it saw."""

    def __init__(self, seg: bool = False):
        super().__init__()
        self.seg, self.seen = seg, 0

    def forward(self, points):
        assert not self.training and not torch.is_grad_enabled()
        self.seen += len(points)
        x = points[..., 0] if self.seg else points[..., 0].mean(1)
        return torch.stack([-x, x], -1)


@pytest.fixture
def sides(make_clouds):
    """seg? -> 11 clouds on one side or the other, labelled rightly."""

    def make(seg: bool = False):
        points = np.random.default_rng(0).standard_normal((11, 20, 3))
        labels = (points[..., 0] > 0).astype(np.int64)
        if not seg:
            labels = np.arange(11) % 2
            points[..., 0] = np.abs(points[..., 0]) * (2 * labels[:, None] - 1)
        return make_clouds(points, labels)

    return make


@pytest.mark.parametrize("seg", [False, True])
@pytest.mark.parametrize("count", [5, 20, 50])
def test_predictions_of_every_cloud_in_order(sides, monkeypatch, seg, count):
    monkeypatch.setattr(data, "CHUNK_POINTS", 4 * count)
    model, clouds = Sides(seg).train(), sides(seg)
    result = predict(model, clouds, count, CPU)
    assert model.seen == 11 and model.training  # as it was before
    assert result.predicted.shape == ((11, count) if seg else (11,)) and torch.equal(result.predicted, result.target)
    assert torch.equal(result.object_accuracy, torch.ones(11, dtype=torch.float64)) and result.num_classes == 2
    assert seg or result.target.tolist() == [i % 2 for i in range(11)]
    assert summary(result)["accuracy"] == 1


def test_a_change_comes_before_the_model(sides):
    mirrored = predict(Sides(), sides(), 20, CPU, change=lambda points, labels: (-points, labels))
    assert summary(mirrored)["accuracy"] == 0
    relabelled = predict(Sides(), sides(), 20, CPU, change=lambda points, labels: (-points, 1 - labels))
    assert summary(relabelled)["accuracy"] == 1


def test_the_seed_chooses_the_points(sides):
    seen = []

    def change(points, labels):
        seen.append(points)
        return points, labels

    for seed in (0, 0, 1):
        predict(Sides(), sides(), 5, CPU, seed, change)
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])


def test_report_of_a_classifier():
    result = Predictions(torch.tensor([0, 0, 1, 1, 1, 0]), torch.tensor([0, 0, 0, 1, 1, 1]), 3)
    low, high = wilson_interval(4, 6)
    expected = {
        "val_accuracy": 4 / 6, "val_mean_class_accuracy": 4 / 6, "majority_baseline": 0.5, "val_accuracy_low": low,
        "val_accuracy_high": high, "val_accuracy_chair": 2 / 3, "val_accuracy_floor_lamp": 2 / 3,
    }  # fmt: skip
    names, counts = ("chair", "floor_lamp", "vase"), ((2, 1, 0), (1, 2, 0), (0, 0, 0))
    for name, row in zip(names, counts, strict=True):
        expected |= {f"val_confusion_{name}_as_{other}": n for other, n in zip(names, row, strict=True)}
    assert report(result, ("chair", "floor lamp", "vase"), "val") == pytest.approx(expected)


def test_report_of_a_segmenter():
    target = torch.tensor([[0, 0, 1, 1], [0, 0, 0, 0]])
    result = Predictions(torch.tensor([[0, 1, 1, 1], [0, 0, 0, 0]]), target, 3)
    metrics = report(result, ("back", "seat", "leg"))
    assert result.object_accuracy.tolist() == [0.75, 1]
    low, high = metrics.pop("test_accuracy_low"), metrics.pop("test_accuracy_high")
    assert 0.75 <= low <= 0.875 <= high <= 1
    expected = {
        "test_accuracy": 7 / 8, "test_mean_class_accuracy": (5 / 6 + 1) / 2, "majority_baseline": 6 / 8,
        "test_mean_iou": ((1 / 2 + 2 / 3) / 2 + 1) / 2, "test_accuracy_back": 5 / 6, "test_accuracy_seat": 1,
        "test_iou_back": 5 / 6, "test_iou_seat": 2 / 3,
    }  # fmt: skip
    names, counts = ("back", "seat", "leg"), ((5, 1, 0), (0, 2, 0), (0, 0, 0))
    for name, row in zip(names, counts, strict=True):
        expected |= {f"test_confusion_{name}_as_{other}": n for other, n in zip(names, row, strict=True)}
    assert metrics == pytest.approx(expected)


@pytest.mark.parametrize("task", ["cls", "seg"])
def test_evaluation_agrees_with_the_end_of_training(studied, read_json, task):
    """All 128 points of each cloud in another order: the same figures."""
    folder = studied[0] / f"{task}_exp"
    after, evaluated = read_json(folder / "metrics.json"), read_json(folder / "eval_test" / "metrics.json")
    shared = {name for name in after if name.startswith("test_") or name == "majority_baseline"}
    assert set(evaluated) == shared | {"num_points", "objects", "seconds"}
    assert {k: evaluated[k] for k in shared} == pytest.approx({k: after[k] for k in shared}, abs=1e-3)
    assert evaluated["num_points"] == 128 and evaluated["objects"] == 6
    run = read_json(folder / "eval_test" / "run.json")
    assert run["checkpoint"].endswith("best_model.pt") and run["arguments"]["i"] == 2 and run["device"] == "cpu"


def test_objects_of_the_classifier(studied, read_json):
    folder = studied[0] / "cls_exp" / "eval_test"
    objects = read_json(folder / "objects.json")["objects"]
    assert [o["index"] for o in objects] == list(range(6))
    assert [o["true"] for o in objects] == ["chair", "vase", "lamp"] * 2
    assert all(o["right"] == (o["true"] == o["predicted"]) for o in objects)
    assert sum(o["right"] for o in objects) / 6 == read_json(folder / "metrics.json")["test_accuracy"]
    shown = {path.name for path in folder.glob("object_*.gif")}
    assert shown == {f"object_0002_lamp_as_{objects[2]['predicted']}.gif"}
    failures = {path.name.split("_")[2] for path in folder.glob("failure_*.gif")}
    assert failures == {o["true"] for o in objects if not o["right"]}


def test_objects_of_the_segmenter(studied, read_json):
    folder = studied[0] / "seg_exp" / "eval_test"
    objects = read_json(folder / "objects.json")["objects"]
    metrics = read_json(folder / "metrics.json")
    assert np.mean([o["accuracy"] for o in objects]) == pytest.approx(metrics["test_accuracy"])
    assert np.mean([o["mean_iou"] for o in objects]) == pytest.approx(metrics["test_mean_iou"])
    assert (folder / "object_0002.gif").is_file()
    best = {int(path.stem.split("_")[1]) for path in folder.glob("best_*.gif")}
    ranked = sorted(objects, key=lambda o: -o["accuracy"])
    assert sorted(o["accuracy"] for o in objects if o["index"] in best) == sorted(o["accuracy"] for o in ranked[:3])


def test_pictures(studied, check_pictures):
    for task, stills in (("cls", set()), ("seg", {"object_accuracy.png"})):
        folder = studied[0] / f"{task}_exp" / "eval_test"
        check_pictures(folder, {"confusion.png", "examples.png"} | stills, len(list(folder.glob("*.gif"))))


@pytest.mark.parametrize(("split", "count"), [("train", 27), ("val", 3), ("all", 36)])
def test_other_splits(trained, run, tmp_path, read_json, split, count):
    given = trained[0] / "cls_exp" / "checkpoints" / "best_model.pt"
    result = run(eval_cls, tmp_path, "--split", split, "--num_points", 64, "--load_checkpoint", given)
    metrics = read_json(tmp_path / "cls_exp" / f"eval_{split}" / "metrics.json")
    assert result.code == 0 and metrics["objects"] == count and f"{split}_accuracy" in metrics
    assert f"{split}_accuracy" in result.out and "note" not in result.out


def test_labels_are_mapped_before_they_are_judged(studied, run, tmp_path, read_json):
    """All labels become 1, which is right exactly where the truth is 1."""
    given = studied[0] / "seg_exp" / "checkpoints" / "best_model.pt"
    flags = ("--label_map", "1,1,1", "--num_points", 128, "--load_checkpoint", given)
    assert run(eval_seg, tmp_path, *flags).code == 0
    metrics = read_json(tmp_path / "seg_exp" / "eval_test" / "metrics.json")
    assert [metrics[f"test_accuracy_part_{k}"] for k in range(3)] == [0, 1, 0]


def test_more_points_than_a_cloud_holds(trained, run, tmp_path, read_json):
    for module, task in ((eval_cls, "cls"), (eval_seg, "seg")):
        given = trained[0] / f"{task}_exp" / "checkpoints" / "best_model.pt"
        result = run(module, tmp_path, "--num_points", 300, "--load_checkpoint", given)
        assert result.code == 0 and "--num_points 300 is more than the 128 of a cloud" in result.out
        assert read_json(tmp_path / f"{task}_exp" / "eval_test" / "metrics.json")["num_points"] == 300
