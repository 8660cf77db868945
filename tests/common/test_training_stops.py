"""The training loop on a toy, stopped at any moment: what is resumed, and after how long it ends by itself."""

import os
import signal

import pytest
import torch

from common import training
from common.checkpoint import load_checkpoint
from common.cli import UserError
from common.training import BEST, LAST, Experiment, fit, learning_rate
from tests.common.toy_training import RATES, STEPS, toy


class Killed(BaseException):
    """As sudden as SIGKILL: nothing of ours catches it."""


def interrupted(experiment: Experiment, stop, epoch: int, step: int = 1) -> Experiment:
    """The experiment, with ``stop()`` called at a step of an epoch (step STEPS: in validation)."""
    calls = {"loss": 0, "validate": 0}
    loss, validate = experiment.loss, experiment.validate

    def stopping_loss(model, batch):
        calls["loss"] += 1
        if calls["loss"] == (epoch - 1) * STEPS + step + 1:
            stop()
        return loss(model, batch)

    def stopping_validate():
        calls["validate"] += 1
        if calls["validate"] == epoch and step >= STEPS:
            stop()
        return validate()

    experiment.loss, experiment.validate = stopping_loss, stopping_validate
    return experiment


def kill():
    raise Killed


def same(left, right) -> bool:
    """Equal to the bit, through dicts, lists and tensors, whatever the times of the run."""
    if isinstance(left, dict):
        timed = {"seconds", "clouds_per_second"}
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left.keys() - timed)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right


def state(experiment: Experiment) -> dict:
    return {"weights": dict(experiment.model.state_dict()), "optimizer": experiment.optimizer.state_dict()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Folder, experiment and progress of five epochs without a stop."""
    folder = tmp_path_factory.mktemp("unbroken")
    experiment = toy()
    return folder, experiment, fit(experiment, 5, folder)


@pytest.mark.parametrize(("epoch", "step"), [(1, 0), (2, 2), (3, STEPS), (5, STEPS - 1)])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, unbroken, epoch, step):
    folder, whole, progress = unbroken
    with pytest.raises(Killed):
        fit(interrupted(toy(), kill, epoch, step), 5, tmp_path)
    assert load_checkpoint(tmp_path / LAST)["progress"]["epoch"] == epoch - 1
    experiment = toy()
    resumed = fit(experiment, 5, tmp_path, resume=True)
    assert same(state(experiment), state(whole)) and same(vars(resumed), vars(progress))
    for name in (BEST, LAST):
        assert same(load_checkpoint(tmp_path / name), load_checkpoint(folder / name))


@pytest.mark.parametrize("call", range(1, 8))
def test_a_run_killed_while_it_saves_goes_on_to_the_same_bits(tmp_path, unbroken, monkeypatch, call):
    calls = []

    def save(path, contents):
        calls.append(path)
        if len(calls) == call + 1:
            raise Killed
        return original(path, contents)

    original = training.save_checkpoint
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(training, "save_checkpoint", save)
        fit(toy(), 5, tmp_path)
    experiment = toy()
    resumed = fit(experiment, 5, tmp_path, resume=True)
    assert same(state(experiment), state(unbroken[1])) and same(vars(resumed), vars(unbroken[2]))
    assert same(load_checkpoint(tmp_path / BEST), load_checkpoint(unbroken[0] / BEST))


def test_a_finished_run_resumes_to_itself(tmp_path, unbroken):
    fit(toy(), 3, tmp_path)
    experiment = toy()
    before = (tmp_path / LAST).read_bytes()
    assert fit(experiment, 3, tmp_path, resume=True).epoch == 3
    assert (tmp_path / LAST).read_bytes() == before


def test_nothing_to_resume(tmp_path):
    with pytest.raises(UserError, match="^--resume: nothing to resume, .*; run once without --resume$"):
        fit(toy(), 2, tmp_path, resume=True)


@pytest.mark.parametrize("key", ["model", "classes", "training"])
def test_another_experiment_is_not_resumed(tmp_path, key):
    fit(toy(), 1, tmp_path)
    other = toy()
    other.description = {**other.description, key: {"lr": 3}}
    with pytest.raises(UserError, match=rf"its {key} is .*, this run's is {{'lr': 3}}; use the arguments it was made"):
        fit(other, 2, tmp_path, resume=True)


def test_a_damaged_checkpoint_is_not_resumed(tmp_path):
    fit(toy(), 1, tmp_path)
    (tmp_path / LAST).write_bytes((tmp_path / LAST).read_bytes()[:-99])
    with pytest.raises(UserError, match="damaged"):
        fit(toy(), 2, tmp_path, resume=True)


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("stop", [ctrl_c, terminate])
@pytest.mark.parametrize(("epoch", "step"), [(1, 0), (3, 1), (2, STEPS)])
def test_interrupts_say_how_to_go_on(tmp_path, stop, epoch, step, unbroken):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as raised:
        fit(interrupted(toy(), stop, epoch, step), 5, tmp_path)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    whole = epoch if step == STEPS else epoch - 1  # validation, once begun, ends
    saved = f"epochs 1 to {whole} are saved in {tmp_path / LAST}"
    assert str(raised.value) == f"{saved}; the same command with --resume goes on from there"
    experiment = toy()
    fit(experiment, 5, tmp_path, resume=True)
    assert same(state(experiment), state(unbroken[1]))


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    def twice():
        ctrl_c()
        ctrl_c()
        pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt, match="epochs 1 to 0 are saved"):
        fit(interrupted(toy(), twice, 1, 2), 5, tmp_path)


class Clock:
    """time.time for the loop: a minute passes with each batch."""

    def __init__(self):
        self.now = 1e9

    def time(self) -> float:
        return self.now


def clocked(clock: Clock) -> Experiment:
    experiment = toy()
    loss = experiment.loss

    def slow(model, batch):
        clock.now += 60
        return loss(model, batch)

    experiment.loss = slow
    return experiment


def test_max_minutes_stops_at_an_epochs_end_with_the_rate_run_down(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    progress = fit(clocked(clock), 100, tmp_path, max_minutes=10)
    assert progress.epoch == 3 and progress.seconds == 3 * STEPS * 60
    assert progress.history[1]["lr"] == pytest.approx(RATES[0] * learning_rate(0.7)) and progress.history[2]["lr"] == 0
    assert load_checkpoint(tmp_path / LAST)["progress"]["epoch"] == 3


def test_the_time_of_a_broken_run_counts(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    with pytest.raises(Killed):
        fit(interrupted(clocked(clock), kill, 2, 0), 100, tmp_path, max_minutes=10)
    clock.now += 1e6  # the pause does not
    assert fit(clocked(clock), 100, tmp_path, max_minutes=10, resume=True).epoch == 3


def test_enough_minutes_change_nothing(tmp_path, unbroken):
    experiment = toy()
    fit(experiment, 5, tmp_path, max_minutes=1e15)  # the share of them that has gone by rounds to none
    assert same(state(experiment), state(unbroken[1]))
