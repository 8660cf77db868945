"""The distance between point clouds and surfaces or wire frames, with the interface of `pytorch3d.loss`.

The nearest pairs are found without gradients in a tree of bounding boxes, level by level for all queries at once: boxes
farther away than what is known already are left out. Only the nearest pairs are computed again with gradients.
"""

from collections.abc import Callable, Iterator
from functools import reduce
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional as F

from .meshes import Meshes
from .neighbours import knn_points
from .pointclouds import Pointclouds

__all__ = ["point_mesh_edge_distance", "point_mesh_face_distance"]

EPSILON = 1e-8  # squared length up to which a segment counts as its end, norm up to which a triangle has no normal
PAIRS_PER_CHUNK = 1 << 18  # pairs of hulls tested at once
BRANCHES = 4  # boxes in the box above


def point_mesh_face_distance(meshes: Meshes, pcls: Pointclouds, min_triangle_area: float = 5e-3) -> Tensor:
    """Mean squared distance of points to the nearest face plus that of faces to the nearest point, mean of the batch.

    Triangles of less than `min_triangle_area` consist of their edges alone, as in PyTorch3D. The distance to something
    empty is infinite. Differentiable in vertices and points. Raises a ValueError for unequal numbers of both.
    """
    corners = meshes.verts_packed()[meshes.faces_packed()]
    return _both_ways(corners, meshes.num_faces_per_mesh(), pcls, min_triangle_area)


def point_mesh_edge_distance(meshes: Meshes, pcls: Pointclouds) -> Tensor:
    """As `point_mesh_face_distance`, of the edges of the meshes, each of which counts once."""
    return _both_ways(meshes.verts_packed()[meshes.edges_packed()], meshes.num_edges_per_mesh(), pcls, 0.0)


def _both_ways(corners: Tensor, counts: Tensor, pcls: Pointclouds, min_area: float) -> Tensor:
    if len(counts) != len(pcls):
        raise ValueError(f"meshes and point clouds must be equally many, got {len(counts)} and {len(pcls)}")
    loss = (pcls.points_packed().sum() + corners.sum()) * 0.0
    for cloud, hulls in zip(pcls.points_list(), corners.split(counts.tolist()), strict=True):
        if len(cloud) and len(hulls):
            of_point, of_hull = _nearest_pairs(cloud.detach(), hulls.detach(), min_area)
            loss = loss + _distance(cloud, hulls.index_select(0, of_point), min_area).mean()
            loss = loss + _distance(cloud.index_select(0, of_hull), hulls, min_area).mean()
        elif len(cloud) or len(hulls):
            loss = loss + torch.inf
    return loss / max(len(counts), 1)


def _nearest_pairs(points: Tensor, hulls: Tensor, min_area: float) -> tuple[Tensor, Tensor]:
    """Of points (P, 3) and hulls (M, H, 3), segments or triangles: each point's nearest hull, each hull's point."""
    columns, corners = points.t().contiguous(), hulls.permute(1, 2, 0).reshape(-1, len(hulls))

    def measure(point: Tensor, hull: Tensor) -> Tensor:
        own = corners.index_select(1, hull).view(hulls.shape[1], 3, len(hull))
        return reduce(torch.minimum, [d for d, _ in _features(columns.index_select(1, point), own, min_area)])

    return _search(points[:, None], hulls, measure), _search(hulls, points[:, None], lambda h, p: measure(p, h))


