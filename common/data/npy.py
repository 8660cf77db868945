"""``.npy`` files from anywhere, opened as memory maps and checked without ever unpickling or loading them whole."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common.cli import UserError

_CHUNK_BYTES = 32 * 2**20


def open_npy(path: str | os.PathLike) -> np.memmap:
    """Map a ``.npy`` file of plain numbers read-only, any shape.

    Raises:
        UserError: missing, not an ``.npy`` file, truncated, empty, or holding anything but real numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # numpy leaves open what a damaged header may raise
        if "Python objects" in str(error):
            raise UserError(f"{path}: holds pickled Python objects, never loaded; save plain numbers") from None
        if "file size" in str(error) or "EOF: reading" in str(error):
            raise UserError(f"{path}: the file is truncated or damaged; fetch or write it again") from None
        raise UserError(f"{path}: not an .npy file, or damaged; write it with numpy.save") from None
    if array.dtype.kind not in "fiu":
        raise UserError(f"{path}: holds values of type {array.dtype}, not numbers")
    if array.size == 0:
        raise UserError(f"{path}: empty array of shape {array.shape}")
    return array


def open_points(path: str | os.PathLike) -> np.memmap:
    """Map clouds (N, P, 3), any real dtype, and read them once to see that all are finite as float32.

    Raises:
        UserError: :func:`open_npy`'s, another shape, or a value that is not finite.
    """
    points = open_npy(path)
    if points.ndim != 3 or points.shape[2] != 3:
        raise UserError(f"{path}: shape {points.shape}; clouds are an array (clouds, points, 3)")
    for start, rows in _chunks(path):
        with np.errstate(over="ignore"):
            finite = np.isfinite(rows.astype(np.float32, copy=False)).all(axis=2)
        if not finite.all():
            cloud, point = np.argwhere(~finite)[0]
            raise UserError(f"{path}: cloud {start + cloud}, point {point} is NaN or infinite; repair or remove it")
    return points


def open_labels(path: str | os.PathLike, shape: tuple[int, ...], num_classes: int, limit: str) -> np.ndarray:
    """Labels of a given shape, each a whole number in 0..num_classes - 1 (of whatever dtype).

    Args:
        shape: (N,) one label per cloud, or (N, P) one per point.
        limit: what sets ``num_classes``, for the message.

    Returns:
        (N,) int64, or (N, P): the integer map itself, or int32 where the file holds floats.

    Raises:
        UserError: :func:`open_npy`'s, another shape, or a wrong label, whose first index is named.
    """
    labels = open_npy(path)
    if labels.ndim != len(shape):
        other = {1: "per shape: --task cls", 2: "per point: --task seg"}.get(labels.ndim)
        raise UserError(
            f"{path}: shape {labels.shape}, but this task needs labels of shape {shape}"
            + (f"; these seem to be labels {other}" if other else "")
        )
    if labels.shape != shape:
        raise UserError(f"{path}: labels of shape {labels.shape}, but its clouds need {shape}; the files do not match")
    whole = np.empty(shape, np.int64 if len(shape) == 1 else np.int32)
    keep_map = labels.dtype.kind in "iu" and len(shape) == 2
    for start, rows in _chunks(path):
        valid = (rows >= 0) & (rows < num_classes) & (rows == np.floor(rows))
        if not valid.all():
            first = tuple(np.argwhere(~valid)[0])
            raise UserError(_wrong_label(path, (start + first[0], *first[1:]), rows[first], num_classes, limit))
        if not keep_map:
            whole[start : start + len(rows)] = rows
    return labels if keep_map else whole


def _wrong_label(path: str | os.PathLike, index: tuple[int, ...], label: float, num_classes: int, limit: str) -> str:
    where = f"cloud {index[0]}" + (f", point {index[1]}" if len(index) > 1 else "")
    return f"{path}: label {label} of {where} is not a whole number in 0..{num_classes - 1} ({limit})"


def _chunks(path: str | os.PathLike) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, rows) through a file. Each chunk is a map of its own, so that its pages are let go with it."""
    array = open_npy(path)
    step = max(1, _CHUNK_BYTES // (array.itemsize * (array.size // len(array))))
    for start in range(0, len(array), step):
        yield start, np.asarray(open_npy(path)[start : start + step])
