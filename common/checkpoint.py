"""Checkpoints: one file that is always whole, read without unpickling code.

A checkpoint is a dict with ``format``, ``version``, ``model`` (the arguments that build it), ``classes`` and
``weights``; a training checkpoint also holds optimiser, progress and history.
"""

import io
import os
import zipfile
from pathlib import Path

import torch

from common.cli import UserError
from common.outputs import atomic_path

FORMAT, VERSION = "learning-for-3d-vision", 1


def save_checkpoint(path: str | os.PathLike, contents: dict) -> None:
    """Write a checkpoint under a temporary name, flush it to the disk and rename it: a crash leaves the old one."""
    buffer = io.BytesIO()  # torch.save to a file hides a full disk, or Ctrl-C, behind an error of its own
    torch.save({"format": FORMAT, "version": VERSION, **contents}, buffer)
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())


def load_checkpoint(path: str | os.PathLike) -> dict:
    """Read a checkpoint onto the CPU.

    Raises:
        UserError: missing, truncated or not one of ours, or of a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"checkpoint {path}: no such file; train first, or name another one")
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()  # torch itself does not look at the checksums
        if wrong:
            raise ValueError(f"the checksum of {wrong} is wrong")
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged files
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(f"checkpoint {path}: damaged or not a checkpoint ({reason}); use another one") from None
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise UserError(f"checkpoint {path}: not written by this project; use one that its train command saved")
    if not isinstance(contents.get("version"), int) or not isinstance(contents.get("weights"), dict):
        raise UserError(f"checkpoint {path}: it has no version or no weights; use another one")
    if contents["version"] > VERSION:
        raise UserError(
            f"checkpoint {path}: format version {contents['version']} is newer than {VERSION}; update the code"
        )
    return contents


def load_weights(model: torch.nn.Module, contents: dict, path: str | os.PathLike) -> None:
    """Put a checkpoint's weights into a model.

    Raises:
        UserError: names or shapes differ; the message names the first.
    """
    weights, own = contents["weights"], model.state_dict()
    wrong = [name for name in own if name not in weights or weights[name].shape != own[name].shape]
    wrong += [name for name in weights if name not in own]
    if wrong:
        raise UserError(
            f"checkpoint {path}: its weights do not fit this model (first: {wrong[0]}); check its arguments"
        )
    model.load_state_dict(weights)
