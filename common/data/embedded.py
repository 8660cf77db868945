"""The embedded point-cloud sets: labelled clouds of the procedural world, made on first use and cached."""

import hashlib
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.cli import UserError
from common.data.cloud_set import PointCloudSet, Splits
from common.data.making import DONE, in_processes, make_once
from common.data.npy import open_npy
from common.outputs import data_folder, require_space, write_json
from common.shapes import sample_shape
from common.shapes.chair_parts import PART_NAMES
from common.shapes.shape import normalise

CLASSES = ("chair", "vase", "lamp")
SPLITS = {"train": 1400, "val": 200, "test": 400}
SEG_SPLITS = {"train": 2400, "val": 200, "test": 400}  # labelling parts is harder, and chairs are many
POINTS = 10_000
VERSION = 3  # raise it when the same seed gives other clouds
CHUNK = 25


def load_embedded(
    task: str, data_dir: str | None = None, seed: int = 0, sizes: dict[str, int] | None = None, num_points: int = POINTS
) -> Splits:
    """The embedded set of a task: ``cls`` chairs, vases and lamps in equal parts, ``seg`` chairs with part labels.

    Every cloud is ``num_points`` points of the visible surface, centred and scaled to radius 1. The splits are
    different shapes of one stream. The first call makes and caches them (some 25 s on two cores).

    Args:
        task: "cls" or "seg".
        data_dir: the cache; see :func:`common.outputs.data_folder`.
        seed: which clouds; the same seed gives the same bytes.
        sizes: clouds in each split, by default ``SPLITS`` for cls and ``SEG_SPLITS`` for seg.
    """
    sizes = sizes or (SPLITS if task == "cls" else SEG_SPLITS)
    name = f"embedded_{task}_v{VERSION}_seed{seed}_{'-'.join(str(sizes[s]) for s in SPLITS)}x{num_points}"
    folder = data_folder(data_dir) / name
    if not (folder / DONE).exists():
        make_once(folder, lambda making: _generate(making, task, seed, sum(sizes.values()), num_points))
    try:
        points, labels = (open_npy(folder / f"{name}.npy") for name in ("points", "labels"))
    except UserError as error:
        raise UserError(f"{error}; this is a cache: delete {folder} to make it again") from None
    fingerprint = json.loads((folder / DONE).read_text())["fingerprint"]
    source = f"embedded {task} set (seed {seed}): " + ", ".join(f"{n} {s}" for s, n in sizes.items())
    source += f" procedural {'/'.join(CLASSES) if task == 'cls' else 'chair'} clouds of {num_points} points"
    ends = np.cumsum([sizes[s] for s in SPLITS])
    names = CLASSES if task == "cls" else PART_NAMES
    return Splits(
        *(
            PointCloudSet(points, labels, names, source, fingerprint, np.arange(end - sizes[s], end))
            for s, end in zip(SPLITS, ends, strict=True)
        )
    )


def _generate(folder: Path, task: str, seed: int, count: int, num_points: int) -> None:
    """Make all clouds into memory-mapped files."""
    shapes = {"points": (count, num_points, 3), "labels": (count,) if task == "cls" else (count, num_points)}
    types = {"points": np.float32, "labels": np.int64 if task == "cls" else np.uint8}
    needed = sum(int(np.prod(shapes[name])) * np.dtype(types[name]).itemsize for name in shapes)
    require_space(folder, needed, "--data_dir")
    for name, shape in shapes.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", types[name], shape)
    jobs = [(str(folder), task, seed, start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    with tqdm(total=count, desc=f"making the embedded {task} set", unit="cloud") as bar:
        for made in in_processes(_make_chunk, jobs):
            bar.update(made)
    digest = hashlib.sha256()
    for name in shapes:
        digest.update((folder / f"{name}.npy").read_bytes())
    write_json(folder / DONE, {"fingerprint": digest.hexdigest()[:16]})


def _make_chunk(job: tuple[str, str, int, int, int]) -> int:
    folder, task, seed, start, stop = job
    points = np.lib.format.open_memmap(Path(folder) / "points.npy", "r+")
    labels = np.lib.format.open_memmap(Path(folder) / "labels.npy", "r+")
    for index in range(start, stop):
        points[index], labels[index] = make_cloud(task, seed, index, points.shape[1])
    return stop - start


def make_cloud(task: str, seed: int, index: int, num_points: int = POINTS) -> tuple[np.ndarray, np.ndarray | int]:
    """The ``index``-th cloud of a set: points (num_points, 3) float32 and its class or part labels (num_points,)."""
    family = CLASSES[index % len(CLASSES)] if task == "cls" else "chair"
    shape = sample_shape(family, seed + (1_000_000 if task == "seg" else 0), index)
    points, parts = shape.sample_surface(num_points, np.random.default_rng([seed, index]))
    return normalise(points).astype(np.float32), CLASSES.index(family) if task == "cls" else parts
