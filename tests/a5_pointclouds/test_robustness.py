"""The robustness study: a model that cannot be fooled shows that labels follow, one that can that levels count."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from a5_pointclouds import robustness
from a5_pointclouds.options import Trained
from a5_pointclouds.robustness import SWEEPS, _one_of_each, measure, sweep_accuracy

BY_NAME = {sweep.name: sweep for sweep in SWEEPS}
EVERY_LEVEL = [(sweep.name, level) for sweep in SWEEPS for level in sweep.levels]
COUNT = 300


class Shells(nn.Module):
    """Tells on which shell, of radius 1, 10 or 100, each point lies."""

    def forward(self, points):
        shell = points.norm(dim=-1).clamp(min=1e-3).log10().round().long().clamp(0, 2)
        return nn.functional.one_hot(shell, 3).float()


class Recorder(nn.Module):
    """Keeps what it is given, and says 0."""

    def forward(self, points):
        self.seen = points
        return torch.tensor([1.0, 0.0, 0.0]).expand(len(points), 3)


@pytest.fixture
def shells(make_clouds):
    """Clouds on these shells, labelled rightly."""
    generator = np.random.default_rng(0)
    points, labels = generator.standard_normal((6, COUNT, 3)), generator.integers(0, 3, (6, COUNT))
    return make_clouds(points / np.linalg.norm(points, axis=2, keepdims=True) * 10.0 ** labels[..., None], labels)


@pytest.fixture
def clouds(make_clouds):
    """Six clouds of three classes."""
    return make_clouds(np.random.default_rng(1).standard_normal((6, COUNT, 3)), np.array([0, 0, 0, 1, 2, 2]))


def model_of(module: nn.Module) -> Trained:
    return Trained(module.eval(), ("a", "b", "c"), Path("m.pt"), torch.device("cpu"))


def changed_and_not(clouds, name: str, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The clouds as a model sees them at a level, and without a change."""
    seen = []
    for sweep, at in ((BY_NAME[name], level), (BY_NAME["scale"], 1)):
        recorder = Recorder()
        sweep_accuracy(model_of(recorder), clouds, sweep, at, COUNT, 0)
        seen.append(recorder.seen.numpy())
    return seen[0], seen[1]


@pytest.mark.parametrize(("name", "level"), EVERY_LEVEL)
def test_labels_follow_their_points(shells, name, level):
    result = sweep_accuracy(model_of(Shells()), shells, BY_NAME[name], level, COUNT, 0)
    right = result.object_accuracy
    assert result.predicted.shape == (6, int(level) if name == "points" else COUNT)
    if name == "outliers":  # they lie within radius 1, where every third label says so
        assert (right >= 1 - level).all() and right.mean() == pytest.approx(1 - level * 2 / 3, abs=0.4 * level)
    else:
        assert (right == 1).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("degrees", [30, 90, 180])
def test_turns_about_an_axis(clouds, axis, degrees):
    after, before = changed_and_not(clouds, f"rotation about {'xyz'[axis]}", degrees)
    np.testing.assert_allclose(after[..., axis], before[..., axis], atol=1e-5)
    flat = [np.delete(points, axis, 2) for points in (after, before)]
    cosine = (flat[0] * flat[1]).sum(2) / (flat[1] ** 2).sum(2)
    np.testing.assert_allclose(cosine, np.cos(np.radians(degrees)), atol=1e-4)


def test_turns_about_random_axes_have_their_angle(clouds):
    after, before = changed_and_not(clouds, "rotation about random axes", 60)
    turns = [np.linalg.lstsq(b, a, rcond=None)[0] for a, b in zip(after, before, strict=True)]
    np.testing.assert_allclose([np.trace(r) for r in turns], 1 + 2 * 0.5, atol=1e-4)
    assert np.abs(turns[0] - turns[1]).max() > 0.1


def test_level_zero_is_no_change(clouds):
    for name in ("rotation about x", "any rotation", "noise", "outliers"):
        after, before = changed_and_not(clouds, name, 0)
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_scale_and_noise_have_their_size(clouds):
    after, before = changed_and_not(clouds, "scale", 1.5)
    np.testing.assert_allclose(after, 1.5 * before, rtol=1e-6)
    after, before = changed_and_not(clouds, "noise", 0.05)
    assert (after - before).std() == pytest.approx(0.05, rel=0.05)


def test_the_table_has_every_level_and_repeats(clouds, capsys):
    models = {"one": model_of(Recorder()), "two": model_of(Recorder())}
    table = measure(models, clouds, 32, 0)
    assert table["one"] == table["two"] == measure(models, clouds, 32, 0)["one"]
    for sweep in SWEEPS:
        rows = table["one"][sweep.name]
        assert tuple(row["level"] for row in rows) == sweep.levels
        assert all(row["accuracy"] == 0.5 and row["low"] < 0.5 < row["high"] for row in rows)
    lines = robustness.text_table(table).splitlines()
    assert len(lines) == 1 + len(EVERY_LEVEL) and lines[0].split() == ["change", "level", "one", "two"]


def test_one_of_each_is_found_wherever_it_stands(clouds, shells, make_clouds):
    assert _one_of_each(clouds) == [0, 3, 4] and _one_of_each(shells) == [0, 1, 2]
    late = make_clouds(np.zeros((200, 2, 3)), np.repeat([0, 1], [150, 50]))
    assert _one_of_each(late) == [0, 150]


@pytest.mark.parametrize("task", ["cls", "seg"])
def test_the_command(studied, read_json, check_pictures, task):
    folder = studied[0] / f"robustness_{task}"
    metrics = read_json(folder / "metrics.json")
    figures = ["accuracy", "mean_class_accuracy", "low", "high", *(["mean_iou"] if task == "seg" else [])]
    levels = [f"best_model/{name}/{level:g}".replace(" ", "_") for name, level in EVERY_LEVEL]
    named = {f"{level}/{figure}" for level in levels for figure in figures}
    assert set(metrics) == named | {"majority_baseline", "seconds"}
    assert all(0 <= metrics[name] <= 1 for name in named)
    assert len((folder / "robustness.txt").read_text().splitlines()) == 1 + len(EVERY_LEVEL)
    check_pictures(folder, {"robustness.png", "examples.png"}, 8)
    assert {"rotation_about_x_30.gif", "points_100.gif"} <= {path.name for path in folder.iterdir()}
    assert list(read_json(folder / "run.json")["checkpoints"]) == ["best_model"]


def test_every_checkpoint_has_a_name_of_its_own(trained, run, monkeypatch, tmp_path, read_json):
    monkeypatch.setattr(robustness, "SWEEPS", (BY_NAME["noise"],))
    monkeypatch.setattr(robustness, "show", lambda *_: None)
    kept = trained[0] / "cls_exp" / "checkpoints"
    paths = [kept / "best_model.pt", kept / "last.pt", kept / "last.pt"]
    result = run(robustness, tmp_path, "--num_points", 32, "--load_checkpoint", *paths)
    assert result.code == 0
    run_json = read_json(tmp_path / "robustness_cls" / "run.json")
    names = ["cls_exp", "cls_exp/last", "cls_exp/last/3"]
    assert run_json["checkpoints"] == dict(zip(names, map(str, paths), strict=True))
    metrics = read_json(tmp_path / "robustness_cls" / "metrics.json")
    assert {name.rsplit("/", 3)[0] for name in metrics if "noise" in name} == set(names)
