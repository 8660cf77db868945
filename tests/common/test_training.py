"""The training loop on a toy: rates, selection, history, and a stop at any moment that changes nothing."""

import json
import math
import os
import signal
import threading

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter

from common import training
from common.checkpoint import load_checkpoint
from common.cli import UserError
from common.training import BEST, LAST, Experiment, Progress, fit, learning_rate, seed_everything

STEPS, RATES = 4, (0.01, 0.03)


class Killed(BaseException):
    """As sudden as SIGKILL: nothing of ours catches it."""


def toy(scores=None, lr=RATES, make_batches=None, **changes) -> Experiment:
    """A network with dropout on random batches; validation gives ``scores`` in turn, or accuracy on fixed data."""
    seed_everything(0)
    model = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
    groups = [{"params": model[:4].parameters(), "lr": lr[0]}, {"params": model[4:].parameters(), "lr": lr[1]}]

    def batches(epoch: int):
        generator = torch.Generator().manual_seed(epoch)
        points = [torch.randn(8, 3, generator=generator) for _ in range(STEPS)]
        return [(x, (x[:, 0] > 0).long()) for x in points]

    def loss(model, batch):
        logits = model(batch[0])
        return functional.cross_entropy(logits, batch[1]), 8, (logits.argmax(1) == batch[1]).sum(), 8

    def validate():
        x, y = batches(0)[0]
        model.eval()
        right = (model(x).argmax(1) == y).double().mean().item()
        return {"accuracy": right if scores is None else scores.pop(0)}

    description = {"model": {"arch": "toy"}, "classes": ["left", "right"]}
    fields = {"loss": loss, "validate": validate, "description": description, "select": "accuracy", **changes}
    optimizer = torch.optim.AdamW(groups)
    return Experiment(model, optimizer, make_batches or batches, device=torch.device("cpu"), **fields)


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


def test_learning_rate_rises_linearly_then_falls_as_a_cosine():
    assert learning_rate(0) == 0.04 and learning_rate(0.15) == 1
    assert learning_rate(0.075) == pytest.approx(0.52)
    assert learning_rate(0.15 + 0.85 / 3) == pytest.approx(0.75) and learning_rate(0.575) == pytest.approx(0.5)
    assert learning_rate(1) == learning_rate(1.7) == 0
    assert learning_rate(0.15 - 1e-9) == pytest.approx(1)
    rates = [learning_rate(k / 100) for k in range(15, 101)]
    assert rates == sorted(rates, reverse=True)


def test_every_step_has_its_rate(tmp_path):
    seen = []
    experiment = toy()
    step = experiment.optimizer.step
    experiment.optimizer.step = lambda: (seen.append([g["lr"] for g in experiment.optimizer.param_groups]), step())
    progress = fit(experiment, 3, tmp_path)
    shares = [learning_rate((epoch + k / STEPS) / 3) for epoch in range(3) for k in range(STEPS)]
    assert seen == [[rate * share for rate in RATES] for share in shares]
    assert [row["lr"] for row in progress.history] == [RATES[0] * share for share in shares[STEPS - 1 :: STEPS]]


def test_gradients_are_clipped_to_norm_one(tmp_path):
    experiment = toy()
    experiment.optimizer = torch.optim.SGD(experiment.model.parameters(), 1.0)
    loss, steps = experiment.loss, []
    experiment.loss = lambda model, batch: (1e4 * loss(model, batch)[0], *loss(model, batch)[1:])
    step = experiment.optimizer.step

    def measured():
        norms = [p.grad.norm() for p in experiment.model.parameters()]
        steps.append(torch.stack(norms).norm().item())
        step()

    experiment.optimizer.step = measured
    fit(experiment, 1, tmp_path)
    assert steps == pytest.approx([1.0] * STEPS, rel=1e-3)


@pytest.mark.parametrize(
    ("scores", "best"), [([0.5, 0.8, 0.8, 0.2], 3), ([0.9, 0.8], 1), ([0.1, 0.2, 0.3], 3), ([0, 0], 2)]
)
def test_the_best_checkpoint_is_of_the_best_epoch_and_of_equals_the_later(tmp_path, scores, best):
    weights = []
    experiment = toy(scores=list(scores))
    validate = experiment.validate
    experiment.validate = lambda: (weights.append(experiment.model[4].weight.detach().clone()), validate())[1]
    progress = fit(experiment, len(scores), tmp_path)
    kept = load_checkpoint(tmp_path / BEST)
    assert progress.best_epoch == kept["epoch"] == best and progress.best == kept["val_score"] == max(scores)
    assert torch.equal(kept["weights"]["4.weight"], weights[best - 1])
    assert [row["val_accuracy"] for row in progress.history] == scores