def _search(queries: Tensor, targets: Tensor, measure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """(Q,): of each hull (Q, A, 3) that of (T, B, 3) that measures least: `measure` is the square of the distances."""
    low, high = (bound.t().contiguous() for bound in (queries.amin(1), queries.amax(1)))
    order = _along_a_curve(targets.mean(1))
    levels = [torch.stack((targets.amin(1), -targets.amax(1)))[:, order].transpose(1, 2).contiguous()]
    while (count := levels[-1].shape[2]) > 8 * BRANCHES:
        padded = F.pad(levels[-1], (0, -count % BRANCHES), value=torch.inf)
        levels.append(padded.view(2, 3, -1, BRANCHES).amin(3))
    winner = knn_points(queries.mean(1)[None], targets.mean(1)[None]).idx[0, :, 0]
    row, branch = torch.arange(len(queries), device=low.device), torch.arange(max(count, BRANCHES), device=low.device)
    least = measure(row, winner)
    todo = [(len(levels) - 1, row.repeat_interleave(count), branch[:count].repeat(len(row)))]
    while todo:
        depth, rows, nodes = todo.pop()
        for row, node in zip(rows.split(PAIRS_PER_CHUNK), nodes.split(PAIRS_PER_CHUNK), strict=True):
            lows, highs = levels[depth].index_select(2, node)
            gap = torch.maximum(lows - high.index_select(1, row), low.index_select(1, row) + highs).clamp_(min=0.0)
            near = (_dot(gap, gap) < least[row]).nonzero()[:, 0]
            row, node = row[near], node[near]
            if depth:
                node = (node[:, None] * BRANCHES + branch[:BRANCHES]).view(-1)
                real = (node < levels[depth - 1].shape[2]).nonzero()[:, 0]
                todo.append((depth - 1, row.repeat_interleave(BRANCHES)[real], node[real]))
            else:
                value, found = measure(row, order[node]), order[node]
                least.scatter_reduce_(0, row, value, "amin")
                best = value == least[row]
                winner[row[best]] = found[best]
    return winner


def _along_a_curve(points: Tensor) -> Tensor:
    """(M,) order of points (M, 3) along Morton's curve (1966), on which neighbours tend to lie near each other."""
    low, high = points.amin(0), points.amax(0)
    cell = ((points - low) / (high - low).clamp(min=1e-12) * 1023).nan_to_num(0.0).long()
    bit = torch.arange(10, device=points.device)
    shift = 3 * bit + torch.arange(3, device=points.device)[:, None]
    return ((cell[:, :, None] >> bit & 1) << shift).sum((1, 2)).argsort()


def _distance(points: Tensor, hulls: Tensor, min_area: float) -> Tensor:
    """(M,) squared distances of points (M, 3) to hulls (M, H, 3).

    They are |p - sum w_i v_i|^2 at its least; there its derivative by the weights w is nothing, and w is held fixed.
    """
    with torch.no_grad():
        distances, weights = zip(*_features(points.t(), hulls.permute(1, 2, 0), min_area), strict=True)
        nearest = torch.stack(distances).argmin(0, keepdim=True)
        weights = torch.stack([torch.stack(w) for w in weights]).gather(0, nearest.expand(hulls.shape[1], -1)[None])[0]
    return (points - (weights.t()[:, :, None] * hulls).sum(1)).square().sum(1)


def _features(p: Tensor, corners: Tensor, min_area: float) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """Of points (3, M) and hulls (H, 3, M), for edges and interior: squared distance, nearest point's weights."""
    for i, j in combinations(range(len(corners)), 2):
        along, to = corners[j] - corners[i], p - corners[i]
        length = _dot(along, along)
        t = torch.where(length > EPSILON, (_dot(to, along) / length.clamp(min=EPSILON)).clamp(0.0, 1.0), 0.5)
        apart = to - along * t
        yield _dot(apart, apart), [t if k == j else 1.0 - t if k == i else 0.0 * t for k in range(len(corners))]
    if len(corners) == 3:
        u, v, to = corners[1] - corners[0], corners[2] - corners[0], p - corners[0]
        normal = torch.linalg.cross(u, v, dim=0)
        area = _dot(normal, normal)
        b, c = (_dot(torch.linalg.cross(x, y, dim=0), normal) / area for x, y in ((to, v), (u, to)))
        inside = (b >= 0) & (c >= 0) & (b + c <= 1) & (area > max(2.0 * min_area, EPSILON) ** 2)
        yield torch.where(inside, _dot(to, normal).square() / area, torch.inf), [1.0 - b - c, b, c]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
