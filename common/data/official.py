"""The course's own files: ``data_{train,test}.npy`` and ``label_{train,test}.npy``, used in place as memory maps."""

import json
from pathlib import Path

from common.cli import UserError
from common.data.cloud_set import Splits, carve_validation, part_names, point_cloud_set
from common.data.npy import open_labels, open_points

LAYOUT = "{cls,seg}/data_{train,test}.npy with label_{train,test}.npy"
_FILES = tuple(f"{kind}_{split}.npy" for split in ("train", "test") for kind in ("data", "label"))
_THREE_CLASSES = ("chair", "vase", "lamp")


def find_official(main_dir: Path, task: str) -> Path | None:
    """The folder that holds official files of ``task``: ``main_dir/<task>``, else ``main_dir``, else None."""
    for folder in (main_dir / task, main_dir):
        if any((folder / name).exists() for name in _FILES):
            return folder
    return None


def load_official(folder: Path, task: str, seed: int, num_seg_class: int, val_fraction: float) -> Splits:
    """Read the official layout: data (N, P, 3) any real dtype, labels (N,) for cls or (N, P) for seg.

    ``data_val.npy`` and ``label_val.npy`` are the validation split where they exist; otherwise it is carved from
    train. Names come from ``class_names.json`` or ``part_names.json`` (a list) beside the files.

    Raises:
        UserError: a file is missing, damaged, of a wrong shape, or holds a wrong value.
    """
    has_val = any((folder / f"{kind}_val.npy").exists() for kind in ("data", "label"))
    splits = ("train", "val", "test") if has_val else ("train", "test")
    missing = [name for split in splits for name in (f"data_{split}.npy", f"label_{split}.npy")]
    missing = [name for name in missing if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder}: {missing[0]} is missing beside the other files; fetch it or write it")
    points = {split: open_points(folder / f"data_{split}.npy") for split in splits}
    if task == "cls":
        names, limit = _class_names(folder, len(points["train"]))
    else:
        names = part_names(_read_names(folder / "part_names.json") or (), num_seg_class, str(folder))
        limit = f"--num_seg_class {num_seg_class}; raise it if the data has more parts"
    labels = {
        split: open_labels(folder / f"label_{split}.npy", clouds.shape[: 1 if task == "cls" else 2], len(names), limit)
        for split, clouds in points.items()
    }
    source = f"official {task} files in {folder}"
    test = point_cloud_set(points["test"], labels["test"], names, source)
    if not has_val:
        return Splits(*carve_validation(points["train"], labels["train"], names, source, val_fraction, seed), test)
    train, val = (point_cloud_set(points[split], labels[split], names, source) for split in ("train", "val"))
    return Splits(train, val, test)


def _class_names(folder: Path, clouds: int) -> tuple[tuple[str, ...], str]:
    """Names of the shape classes, and what set their number: the names file, else the largest training label."""
    names = _read_names(folder / "class_names.json")
    if names and len(names) > clouds:
        raise UserError(
            f"{folder / 'class_names.json'}: {len(names)} classes, but only {clouds} training clouds; correct either"
        )
    if names:
        return names, "class_names.json"
    limit = f"{clouds} training clouds have at most as many classes"
    count = int(open_labels(folder / "label_train.npy", (clouds,), clouds, limit).max()) + 1
    return _THREE_CLASSES if count == 3 else tuple(f"class {i}" for i in range(count)), "the labels of train"


def _read_names(path: Path) -> tuple[str, ...] | None:
    """A JSON list of names, or None where there is no such file."""
    if not path.exists():
        return None
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON list of names ({error})") from None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise UserError(f'{path}: not a JSON list of names, such as ["chair", "lamp"]')
    return tuple(names)
