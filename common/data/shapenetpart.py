"""ShapeNetPart's tree of text clouds: ``<synset>/*.txt`` with rows ``x y z nx ny nz label`` and three split lists.

Source: Yi et al. 2016, "A Scalable Active Framework for Region Annotation in 3D Shape Collections", in the packing
``shapenetcore_partanno_segmentation_benchmark_v0_normal`` that PointNet++ (Qi et al. 2017) made of it.
"""

import json
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data.cloud_cache import cache_folder, cached_rows, normalise
from common.data.cloud_set import Splits, carve_validation, choose_columns, part_names, point_cloud_set

LAYOUT = "synsetoffset2category.txt with <synset>/*.txt and train_test_split/*.json (ShapeNetPart)"
NUM_POINTS = 2_048
_MAX_LABEL = 32_767


def is_shapenetpart(main_dir: Path) -> bool:
    """Whether this is the root of such a tree."""
    return (main_dir / "synsetoffset2category.txt").is_file()


def load_shapenetpart(
    main_dir: Path, task: str, data_dir: str | None, seed: int, num_seg_class: int, val_fraction: float
) -> Splits:
    """Clouds (N, 2048, 3) float32, centred at the centroid, largest norm 1; labels are categories (cls) or parts (seg).

    Files hold about 2,700 points; 2,048 of them are drawn without replacement (with, where there are fewer), whatever
    ``seed`` is. Parts are numbered 0..K-1 over the categories whose folders are present, in the files' own order.

    Raises:
        UserError: a list or a listed file is missing or damaged, or there are more parts than ``num_seg_class``.
    """
    categories = _read_categories(main_dir)
    names = tuple(categories)
    lists = {split: _read_list(main_dir, split, categories) for split in ("train", "val", "test")}
    lists = {split: pairs for split, pairs in lists.items() if pairs is not None}
    listed = [path for pairs in lists.values() for path, _ in pairs]
    twice = sorted(path for path, times in Counter(listed).items() if times > 1)
    if twice:
        raise UserError(
            f"{_list_path(main_dir, '*')}: {twice[0].name} is listed more than once; splits must not share clouds"
        )
    sources = [_list_path(main_dir, split) for split in lists] + listed
    folder = cache_folder(data_dir, f"shapenetpart-{NUM_POINTS}", main_dir, sources)
    cached = {split: _cached(folder, split, [path for path, _ in pairs]) for split, pairs in lists.items()}
    points = {split: arrays[0] for split, arrays in cached.items()}
    labels = {split: np.array([label for _, label in pairs], dtype=np.int64) for split, pairs in lists.items()}
    if task == "seg":
        labels, found = _number_parts({split: arrays[1] for split, arrays in cached.items()}, labels, names)
        names = part_names(found, num_seg_class, str(main_dir))
    source = (
        f"{len(listed)} clouds of {len(categories)} ShapeNetPart categories in {main_dir}, {NUM_POINTS} points each"
    )
    test = point_cloud_set(points["test"], labels["test"], names, source)
    if "val" not in lists:
        return Splits(*carve_validation(points["train"], labels["train"], names, source, val_fraction, seed), test)
    train, val = (point_cloud_set(points[split], labels[split], names, source) for split in ("train", "val"))
    return Splits(train, val, test)


