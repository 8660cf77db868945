"""Clouds made once from a tree of small files and kept as ``.npy`` memory maps under the data folder."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.cli import UserError
from common.data.npy import open_npy
from common.outputs import atomic_path, data_folder, make_folder, require_space

Layout = dict[str, tuple[tuple[int, ...], str]]
MakeRow = Callable[[int], tuple[np.ndarray, ...]]


def cache_folder(data_dir: str | None, recipe: str, root: Path, files: list[Path]) -> Path:
    """The cache folder of these files: another one when a file's path below ``root``, size or mtime changes.

    Args:
        data_dir: ``--data_dir``.
        recipe: what is made of the files; starts the folder's name. Change it when the way of making changes.
        root: the tree; not part of the key, so that a moved tree keeps its cache.
        files: every file that the cache depends on.
    """
    digest = hashlib.blake2b(recipe.encode(), digest_size=8)
    for path in files:
        status = path.stat()
        digest.update(f"\0{path.relative_to(root).as_posix()}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    folder = data_folder(data_dir) / "point_clouds" / f"{recipe}-{digest.hexdigest()}"
    return make_folder(folder, "--data_dir")


def cached_rows(folder: Path, layout: Layout, make: MakeRow) -> list[np.memmap]:
    """Map the arrays of a cache, making them first where one is missing.

    They are written row by row to temporary files that take their names when all rows are there, so that memory stays
    bounded and an interrupted run leaves nothing that looks whole.

    Args:
        folder: :func:`cache_folder`'s.
        layout: file name (without ``.npy``) -> (shape (N, ...), dtype); the same N for all.
        make: i -> row i of each array.

    Raises:
        UserError: ``make``'s; the disk has too little room; or the cache was damaged since.
    """
    paths = {name: folder / f"{name}.npy" for name in layout}
    if not all(path.exists() for path in paths.values()):
        _write_rows(paths, layout, make)
    try:
        arrays = [open_npy(path) for path in paths.values()]
    except UserError as error:
        raise UserError(f"{error}; this is a cache: delete {folder} to make it again") from None
    for path, array, (shape, dtype) in zip(paths.values(), arrays, layout.values(), strict=True):
        if array.shape != shape or array.dtype != dtype:
            raise UserError(
                f"{path}: {array.dtype} {array.shape} is not what was kept; delete {folder} to make it again"
            )
    return arrays


def _write_rows(paths: dict[str, Path], layout: Layout, make: MakeRow) -> None:
    folder = next(iter(paths.values())).parent
    needed = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in layout.values())
    require_space(folder, needed, "--data_dir")
    with contextlib.ExitStack() as stack:
        arrays = []
        for name, (shape, dtype) in layout.items():
            temporary = stack.enter_context(atomic_path(paths[name]))
            arrays.append(np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape))
        for i in tqdm(range(len(arrays[0])), desc=f"caching {', '.join(paths)}", unit="cloud"):
            for array, row in zip(arrays, make(i), strict=True):
                array[i] = row
        for array in arrays:
            array.flush()


def normalise(points: np.ndarray) -> np.ndarray:
    """Move a cloud's centroid to the origin and scale its largest norm to 1: (P, 3) float, finite -> (P, 3) float64.

    Raises:
        UserError: all points coincide.
    """
    scale = np.abs(points).max()
    points = points / (scale or 1.0)  # first, so that no square over- or underflows
    points = points - points[0]  # points that coincide become exact zeros
    points = points - points.mean(axis=0)
    radius = np.linalg.norm(points, axis=1).max()
    if not radius > 0:
        raise UserError("all points of the cloud coincide; repair or remove it")
    return points / radius
