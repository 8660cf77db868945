"""Runs that are killed, interrupted or resumed with other flags, as processes of their own."""

import os
import random
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from a5_pointclouds import train
from common.checkpoint import load_checkpoint
from tests.benchmarks.kill_resume import broken_run, differences, finish, training

FLAGS = ("--num_epochs", "9", "--num_points", "64", "--batch_size", "4", "--augment", "so3")


@pytest.fixture
def flags(tiniest) -> list[str]:
    """Flags of a short run."""
    return ["--main_dir", str(tiniest), "--device", "cpu", *FLAGS]


def test_a_run_killed_at_random_moments_ends_as_an_unbroken_one(tmp_path, flags):
    whole = training(tmp_path / "whole", flags)
    try:
        saved = broken_run(tmp_path / "broken", flags, kills=4, span=0.2, generator=random.Random(0))
    finally:
        finish(whole)
    assert len(saved) == 4 and saved == sorted(saved)
    assert differences(tmp_path / "whole" / "cls_exp", tmp_path / "broken" / "cls_exp") == []


def test_differences_are_seen(tmp_path, trained):
    assert differences(trained[0] / "cls_exp", trained[0] / "cls_exp") == []
    wrong = differences(trained[0] / "cls_exp", trained[0] / "seg_exp")
    assert {"checkpoints/last.pt", "checkpoints/best_model.pt", "metrics.json", "curves.png"} <= set(wrong)


def wait_for(path: Path, process) -> None:
    """Until a file is there."""
    end = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_says_how_to_go_on(tmp_path, start, run, flags, read_json, workers):
    """A terminal sends Ctrl-C to every process of the run."""
    folder = tmp_path / "cls_exp" / "checkpoints"
    more = ("--num_epochs", 500, "--num_workers", workers)
    process = start("-m", "a5_pointclouds.train", "--output_dir", tmp_path, *flags, *more)
    wait_for(folder / "history.json", process)
    os.killpg(process.pid, signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "Traceback" not in err
    said = re.search(r"interrupted: epochs 1 to (\d+) are saved in (.*); the same command with --resume goes on", err)
    epoch = load_checkpoint(folder / "last.pt")["progress"]["epoch"]
    assert said and Path(said[2]) == folder / "last.pt" and int(said[1]) == epoch
    result = run(train, tmp_path, *flags, "--num_epochs", epoch + 1, "--resume")
    assert result.code == 0 and read_json(tmp_path / "cls_exp" / "metrics.json")["epochs"] == epoch + 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run):
    """The output folder of a run of two epochs."""
    folder = tmp_path_factory.mktemp("finished")
    assert run(train, folder, *FLAGS, "--num_epochs", 2).code == 0
    return folder


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--lr", 0.5), "its training is"),
        (("--batch_size", 5), "its training is"),
        (("--seed", 1), "another --exp_name"),
        (("--num_points", 32), "its training is"),
        (("--augment", "none"), "its model is"),
        (("--augment", "none", "--frame", "principal"), "its training is"),
    ],
)
def test_other_settings_are_not_resumed(run, finished, more, said):
    line = run(train, finished, *FLAGS, "--num_epochs", 3, "--resume", *more).complaint
    assert said in line and "use the arguments it was made with, or another --exp_name" in line


def test_other_data_is_not_resumed(run, finished, own_tiny):
    path = own_tiny / "cls" / "data_train.npy"
    np.save(path, np.load(path) * np.float32(1.001))
    line = run(train, finished, *FLAGS, "--num_epochs", 3, "--resume", "--main_dir", own_tiny).complaint
    assert "its data is" in line and "use the arguments it was made with" in line


def test_a_damaged_checkpoint_is_not_resumed(run, tmp_path):
    assert run(train, tmp_path, *FLAGS, "--num_epochs", 1).code == 0
    last = tmp_path / "cls_exp" / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:-1000])
    assert "last.pt: damaged or not a checkpoint" in run(train, tmp_path, *FLAGS, "--resume").complaint


def test_more_epochs_and_other_workers_may_be_asked_for(run, finished, read_json):
    result = run(train, finished, *FLAGS, "--num_epochs", 3, "--num_workers", 1, "--resume")
    assert result.code == 0 and read_json(finished / "cls_exp" / "metrics.json")["epochs"] == 3
