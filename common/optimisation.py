"""Optimising one scene: steps instead of epochs, a bar, checkpoints, resume.

A run is a function of its arguments and its seed: all randomness of step k comes from generators seeded by (seed, k),
so a run that was killed and resumed repeats the unbroken one to the bit.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from common.checkpoint import load_checkpoint, load_weights, save_checkpoint
from common.cli import UserError
from common.training import Interrupt, seed_everything

SAVE_EVERY = 60.0  # seconds between checkpoints, at most


@dataclass
class Optimisation:
    """What is optimised, and how.

    Attributes:
        module: its state is what a checkpoint holds.
        optimizer: its groups keep their ``lr`` as the peak rate.
        losses: step -> named terms; their sum is minimised.
        schedule: share of the run done, in [0, 1) -> share of the peak rate.
        description: what a checkpoint says of the module; a run resumes only one that says the same.
        seed: of all random choices.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    losses: Callable[[int], dict[str, Tensor]]
    schedule: Callable[[float], float]
    description: dict
    seed: int = 0


@dataclass
class Steps:
    """Where a run stands: whole steps done, seconds of optimising, and rows of what was noted on the way."""

    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def optimise(
    run: Optimisation,
    num_steps: int,
    checkpoint: Path | None,
    *,
    resume: bool = False,
    checkpoint_every: int = 1000,
    max_minutes: float | None = None,
    after: Callable[[Steps], dict[str, float] | None] | None = None,
    bar: str = "optimising",
) -> Steps:
    """Take ``num_steps`` steps, or fewer if ``max_minutes`` are over first.

    Args:
        checkpoint: written every ``checkpoint_every`` steps, every minute, and at the end; None writes none.
        resume: go on from that checkpoint.
        after: called after each step; the numbers it returns go to the history. Its time does not count.

    Raises:
        UserError: a term that is not finite (the last checkpoint stays as it is); nothing to resume, or of another run.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the current step was saved; the second time at once, and the last
            checkpoint stays as it is.
    """
    steps = _restore(run, checkpoint) if resume else Steps()
    rates = [group.setdefault("peak", group["lr"]) for group in run.optimizer.param_groups]
    progress = tqdm(total=num_steps, initial=steps.step, desc=bar, unit="step", mininterval=0.5)
    run.module.train()
    saved, whole = time.monotonic(), False
    try:
        with progress, Interrupt() as interrupt:
            while steps.step < num_steps and not (max_minutes and steps.seconds > 60 * max_minutes):
                whole = True
                interrupt.check()
                whole = False
                begin = time.perf_counter()
                total = _step(run, rates, steps.step, num_steps, checkpoint)
                steps.step += 1
                steps.seconds += time.perf_counter() - begin
                progress.update()
                if steps.step % 20 == 0:
                    progress.set_postfix(loss=f"{total:.5f}", refresh=False)
                noted = after(steps) if after else None
                if noted:
                    steps.history.append({"step": steps.step, "seconds": steps.seconds, "loss": total, **noted})
                    run.module.train()
                if checkpoint and (steps.step % checkpoint_every == 0 or time.monotonic() - saved > SAVE_EVERY):
                    _save(run, steps, checkpoint)
                    saved = time.monotonic()
    except KeyboardInterrupt:
        if checkpoint is None or not whole:  # a second Ctrl-C: in the midst of a step nothing fits together
            raise
        _save(run, steps, checkpoint)
        saved = f"steps 1 to {steps.step} are saved in {checkpoint}"
        raise KeyboardInterrupt(f"{saved}; the same command with --resume goes on from there") from None
    if checkpoint:
        _save(run, steps, checkpoint)
    run.module.eval()
    return steps


def _step(run: Optimisation, rates: list[float], step: int, num_steps: int, checkpoint: Path | None) -> float:
    """One step; the sum of the terms."""
    seed_everything(run.seed, step)
    for group, rate in zip(run.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * run.schedule(step / num_steps)
    terms = run.losses(step)
    total = sum(terms.values())
    if not torch.isfinite(total):
        name = next((name for name, value in terms.items() if not torch.isfinite(value)), "their sum")
        what = f"the loss is not finite in step {step + 1}: {name} is {float(terms.get(name, total).detach())}"
        raise _not_finite(what, checkpoint)
    run.optimizer.zero_grad(set_to_none=True)
    total.backward()
    gradients = [p.grad for group in run.optimizer.param_groups for p in group["params"] if p.grad is not None]
    if not torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
        raise _not_finite(f"a gradient in step {step + 1}", checkpoint)
    run.optimizer.step()
    return float(total.detach())


def _not_finite(what: str, checkpoint: Path | None) -> UserError:
    kept = f"the checkpoint {checkpoint} is kept" if checkpoint and checkpoint.exists() else "nothing was saved yet"
    what = what if "not finite" in what else f"{what} is not finite"
    return UserError(f"{what}; {kept}; start again with lower learning rates")


def _save(run: Optimisation, steps: Steps, path: Path) -> None:
    contents = {"model": run.description, "weights": run.module.state_dict(), "optimizer": run.optimizer.state_dict()}
    save_checkpoint(path, {**contents, "step": steps.step, "seconds": steps.seconds, "history": steps.history})


def _restore(run: Optimisation, path: Path | None) -> Steps:
    if path is None:
        raise UserError("--resume: this command keeps no checkpoint")
    contents = load_checkpoint(path)
    if contents.get("model") != run.description or "step" not in contents:
        names = _differing(contents.get("model"), run.description)
        raise UserError(
            f"checkpoint {path}: it is of a run with other settings ({names}); start again without "
            "--resume, of configurations with training.resume=false, or elsewhere by --exp_name"
        )
    load_weights(run.module, contents, path)
    run.optimizer.load_state_dict(contents["optimizer"])
    return Steps(contents["step"], contents["seconds"], contents["history"])


def _differing(kept, asked) -> str:
    """The names of settings that are not the same, at most three."""
    kept, asked = (_flat(said) if isinstance(said, dict) else {} for said in (kept, asked))
    names = [name for name in {**asked, **kept} if name not in kept or name not in asked or kept[name] != asked[name]]
    return ", ".join(names[:3]) or "none that can be read"


def _flat(settings: dict) -> dict:
    """Nested settings by their own names."""
    parts = [_flat(value) if isinstance(value, dict) else {name: value} for name, value in settings.items()]
    return {name: value for part in parts for name, value in part.items()}


def exponential(last: float, warmup: float = 0.02) -> Callable[[float], float]:
    """A schedule: a linear rise over a share of the run, then an exponential fall to ``last`` of the peak."""
    return lambda share: min(1.0, (share + 1e-3) / (warmup + 1e-3)) * last ** max(0.0, (share - warmup) / (1 - warmup))
