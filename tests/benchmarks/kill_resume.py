"""Kill a training run again and again and compare it with an unbroken one: `python -m tests.benchmarks.kill_resume`.

The run trains the classifier on the embedded set. Each time that it has saved something it is killed (SIGKILL) within
`--span` seconds at random, its last checkpoint is read, and it goes on with --resume. At the end its weights, optimiser
state, history, metrics and pictures must be those of a run that nothing stopped, to the bit.
"""

import argparse
import contextlib
import json
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from tqdm import tqdm

from a5_pointclouds import train
from common.checkpoint import load_checkpoint

TIMED = {"seconds", "clouds_per_second"}
PATIENCE = 300  # seconds without a checkpoint after which something is wrong

# A server that has imported everything forks the runs: they start at once, and share nothing with this process.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    ["a5_pointclouds.train", "a5_pointclouds.figures", "torch.utils.tensorboard", "torch._dynamo"]
)


def training(output_dir: Path, flags: Sequence[str]) -> BaseProcess:
    """Start the training command in a process of its own; what it prints goes to a log beside its folder."""
    argv = ["--output_dir", str(output_dir), *flags]
    process = context.Process(target=_train, args=(argv, f"{output_dir}.log"))
    process.start()
    return process


def _train(argv: list[str], log: str) -> None:
    tqdm.set_lock(threading.RLock())  # a lock of this process alone: no semaphore outlives it
    with open(log, "a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        code = train.main(argv)
    raise SystemExit(code)


def finish(process: BaseProcess) -> None:
    """Wait for a run's good end."""
    process.join(2 * PATIENCE)
    if process.exitcode != 0:
        process.kill()
        raise RuntimeError(f"training ended with code {process.exitcode}")


def written(path: Path) -> int:
    """When a file was written, 0 if it is not there."""
    return path.stat().st_mtime_ns if path.exists() else 0


def kill_after_a_save(process: BaseProcess, path: Path, delay: float) -> bool:
    """Kill a run so many seconds after it next writes ``path``; False when it came to its end before."""
    before, start = written(path), time.monotonic()
    while written(path) == before and process.is_alive():
        if time.monotonic() - start > PATIENCE:
            process.kill()
            raise RuntimeError(f"no new {path} in {PATIENCE} s")
        time.sleep(0.002)
    time.sleep(delay)
    running = process.is_alive()
    process.kill()
    process.join()
    return running


def broken_run(output_dir: Path, flags: Sequence[str], kills: int, span: float, generator: random.Random) -> list[int]:
    """Run to the end, killed so many times on the way; the whole epochs that were saved at each kill.

    Raises:
        UserError: a checkpoint that cannot be read after a kill.
    """
    folder = output_dir / "cls_exp" / "checkpoints"
    saved = []
    while len(saved) < kills:
        process = training(output_dir, [*flags, *(["--resume"] if saved else [])])
        if not kill_after_a_save(process, folder / "last.pt", generator.uniform(0, span)):
            break
        saved.append(load_checkpoint(folder / "last.pt")["progress"]["epoch"])
    finish(training(output_dir, [*flags, "--resume"]))
    return saved


def same(left: object, right: object) -> bool:
    """Equal to the bit through dicts, lists and tensors, times aside."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left.keys() - TIMED)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right


def differences(left: Path, right: Path) -> list[str]:
    """Files of two experiments that are not the same, or are in only one of them."""
    names = {str(p.relative_to(d)) for d in (left, right) for s in ("png", "gif", "pt") for p in d.rglob(f"[!.]*.{s}")}
    wrong = []
    for name in sorted(names | {"metrics.json", "checkpoints/history.json"}):
        if not ((left / name).is_file() and (right / name).is_file()):
            wrong.append(name)
            continue
        read = {".pt": load_checkpoint, ".json": lambda path: json.loads(path.read_text())}
        read_one = read.get(Path(name).suffix, Path.read_bytes)
        if not same(read_one(left / name), read_one(right / name)):
            wrong.append(name)
    return wrong


def main() -> int:
    """Compare, and print the result; 0 when all is the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="how often the run is killed")
    parser.add_argument("--span", type=float, default=3.0, help="seconds after a save within which it is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--flags", default="--num_points 128", help="more flags of the training command")
    args = parser.parse_args()
    flags = ["--num_epochs", str(args.kills + 5), *args.flags.split()]
    with tempfile.TemporaryDirectory() as temporary:
        whole, broken = Path(temporary) / "whole", Path(temporary) / "broken"
        start = time.time()
        finish(training(whole, flags))
        print(f"unbroken: {time.time() - start:.0f} s")
        start = time.time()
        saved = broken_run(broken, flags, args.kills, args.span, random.Random(args.seed))
        print(f"killed {len(saved)} times, with {', '.join(map(str, saved))} epochs saved: {time.time() - start:.0f} s")
        left = len(list(broken.rglob(".*")))
        wrong = differences(whole / "cls_exp", broken / "cls_exp")
        print(f"every last.pt could be read; {left} temporary files were left by the kills")
        print("differences: " + (", ".join(wrong) or "none: weights, history, metrics and pictures are the same"))
    return 1 if wrong or len(saved) < args.kills else 0


if __name__ == "__main__":
    raise SystemExit(main())
