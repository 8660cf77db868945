"""Point-cloud data sets for classification and part segmentation, from whichever layout a folder holds."""

import dataclasses
from pathlib import Path
from typing import Literal

from common.cli import UserError
from common.data import modelnet, official, shapenetpart
from common.data.cloud_set import PointCloudSet, Splits, choose_columns, part_names, point_cloud_set

__all__ = ["PointCloudSet", "Splits", "choose_columns", "load_point_clouds", "part_names", "point_cloud_set"]


def load_point_clouds(
    task: Literal["cls", "seg"],
    main_dir: str | None,
    data_dir: str | None,
    seed: int = 0,
    num_seg_class: int = 6,
    val_fraction: float = 0.1,
) -> Splits:
    """Read the three splits of a data set.

    Args:
        task: "cls" (labels (N,) of whole clouds) or "seg" (labels (N, P) of points).
        main_dir: a folder in one of these layouts, looked for in this order: the course's official files,
            ModelNet's tree of OFF meshes, ShapeNetPart's tree of text clouds. None: the embedded procedural data.
        data_dir: where generated data and caches go; None: ``$L3D_DATA``, else ``./data``.
        seed: decides which training clouds become the validation split; a folder's test split never depends on it.
        num_seg_class: number of part classes of "seg", which is the length of its ``class_names``: labels that have
            no name are called "part i".
        val_fraction: share of the training clouds held out for validation, where the data has no such split itself.

    Raises:
        UserError: an argument is out of range, the folder is missing or in none of the layouts, or its data is wrong;
            the message names flag or file and index.
    """
    _check_arguments(task, seed, num_seg_class, val_fraction)
    if main_dir is None:
        return _embedded(task, data_dir, seed, num_seg_class)
    root = Path(main_dir)
    if not root.is_dir():
        raise UserError(f"--main_dir {root}: {'not a folder' if root.exists() else 'no such folder'}; correct the path")
    folder = official.find_official(root, task)
    if folder:
        return official.load_official(folder, task, seed, num_seg_class, val_fraction)
    classes = modelnet.find_modelnet(root)
    if classes and task == "cls":
        return modelnet.load_modelnet(root, classes, data_dir, seed, val_fraction)
    if classes:
        raise UserError(f"--main_dir {root}: a ModelNet tree has no part labels; use --task cls or another data set")
    if shapenetpart.is_shapenetpart(root):
        return shapenetpart.load_shapenetpart(root, task, data_dir, seed, num_seg_class, val_fraction)
    raise UserError(_unrecognised(root, task))


def _unrecognised(root: Path, task: str) -> str:
    layouts = "; ".join(reader.LAYOUT for reader in (official, modelnet, shapenetpart))
    found = "holds no data" if any(root.iterdir()) else "an empty folder"
    return f"--main_dir {root}: {found} for --task {task}; layouts understood: {layouts}"


def _check_arguments(task: str, seed: int, num_seg_class: int, val_fraction: float) -> None:
    if task not in ("cls", "seg"):
        raise UserError(f"--task {task}: use cls or seg")
    if seed < 0:
        raise UserError(f"--seed {seed}: give a whole number of at least 0")
    if num_seg_class < 1:
        raise UserError(f"--num_seg_class {num_seg_class}: give a whole number of at least 1")
    if not 0 < val_fraction < 1:
        raise UserError(f"--val_fraction {val_fraction}: give a number between 0 and 1")


def _embedded(task: str, data_dir: str | None, seed: int, num_seg_class: int) -> Splits:
    """The procedural data; its parts too are named up to ``num_seg_class``."""
    from common.data.embedded import load_embedded  # lazily: it brings the whole procedural world

    splits = load_embedded(task, data_dir, seed)
    if task == "cls":
        return splits
    names = part_names(splits.train.class_names, num_seg_class, "the embedded data")
    return Splits(*(dataclasses.replace(split, class_names=names) for split in splits))
