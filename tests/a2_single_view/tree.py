"""A tiny tree in the layout of the course's data set."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from a2_single_view.data.binvox import write_binvox
from a2_single_view.data.embedded import embedded_shape
from a2_single_view.data.official import SYNSETS
from a2_single_view.data.rendering import IMAGE_SIZE

NAMES = {"train": ("aa", "bb"), "val": ("cc",), "test": ("dd", "ee")}
VIEWS = [0, 1, 2]


def picture(number: int) -> np.ndarray:
    """RGBA (137, 137, 4): noise in the middle, nothing around."""
    image = np.random.default_rng(number).integers(0, 256, (IMAGE_SIZE, IMAGE_SIZE, 4), np.uint8)
    image[..., 3] = 0
    image[40:90, 30:100, 3] = 255
    return image


def write_obj(path: Path, verts: np.ndarray, faces: np.ndarray) -> None:
    """A Wavefront file."""
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in verts] + [f"f {a} {b} {c}" for a, b, c in faces + 1]
    path.write_text("\n".join(lines) + "\n")


def make_tree(root: Path, classes: tuple[str, ...] = ("chair",)) -> Path:
    """Five shapes of each class, three views each, below ``root``."""
    splits = {split: {} for split in NAMES}
    for kind, family in enumerate(classes):
        synset = SYNSETS[family]
        for number, (split, name) in enumerate((s, n) for s, names in NAMES.items() for n in names):
            shape = embedded_shape(family, 0, number)
            verts, faces = shape.mesh[:2]
            models = root / "shapenet" / synset / name / "models"
            models.mkdir(parents=True)
            write_obj(models / "model_normalized.obj", verts, faces)
            views = root / "r2n2" / "ShapeNetRendering" / synset / name / "rendering"
            views.mkdir(parents=True)
            for view in VIEWS:
                Image.fromarray(picture(100 * kind + 10 * number + view)).save(views / f"{view:02d}.png")
            lines = [f"{10.0 * view + number} 27.5 0 0.{7 + view} 25" for view in VIEWS]
            (views / "rendering_metadata.txt").write_text("\n".join(lines) + "\n")
            voxels = root / "r2n2" / "ShapeNetVox32" / synset / name
            voxels.mkdir(parents=True)
            # R2N2's cells lie turned and mirrored to ShapeNet's meshes: (x, y, z) there is (-z, y, -x) here.
            own = shape.occupancy(32, 0.5)
            write_binvox(voxels / "model.binvox", own[::-1, :, ::-1].transpose(2, 1, 0))
            splits[split].setdefault(synset, {})[name] = VIEWS
    file = "split_03001627.json" if classes == ("chair",) else "split_3c.json"
    (root / file).write_text(json.dumps(splits))
    return root
