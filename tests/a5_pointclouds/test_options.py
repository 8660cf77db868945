"""Flags to folders, checkpoints and label tables."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from a5_pointclouds.models import build_model
from a5_pointclouds.options import (
    Trained,
    add_split_flags,
    check_batch_size,
    check_classes,
    checkpoint_folder,
    checkpoint_path,
    evaluation_parser,
    experiment_folder,
    load_splits,
    load_trained,
    merge_labels,
    pick_split,
)
from common.checkpoint import save_checkpoint
from common.cli import UserError
from common.data.cloud_set import Splits


@pytest.fixture
def flags(tmp_path):
    """Parsed flags of an evaluation that writes below the test's folder."""

    def parse(*argv: str) -> argparse.Namespace:
        parser = evaluation_parser("Evaluate.", "python -m it")
        add_split_flags(parser)
        return parser.parse_args(["--output_dir", str(tmp_path / "out"), "--device", "cpu", *argv])

    return parse


@pytest.fixture
def three(make_clouds):
    """Splits of 5, 2 and 3 clouds labelled 0 to 2."""
    points, labels = np.random.default_rng(0).standard_normal((10, 4, 3)), np.arange(10) % 3
    return Splits(*(make_clouds(points, labels, rows) for rows in (np.arange(5), np.arange(5, 7), np.arange(7, 10))))


def test_folders(flags, tmp_path):
    args = flags("--exp_name", "so3")
    assert experiment_folder(args, "seg") == tmp_path / "out" / "seg_so3"
    assert checkpoint_folder(args, "seg") == tmp_path / "out" / "seg_so3" / "checkpoints"
    assert checkpoint_folder(flags("--checkpoint_dir", "kept"), "cls") == Path("kept/cls")


@pytest.mark.parametrize("name", ["a/b", "../up", "/root", "a/"])
def test_names_of_experiments_have_no_slashes(flags, name):
    with pytest.raises(UserError, match="^--exp_name .*: a plain name is needed"):
        experiment_folder(flags("--exp_name", name), "cls")


@pytest.mark.parametrize(
    ("name", "file"),
    [("best_model", "best_model.pt"), ("last.pt", "last.pt"), ("model_epoch_3", "model_epoch_3.pt"), ("v1", "v1.pt")],
)
def test_names_of_checkpoints_are_looked_up_in_the_folder(flags, tmp_path, name, file):
    path = checkpoint_path(flags("--load_checkpoint", name), "cls")
    assert path == tmp_path / "out" / "cls_exp" / "checkpoints" / file


