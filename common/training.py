"""The training loop that every experiment runs: epochs, a bar, selection on validation, checkpoints, resume.

A run is a function of its arguments and its seed. All randomness of epoch e comes from generators seeded by
(seed, e), so a run that was killed and resumed from the last whole epoch repeats the unbroken one to the bit.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from common import distributed
from common.checkpoint import load_checkpoint, load_weights, save_checkpoint
from common.cli import UserError
from common.outputs import write_json

BEST, LAST = "best_model.pt", "last.pt"


@dataclass
class Experiment:
    """What is trained, and on what.

    Attributes:
        model, optimizer: as torch has them; the optimiser's groups keep their ``lr`` as the peak rate.
        batches: epoch -> the epoch's batches, a function of (seed, epoch) alone; ``len`` gives their number.
        loss: (model, batch) -> (loss, number of clouds, number of right answers, number of answers).
        validate: () -> metrics on the validation split; ``select`` names the one to maximise.
        description: what a checkpoint says of the model: ``model`` arguments, ``classes``, ``data``.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Callable[[int], Iterable]
    loss: Callable[[nn.Module, object], tuple[Tensor, int, Tensor, int]]
    validate: Callable[[], dict[str, float]]
    select: str
    description: dict
    device: torch.device
    seed: int = 0
    autocast: bool = False


@dataclass
class Progress:
    """Where a run stands: whole epochs done, the best validation score and its epoch, seconds, and one row an epoch."""

    epoch: int = 0
    best: float = -math.inf
    best_epoch: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def seed_everything(seed: int, *stream: int) -> int:
    """Seed torch's generators from (seed, stream...) and return the number used."""
    number = torch.Generator().manual_seed(seed).initial_seed() % (2**31)
    for part in stream:
        number = (number * 1_000_003 + part * 7919 + 12_345) % (2**63)
    torch.manual_seed(number)
    return number


def learning_rate(progress: float, warmup: float = 0.15) -> float:
    """Share of the peak rate at ``progress`` in [0, 1]: a linear rise, then half a cosine down to 0."""
    if progress < warmup:
        return 0.04 + 0.96 * progress / warmup
    return 0.5 * (1 + math.cos(math.pi * min((progress - warmup) / (1 - warmup), 1.0)))


def fit(
    experiment: Experiment,
    num_epochs: int,
    folder: Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
    checkpoint_every: int = 0,
    writer=None,
) -> Progress:
    """Train for ``num_epochs``, keeping the weights that score best on validation in ``folder / BEST``.

    ``folder / LAST`` is written before the first epoch and after each one, so that ``resume`` can go on from it.

    Args:
        max_minutes: stop at the first epoch's end after this time; the learning rate falls with whichever of epochs
            and time is further on, so that the run still ends well.
        checkpoint_every: also keep the weights of every so many epochs as ``model_epoch_N.pt``; 0 keeps none.
        writer: a TensorBoard SummaryWriter or None.
    Raises:
        UserError: nothing to resume, or a checkpoint of another model; a loss that is not finite.
        KeyboardInterrupt: Ctrl-C or SIGTERM; its message says what is saved.
    """
    progress = _restore(experiment, folder) if resume else Progress()
    rates = [group.setdefault("peak", group["lr"]) for group in experiment.optimizer.param_groups]
    start = time.time() - progress.seconds
    if not resume and distributed.rank() == 0:
        _save(experiment, progress, folder / LAST)
    try:
        with Interrupt() as interrupt:
            for epoch in range(progress.epoch + 1, num_epochs + 1):
                seed_everything(experiment.seed, epoch)

                def share(step: float, epoch=epoch) -> float:
                    minutes = (time.time() - start) / 60
                    spent = distributed.from_first(minutes / max_minutes, experiment.device) if max_minutes else 0.0
                    return max((epoch - 1 + step) / num_epochs, spent)

                row = _train_epoch(experiment, epoch, num_epochs, rates, share, interrupt)
                row |= {f"val_{name}": value for name, value in experiment.validate().items()}
                progress.epoch, progress.seconds = epoch, time.time() - start
                progress.history.append({"epoch": epoch, **row})
                _record(experiment, progress, folder, checkpoint_every, writer)
                interrupt.check(experiment.device)
                if max_minutes and distributed.agree(progress.seconds > 60 * max_minutes, experiment.device):
                    break
    except KeyboardInterrupt:
        saved = f"epochs 1 to {progress.epoch} are saved in {folder / LAST}"
        raise KeyboardInterrupt(f"{saved}; the same command with --resume goes on from there") from None
    return progress


class Interrupt:
    """Inside, the first Ctrl-C or SIGTERM is only noted: the run stops at the next whole batch. The second stops it
    at once. So no exception is raised, and lost, inside somebody's callback or a half-written file.
    """

    def __init__(self):
        self.received, self.before = False, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, *_):
        if self.received:
            raise KeyboardInterrupt
        self.received = True

    def check(self, device: torch.device | None = None) -> None:
        """Raise KeyboardInterrupt when a signal has come; several processes stop together, where a device is given."""
        if distributed.world_size() > 1:
            if device is not None and distributed.agree(self.received, device):
                raise KeyboardInterrupt
        elif self.received:
            raise KeyboardInterrupt


