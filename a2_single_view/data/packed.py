"""Shapes seen from 24 sides, packed: pictures, surface points and voxels in a few memory-mapped files."""

import hashlib
import io
import json
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from a2_single_view.data.cells import FINE, RESOLUTION
from common.cli import UserError
from common.data.making import DONE, in_processes
from common.data.npy import open_npy
from common.outputs import require_space, write_json
from common.p3d import Meshes

POINTS = 10_000  # kept of the surface of each shape
CHUNK = 10
SPLITS = ("train", "val", "test")
FEATURES_FILE, ENCODER_FILE = "features.npy", "features.json"  # of all pictures, where they were kept; of which encoder


@dataclass(frozen=True)
class Item:
    """One shape, its bounding box's middle at the origin and its diagonal 1.

    Attributes:
        name: of the shape, within its class.
        points: (POINTS, 3) of the surface. voxels: (32, 32, 32) bool by x, y, z. fine: (64, 64, 64) bool, likewise,
            for training; or None.
        images: PNG files, one a view. views: (N, 3) azimuth, elevation, degrees; share of the farthest distance.
    """

    name: str
    points: np.ndarray
    voxels: np.ndarray
    fine: np.ndarray | None
    images: list[bytes]
    views: np.ndarray


def as_png(image: np.ndarray) -> bytes:
    """A picture (H, W, 3) uint8 as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=6)
    return file.getvalue()


ARRAYS = {
    "points": ((POINTS, 3), np.float32),
    "voxels": ((RESOLUTION**3 // 8,), np.uint8),
    "fine": ((FINE**3 // 8,), np.uint8),
}


def pack(
    folder: Path, jobs: Sequence, make: Callable[[object], Item], views: int, bar: str, skip_bad: bool = False
) -> None:
    """Make the items of all jobs, in order, into memory-mapped files of ``folder``.

    Args:
        make: a function of a module, job -> item.
        skip_bad: where it raises a UserError leave the row empty, with None for its name; else pass the error on.
    """
    shapes = {name: ((len(jobs), *shape), kind) for name, (shape, kind) in ARRAYS.items()}
    shapes |= {"views": ((len(jobs), views, 3), np.float32), "places": ((len(jobs), views, 2), np.int64)}
    needed = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in shapes.values())
    require_space(folder, needed + len(jobs) * views * 12_000, "--data_dir")
    for name, (shape, kind) in shapes.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape)
    parts = [(folder, make, start, jobs[start : start + CHUNK], skip_bad) for start in range(0, len(jobs), CHUNK)]
    names, bad = {}, []
    with tqdm(total=len(jobs), desc=bar, unit="shape") as progress:
        for start, made, reasons in in_processes(_pack_part, parts):
            names[start] = made
            bad += reasons
            progress.update(len(made))
    digest = hashlib.sha256()
    for name in ("points", "voxels", "fine", "places"):
        digest.update((folder / f"{name}.npy").read_bytes())
    ordered = [name for start in sorted(names) for name in names[start]]
    write_json(folder / DONE, {"fingerprint": digest.hexdigest()[:16], "names": ordered, "bad": sorted(bad)})


def _pack_part(part) -> tuple[int, list[str | None], list[str]]:
    folder, make, start, jobs, skip_bad = part
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)  # the processes share the cores
    arrays = {name: np.lib.format.open_memmap(folder / f"{name}.npy", "r+") for name in (*ARRAYS, "views", "places")}
    names, bad, at = [], [], 0
    with (folder / f"images_{start // CHUNK:05d}.bin").open("wb") as file:
        for row, job in enumerate(jobs, start):
            try:
                item = make(job)
            except UserError as error:
                if not skip_bad:
                    raise
                names.append(None)
                bad.append(str(error))
                continue
            arrays["points"][row], arrays["views"][row] = item.points, item.views
            arrays["voxels"][row] = np.packbits(item.voxels)
            if item.fine is not None:
                arrays["fine"][row] = np.packbits(item.fine)
            for view, image in enumerate(item.images):
                file.write(image)
                arrays["places"][row, view] = at, len(image)
                at += len(image)
            names.append(item.name)
    return start, names, bad


@dataclass(frozen=True)
class Pack:
    """A packed folder: the shapes of one class.

    Attributes:
        name: of the class. mesh: row -> that shape's true mesh.
    """

    folder: Path
    name: str
    mesh: Callable[[int], Meshes]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The memory-mapped files.

        Raises:
            UserError: one of them is damaged.
        """
        try:
            return {name: open_npy(self.folder / f"{name}.npy") for name in (*ARRAYS, "views", "places")}
        except UserError as error:
            raise UserError(f"{error}; this is a cache: delete {self.folder} to make it again") from None

    @cached_property
    def done(self) -> dict:
        """``names`` of the shapes, ``fingerprint`` of the data, and what else was packed with them."""
        return json.loads((self.folder / DONE).read_text())

    @cached_property
    def features(self) -> np.ndarray:
        """Features (N, V, 512) of all pictures.

        Raises:
            UserError: none were kept.
        """
        path = self.folder / FEATURES_FILE
        if not path.is_file():
            raise UserError(f"--load_feat: {path} is not there; run python -m a2_single_view.features first")
        return open_npy(path)

    @cached_property
    def encoder(self) -> str:
        """Fingerprint of the encoder whose features were kept."""
        path = self.folder / ENCODER_FILE
        return json.loads(path.read_text())["encoder"] if path.is_file() else "unknown"

    def image(self, row: int, view: int) -> np.ndarray:
        """Picture (H, W, 3) uint8."""
        start, length = self.arrays["places"][row, view]
        with (self.folder / f"images_{row // CHUNK:05d}.bin").open("rb") as file:
            file.seek(start)
            return np.asarray(Image.open(io.BytesIO(file.read(length))))


