"""Optimising in steps: the same to the bit after a stop, and what is kept when a term is not finite."""

import math
import os
import signal

import pytest
import torch

from common import optimisation
from common.checkpoint import load_checkpoint
from common.cli import UserError
from common.optimisation import Optimisation, exponential, optimise


def toy(seed=0, spoil=None, description=None):
    torch.manual_seed(seed)
    module = torch.nn.Linear(3, 1)
    optimizer = torch.optim.Adam(module.parameters(), 0.05)

    def losses(step):
        x = torch.rand(16, 3)
        y = x.sum(1, keepdim=True)
        extra = torch.tensor(torch.nan) if step == spoil else 0.01 * module.weight.square().sum()
        return {"error": (module(x) - y).square().mean(), "size": extra}

    return Optimisation(module, optimizer, losses, exponential(0.1), description or {"kind": "toy"}, seed)


def test_it_learns_and_notes_what_is_asked(tmp_path):
    run = toy()
    steps = optimise(run, 300, tmp_path / "a.pt", after=lambda s: {"half": s.step / 2} if s.step % 100 == 0 else None)
    assert steps.step == 300 and [row["half"] for row in steps.history] == [50, 100, 150]
    assert steps.history[-1]["loss"] < 0.1 < steps.history[0]["loss"] * 10
    assert not run.module.training


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path):
    whole = toy()
    optimise(whole, 60, tmp_path / "whole.pt")

    stopped = toy()

    def stop(steps):
        if steps.step == 23:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="steps 1 to 23 are saved"):
        optimise(stopped, 60, tmp_path / "part.pt", after=stop)
    resumed = toy()
    assert optimise(resumed, 60, tmp_path / "part.pt", resume=True).step == 60
    for one, other in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_second_interrupt_in_the_midst_of_a_step_leaves_the_last_checkpoint(tmp_path):
    run = toy()

    def stop(steps):
        if steps.step == 23:
            with torch.no_grad():
                next(run.module.parameters()).fill_(math.nan)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimise(run, 60, tmp_path / "a.pt", after=stop, checkpoint_every=20)
    contents = load_checkpoint(tmp_path / "a.pt")
    assert contents["step"] == 20 and all(value.isfinite().all() for value in contents["weights"].values())


def test_a_term_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(UserError, match=r"not finite in step 38: size is nan; the checkpoint .*a.pt is kept"):
        optimise(toy(spoil=37), 60, tmp_path / "a.pt", checkpoint_every=10)
    contents = load_checkpoint(tmp_path / "a.pt")
    assert contents["step"] == 30 and all(value.isfinite().all() for value in contents["weights"].values())
    with pytest.raises(UserError, match="nothing was saved yet"):
        optimise(toy(spoil=0), 5, tmp_path / "b.pt")


def test_a_killed_run_goes_on_from_what_was_saved_lately(tmp_path, monkeypatch):
    monkeypatch.setattr(optimisation, "SAVE_EVERY", 0.0)  # after every step, in place of every minute

    def die(steps):
        if steps.step == 23:
            raise MemoryError

    with pytest.raises(MemoryError):
        optimise(toy(), 60, tmp_path / "part.pt", after=die)
    assert load_checkpoint(tmp_path / "part.pt")["step"] == 22
    whole, resumed = toy(), toy()
    optimise(whole, 60, tmp_path / "whole.pt")
    optimise(resumed, 60, tmp_path / "part.pt", resume=True)
    for one, other in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_cannot_be_resumed(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        optimise(toy(), 5, tmp_path / "none.pt", resume=True)
    with pytest.raises(UserError, match="keeps no checkpoint"):
        optimise(toy(), 5, None, resume=True)
    optimise(toy(), 5, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"other settings \("):
        optimise(toy(description={"kind": "other"}), 9, tmp_path / "a.pt", resume=True)


def test_minutes_end_a_run(tmp_path):
    assert optimise(toy(), 10_000, None, max_minutes=0.002).step < 10_000


def test_the_schedule_rises_and_falls():
    schedule = exponential(0.01, warmup=0.1)
    assert schedule(0.0) < 0.02 and schedule(0.1) == pytest.approx(1.0) and schedule(1.0) == pytest.approx(0.01)
    assert schedule(0.55) == pytest.approx(0.1, rel=1e-6)


def test_a_gradient_that_is_not_finite_changes_no_weight(tmp_path):
    run = toy()
    before = [value.clone() for value in run.module.parameters()]
    run.losses = lambda step: {"root": (run.module.weight.sum() * 0.0).sqrt()}  # 0, of slope infinity times 0
    with pytest.raises(UserError, match="a gradient in step 1 is not finite; nothing was saved yet"):
        optimise(run, 5, tmp_path / "a.pt")
    assert all(torch.equal(one, other) for one, other in zip(before, run.module.parameters(), strict=True))
