"""The training loop on a toy: rates, selection, history, and what is saved."""

import json
import math
import threading

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from common.checkpoint import load_checkpoint
from common.cli import UserError
from common.training import BEST, LAST, Progress, fit, learning_rate, seed_everything
from tests.common.toy_training import RATES, STEPS, toy


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


def test_the_history_tells_each_epoch(tmp_path):
    progress = fit(toy(), 5, tmp_path)
    history = json.loads((tmp_path / "history.json").read_text())["epochs"]
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


def test_training_in_another_thread(tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(fit(toy(), 1, tmp_path).epoch))
    thread.start()
    thread.join()
    assert done == [1]


@pytest.mark.parametrize(("every", "kept"), [(0, []), (1, [1, 2, 3, 4, 5]), (2, [2, 4])])
def test_checkpoint_every(tmp_path, every, kept):
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
