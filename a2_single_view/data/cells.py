"""Which cells of a cube a shape fills: voxels, and finer ones."""

import numpy as np
from scipy.ndimage import binary_dilation, binary_fill_holes

from common.p3d import Meshes, sample_points_from_meshes

RESOLUTION, FINE = 32, 64  # of the voxels and of finer ones, which fill the cube [-1/2, 1/2]^3
CUT = 20  # points, on average, that mark a fine cell which a mesh's surface cuts


def cells_of(points: np.ndarray, resolution: int = RESOLUTION) -> np.ndarray:
    """Cells (resolution,) * 3 bool of [-1/2, 1/2]^3, by x, y, z, that points (N, 3) lie in."""
    cell = np.floor((points + 0.5) * resolution).astype(int).clip(0, resolution - 1)
    filled = np.zeros((resolution,) * 3, bool)
    filled[tuple(cell.T)] = True
    return filled


def fine_cells(dense: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Fine cells (64, 64, 64) bool of a shape known by dense points (N, 3) of its surface and voxels (32, 32, 32) bool.

    Those that the surface cuts, those of voxels deep inside, and those that both enclose: where an end is open the
    inner cells of voxels that are cut stay empty.
    """
    uncut = ~cells_of(dense)
    deep = voxels & uncut & ~binary_dilation(~voxels & uncut)  # voxels may lie beside the surface by part of one
    return binary_fill_holes(cells_of(dense, FINE) | deep.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def dense_points(mesh: Meshes, least: int) -> np.ndarray:
    """Points (N, 3) of a mesh: at least ``least``, so many that hardly a fine cell it cuts has none."""
    area = float(mesh.faces_areas_packed().sum())
    count = min(max(int(CUT * area * FINE**2), least), 2_000_000)
    return sample_points_from_meshes(mesh, count)[0].numpy()
