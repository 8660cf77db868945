"""Simple closed polygons in the plane: signed distance, orientation, triangulation. Used by prisms and revolutions."""

import numpy as np
import torch


def polygon_sdf(points: torch.Tensor, polygon: torch.Tensor, edges: torch.Tensor | None = None) -> torch.Tensor:
    """Exact signed distance to a simple polygon, negative inside.

    Distance is the least over the edge segments; the sign is the parity of crossings of a ray along +x.

    Args:
        points: (N, 2) float.
        polygon: (M, 2) float, corners in either orientation; the last joins the first.
        edges: (M,) bool, which edges (corner i to i+1) count as boundary; all when None. Edges that do not count
            still close the polygon.
    Returns:
        (N,) float.
    """
    a, b = polygon, polygon.roll(-1, 0)
    x, y = points[:, :1], points[:, 1:]
    (ax, ay), (bx, by) = a.unbind(1), b.unbind(1)
    crosses = ((ay > y) != (by > y)) & (x < ax + (y - ay) * (bx - ax) / torch.where(by == ay, 1.0, by - ay))
    inside = crosses.sum(1) % 2 == 1
    if edges is not None:
        a, b = a[edges], b[edges]
        (ax, ay), (bx, by) = a.unbind(1), b.unbind(1)
    ex, ey = bx - ax, by - ay
    dx, dy = x - ax, y - ay
    along = ((dx * ex + dy * ey) / (ex * ex + ey * ey).clamp_min(1e-20)).clamp(0.0, 1.0)
    squared = (dx - along * ex).square() + (dy - along * ey).square()
    distance = squared.amin(1).clamp_min(1e-24).sqrt()
    return torch.where(inside, -distance, distance)


def signed_area(polygon: np.ndarray) -> float:
    """Area of an (M, 2) polygon, positive when its corners run counter-clockwise."""
    x, y = polygon.T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def triangulate(polygon: np.ndarray) -> np.ndarray:
    """Triangles (M-2, 3) int of a simple counter-clockwise polygon (M, 2), by clipping ears.

    A convex polygon becomes a fan. Quadratic to cubic in M: meant for outlines of some tens of corners.
    """
    x, y = np.asarray(polygon, float).T
    left = list(range(len(x)))
    triangles = []
    while len(left) > 3:
        ear = next((i for i in range(len(left)) if _is_ear(x, y, left, i)), 0)
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return np.array([*triangles, tuple(left)], dtype=np.int64)


def _is_ear(x: np.ndarray, y: np.ndarray, left: list[int], i: int) -> bool:
    a, b, c = left[i - 1], left[i], left[(i + 1) % len(left)]
    if (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) <= 0:
        return False
    rest = [j for j in left if j not in (a, b, c)]
    px, py = x[rest], y[rest]
    sides = [(x[q] - x[p]) * (py - y[p]) - (y[q] - y[p]) * (px - x[p]) for p, q in ((a, b), (b, c), (c, a))]
    return not np.any((sides[0] >= 0) & (sides[1] >= 0) & (sides[2] >= 0))
