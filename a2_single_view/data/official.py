"""The course's data: R2N2's pictures and voxels of ShapeNet's shapes, packed on first use.

Below the data folder: ``r2n2/ShapeNetRendering/<synset>/<id>/rendering/NN.png`` with ``rendering_metadata.txt``,
``r2n2/ShapeNetVox32/<synset>/<id>/model.binvox`` (or ``ShapeNetVoxels``),
``shapenet/<synset>/<id>/models/model_normalized.obj`` and the splits ``split_03001627.json`` (chairs) and
``split_3c.json`` (chairs, cars, airplanes): split -> synset -> id -> views.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from a2_single_view.data.binvox import read_binvox
from a2_single_view.data.cells import cells_of, dense_points, fine_cells
from a2_single_view.data.packed import (
    POINTS,
    SPLITS,
    Item,
    Pack,
    ShapeViews,
    as_png,
    join,
    pack,
)
from a2_single_view.data.rendering import IMAGE_SIZE, VIEWS
from common.cli import UserError
from common.data.making import DONE, make_once
from common.mesh_views import load_mesh
from common.outputs import data_folder

SYNSETS = {"chair": "03001627", "car": "02958343", "airplane": "02691156"}
ONE, THREE = "split_03001627.json", "split_3c.json"
VERSION = 3  # raise it when the same files are packed differently


def is_there(data_dir: str | None, classes: tuple[str, ...]) -> bool:
    """Whether the data folder holds the splits of these classes.

    Raises:
        UserError: it holds shapes, but no split of these classes.
    """
    root = data_folder(data_dir)
    if _split_file(root, classes).is_file():
        return True
    if (root / "r2n2").is_dir() or (root / "shapenet").is_dir():
        raise UserError(f"{root}: holds official shapes, but not {_split_file(root, classes).name}, which splits them")
    return False


def _split_file(root: Path, classes: tuple[str, ...]) -> Path:
    """The split of chairs alone where it is enough and there, else that of three classes."""
    return root / (ONE if tuple(classes) == ("chair",) and (root / ONE).is_file() else THREE)


def load_official(
    classes: tuple[str, ...], data_dir: str | None = None, skip_bad: bool = False
) -> dict[str, ShapeViews]:
    """Training, validation and test shapes of the classes; packed and cached on first use.

    Args:
        skip_bad: leave out shapes whose files are missing or damaged, and say which; else the first is an error.

    Raises:
        UserError: a split that is damaged or without one of the classes; a shape that is missing, has no face, lacks a
            view, or whose pictures or voxels are damaged or of another size.
    """
    root = data_folder(data_dir)
    splits = _read_split(_split_file(root, classes))
    parts = [_load_class(root, name, splits, skip_bad) for name in classes]
    return {split: join([part[split] for part in parts]) for split in SPLITS}


def _read_split(path: Path) -> dict:
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
        for split in SPLITS:
            splits.setdefault(split, {})
            for models in splits[split].values():
                if not all(isinstance(views, list) for views in models.values()):
                    raise ValueError(f"{split}: the views of a shape must be a list")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path}: not a split ({str(error)[:80]})") from None
    return splits


def _load_class(root: Path, name: str, splits: dict, skip_bad: bool) -> dict[str, ShapeViews]:
    synset = SYNSETS[name]
    models = {split: splits[split].get(synset, {}) for split in SPLITS}
    jobs = [(str(root), synset, model, tuple(views)) for split in SPLITS for model, views in models[split].items()]
    if not models["train"] or not models["test"]:
        raise UserError(f"{root}: its splits hold no {name} ({synset}) to train on, or none to test with")
    missing = [model for _, _, model, _ in jobs if not (root / "shapenet" / synset / model).is_dir()]
    if missing and not skip_bad:
        raise UserError(
            f"{root / 'shapenet' / synset}: {len(missing)} of {len(jobs)} shapes of the splits are not there, first "
            f"{missing[0]}; --skip_bad leaves them out"
        )
    key = hashlib.sha256(repr((VERSION, jobs)).encode()).hexdigest()[:12]
    folder = root / f"single_view_official_{synset}_{key}"
    if not skip_bad and (folder / DONE).exists() and (reasons := Pack(folder, name, None).done["bad"]):
        raise UserError(f"{reasons[0]}; --skip_bad leaves it out; once it is mended delete {folder}")
    if not (folder / DONE).exists():
        make_once(folder, lambda making: pack(making, jobs, make_item, VIEWS, f"packing {name}s", skip_bad))
    shapes = Pack(folder, name, lambda row: load_mesh(_mesh_file(root, synset, jobs[row][2])))
    bad = [row for row, said in enumerate(shapes.done["names"]) if said is None]
    if bad:
        reasons = shapes.done["bad"]
        print(f"{len(bad)} of {len(jobs)} {name}s are left out, first: {reasons[0]}", file=sys.stderr)
    sets, start = {}, 0
    for split in SPLITS:
        rows = np.setdiff1d(np.arange(start, start + len(models[split])), bad)
        start += len(models[split])
        where = np.stack((np.zeros_like(rows), rows), 1)
        sets[split] = ShapeViews((shapes,), where, f"{len(rows)} official {name}s of {root}")
    if not len(sets["train"]) or not len(sets["test"]):
        raise UserError(f"{root}: no {name} is left to train on, or none to test with; first: {shapes.done['bad'][0]}")
    return sets


def _mesh_file(root: Path, synset: str, model: str) -> Path:
    folder = root / "shapenet" / synset / model
    normalised, plain = folder / "models" / "model_normalized.obj", folder / "model.obj"
    return plain if plain.is_file() and not normalised.is_file() else normalised


def _voxel_file(root: Path, synset: str, model: str) -> Path:
    names = ("ShapeNetVox32", "ShapeNetVoxels")
    kept, other = (root / "r2n2" / name / synset / model / "model.binvox" for name in names)
    return other if other.is_file() and not kept.is_file() else kept


def make_item(job: tuple[str, str, str, tuple[int, ...]]) -> Item:
    """Everything of one shape; ``job``: the data folder, synset, id, and the views that the split names."""
    root, synset, model, views = Path(job[0]), *job[1:]
    mesh = load_mesh(_mesh_file(root, synset, model))
    torch.manual_seed(int.from_bytes(hashlib.sha256(model.encode()).digest()[:4]))
    dense = dense_points(mesh, POINTS)
    voxels = voxels_of(_voxel_file(root, synset, model), mesh.verts_packed().numpy())
    folder = root / "r2n2" / "ShapeNetRendering" / synset / model / "rendering"
    images, cameras = read_views(folder, views)
    return Item(model, dense[:POINTS], voxels, fine_cells(dense, voxels), images, cameras)


def voxels_of(path: Path, verts: np.ndarray) -> np.ndarray:
    """Occupancy (32, 32, 32) bool by x, y, z in the frame of the mesh with corners (V, 3).

    (x, y, z) is taken to (-z, y, -x), how R2N2's voxels lie to ShapeNet's meshes, and the filled cells' box is brought
    to the mesh's, axis by axis. (The course does the second first, which moves shapes that are not as wide as deep.)
    """
    x, y, z = np.argwhere(read_binvox(path)).astype(float).T
    if not len(x):
        raise UserError(f"{path}: no cell is filled")
    turned = np.stack((-z, y, -x), 1)
    share = (turned - turned.min(0)) / np.maximum(np.ptp(turned, axis=0), 1.0)
    return cells_of(verts.min(0) + share * np.ptp(verts, axis=0))


def read_views(folder: Path, views: tuple[int, ...]) -> tuple[list[bytes], np.ndarray]:
    """Pictures as PNG files on white, and their cameras (24, 3); views that the split does not name repeat others.

    Raises:
        UserError: a view or its line of metadata is missing or damaged, or the picture is not 137 x 137.
    """
    try:
        lines = (folder / "rendering_metadata.txt").read_text().splitlines()
        metadata = np.array([[float(value) for value in line.split()[:4]] for line in lines if line.strip()])
        cameras = metadata[:, [0, 1, 3]].astype(np.float32)
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"{folder / 'rendering_metadata.txt'}: not R2N2's metadata ({str(error)[:80]})") from None
    if not views or not all(isinstance(view, int) and 0 <= view < len(cameras) for view in views):
        raise UserError(f"{folder}: the split names views {list(views)[:6]} of {len(cameras)}")
    pictures = {view: _read_picture(folder / f"{view:02d}.png") for view in views}
    order = [views[number % len(views)] for number in range(VIEWS)]
    return [pictures[view] for view in order], cameras[order]


def _read_picture(path: Path) -> bytes:
    try:
        image = Image.open(path)
        image.load()
    except Exception as error:  # PIL raises many kinds on damaged files
        raise UserError(f"{path}: not a picture that can be read ({str(error)[:80]})") from None
    if image.size != (IMAGE_SIZE, IMAGE_SIZE):
        raise UserError(f"{path}: {image.size[0]} x {image.size[1]} pixels, R2N2's have {IMAGE_SIZE} x {IMAGE_SIZE}")
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return as_png(np.asarray(image.convert("RGB")))
