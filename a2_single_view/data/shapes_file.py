"""Shapes from a file or a folder, rendered as the embedded ones are: real shapes for trained models to be tried on.

Read are: a folder of meshes (obj, ply, off, glb); an ``npz`` of many meshes, ``verts``, ``faces``, ``vert_offsets``,
``face_offsets``; an ``npz`` of solid 32^3 voxels with z up, ``packed`` (N, 4096) bits by x, y, z. Meshes have y up and
face +z.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import binary_fill_holes

from a2_single_view.data.cells import RESOLUTION, cells_of, dense_points
from a2_single_view.data.packed import (
    POINTS,
    Item,
    Pack,
    ShapeViews,
    as_png,
    pack,
)
from a2_single_view.data.rendering import VIEWS, draw_views, render_shape
from a2_single_view.scores import occupancy_mesh
from common.cli import UserError
from common.data.making import DONE, make_once
from common.mesh_views import FORMATS, GREY, load_mesh, painted
from common.outputs import data_folder
from common.p3d import Meshes

VERSION = 3  # raise it when the same files are packed differently


def load_file(path: str, data_dir: str | None = None, skip_bad: bool = False) -> ShapeViews:
    """All shapes of a file or folder, rendered and cached on first use.

    Args:
        skip_bad: leave out shapes that are none; else the first is an error.

    Raises:
        UserError: nothing there, or a file of another kind.
    """
    file = Path(path)
    jobs = [(str(file), index) for index in range(count_shapes(file))]
    parts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in (_mesh_files(file) if file.is_dir() else [file])]
    key = hashlib.sha256(repr((VERSION, str(file.resolve()), parts, skip_bad)).encode())
    folder = data_folder(data_dir) / f"single_view_file_{file.stem}_{key.hexdigest()[:10]}"
    if not (folder / DONE).exists():
        make_once(folder, lambda making: pack(making, jobs, make_item, VIEWS, f"rendering {file.name}", skip_bad))
    shapes = Pack(folder, "chair", lambda row: read_shape(file, row)[0])
    rows = np.array([row for row, said in enumerate(shapes.done["names"]) if said is not None], int)
    if len(rows) < len(jobs):
        reasons = shapes.done["bad"]
        print(f"{len(reasons)} of {len(jobs)} shapes are left out, first: {reasons[0]}", file=sys.stderr)
    return ShapeViews((shapes,), np.stack((np.zeros_like(rows), rows), 1), f"{len(rows)} shapes of {file}")


def _mesh_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in FORMATS)


def _arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive if archive[name].dtype.kind in "fiub"}
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged files
        raise UserError(f"--shapes {file}: not an npz file that can be read ({str(error)[:80]})") from None


def count_shapes(file: Path) -> int:
    """How many shapes a file or folder holds.

    Raises:
        UserError: none, or none of a kind that is read.
    """
    if file.is_dir():
        count = len(_mesh_files(file))
    elif file.suffix == ".npz" and file.is_file():
        arrays = _arrays(file)
        if "packed" in arrays:
            count = _count_voxels(file, arrays["packed"])
        elif {"verts", "faces", "vert_offsets", "face_offsets"} <= set(arrays):
            count = _count_meshes(file, arrays)
        else:
            raise UserError(
                f"--shapes {file}: holds neither voxels (packed: N, 4096) nor meshes "
                "(verts, faces, vert_offsets, face_offsets)"
            )
    else:
        raise UserError(f"--shapes {file}: no such folder of meshes or npz file")
    if not count:
        raise UserError(f"--shapes {file}: holds no shape")
    return count


def _count_voxels(file: Path, packed: np.ndarray) -> int:
    if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != RESOLUTION**3 // 8:
        asked = f"(N, {RESOLUTION**3 // 8}) uint8"
        raise UserError(f"--shapes {file}: packed voxels are {packed.shape} {packed.dtype}, not {asked}")
    return len(packed)


def _count_meshes(file: Path, arrays: dict[str, np.ndarray]) -> int:
    v, f = arrays["vert_offsets"], arrays["face_offsets"]
    whole = all(a.dtype.kind in "iu" for a in (v, f, arrays["faces"]))
    tables = all(arrays[name].ndim == 2 and arrays[name].shape[1] == 3 for name in ("verts", "faces"))
    if not (whole and tables and v.ndim == f.ndim == 1 and len(v) == len(f)):
        raise UserError(f"--shapes {file}: verts or faces are not (N, 3), or offsets not as many whole numbers")
    return len(v) - 1


def read_shape(file: Path, index: int) -> tuple[Meshes, np.ndarray | None]:
    """A mesh, its box's middle at the origin and its diagonal 1, and its cells (32, 32, 32) where they are known."""
    solid = None
    if file.is_dir():
        mesh = load_mesh(_mesh_files(file)[index])
    else:
        arrays = _arrays(file)
        if "packed" in arrays:
            solid = np.unpackbits(arrays["packed"][index]).reshape((RESOLUTION,) * 3).astype(bool)
            solid = solid.transpose(0, 2, 1)[:, :, ::-1]  # z up, facing -y, to y up, facing +z
            mesh = occupancy_mesh(torch.from_numpy(20.0 * solid - 10.0).float())
        else:
            v, f = arrays["vert_offsets"], arrays["face_offsets"]
            verts, faces = arrays["verts"][v[index] : v[index + 1]], arrays["faces"][f[index] : f[index + 1]]
            if not len(verts) or not len(faces):
                raise UserError(f"--shapes {file}: shape {index} has no face")
            if not np.isfinite(verts).all() or faces.min() < 0 or faces.max() >= len(verts):
                raise UserError(f"--shapes {file}: shape {index} has corners that are not finite or not there")
            mesh = Meshes([torch.from_numpy(verts).float()], [torch.from_numpy(faces.astype(np.int64))])
    if mesh.isempty():
        raise UserError(f"--shapes {file}: shape {index} has no face")
    verts = mesh.verts_packed()
    low, high = verts.amin(0), verts.amax(0)
    middle, size = (low + high) / 2, float((high - low).norm())
    if not 0.0 < size < float("inf"):
        raise UserError(f"--shapes {file}: shape {index} is of no size")
    mesh = mesh.offset_verts(-middle).scale_verts(1.0 / size)
    cells = None if solid is None else moved_cells(solid, middle.numpy(), size)
    return painted(mesh, GREY) if mesh.textures is None else mesh, cells


