"""ModelNet's tree of meshes, ``<class>/{train,test}/*.off``, sampled once into 10,000 surface points each.

Source: Wu et al. 2015, "3D ShapeNets: A Deep Representation for Volumetric Shapes"; ModelNet10 and ModelNet40.
"""

from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data.cloud_cache import cache_folder, cached_rows, normalise
from common.data.cloud_set import Splits, carve_validation, point_cloud_set
from common.data.off import read_off, sample_surface

LAYOUT = "<class>/train/*.off with <class>/test/*.off (ModelNet)"
NUM_POINTS = 10_000


def find_modelnet(main_dir: Path) -> dict[str, dict[str, list[Path]]]:
    """The tree's meshes, sorted: class -> split ("train", "test") -> files. Empty when this is no such tree."""
    classes = {}
    for folder in sorted(path for path in main_dir.iterdir() if path.is_dir()):
        meshes = {split: _meshes(folder / split) for split in ("train", "test")}
        if any(meshes.values()):
            classes[folder.name] = meshes
    return classes


def load_modelnet(
    main_dir: Path, classes: dict[str, dict[str, list[Path]]], data_dir: str | None, seed: int, val_fraction: float
) -> Splits:
    """Clouds (N, 10000, 3) float32 of a ModelNet tree, uniform by area, centred at the centroid, largest norm 1.

    The points of a mesh do not depend on ``seed``, so that all runs share one cache and one test set.

    Raises:
        UserError: a mesh is damaged or flat, a class has no training mesh, or there is no test mesh at all.
    """
    for name, meshes in classes.items():
        if not meshes["train"]:
            raise UserError(f"{main_dir / name / 'train'}: no .off file, though there are test meshes; fetch them")
    if not any(meshes["test"] for meshes in classes.values()):
        raise UserError(f"{main_dir}: no test mesh in any <class>/test folder; fetch the data set again")
    files = {
        split: [(path, label) for label, meshes in enumerate(classes.values()) for path in meshes[split]]
        for split in ("train", "test")
    }
    listed = [path for split in files.values() for path, _ in split]
    folder = cache_folder(data_dir, f"modelnet-{NUM_POINTS}", main_dir, listed)
    points = {split: _sampled(folder, split, [path for path, _ in pairs]) for split, pairs in files.items()}
    labels = {split: np.array([label for _, label in pairs], dtype=np.int64) for split, pairs in files.items()}
    names = tuple(classes)
    source = f"{len(listed)} meshes of {len(names)} classes in {main_dir}, {NUM_POINTS} surface points each"
    train, val = carve_validation(points["train"], labels["train"], names, source, val_fraction, seed)
    return Splits(train, val, point_cloud_set(points["test"], labels["test"], names, source))


def _meshes(folder: Path) -> list[Path]:
    """The .off files of a folder, sorted; none where it does not exist. Hidden files are archive litter."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".off" and path.name[0] != ".")


def _sampled(folder: Path, split: str, paths: list[Path]) -> np.memmap:
    """(N, 10000, 3) float32 memory map of the clouds of these meshes."""

    def make(i: int) -> tuple[np.ndarray]:
        verts, faces = read_off(paths[i])
        try:
            return (normalise(sample_surface(verts, faces, NUM_POINTS, np.random.default_rng(i))),)
        except UserError as error:
            raise UserError(f"{paths[i]}: {error}") from None

    return cached_rows(folder, {split: ((len(paths), NUM_POINTS, 3), "float32")}, make)[0]
