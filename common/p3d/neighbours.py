"""Neighbours of points in other clouds, and well-spread subsets, with the interface of `pytorch3d.ops`.

Neighbours are found without gradients, on a CPU by k-d trees (Bentley 1975), else among all pairs, in chunks. Distances
are computed again with gradients, of the neighbours alone. Clouds are (N, P, D), the first lengths (N,) of the P points
of each count, all by default; shapes that do not fit raise a ValueError.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional as F

__all__ = ["ball_query", "knn_gather", "knn_points", "masked_gather", "sample_farthest_points"]

PAIRS_PER_CHUNK = 1 << 22  # pairs of points held at once
TREE_DIMENSIONS = 8  # trees prune little in more
TREE_PAIRS = 1 << 14  # clouds of fewer pairs are compared outright
DENSE = 0.1  # so are clouds of which a larger share of the pairs is within a ball


class _KNN(NamedTuple):
    dists: Tensor  # (N, P1, K), squared if the norm is 2
    idx: Tensor  # (N, P1, K) int64
    knn: Tensor | None  # (N, P1, K, D)


def knn_points(
    p1: Tensor, p2: Tensor, lengths1: Tensor | None = None, lengths2: Tensor | None = None, norm: int = 2, K: int = 1,
    version: int = -1, return_nn: bool = False, return_sorted: bool = True,
) -> _KNN:  # fmt: skip
    """The K points of `p2` nearest to each of `p1`, nearest first, of equally near ones those of the lowest index.

    Differentiable in both clouds. All is 0 where there are fewer neighbours, distances and indices also past the end of
    a cloud of `p1`. The norm is 1 or 2. `version` and `return_sorted` are PyTorch3D's and change nothing.
    """
    lengths1, lengths2 = _check(p1, p2, lengths1, lengths2, K)
    if norm not in (1, 2):
        raise ValueError(f"Support for 1 or 2 norm. Got {norm!r}")
    missing = ~(rows_inside(p1, lengths1)[:, :, None] & (torch.arange(K, device=p1.device) < lengths2[:, None, None]))
    with torch.no_grad():
        idx = _nearest(p1, p2, lengths1, lengths2, norm, K).masked_fill_(missing, 0)
    neighbours = knn_gather(p2, idx, lengths2)
    return _KNN(_distances(p1, neighbours, norm).masked_fill(missing, 0.0), idx, neighbours if return_nn else None)


def knn_gather(x: Tensor, idx: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Rows (N, L, K, U) of x (N, M, U) at the indices (N, L, K) of `knn_points`; 0 where k >= lengths (N,)."""
    if len(x) != len(idx):
        raise ValueError(f"x and idx must have the same batch size, got {len(x)} and {len(idx)}")
    missing = torch.arange(idx.shape[2], device=x.device) >= lengths_of(x, lengths)[:, None, None]
    return masked_gather(x, idx.masked_fill(missing, -1) if missing.any() else idx)


def ball_query(
    p1: Tensor, p2: Tensor, lengths1: Tensor | None = None, lengths2: Tensor | None = None, K: int = 500,
    radius: float = 0.2, return_nn: bool = True, skip_points_outside_cube: bool = False,
) -> _KNN:  # fmt: skip
    """The first K points of `p2`, in the order of indices, closer than `radius` to each of `p1` (squared distances).

    Differentiable in both clouds. Where there are fewer neighbours, the index is -1 and the rest 0.
    `skip_points_outside_cube` is PyTorch3D's and changes nothing.
    """
    lengths1, lengths2 = _check(p1, p2, lengths1, lengths2, K)
    idx = torch.full((*p1.shape[:2], K), -1, dtype=torch.int64, device=p1.device)
    for n, (size1, size2) in enumerate(zip(lengths1.tolist(), lengths2.tolist(), strict=True)):
        for point, other in _close_pairs(p1[n, :size1].detach(), p2[n, :size2].detach(), radius):
            count = torch.bincount(point, minlength=size1)
            rank = torch.arange(len(point), device=p1.device) - (count.cumsum(0) - count)[point]
            early = (rank < K).nonzero()[:, 0]
            idx[n].index_put_((point[early], rank[early]), other[early])
    neighbours = masked_gather(p2, idx)
    return _KNN(_distances(p1, neighbours, 2).masked_fill(idx < 0, 0.0), idx, neighbours if return_nn else None)