def _read_categories(main_dir: Path) -> dict[str, str]:
    """Category name -> synset of those whose folder is present, in the order of the table."""
    path = main_dir / "synsetoffset2category.txt"
    rows = [row.split() for row in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    wrong = [number for number, row in enumerate(rows, start=1) if len(row) not in (0, 2)]
    if wrong:
        raise UserError(f"{path}, line {wrong[0]}: expected a category's name and its synset, such as 'Chair 03001627'")
    present = {row[0]: row[1] for row in rows if row and (main_dir / row[1]).is_dir()}
    if not present:
        raise UserError(f"{path}: none of its synsets has a folder in {main_dir}; unpack the clouds there")
    return present


def _read_list(main_dir: Path, split: str, categories: dict[str, str]) -> list[tuple[Path, int]] | None:
    """(file, category's index) of the listed clouds whose category is present; None without a list of validation."""
    path = _list_path(main_dir, split)
    if split == "val" and not path.exists():
        return None
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable JSON list ({error}); fetch the data set again") from None
    if not isinstance(entries, list) or not all(isinstance(entry, str) and "/" in entry for entry in entries):
        raise UserError(f"{path}: not a JSON list of names such as shape_data/03001627/1a6f615e")
    labels = {synset: label for label, synset in enumerate(categories.values())}
    pairs = [entry.split("/")[-2:] for entry in entries]
    listed = [(main_dir / synset / f"{name}.txt", labels[synset]) for synset, name in pairs if synset in labels]
    if not listed:
        raise UserError(f"{path}: names no cloud of the categories present ({', '.join(categories)})")
    absent = [file for file, _ in listed if not file.is_file()]
    if absent:
        raise UserError(f"{absent[0]}: no such file, though {path.name} lists it; unpack the data set again")
    return listed


def _list_path(main_dir: Path, split: str) -> Path:
    return main_dir / "train_test_split" / f"shuffled_{split}_file_list.json"


def _cached(folder: Path, split: str, paths: list[Path]) -> list[np.memmap]:
    """Memory maps of these clouds: points (N, 2048, 3) float32 and the files' part labels (N, 2048) int16."""

    def make(i: int) -> tuple[np.ndarray, np.ndarray]:
        rows = _read_cloud(paths[i])
        chosen = choose_columns(NUM_POINTS, len(rows), np.random.default_rng(i))
        try:
            return normalise(rows[chosen, :3]), rows[chosen, 6]
        except UserError as error:
            raise UserError(f"{paths[i]}: {error}") from None

    shape = (len(paths), NUM_POINTS)
    layout = {f"{split}_points": ((*shape, 3), "float32"), f"{split}_labels": (shape, "int16")}
    return cached_rows(folder, layout, make)


def _read_cloud(path: Path) -> np.ndarray:
    """(P, 7) float64 rows ``x y z nx ny nz label`` of a text cloud, checked."""
    try:
        with warnings.catch_warnings(action="ignore"):  # numpy warns of an empty file, which is refused below
            rows = np.loadtxt(path, dtype=np.float64, ndmin=2, encoding="latin-1")
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: not a table of numbers ({error}); fetch it again") from None
    if len(rows) == 0 or rows.shape[1] != 7:
        raise UserError(f"{path}: {len(rows)} rows of {rows.shape[1]} numbers; expected rows x y z nx ny nz label")
    points, labels = rows[:, :3], rows[:, 6]
    wrong = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(wrong):
        raise UserError(f"{path}: point {wrong[0]} is NaN or infinite; repair or remove the cloud")
    wrong = np.flatnonzero(~((labels >= 0) & (labels <= _MAX_LABEL) & (labels == np.floor(labels))))
    if len(wrong):
        raise UserError(f"{path}: label {labels[wrong[0]]:g} of point {wrong[0]} is no whole number in 0..{_MAX_LABEL}")
    return rows


def _number_parts(
    raw: dict[str, np.ndarray], categories: dict[str, np.ndarray], names: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Number the part labels in use 0..K-1 in their own order.

    Args:
        raw: split -> (N, P) the files' labels.
        categories: split -> (N,) category of each cloud.
        names: of the categories.

    Returns:
        split -> (N, P) int16 new labels, and K names such as "Chair part 2".
    """
    used = np.zeros((len(names), _MAX_LABEL + 1), dtype=bool)
    for split, clouds in raw.items():
        for cloud, category in zip(clouds, categories[split], strict=True):
            used[category, cloud] = True
    old = np.flatnonzero(used.any(axis=0))
    new = np.zeros(_MAX_LABEL + 1, dtype=np.int16)
    new[old] = np.arange(len(old))
    owners = used[:, old].argmax(axis=0)
    found = [f"{names[owner]} part {(owners[:k] == owner).sum()}" for k, owner in enumerate(owners)]
    return {split: new[clouds] for split, clouds in raw.items()}, tuple(found)
