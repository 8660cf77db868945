"""What every solid of the procedural world offers, and the arrays its mesh is made of."""

import numpy as np
import torch

MeshArrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # corners (V, 3), faces (F, 3), texture coordinates (V, 2)
AROUND = 64  # segments of a full turn: facets lie within 0.12 % of the radius of the exact surface


class Primitive:
    """A solid in its own frame. Subclasses define :meth:`sdf` and :meth:`mesh`."""

    @property
    def convex(self) -> bool:
        """True where the solid is known to be convex."""
        return False

    def sdf(self, points: torch.Tensor) -> torch.Tensor:
        """Signed distance (N,) of points (N, 3)."""
        raise NotImplementedError

    def mesh(self) -> MeshArrays:
        """Corners (V, 3), faces (F, 3) and texture coordinates (V, 2) of the surface."""
        raise NotImplementedError

    def contains(self, points: torch.Tensor, margin: float) -> torch.Tensor:
        """(N,) bool: which points (N, 3) lie deeper inside than ``margin``."""
        return self.sdf(points) < -margin


def grid_faces(rows: int, columns: int, flip: bool) -> np.ndarray:
    """Two triangles for each cell of a rows x columns grid of corners, numbered row by row: (F, 3) int."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (index[i : rows - 1 + i, j : columns - 1 + j].ravel() for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return faces[:, ::-1] if flip else faces


def face_areas(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Areas (F,) of the triangles ``faces`` (F, 3) of the corners (V, 3)."""
    a, b, c = verts[faces[:, 0]], verts[faces[:, 1]], verts[faces[:, 2]]
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def real_faces(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The faces (F, 3) whose three corners lie apart; those of a pole, where corners coincide, go."""
    a, b, c = verts[faces[:, 0]], verts[faces[:, 1]], verts[faces[:, 2]]
    shortest = np.minimum(np.minimum(np.abs(a - b).max(1), np.abs(b - c).max(1)), np.abs(c - a).max(1))
    return faces[shortest > 1e-9 * max(float(np.ptp(verts, axis=0).max()), 1e-30)]


def weld(verts: np.ndarray) -> np.ndarray:
    """(V,) int: one number for all corners (V, 3) at one place, to 1e-9 of the mesh's size.

    Each coordinate is sorted and cut where two neighbours lie apart, so that no rounding grid can split a pair.
    """
    tolerance = 1e-9 * max(float(np.ptp(verts, axis=0).max()), 1e-30)
    cells = np.empty(verts.shape, np.int64)
    for axis in range(3):
        order = np.argsort(verts[:, axis], kind="stable")
        cells[order, axis] = np.concatenate([[0], np.cumsum(np.diff(verts[order, axis]) > tolerance)])
    return np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)