def masked_gather(points: Tensor, idx: Tensor) -> Tensor:
    """Rows (*idx.shape, D) of points (N, P, D) at indices (N, K) or (N, P1, K); 0 where the index is -1."""
    if len(points) != len(idx):
        raise ValueError(f"points and idx must have the same batch dimension, got {len(points)} and {len(idx)}")
    if idx.dim() not in (2, 3):
        raise ValueError(f"idx format is not supported: (N, K) or (N, P, K), got {tuple(idx.shape)}")
    missing, (N, P, D) = idx < 0, points.shape
    if missing.any():
        return masked_gather(points, idx.masked_fill(missing, 0)).masked_fill(missing[..., None], 0.0)
    if P == 0:
        return points.new_zeros(*idx.shape, D)
    first = torch.arange(N, device=points.device).view(N, *[1] * (idx.dim() - 1)) * P
    return points.reshape(N * P, D).index_select(0, (idx + first).view(-1)).view(*idx.shape, D)


def sample_farthest_points(
    points: Tensor, lengths: Tensor | None = None, K: int | Sequence[int] | Tensor = 50, random_start_point=False
) -> tuple[Tensor, Tensor]:
    """K points of each cloud, one number or N, each the farthest from those chosen before (Qi et al. 2017, PointNet++).

    The first one, or one from torch's generator, begins. Returns points (N, max K, D), differentiable, and indices
    int64; past a cloud's K or its number of points they are 0 and -1.
    """
    if lengths is not None and len(lengths) != len(points):
        raise ValueError(f"points and lengths must have the same batch dimension: {len(points)} and {len(lengths)}")
    lengths = lengths_of(points, lengths)
    (N, P, D), device = points.shape, points.device
    wanted = torch.as_tensor([K] * N if isinstance(K, int) else K).to(lengths)
    if len(wanted) != N:
        raise ValueError(f"K and points must have the same batch dimension: {len(wanted)} and {N}")
    total = K if isinstance(K, int) else max(wanted.tolist(), default=0)
    steps = [(torch.rand(N, device=device) * lengths).long() if random_start_point else torch.zeros_like(lengths)]
    flat = points.detach().permute(2, 0, 1).contiguous().view(D, N * P)
    closest = flat.new_full((N, P), torch.inf).masked_fill_(~rows_inside(points, lengths), -1.0)
    first, difference = torch.arange(N, device=device) * P, torch.empty_like(flat).view(D, N, P)
    for _ in range(min(total, P) - 1):
        last = flat.index_select(1, first + steps[-1])
        torch.sub(flat.view(D, N, P), last[:, :, None], out=difference)
        torch.minimum(closest, difference.square_().sum(0), out=closest)
        # NumPy finds the first greatest of a row several times faster
        steps.append(torch.from_numpy(closest.numpy().argmax(1)) if device.type == "cpu" else closest.argmax(1))
    idx = F.pad(torch.stack(steps, 1)[:, :total], (0, max(total - len(steps), 0)))
    idx = idx.masked_fill(torch.arange(total, device=device) >= torch.minimum(lengths, wanted)[:, None], -1)
    return masked_gather(points, idx), idx


