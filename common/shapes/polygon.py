"""Simple closed polygons in the plane: signed distance, orientation, triangulation with and without holes."""

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


def is_convex(polygon: np.ndarray) -> bool:
    """Whether a simple (M, 2) polygon never turns against its own orientation; straight corners are allowed."""
    step = np.roll(polygon, -1, 0) - polygon
    after = np.roll(step, -1, 0)
    turn = step[:, 0] * after[:, 1] - step[:, 1] * after[:, 0]
    slack = 1e-12 * float(np.square(step).sum(1).max())
    return bool((turn >= -slack).all() or (turn <= slack).all())


def triangulate(polygon: np.ndarray) -> np.ndarray:
    """Triangles (M-2, 3) int of a simple counter-clockwise polygon (M, 2), by clipping ears.

    A convex polygon becomes a fan. Quadratic to cubic in M: meant for outlines of up to some hundred corners.
    """
    return _clip_ears(np.asarray(polygon, float), list(range(len(polygon))))


def triangulate_loops(points: np.ndarray, loops: list[list[int]]) -> np.ndarray:
    """Triangles (F, 3) int of the region whose boundary is given by loops of indices into ``points`` (V, 2).

    Counter-clockwise loops bound the region from outside, clockwise ones are its holes; loops may share corners but
    not cross. Each hole is joined to the smallest outer loop around it by a bridge, then ears are clipped.
    """
    points = np.asarray(points, float)
    areas = [signed_area(points[loop]) for loop in loops]
    outer = sorted((k for k, area in enumerate(areas) if area > 0), key=lambda k: areas[k])
    holes: dict[int, list[list[int]]] = {k: [] for k in outer}
    for loop, area in zip(loops, areas, strict=True):
        if area < 0:
            holes[next((k for k in outer if _surrounds(points[loops[k]], points[loop])), outer[-1])].append(loop)
    rings = [_bridge(points, loops[k], holes[k]) for k in outer]
    return np.concatenate([_clip_ears(points, ring) for ring in rings])


def _surrounds(outer: np.ndarray, loop: np.ndarray) -> bool:
    """Whether most corners of ``loop`` lie inside ``outer`` (they may touch it)."""
    return bool((polygon_sdf(torch.from_numpy(loop), torch.from_numpy(outer)) < 1e-9).float().mean() > 0.5)


def _cross(origin: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Twice the signed area of the triangles (origin, one, two), each (..., 2)."""
    a, b = one - origin, two - origin
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _clip_ears(points: np.ndarray, ring: list[int]) -> np.ndarray:
    """Triangles (len(ring) - 2, 3) of a counter-clockwise ring of indices, which may pass a corner more than once."""
    left = list(ring)
    triangles = []
    while len(left) > 3:
        corners = points[left]
        turn = _cross(np.roll(corners, 1, 0), corners, np.roll(corners, -1, 0))
        ear = next((i for i in np.flatnonzero(turn > 0) if _is_ear(corners, int(i))), None)
        ear = int(np.abs(turn).argmin()) if ear is None else int(ear)  # only straight corners are left: any is good
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return np.array([*triangles, tuple(left)], dtype=np.int64).reshape(-1, 3)


def _is_ear(corners: np.ndarray, i: int) -> bool:
    """Whether no other corner lies in the triangle of corner i and its neighbours; its own corners may recur."""
    a, b, c = corners[i - 1], corners[i], corners[(i + 1) % len(corners)]
    inside = (_cross(a, b, corners) >= 0) & (_cross(b, c, corners) >= 0) & (_cross(c, a, corners) >= 0)
    near = corners[inside]
    return bool(((near == a).all(1) | (near == b).all(1) | (near == c).all(1)).all())


def _bridge(points: np.ndarray, outer: list[int], holes: list[list[int]]) -> list[int]:
    """One ring that runs around ``outer`` and, over bridges there and back, around each of the holes."""
    ring, holes = list(outer), list(holes)
    while holes:
        centre = points[ring]
        nearest = [np.linalg.norm(points[hole][:, None] - centre, axis=2) for hole in holes]
        chosen = int(np.argmin([gap.min() for gap in nearest]))
        gap, hole = nearest[chosen], holes.pop(chosen)
        start, end = _clear_bridge(points, ring, hole, holes, gap)
        ring = ring[: end + 1] + hole[start:] + hole[: start + 1] + ring[end:]
    return ring


def _clear_bridge(points, ring, hole, others, gap) -> tuple[int, int]:
    """Positions in the hole and in the ring of the shortest bridge that crosses nothing and runs inside the region."""
    edges = [np.stack([points[loop], points[np.roll(loop, -1)]], 1) for loop in (ring, hole, *others)]
    edges = np.concatenate(edges)
    for flat in np.argsort(gap, axis=None):
        start, end = np.unravel_index(flat, gap.shape)
        a, b = points[hole[start]], points[ring[end]]
        before, after = points[ring[end - 1]], points[ring[(end + 1) % len(ring)]]
        if _opens_to(before, b, after, a) and not _crosses_any(a, b, edges):
            return int(start), int(end)
    start, end = np.unravel_index(gap.argmin(), gap.shape)  # loops that cross: no clean answer exists
    return int(start), int(end)


def _opens_to(before, corner, after, target) -> bool:
    """Whether the inner angle of a counter-clockwise corner contains the direction to the target."""
    left, right = _cross(corner, after, target) >= 0, _cross(before, corner, target) >= 0
    return bool(left and right) if _cross(before, corner, after) > 0 else bool(left or right)


def _crosses_any(a: np.ndarray, b: np.ndarray, edges: np.ndarray) -> bool:
    """Whether segment a-b meets an edge (E, 2, 2) anywhere but at a shared end."""
    c, d = edges[:, 0], edges[:, 1]
    shared = (c == a).all(1) | (c == b).all(1) | (d == a).all(1) | (d == b).all(1)
    straddles = (_cross(a, b, c) * _cross(a, b, d) <= 0) & (_cross(c, d, a) * _cross(c, d, b) <= 0)
    return bool((straddles & ~shared).any())
