"""Training by its command: what it leaves, and that the same command gives the same."""

import math

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from a5_pointclouds import figures, train
from a5_pointclouds.evaluate import predict
from a5_pointclouds.models import build_model
from common.checkpoint import load_checkpoint, save_checkpoint

QUICK = ("--num_epochs", 2, "--num_points", 64, "--batch_size", 9)
FIGURES = {
    "test_accuracy", "test_accuracy_low", "test_accuracy_high", "test_mean_class_accuracy", "majority_baseline",
    "val_accuracy", "best_epoch", "epochs", "train_loss", "clouds_per_second", "parameters", "seconds",
}  # fmt: skip
NAMES = {"cls": ("chair", "vase", "lamp"), "seg": ("part_0", "part_1", "part_2")}


def weights(folder, name="best_model"):
    return load_checkpoint(folder / "checkpoints" / f"{name}.pt")["weights"]


def same_weights(left, right) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("task", ["cls", "seg"])
def test_metrics(trained, read_json, task):
    metrics = read_json(trained[0] / f"{task}_exp" / "metrics.json")
    per_class = {f"test_accuracy_{name}" for name in NAMES[task]}
    extra = {"test_mean_iou", *(f"test_iou_{name}" for name in NAMES[task])} if task == "seg" else set()
    confusion = {f"test_confusion_{name}_as_{other}" for name in NAMES[task] for other in NAMES[task]}
    assert set(metrics) == FIGURES | per_class | extra | confusion
    assert all(math.isfinite(value) for value in metrics.values())
    assert 0 <= metrics["test_accuracy_low"] <= metrics["test_accuracy"] <= metrics["test_accuracy_high"] <= 1
    assert metrics["epochs"] == 2 and metrics["best_epoch"] in (1, 2)
    assert metrics["parameters"] == (808_003 if task == "cls" else 327_363)


@pytest.mark.parametrize("task", ["cls", "seg"])
def test_the_run_is_described(trained, tiny, splits, read_json, task):
    run = read_json(trained[0] / f"{task}_exp" / "run.json")
    assert run["arguments"]["task"] == task and run["arguments"]["augment"] == "so2" and run["seed"] == 0
    assert run["arguments"]["frame"] == "given" and run["device"] == "cpu" and run["wall_seconds"] > 0
    assert run["data"]["source"] == f"official {task} files in {tiny / task}"
    assert run["data"]["fingerprint"] == splits[task].train.fingerprint


def test_figures_and_gifs(trained, check_pictures):
    folder, results = trained
    failures = int(results["cls"].out.split(" failures")[0].split()[-1])
    check_pictures(folder / "cls_exp", {"curves.png", "confusion.png", "examples.png"}, 6 + failures)
    gifs = len({path.name for path in (folder / "seg_exp").glob("*.gif")})
    stills = {"curves.png", "confusion.png", "examples.png", "object_accuracy.png"}
    check_pictures(folder / "seg_exp", stills, gifs)
    assert {path.name.split("_")[0] for path in (folder / "seg_exp").glob("*.gif")} == {"best", "worst", "random"}


def test_what_is_printed(trained):
    for task, result in trained[1].items():
        assert "data: official" in result.out and f"pointnet for {task}: " in result.out and "on cpu" in result.out
        assert "test accuracy" in result.out and "majority baseline" in result.out
        assert ("mean IoU" in result.out) == (task == "seg")


@pytest.mark.parametrize("task", ["cls", "seg"])
def test_checkpoints(trained, splits, task):
    folder = trained[0] / f"{task}_exp" / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["best_model.pt", "history.json", "last.pt"]
    for name in ("best_model.pt", "last.pt"):
        contents = load_checkpoint(folder / name)
        assert contents["model"] == {"arch": "pointnet", "task": task, "num_classes": 3, "frame": "given"}
        assert contents["classes"] == list(splits[task].test.class_names)
        assert contents["data"] == splits[task].train.fingerprint and contents["training"]["lr"] == 0.005


@pytest.mark.parametrize("task", ["cls", "seg"])
def test_tensorboard_log(trained, read_json, task):
    folder = trained[0] / f"{task}_exp"
    log = EventAccumulator(str(folder / "logs")).Reload()
    history = read_json(folder / "checkpoints" / "history.json")["epochs"]
    tags = {name: name.replace("_", "/", 1) for name in history[0]}
    assert set(tags.values()) == set(log.Tags()["scalars"])
    for name, tag in tags.items():
        assert [event.value for event in log.Scalars(tag)] == pytest.approx([row[name] for row in history])


@pytest.mark.parametrize(("task", "least"), [("cls", 0.99), ("seg", 0.85)])
def test_it_learns(tmp_path, run, read_json, task, least):
    flags = ("--num_epochs", 25, "--num_points", 64, "--batch_size", 9, "--lr", 0.005)
    assert run(train, tmp_path, "--task", task, *flags).code == 0
    metrics = read_json(tmp_path / f"{task}_exp" / "metrics.json")
    assert metrics["test_accuracy"] >= least > metrics["majority_baseline"]


@pytest.fixture(scope="module")
def once(tmp_path_factory, run):
    """The folder of one short run with rotations, which the principal frame makes harmless."""
    folder = tmp_path_factory.mktemp("once")
    result = run(train, folder, *QUICK, "--augment", "so3", "--checkpoint_every", 1)
    assert result.code == 0, result
    return folder / "cls_exp"


@pytest.mark.parametrize("flags", [(), ("--num_workers", 2)])
def test_the_same_command_gives_the_same_with_any_workers(tmp_path, run, once, read_json, flags):
    assert run(train, tmp_path, *QUICK, "--augment", "so3", *flags).code == 0
    folder = tmp_path / "cls_exp"
    assert same_weights(weights(folder), weights(once)) and same_weights(weights(folder, "last"), weights(once, "last"))
    timed = {"seconds", "clouds_per_second"}
    left, right = ({k: v for k, v in read_json(f / "metrics.json").items() if k not in timed} for f in (folder, once))
    assert left == right


