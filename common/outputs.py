"""What a run leaves on disk: atomic files, ``metrics.json`` and ``run.json`` in one folder."""

import contextlib
import json
import math
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; renamed onto it when the block ends well, removed when it fails."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def make_folder(path: str | os.PathLike, flag: str) -> Path:
    """Create a folder that this run may write to.

    Raises:
        UserError: it cannot be created or written; the message names the flag that set it.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"{flag} {path}: cannot write there ({error.strerror}); choose another folder") from None
    return path


def data_folder(data_dir: str | None) -> Path:
    """The folder of generated data and caches: ``--data_dir``, else ``$L3D_DATA``, else ``./data``."""
    return make_folder(data_dir or os.environ.get("L3D_DATA") or "data", "--data_dir")


def require_space(folder: Path, needed: int, flag: str) -> None:
    """Raise UserError where the disk of ``folder`` has less than ``needed`` bytes free.

    Running out of disk under a memory map kills the process without a word, so look before making one.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{flag} {folder}: {needed / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free; choose another folder"
        )


def write_json(path: str | os.PathLike, values: dict) -> None:
    """Write a JSON object atomically; numpy and torch scalars become numbers."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2, default=_plain) + "\n")


def write_metrics(folder: Path, metrics: dict[str, float]) -> None:
    """Write ``metrics.json``: flat, name -> finite number. A NaN or a nested value is a bug and raises ValueError."""
    plain = {name: _plain(value) if not isinstance(value, (int, float)) else value for name, value in metrics.items()}
    wrong = [name for name, value in plain.items() if not isinstance(value, (int, float)) or not math.isfinite(value)]
    if wrong:
        raise ValueError(f"metrics that are not finite numbers: {', '.join(wrong)}")
    write_json(folder / "metrics.json", plain)


def write_run(folder: Path, arguments: dict, started: float, **more) -> None:
    """Write ``run.json``: the command, its arguments, versions, device and wall time in seconds (from ``started``)."""
    write_json(
        folder / "run.json",
        {
            "command": shlex.join(sys.orig_argv[1:]),
            "arguments": arguments,
            "wall_seconds": round(time.time() - started, 3),
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
            "machine": {"processor": platform.machine(), "threads": torch.get_num_threads()},
            **more,
        },
    )


def _plain(value):
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return value.item() if value.ndim == 0 else value.tolist()
    return str(value)