@dataclass(frozen=True)
class ShapeViews:
    """N shapes, each seen from several sides.

    Attributes:
        packs: where they are, a pack a class. where: (N, 2) pack and row of each.
        source: in words.
    """

    packs: tuple[Pack, ...]
    where: np.ndarray
    source: str

    def __len__(self) -> int:
        return len(self.where)

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(pack.name for pack in self.packs)

    @property
    def fingerprint(self) -> str:
        """Of the data."""
        return "-".join(pack.done["fingerprint"] for pack in self.packs)

    @property
    def num_views(self) -> int:
        """Pictures of each shape."""
        return min(pack.arrays["places"].shape[1] for pack in self.packs)

    def of_class(self, name: str) -> "ShapeViews":
        """The shapes of one class."""
        kept = self.where[:, 0] == self.classes.index(name)
        return replace(self, where=self.where[kept], source=f"the {name}s of {self.source}")

    def name(self, index: int) -> str:
        """Of a shape."""
        pack, row = self.where[index]
        return self.packs[pack].done["names"][row]

    def mesh(self, index: int) -> Meshes:
        """The true mesh of a shape."""
        pack, row = self.where[index]
        return self.packs[pack].mesh(int(row))

    def _rows(self, array: str, index: np.ndarray) -> np.ndarray:
        return np.stack([self.packs[pack].arrays[array][row] for pack, row in self.where[index]])

    def images(self, index: np.ndarray, view: np.ndarray) -> Tensor:
        """Pictures (N, 3, H, W) uint8 of views (N,) of shapes (N,)."""
        pictures = [self.packs[p].image(row, v) for (p, row), v in zip(self.where[index], view, strict=True)]
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)

    def features(self, index: np.ndarray, view: np.ndarray) -> Tensor:
        """Features (N, 512) of views (N,) of shapes (N,), as they were kept."""
        rows = [self.packs[p].features[row, v] for (p, row), v in zip(self.where[index], view, strict=True)]
        return torch.from_numpy(np.stack(rows)).float()

    def features_of(self, encoder: str | None = None) -> str:
        """Fingerprint of the encoder whose features were kept.

        Raises:
            UserError: none were kept, or not those of ``encoder``.
        """
        made = {pack.encoder for pack in self.packs if pack.features is not None}
        if len(made) > 1 or encoder is not None and made != {encoder}:
            raise UserError(
                "--load_feat: the kept features are not those of the encoder that this model was trained on; make them "
                "again by python -m a2_single_view.features"
            )
        return made.pop()

    def views(self, index: np.ndarray) -> np.ndarray:
        """Azimuth, elevation (degrees) and share of the farthest distance of all views of shapes (N,): (N, V, 3)."""
        return self._rows("views", index)

    def points(self, index: np.ndarray, count: int, generator: np.random.Generator) -> Tensor:
        """Surface points (N, count, 3) of shapes (N,), drawn without replacement from those that are kept."""
        picked = [generator.permutation(POINTS)[:count] for _ in index]
        pairs = zip(self.where[index], picked, strict=True)
        return torch.from_numpy(np.stack([self.packs[pack].arrays["points"][row][p] for (pack, row), p in pairs]))

    def voxels(self, index: np.ndarray) -> Tensor:
        """Occupancy (N, 32, 32, 32) bool by x, y, z of shapes (N,)."""
        return self._filled("voxels", index, RESOLUTION)

    def fine(self, index: np.ndarray) -> Tensor:
        """Occupancy (N, 64, 64, 64) bool by x, y, z of shapes (N,)."""
        return self._filled("fine", index, FINE)

    def _filled(self, array: str, index: np.ndarray, resolution: int) -> Tensor:
        bits = np.unpackbits(self._rows(array, index), axis=1).view(bool)
        return torch.from_numpy(bits.reshape(-1, *(resolution,) * 3))


def join(parts: Sequence[ShapeViews]) -> ShapeViews:
    """The shapes of several classes, one class after the other."""
    where = [part.where + [[number, 0]] for number, part in enumerate(parts)]
    packs = tuple(pack for part in parts for pack in part.packs)
    return ShapeViews(packs, np.concatenate(where), " and ".join(part.source for part in parts))
