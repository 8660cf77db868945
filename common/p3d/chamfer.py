"""The distance between point clouds by nearest neighbours, with the interface of `pytorch3d.loss`."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .neighbours import knn_gather, knn_points, lengths_of, rows_inside
from .pointclouds import Pointclouds

__all__ = ["chamfer_distance"]

Loss = Tensor | tuple[Tensor, Tensor] | None


def chamfer_distance(
    x: Tensor | Pointclouds, y: Tensor | Pointclouds, x_lengths: Tensor | None = None, y_lengths: Tensor | None = None,
    x_normals: Tensor | None = None, y_normals: Tensor | None = None, weights: Tensor | None = None,
    batch_reduction: str | None = "mean", point_reduction: str | None = "mean", norm: int = 2,
    single_directional: bool = False, abs_cosine: bool = True,
) -> tuple[Loss, Loss]:  # fmt: skip
    """Distances (squared if the norm is 2, not 1) of each point of a cloud to the nearest of the other, and back.

    Args:
        x, y: (N, P1, D) and (N, P2, D), or Pointclouds, which bring their lengths (N,) and normals (N, P, D).
        weights: (N,) of the clouds, not negative; the mean over the batch is a weighted one.
        batch_reduction, point_reduction: "mean", "sum" or None, of points also "max" (the Hausdorff distance, without
            normals). Points that are not reduced leave the batch so, too.
        single_directional: only from x to y, else both are added, of "max" the greater counts.
        abs_cosine: normals that point in opposite directions agree.

    Returns:
        The loss, and that of 1 - cosine between normals of nearest points, None without; of points that are not reduced
        a tuple (N, P1), (N, P2), 0 past a cloud's end. Points are infinitely far from an empty cloud.

    Raises:
        ValueError: shapes that do not fit, an unknown reduction or norm, negative weights, normals with "max".
    """
    if batch_reduction not in ("mean", "sum", None):
        raise ValueError(f'batch_reduction must be one of "mean", "sum" or None, got {batch_reduction!r}')
    if point_reduction not in ("mean", "sum", "max", None):
        raise ValueError(f'point_reduction must be one of "mean", "sum", "max" or None, got {point_reduction!r}')
    if (point_reduction is None) > (batch_reduction is None):
        raise ValueError("without point_reduction, batch_reduction must be None")
    if point_reduction == "max" and not x_normals is y_normals is None:
        raise ValueError('normals must be None if point_reduction is "max"')
    first, second = _cloud(x, x_lengths, x_normals), _cloud(y, y_lengths, y_normals)
    if weights is not None and (weights.shape != first[1].shape or (weights < 0).any()):
        raise ValueError(f"weights must be ({len(first[1])},) and not negative, got {weights.tolist()}")
    ways = [(first, second)] if single_directional else [(first, second), (second, first)]
    terms = [_one_way(*a, *b, weights, norm, abs_cosine, point_reduction) for a, b in ways]
    total = 1 if batch_reduction == "sum" else len(first[1]) if weights is None else weights.sum()

    def join(ways: tuple) -> Loss:
        if ways[0] is None or point_reduction is None:
            return ways[0] if single_directional or ways[0] is None else ways
        loss = torch.stack(ways).amax(0) if point_reduction == "max" else sum(ways)
        return loss if batch_reduction is None else loss.sum() / (total if total > 0 else 1)

    return tuple(join(ways) for ways in zip(*terms, strict=True))


def _cloud(points: Tensor | Pointclouds, lengths: Tensor | None, normals: Tensor | None):
    """Points (N, P, D), lengths (N,) and normals (N, P, D) or None."""
    if isinstance(points, Pointclouds):
        return points.points_padded(), points.num_points_per_cloud(), points.normals_padded()
    if not isinstance(points, Tensor):
        raise ValueError(f"clouds must be Pointclouds objects or torch.Tensor (N, P, D), got {type(points).__name__}")
    lengths = lengths_of(points, lengths)
    if normals is not None and (normals.dim() != 3 or normals.shape[:2] != points.shape[:2]):
        raise ValueError(f"Expected normals to be of shape (N, P, D) like the points, got {tuple(normals.shape)}")
    return points, lengths, normals


def _one_way(x, x_lengths, x_normals, y, y_lengths, y_normals, weights, norm, abs_cosine, reduction):
    """Distances and normals' cosine distances of the points of x: (N,), or (N, P) without reduction."""
    nearest = knn_points(x, y, x_lengths, y_lengths, norm)
    scale = x.new_ones(len(x)) if weights is None else weights
    counted = rows_inside(x, x_lengths) & (scale > 0)[:, None]
    losses = [nearest.dists[:, :, 0].masked_fill((y_lengths == 0)[:, None], torch.inf)]
    if x_normals is not None and y_normals is not None and reduction != "max":
        cosine = F.cosine_similarity(x_normals, knn_gather(y_normals, nearest.idx, y_lengths)[:, :, 0], 2, 1e-6)
        losses.append(1.0 - (cosine.abs() if abs_cosine else cosine))
    losses = [torch.where(counted, loss * scale[:, None], 0.0) for loss in losses]
    if reduction == "max":
        losses = [F.pad(loss, (0, 1)).amax(1) for loss in losses]
    elif reduction is not None:
        losses = [loss.sum(1) / (x_lengths.clamp(min=1) if reduction == "mean" else 1) for loss in losses]
    return losses if len(losses) > 1 else [losses[0], None]
