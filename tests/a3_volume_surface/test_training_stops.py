"""Seeds, runs that are interrupted, resumed or stopped by a loss that is not a number."""

import os
import re
import signal

import pytest
import torch

from a3_volume_surface import image_training, train_box, train_points
from common import optimisation
from common.checkpoint import load_checkpoint
from tests.a3_volume_surface.tiny import SMALL


@pytest.fixture
def stop(monkeypatch):
    """From now on every run is interrupted after so many steps, as by Ctrl-C."""

    def at(number):
        step = optimisation._step

        def stopping(run, rates, index, *more):
            loss = step(run, rates, index, *more)
            if index + 1 == number:
                os.kill(os.getpid(), signal.SIGINT)
            return loss

        monkeypatch.setattr(optimisation, "_step", stopping)

    return at


@pytest.mark.parametrize("name", ["sphere", "nerf grid", "nerf coarse and fine", "points", "neus grid", "volsdf"])
def test_a_run_is_a_function_of_its_seed(whole, train, tmp_path, name):
    assert train(name, tmp_path / "again").metrics == whole(name).metrics
    other = train(name, tmp_path / "other", "--seed", 5)
    assert other.run["seed"] == 5 and other.metrics != whole(name).metrics


@pytest.mark.parametrize("name", ["sphere", "nerf grid", "nerf coarse and fine", "points", "volsdf grid", "neus"])
def test_a_stopped_run_ends_as_the_unbroken_one(whole, train, tmp_path, stop, monkeypatch, name):
    stop(7)
    broken = train(name, tmp_path)
    assert broken.code == 130 and "Traceback" not in broken.err
    assert "interrupted: steps 1 to 7 are saved in" in broken.err and "--resume goes on from there" in broken.err
    assert broken.checkpoint["step"] == 7 and not (broken.folder / "metrics.json").exists()
    monkeypatch.undo()
    resumed = train(name, tmp_path, "--resume")
    assert resumed.metrics == whole(name).metrics
    for key, value in whole(name).checkpoint["weights"].items():
        assert torch.equal(resumed.checkpoint["weights"][key], value), key
    if name != "sphere":  # which notes nothing on the way
        rows = [resumed.history, whole(name).history]
        assert len(rows[0]) == len(rows[1])
        for one, other in zip(*rows, strict=True):
            assert {**one, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize("name", ["sphere", "points"])
def test_a_run_that_is_done_may_be_resumed(train, whole, tmp_path, name):
    """As after a kill while the pictures were made: nothing is left to train, and the same is measured."""
    done = train(name, tmp_path)
    (done.folder / "metrics.json").unlink()
    assert train(name, tmp_path, "--resume").metrics == whole(name).metrics


def test_the_course_s_configurations_resume_of_themselves(train, tmp_path, stop, monkeypatch):
    stop(7)
    assert train("nerf", tmp_path).code == 130
    monkeypatch.undo()
    steps = []
    step = optimisation._step
    monkeypatch.setattr(
        optimisation, "_step", lambda run, rates, index, *more: steps.append(index) or step(run, rates, index, *more)
    )
    assert train("nerf", tmp_path).code == 0 and steps == list(range(7, 12))
    steps.clear()
    assert train("nerf", tmp_path, "training.resume=false").code == 0 and len(steps) == 12


def test_ctrl_c_in_a_terminal_saves_the_run(start, train, data_dir, tmp_path):
    flags = ["--output_dir", tmp_path, "--data_dir", data_dir, "--device", "cpu", "--num_frames", 2, SMALL]
    long = ["--config-name=train_sphere", *flags, "training.num_epochs=100000", "training.batch_size=64"]
    process = start("-m", "a3_volume_surface.volume_rendering_main", *long)
    seen = ""
    while not re.search(r"fitting.*\| [1-9]\d*/300000", seen):
        letter = process.stderr.read(1)
        assert letter, seen
        seen += letter
    os.killpg(process.pid, signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    said = re.search(r"interrupted: steps 1 to (\d+) are saved in (.*); the same command with --resume goes on", err)
    assert process.returncode == 130 and "Traceback" not in err and said
    assert load_checkpoint(said[2])["step"] == int(said[1]) > 0
    assert train("sphere", tmp_path, "--resume").metrics["steps"] == int(said[1])


@pytest.mark.parametrize(
    ("name", "module", "term"),
    [
        ("sphere", train_box, "color"),
        ("nerf grid", image_training, "color"),
        ("nerf coarse and fine", image_training, "coarse color"),
        ("points", train_points, "eikonal"),
        ("volsdf", image_training, "inter"),
        ("neus grid", image_training, "eikonal"),
    ],
)
def test_a_loss_that_is_not_a_number_ends_the_run(train, tmp_path, monkeypatch, name, module, term):
    """In step 9: the checkpoint is that of step 6, and its weights are numbers."""

    def poisoned(run, *arguments, checkpoint_every=None, **named):
        losses = run.losses
        run.losses = lambda step: losses(step) | ({term: torch.tensor(torch.nan)} if step == 8 else {})
        return optimisation.optimise(run, *arguments, checkpoint_every=6, **named)

    monkeypatch.setattr(module, "optimise", poisoned)
    result = train(name, tmp_path)
    line = result.err.splitlines()[-1]
    assert result.code == 2 and "Traceback" not in result.err
    assert f"error: the loss is not finite in step 9: {term} is nan; the checkpoint" in line
    assert "is kept; start again with lower learning rates" in line
    saved = result.checkpoint
    assert saved["step"] == 6 and all(value.isfinite().all() for value in saved["weights"].values())
    assert not (result.folder / "metrics.json").exists()


@pytest.mark.parametrize("name", ["nerf grid", "nerf", "points", "volsdf grid", "neus"])
def test_a_rate_far_too_high_ends_the_run(train, tmp_path, name):
    result = train(name, tmp_path, "training.lr=1e30")
    term = "points" if name == "points" else "color"
    assert result.code == 2 and "Traceback" not in result.err
    said = rf"not finite in step [12]: {term} is nan; nothing was saved yet"  # in step 1 after a first phase
    assert re.search(said, result.err.splitlines()[-1])


@pytest.mark.parametrize("name", ["sphere", "nerf grid", "points", "neus grid"])
def test_nothing_to_resume(train, tmp_path, name):
    result = train(name, tmp_path, "--resume")
    assert result.code == 2 and "Traceback" not in result.err
    assert re.search(r"error: checkpoint .*\.pt: no such file", result.err.splitlines()[-1])


def test_a_checkpoint_of_another_field_is_not_resumed(train, whole, tmp_path):
    (path,) = whole("nerf").folder.glob("*.pt")
    (tmp_path / "nerf_lego").mkdir()
    (tmp_path / "nerf_lego" / path.name).write_bytes(path.read_bytes())
    assert "it is of a run with other settings" in train("nerf grid", tmp_path, "--resume").complaint