def _nearest(p1: Tensor, p2: Tensor, lengths1: Tensor, lengths2: Tensor, norm: int, K: int) -> Tensor:
    """(N, P1, K) int64, arbitrary where there is no neighbour."""
    if _by_tree(p1, p2):
        idx = torch.zeros(*p1.shape[:2], K, dtype=torch.int64)
        for n, (size1, size2) in enumerate(zip(lengths1.tolist(), lengths2.tolist(), strict=True)):
            if size1 and size2:
                idx[n, :size1] = _nearest_by_tree(p1[n, :size1], p2[n, :size2], norm, K)
        return idx
    absent, found = ~rows_inside(p2, lengths2)[:, None], []
    for part in p1.split(max(PAIRS_PER_CHUNK // max(len(p2) * p2.shape[1], 1), 1), 1):
        distance = _all_distances(part, p2, norm).masked_fill_(absent, torch.inf)
        few = p1.shape[2] <= TREE_DIMENSIONS  # whose ties are kept exactly
        order = distance.argsort(dim=2, stable=True) if few else distance.topk(min(K, p2.shape[1]), largest=False)[1]
        found.append(F.pad(order[:, :, :K], (0, max(K - p2.shape[1], 0))))
    return torch.cat(found, 1)


def _nearest_by_tree(p1: Tensor, p2: Tensor, norm: int, K: int) -> Tensor:
    """(P1, K) int64 of one cloud. What is equally near within float precision is looked at again, to be ordered."""
    tree, options = _tree(p2), {"p": norm, "workers": torch.get_num_threads()}
    distance, idx = (torch.from_numpy(found) for found in tree.query(p1.numpy(), range(1, K + 2), **options))
    close = (distance[:, 1:] <= (1 + 1e-6) * distance[:, :-1]).any(1).nonzero()[:, 0]
    if len(close) and len(p2) > K:
        more = tree.query(p1[close].numpy(), range(1, min(K + 33, len(p2) + 1)), **options)[1]
        more = torch.from_numpy(more).sort(1)[0]
        order = _distances(p1[None, close], p2[more][None], norm)[0].argsort(dim=1, stable=True)
        idx[close, :K] = more.gather(1, order[:, :K])
    return idx[:, :K]


def _close_pairs(p1: Tensor, p2: Tensor, radius: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs (M,), (M,) of points of clouds (P1, D), (P2, D) closer than `radius`, in lexicographic order, in chunks."""
    tree = _tree(p2) if _by_tree(p1[None], p2[None]) else None
    sample = p1[:: max(len(p1) // 256, 1)]
    pairs = len(p1) * (tree.query_ball_point(sample, radius, return_length=True).mean() if tree else len(p2))
    by_tree = pairs < DENSE * len(p1) * len(p2)
    for start in range(0, len(p1), step := int(len(p1) * PAIRS_PER_CHUNK / (pairs + 1)) + 1):
        part = p1[start : start + step]
        if by_tree:
            found = _tree(part).sparse_distance_matrix(tree, radius, output_type="ndarray")
            key = np.sort((found["i"] * len(p2) + found["j"])[found["v"] < radius])
            point, other = (torch.from_numpy(part) for part in np.divmod(key, len(p2)))
        else:
            limit = radius**2 if p1.shape[1] <= TREE_DIMENSIONS else radius
            point, other = (_all_distances(part[None], p2[None], 2)[0] < limit).nonzero(as_tuple=True)
        yield point + start, other


def _all_distances(p1: Tensor, p2: Tensor, norm: int) -> Tensor:
    """(N, P1, P2), squared if the norm is 2 and the dimensions are few."""
    if p1.shape[2] > TREE_DIMENSIONS:
        return torch.cdist(p1, p2, float(norm), "donot_use_mm_for_euclid_dist")
    gaps = (a[:, :, None] - b[:, None] for a, b in zip(p1.unbind(2), p2.unbind(2), strict=True))
    return sum(gap.square() if norm == 2 else gap.abs() for gap in gaps)


def _distances(p1: Tensor, neighbours: Tensor, norm: int) -> Tensor:
    """(N, P1, K) of points (N, P1, D) and neighbours (N, P1, K, D); squared if the norm is 2."""
    difference = p1[:, :, None] - neighbours
    return (difference.square() if norm == 2 else difference.abs()).sum(3)


def _tree(points: Tensor) -> cKDTree:
    return cKDTree(points.numpy(), balanced_tree=False)


def _by_tree(p1: Tensor, p2: Tensor) -> bool:
    many = p1.shape[1] * p2.shape[1] > TREE_PAIRS and p1.shape[2] <= TREE_DIMENSIONS
    return many and p1.device.type == "cpu" and bool(p1.isfinite().all() and p2.isfinite().all())


def rows_inside(points: Tensor, lengths: Tensor) -> Tensor:
    """(N, P) bool: which rows of padded points (N, P, D) belong to their clouds."""
    return torch.arange(points.shape[1], device=points.device) < lengths[:, None]


def lengths_of(points: Tensor, lengths: Tensor | None) -> Tensor:
    """(N,) int64 points in each cloud of (N, P, D)."""
    if points.dim() != 3:
        raise ValueError(f"Expected points to be of shape (N, P, D), got {tuple(points.shape)}")
    if lengths is None:
        return torch.full((len(points),), points.shape[1], dtype=torch.int64, device=points.device)
    if lengths.shape != (len(points),) or (lengths > points.shape[1]).any() or (lengths < 0).any():
        shape = f"({len(points)},), each of 0 to {points.shape[1]}"
        raise ValueError(f"Expected lengths to be of shape {shape}, got {lengths.tolist()}")
    return lengths.to(points.device, torch.int64)


def _check(p1: Tensor, p2: Tensor, lengths1: Tensor | None, lengths2: Tensor | None, K: int) -> tuple[Tensor, Tensor]:
    lengths = lengths_of(p1, lengths1), lengths_of(p2, lengths2)
    if len(p1) != len(p2) or p1.shape[2] != p2.shape[2] or K < 1:
        raise ValueError(f"clouds need one batch size and dimension, K >= 1: {tuple(p1.shape)}, {tuple(p2.shape)}, {K}")
    return lengths