def moved_cells(solid: np.ndarray, middle: np.ndarray, size: float) -> np.ndarray:
    """Which cells have their middles in a solid (R, R, R) of the cube that ``middle`` (3,) and ``size`` normalise."""
    R = len(solid)
    ticks = ((np.arange(RESOLUTION) + 0.5) / RESOLUTION - 0.5) * size
    at = [np.floor((ticks + m + 0.5) * R).astype(int) for m in middle]
    inside = [(a >= 0) & (a < R) for a in at]
    cells = solid[np.ix_(*(a.clip(0, R - 1) for a in at))]
    return cells & inside[0][:, None, None] & inside[1][:, None] & inside[2]


def make_item(job: tuple[str, int]) -> Item:
    """Everything of one shape; ``job``: the file and the shape's number."""
    file, index = Path(job[0]), job[1]
    mesh, cells = read_shape(file, index)
    generator = np.random.default_rng(index)
    torch.manual_seed(index)
    dense = dense_points(mesh, POINTS)
    voxels = solid_cells(dense) if cells is None else cells
    views = draw_views(generator)
    faces = mesh.faces_packed()
    colors = torch.tensor(GREY).expand(len(faces), 3)
    images = render_shape(mesh.verts_packed(), faces, colors, views)
    return Item(f"{file.stem}_{index:04d}", dense[:POINTS], voxels, None, [as_png(i) for i in images], views)


def solid_cells(points: np.ndarray) -> np.ndarray:
    """Cells (32, 32, 32) bool that dense points (N, 3) of a surface lie in, and those that they enclose."""
    return binary_fill_holes(cells_of(points))