def test_paths_of_checkpoints_are_taken_as_they_are(flags, tmp_path, monkeypatch):
    """A mistyped path must not become the default experiment's file of the same name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.pt").write_bytes(b"")
    for path in (Path("there.pt"), Path("absent/best_model.pt"), tmp_path / "absent" / "best_model.pt"):
        assert checkpoint_path(flags("--load_checkpoint", str(path)), "cls") == path


@pytest.mark.parametrize(
    ("split", "labels"), [("train", range(5)), ("val", (5, 6)), ("test", (7, 8, 9)), ("all", range(10))]
)
def test_splits(flags, three, split, labels):
    clouds = pick_split(flags("--split", split, "--i", str(len(labels) - 1)), three)
    assert clouds.batch(np.arange(len(clouds)))[1].tolist() == [i % 3 for i in labels]


@pytest.mark.parametrize("index", [-1, 3, 10**12])
def test_clouds_that_the_split_does_not_have(flags, three, index):
    with pytest.raises(UserError, match=f"^--i {index}: the test split has clouds 0 to 2$"):
        pick_split(flags("--i", str(index)), three)


@pytest.mark.parametrize(("task", "batch", "clouds", "fine"), [
    ("cls", 2, 2, True), ("cls", 32, 2, True), ("cls", 1, 9, False), ("cls", 32, 1, False),
    ("seg", 1, 1, True), ("seg", 32, 0, False), ("cls", 32, 0, False),
])  # fmt: skip
def test_batches_of_one_cloud(task, batch, clouds, fine):
    args = argparse.Namespace(task=task, batch_size=batch)
    if fine:
        return check_batch_size(args, clouds)
    with pytest.raises(UserError, match=f"^--batch_size {batch}: {clouds} training clouds"):
        check_batch_size(args, clouds)


def test_the_data_is_named_and_a_larger_count_noted(flags, tiny, capsys):
    splits = load_splits(flags("--main_dir", str(tiny), "--num_points", "500"), "cls")
    out = capsys.readouterr().out
    assert len(splits.test) == 6 and f"data: official cls files in {tiny}" in out
    assert "note: --num_points 500 is more than the 128 of a cloud: drawn with replacement" in out
    load_splits(flags("--main_dir", str(tiny), "--num_points", "128"), "cls")
    assert "note" not in capsys.readouterr().out


def save_model(path, task="seg", frame="given", classes=("a", "b"), **settings):
    settings = {"arch": "pointnet", "task": task, "num_classes": len(classes), "frame": frame, **settings}
    torch.manual_seed(0)
    model = build_model("pointnet", task, len(classes), frame)
    save_checkpoint(path, {"model": settings, "classes": list(classes), "weights": model.state_dict()})
    return model


@pytest.mark.parametrize("frame", ["given", "principal"])
def test_a_trained_model_is_the_one_saved(flags, tmp_path, frame):
    model = save_model(tmp_path / "m.pt", frame=frame).eval()
    trained = load_trained(flags("--load_checkpoint", str(tmp_path / "m.pt")), "seg")
    assert trained.classes == ("a", "b") and trained.path == tmp_path / "m.pt" and not trained.model.training
    x = torch.randn(2, 30, 3)
    assert torch.equal(trained.model(x), model(x))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"task": "cls"}, "it holds pointnet/cls, not a seg model"), ({"arch": "dgcnn"}, "it holds dgcnn/seg, not a seg")],
)
def test_checkpoints_of_other_models(flags, tmp_path, settings, said):
    save_model(tmp_path / "m.pt", **settings)
    with pytest.raises(UserError, match=said):
        load_trained(flags("--load_checkpoint", str(tmp_path / "m.pt")), "seg")


def test_a_checkpoint_without_a_model(flags, tmp_path):
    save_checkpoint(tmp_path / "m.pt", {"weights": {}})
    with pytest.raises(UserError, match="not a seg model"):
        load_trained(flags("--load_checkpoint", str(tmp_path / "m.pt")), "seg")


def test_weights_of_another_width(flags, tmp_path):
    save_model(tmp_path / "m.pt", num_classes=5)
    with pytest.raises(UserError, match=r"do not fit this model \(first: classify.weight\)"):
        load_trained(flags("--load_checkpoint", str(tmp_path / "m.pt")), "seg")


@pytest.fixture
def segmenter():
    return Trained(torch.nn.Identity(), ("back", "seat", "leg", "base"), Path("m.pt"), torch.device("cpu"))


def test_classes_must_be_as_many(segmenter, three):
    with pytest.raises(UserError, match=r"m\.pt knows 4 classes \(back, .*\), the data has 3 \(class 0, .*\)"):
        check_classes(segmenter, three.test)
    with pytest.raises(UserError, match="knows 4 classes"):
        merge_labels(None, segmenter, three.test)


def test_the_same_classes_in_another_order_are_refused():
    trained = Trained(torch.nn.Identity(), ("chair", "vase", "lamp"), Path("model.pt"), torch.device("cpu"))
    check_classes(trained, SimpleNamespace(class_names=("chair", "vase", "lamp")))
    check_classes(trained, SimpleNamespace(class_names=("one", "two", "three")))
    with pytest.raises(UserError, match="chair, lamp, vase"):
        check_classes(trained, SimpleNamespace(class_names=("chair", "lamp", "vase")))


def test_labels_are_mapped(segmenter, three, make_clouds):
    assert merge_labels("0, 1,2,2", segmenter, three.test).tolist() == [0, 1, 2, 2]
    four = make_clouds(np.zeros((4, 2, 3)), np.arange(4))
    assert merge_labels(None, segmenter, four).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("label_map", "said"),
    [
        ("0,1", r"needs 4 numbers \(back, seat, leg, base\), each from 0 to 2"),
        ("0,1,2,3", "each from 0 to 2"),
        ("0,1,2,-1", "each from 0 to 2"),
        ("0,1,x,2", "whole numbers with commas between them"),
        ("", "whole numbers with commas between them"),
    ],
)
def test_bad_label_maps(segmenter, three, label_map, said):
    with pytest.raises(UserError, match=f"^--label_map {label_map}: .*{said}"):
        merge_labels(label_map, segmenter, three.test)
