"""Binvox files: run-length coded voxels (Nooruddin and Turk, TVCG 2003; Min, binvox)."""

from pathlib import Path

import numpy as np

from common.cli import UserError

MOST = 512  # cells along a side


def read_binvox(path: Path) -> np.ndarray:
    """Filled cells (D, D, D) bool by x, y, z.

    Raises:
        UserError: no such file, or one that is damaged, cut off, or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    header, mark, body = data.partition(b"\ndata\n")
    lines = header.decode("latin-1").splitlines()
    if not mark or not lines or not lines[0].startswith("#binvox"):
        raise UserError(f"{path}: not a binvox file")
    dim = next((line.split()[1:] for line in lines if line.startswith("dim ")), [])
    if len(dim) != 3 or not all(d.isdigit() for d in dim) or len(set(dim)) > 1 or not 0 < int(dim[0]) <= MOST:
        raise UserError(f"{path}: dim must be three equal numbers of at most {MOST}, not {' '.join(dim)[:40]}")
    D = int(dim[0])
    runs = np.frombuffer(body[: len(body) // 2 * 2], np.uint8).reshape(-1, 2)
    if len(body) % 2 or runs[:, 1].astype(int).sum() != D**3 or (runs[:, 0] > 1).any():
        raise UserError(f"{path}: its runs do not make {D} x {D} x {D} cells; the file is damaged or cut off")
    cells = np.repeat(runs[:, 0], runs[:, 1]).astype(bool)
    return cells.reshape(D, D, D).transpose(0, 2, 1)  # the file counts x, then z, then y


def write_binvox(path: Path, voxels: np.ndarray) -> None:
    """Write cells (D, D, D) bool by x, y, z."""
    cells = voxels.transpose(0, 2, 1).ravel().astype(np.uint8)
    starts = np.flatnonzero(np.concatenate(([True], cells[1:] != cells[:-1])))
    lengths = np.diff(np.append(starts, len(cells)))
    runs = []
    for value, length in zip(cells[starts], lengths, strict=True):
        runs += [(value, 255)] * (length // 255) + ([(value, length % 255)] if length % 255 else [])
    D = len(voxels)
    header = f"#binvox 1\ndim {D} {D} {D}\ntranslate 0 0 0\nscale 1\ndata\n"
    path.write_bytes(header.encode() + np.array(runs, np.uint8).tobytes())
