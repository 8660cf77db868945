"""The embedded set: chairs, cars and airplanes of the procedural world, seen as R2N2 sees ShapeNet's."""

import numpy as np
import torch

from a2_single_view.data.cells import FINE, RESOLUTION, cells_of
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
from a2_single_view.data.rendering import VIEWS, draw_views, render_shape
from common.data.making import DONE, make_once
from common.mesh_views import mesh_of_shape
from common.outputs import data_folder
from common.shapes import Shape, sample_shape

CLASSES = ("chair", "car", "airplane")
SURFACE = 60_000  # points that mark the cells which a surface cuts
COUNTS = {"train": 2000, "val": 60, "test": 200}  # shapes of each class
VERSION = 5  # raise it when the same seed gives other shapes or pictures


def embedded_shape(family: str, seed: int, index: int) -> Shape:
    """The ``index``-th shape of a class, the middle of its bounding box at the origin, its diagonal 1."""
    shape = sample_shape(family, 2_000_000 + seed, index)
    low, high = shape.bounds()
    scale = 1.0 / np.linalg.norm(high - low)
    return shape.moved(scale, -scale * (low + high) / 2)


def make_item(job: tuple[str, int, int]) -> Item:
    """Everything of one shape; ``job``: its family, the set's seed and its index."""
    family, seed, index = job
    shape, generator = embedded_shape(family, seed, index), np.random.default_rng([seed, index])
    points, _ = shape.sample_surface(POINTS, generator)
    verts, faces, _, owner = shape.mesh
    colors = np.float32([part.material.color for part in shape.parts])[owner]
    views = draw_views(generator)
    images = render_shape(*(torch.from_numpy(a) for a in (np.float32(verts), faces, colors)), views)
    # As binvox has it: cells whose middle is inside, and those that the surface cuts.
    dense, _ = shape.sample_surface(SURFACE, generator)
    voxels = shape.occupancy(RESOLUTION, 0.5) | cells_of(dense)
    fine = shape.occupancy(FINE, 0.5) | cells_of(dense, FINE)
    return Item(f"{family}_{index:05d}", points, voxels, fine, [as_png(image) for image in images], views)


def load_embedded(
    classes: tuple[str, ...] = ("chair",),
    data_dir: str | None = None,
    seed: int = 0,
    counts: dict[str, int] | None = None,
) -> dict[str, ShapeViews]:
    """Training, validation and test shapes of the classes; made and cached on first use, five minutes a class.

    Args:
        data_dir: the cache; see `common.outputs.data_folder`.
        counts: shapes of each class in each split.
    """
    counts = counts or COUNTS
    parts = [_load_class(family, data_dir, seed, counts) for family in classes]
    return parts[0] if len(parts) == 1 else {split: join([part[split] for part in parts]) for split in SPLITS}


def _load_class(family: str, data_dir: str | None, seed: int, counts: dict[str, int]) -> dict[str, ShapeViews]:
    name = f"single_view_{family}_v{VERSION}_seed{seed}_{'-'.join(str(counts[split]) for split in SPLITS)}"
    folder, total = data_folder(data_dir) / name, sum(counts.values())
    if not (folder / DONE).exists():
        jobs = [(family, seed, index) for index in range(total)]
        make_once(folder, lambda making: pack(making, jobs, make_item, VIEWS, f"rendering {total} {family}s"))
    sets, start = {}, 0
    shapes = Pack(folder, family, lambda row: mesh_of_shape(embedded_shape(family, seed, row)))
    for split in SPLITS:
        rows = np.arange(start, start + counts[split])
        start += counts[split]
        where = np.stack((np.zeros_like(rows), rows), 1)
        sets[split] = ShapeViews(
            (shapes,), where, f"{len(rows)} procedural {family}s (seed {seed}), {VIEWS} views each"
        )
    return sets