def test_the_history_tells_each_epoch(unbroken):
    folder, experiment, progress = unbroken
    history = json.loads((folder / "history.json").read_text())["epochs"]
    assert history == progress.history and [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    names = {"epoch", "train_loss", "train_accuracy", "clouds_per_second", "lr", "val_accuracy"}
    assert all(set(row) == names for row in history)
    assert history[0]["train_loss"] > history[-1]["train_loss"] and history[-1]["clouds_per_second"] > 0


def test_training_figures_are_means_over_the_clouds(tmp_path):
    experiment, seen = toy(), []
    loss = experiment.loss

    def watched(model, batch):
        value, count, right, total = loss(model, batch)
        seen.append((value.item(), right.item() / total))
        return value, count, right, total

    experiment.loss = watched
    row = fit(experiment, 1, tmp_path).history[0]
    assert row["train_loss"] == pytest.approx(sum(value for value, _ in seen) / STEPS)
    assert row["train_accuracy"] == pytest.approx(sum(share for _, share in seen) / STEPS)


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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_epoch(tmp_path, value):
    def poisoned(model, batch):
        calls.append(0)
        loss, *rest = experiment_loss(model, batch)
        return loss * (value if len(calls) == STEPS + 2 else 1), *rest

    calls, experiment = [], toy()
    experiment_loss, experiment.loss = experiment.loss, poisoned
    with pytest.raises(UserError, match="^the loss is .* in epoch 2; start again with a lower --lr"):
        fit(experiment, 3, tmp_path)
    last = load_checkpoint(tmp_path / LAST)
    assert last["progress"]["epoch"] == 1 and all(v.isfinite().all() for v in last["weights"].values())


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


def test_training_in_another_thread(tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(fit(toy(), 1, tmp_path).epoch))
    thread.start()
    thread.join()
    assert done == [1]


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
    fit(experiment, 5, tmp_path, max_minutes=1e6)
    assert same(state(experiment), state(unbroken[1]))


@pytest.mark.parametrize(("every", "kept"), [(0, []), (1, [1, 2, 3, 4, 5]), (2, [2, 4])])
def test_checkpoint_every(tmp_path, every, kept, unbroken):
    experiment, weights = toy(), {}
    validate = experiment.validate

    def recording():
        weights[len(weights) + 1] = experiment.model[0].weight.detach().clone()
        return validate()

    experiment.validate = recording
    fit(experiment, 5, tmp_path, checkpoint_every=every)
    assert sorted(p.name for p in tmp_path.glob("model_epoch_*")) == [f"model_epoch_{n}.pt" for n in kept]
    for n in kept:
        checkpoint = load_checkpoint(tmp_path / f"model_epoch_{n}.pt")
        assert checkpoint["epoch"] == n and torch.equal(checkpoint["weights"]["0.weight"], weights[n])
    assert sorted(p.name for p in tmp_path.iterdir() if "epoch" not in p.name) == [BEST, "history.json", LAST]


def test_tensorboard_shows_every_figure_of_every_epoch(tmp_path):
    writer = SummaryWriter(tmp_path / "logs")
    progress = fit(toy(), 3, tmp_path, writer=writer)
    log = EventAccumulator(str(tmp_path / "logs")).Reload()
    tags = {"train/loss": "train_loss", "train/accuracy": "train_accuracy", "val/accuracy": "val_accuracy", "lr": "lr"}
    assert set(tags) <= set(log.Tags()["scalars"])
    for tag, name in tags.items():
        events = log.Scalars(tag)
        assert [event.step for event in events] == [1, 2, 3]
        assert [event.value for event in events] == pytest.approx([row[name] for row in progress.history])


def test_weights_are_saved_without_the_wrapper_of_distributed_training(tmp_path):
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, x):
            return self.module(x)

    experiment = toy()
    experiment.model = Wrapper(experiment.model)
    fit(experiment, 1, tmp_path)
    assert load_checkpoint(tmp_path / LAST)["weights"].keys() == toy().model.state_dict().keys()
    assert fit(experiment, 2, tmp_path, resume=True).epoch == 2


def test_autocast_reaches_the_loss(tmp_path):
    types = []
    experiment = toy(autocast=True)
    loss = experiment.loss
    experiment.loss = lambda model, batch: (types.append(model[0](batch[0]).dtype), loss(model, batch))[1]
    assert math.isfinite(fit(experiment, 1, tmp_path).history[0]["train_loss"])
    assert set(types) == {torch.bfloat16}


def test_seeds_of_streams_differ():
    streams = [(), (0,), (1,), (2,), (1, 1), (1, 2)]
    assert len({seed_everything(seed, *stream) for seed in range(20) for stream in streams}) == 120
    assert seed_everything(3, 4) == seed_everything(3, 4) == torch.initial_seed()


def test_progress_starts_below_every_score():
    assert Progress().best == -math.inf and Progress().history == []