def test_the_best_weights_are_tested_not_the_last(tmp_path, run, splits, monkeypatch):
    def spoiling(experiment, *arguments, **named):
        progress = fit(experiment, *arguments, **named)
        with torch.no_grad():
            for parameter in experiment.model.parameters():
                parameter.neg_()
        return progress

    fit, tested = train.fit, []
    monkeypatch.setattr(train, "fit", spoiling)
    monkeypatch.setattr(figures, "classification_outputs", lambda result, *_: tested.append(result.predicted))
    assert run(train, tmp_path, *QUICK).code == 0
    best = load_checkpoint(tmp_path / "cls_exp" / "checkpoints" / "best_model.pt")
    model = build_model(**best["model"])
    model.load_state_dict(best["weights"])
    assert torch.equal(tested[0], predict(model, splits["cls"].test, 128, torch.device("cpu")).predicted)


def test_another_seed_gives_another_model(tmp_path, run, once):
    assert run(train, tmp_path, *QUICK, "--augment", "so3", "--seed", 1).code == 0
    assert not same_weights(weights(tmp_path / "cls_exp"), weights(once))


def test_rotations_bring_the_principal_frame(once):
    assert load_checkpoint(once / "checkpoints" / "last.pt")["model"]["frame"] == "principal"


def test_each_epochs_weights_are_kept(once):
    names = sorted(path.name for path in (once / "checkpoints").glob("model_epoch_*"))
    assert names == ["model_epoch_1.pt", "model_epoch_2.pt"]
    assert same_weights(weights(once, "model_epoch_2"), weights(once, "last"))
    assert not same_weights(weights(once, "model_epoch_1"), weights(once, "last"))


def test_training_starts_from_a_checkpoint(tmp_path, run, once):
    given = once / "checkpoints" / "best_model.pt"
    flags = ("--load_checkpoint", given, "--frame", "principal", "--lr", 1e-12, "--num_epochs", 1)
    result = run(train, tmp_path, *QUICK, *flags)
    assert result.code == 0 and f"starting from {given}\n" in result.out
    before, after = weights(once), weights(tmp_path / "cls_exp")
    learned = [name for name in before if "running" not in name and "num_batches" not in name]
    for name in learned:
        torch.testing.assert_close(before[name], after[name], atol=1e-6, rtol=0)


def test_another_number_of_classes_leaves_the_last_layer_fresh(tmp_path, run, trained):
    given = trained[0] / "seg_exp" / "checkpoints" / "best_model.pt"
    flags = ("--task", "seg", "--num_seg_class", 4, "--num_epochs", 1, "--load_checkpoint", given)
    result = run(train, tmp_path, *QUICK, *flags)
    assert result.code == 0 and "(the last layer is new)" in result.out


def test_a_checkpoint_of_other_layers_is_refused(tmp_path, run, trained):
    given = trained[0] / "cls_exp" / "checkpoints" / "best_model.pt"
    contents = load_checkpoint(given)
    contents["weights"]["encoder.pool.weight"] = torch.zeros(7, 128)
    save_checkpoint(tmp_path / "other.pt", contents)
    result = run(
        train, tmp_path, *QUICK, "--task", "cls", "--num_epochs", 1, "--load_checkpoint", tmp_path / "other.pt"
    )
    assert result.code == 2 and "its layers are not those of this model, as encoder.pool.weight" in result.err


def test_gifs_of_an_earlier_run_go(tmp_path, run):
    (tmp_path / "cls_exp").mkdir()
    for name in ("failure_0001_vase_as_lamp.gif", "mine.gif"):
        (tmp_path / "cls_exp" / name).write_text("old")
    assert run(train, tmp_path, *QUICK, "--task", "cls", "--num_epochs", 1).code == 0
    left = {path.name for path in (tmp_path / "cls_exp").glob("*.gif") if path.stat().st_size == 3}
    assert left == {"mine.gif"}


def test_max_minutes_ends_the_run_early_but_whole(tmp_path, run, read_json):
    result = run(train, tmp_path, "--num_points", 64, "--num_epochs", 500, "--max_minutes", 1e-5)
    assert result.code == 0 and read_json(tmp_path / "cls_exp" / "metrics.json")["epochs"] == 1


def test_checkpoints_can_lie_elsewhere(tmp_path, run):
    kept = tmp_path / "kept"
    assert run(train, tmp_path / "out", *QUICK, "--exp_name", "a b", "--checkpoint_dir", kept).code == 0
    assert (kept / "cls" / "best_model.pt").is_file() and (tmp_path / "out" / "cls_a b" / "metrics.json").is_file()


def test_a_loss_that_explodes_is_a_users_error(tmp_path, run):
    result = run(train, tmp_path, *QUICK, "--lr", 1e20)
    assert result.code == 2 and "Traceback" not in result.err
    assert result.err.splitlines()[-1].split("\r")[-1].strip().startswith("error: the loss is")
    assert load_checkpoint(tmp_path / "cls_exp" / "checkpoints" / "last.pt")["progress"]["epoch"] == 0
    assert not (tmp_path / "cls_exp" / "metrics.json").exists()


def test_clouds_with_fewer_points_than_asked_for(tmp_path, run):
    result = run(train, tmp_path, "--num_epochs", 1, "--num_points", 200, "--batch_size", 9)
    assert result.code == 0
    assert "note: --num_points 200 is more than the 128 of a cloud: drawn with replacement" in result.out