def _train_epoch(
    experiment: Experiment, epoch: int, num_epochs: int, rates: list[float], share, interrupt: Interrupt
) -> dict[str, float]:
    """One pass over the epoch's batches; returns train_loss, train_accuracy, clouds_per_second and lr."""
    experiment.model.train()
    batches = experiment.batches(epoch)
    loss_sum = torch.zeros((), device=experiment.device)
    right = torch.zeros((), device=experiment.device)
    clouds = answers = 0
    start = time.time()
    bar = tqdm(
        batches, desc=f"epoch {epoch}/{num_epochs}", leave=False, disable=distributed.rank() > 0, mininterval=0.5
    )
    for step, batch in enumerate(bar):
        interrupt.check()
        scale = learning_rate(share(step / len(batches)))
        for group, rate in zip(experiment.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * scale
        with torch.autocast(experiment.device.type, torch.bfloat16, enabled=experiment.autocast):
            loss, count, hits, total = experiment.loss(experiment.model, batch)
        experiment.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(experiment.model.parameters(), 1.0)
        experiment.optimizer.step()
        loss_sum += loss.detach() * count
        right += hits
        clouds, answers = clouds + count, answers + total
        if step % 10 == 9 or step + 1 == len(batches):
            _check_finite(loss_sum, epoch)
            bar.set_postfix(
                loss=f"{loss_sum.item() / clouds:.4f}",
                accuracy=f"{right.item() / answers:.4f}",
                clouds_s=f"{clouds / (time.time() - start):.0f}",
            )
    seconds = time.time() - start
    return {
        "train_loss": loss_sum.item() / clouds,
        "train_accuracy": right.item() / answers,
        "clouds_per_second": clouds * distributed.world_size() / seconds,
        "lr": rates[0] * scale,
    }


def _check_finite(loss: Tensor, epoch: int) -> None:
    if not torch.isfinite(loss):
        raise UserError(
            f"the loss is {loss.item()} in epoch {epoch}; start again with a lower --lr (what was saved is kept)"
        )


def _record(experiment: Experiment, progress: Progress, folder: Path, checkpoint_every: int, writer) -> None:
    """Keep the best and the last weights, the history and the logs of the epoch that just ended (rank 0 alone)."""
    row = progress.history[-1]
    score = row[f"val_{experiment.select}"]
    better = score >= progress.best  # of equals the later: its learning rate was lower
    if better:
        progress.best, progress.best_epoch = score, progress.epoch
    if distributed.rank() == 0:
        if better:
            save_checkpoint(folder / BEST, {**_weights(experiment), "epoch": progress.epoch, "val_score": score})
        if checkpoint_every and progress.epoch % checkpoint_every == 0:
            save_checkpoint(
                folder / f"model_epoch_{progress.epoch}.pt", {**_weights(experiment), "epoch": progress.epoch}
            )
        write_json(folder / "history.json", {"epochs": progress.history})
        _save(experiment, progress, folder / LAST)
        if writer is not None:
            for name, value in row.items():
                writer.add_scalar(name.replace("_", "/", 1), value, progress.epoch)
            writer.flush()
        tqdm.write(
            f"epoch {progress.epoch}: loss {row['train_loss']:.4f}, train accuracy {row['train_accuracy']:.4f}, "
            f"val {experiment.select} {score:.4f}, {row['clouds_per_second']:.0f} clouds/s"
            + (" (best so far)" if better else "")
        )
    distributed.barrier()


def _weights(experiment: Experiment) -> dict:
    model = experiment.model.module if hasattr(experiment.model, "module") else experiment.model
    return {
        **experiment.description,
        "weights": {name: value.detach().cpu() for name, value in model.state_dict().items()},
    }


def _save(experiment: Experiment, progress: Progress, path: Path) -> None:
    save_checkpoint(
        path, {**_weights(experiment), "optimizer": experiment.optimizer.state_dict(), "progress": vars(progress)}
    )


def _restore(experiment: Experiment, folder: Path) -> Progress:
    path = folder / LAST
    if not path.is_file():
        raise UserError(f"--resume: nothing to resume, {path} does not exist; run once without --resume")
    contents = load_checkpoint(path)
    check_same_experiment(contents, experiment.description, path)
    model = experiment.model.module if hasattr(experiment.model, "module") else experiment.model
    load_weights(model, contents, path)
    experiment.optimizer.load_state_dict(contents["optimizer"])
    return Progress(**contents["progress"])


def check_same_experiment(contents: dict, description: dict, path: Path) -> None:
    """Raise UserError where a checkpoint's model, classes, data or settings are not those of this run."""
    for key, value in description.items():
        if contents.get(key) != value:
            raise UserError(
                f"checkpoint {path}: its {key} is {contents.get(key)!r}, this run's is {value!r}; use the arguments "
                "it was made with, or another --exp_name"
            )
