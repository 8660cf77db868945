"""Similarity transforms between point clouds, with the interface of `pytorch3d.ops`. Row vectors: s X R + T = Y."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .neighbours import knn_points, lengths_of, rows_inside
from .packing import list_to_padded
from .pointclouds import Pointclouds

__all__ = ["convert_pointclouds_to_tensor", "corresponding_points_alignment", "iterative_closest_point"]
__all__ += ["ICPSolution", "SimilarityTransform", "wmean"]

Clouds = Tensor | Pointclouds


class SimilarityTransform(NamedTuple):
    R: Tensor  # (N, D, D) orthonormal
    T: Tensor  # (N, D)
    s: Tensor  # (N,)


class ICPSolution(NamedTuple):
    converged: bool
    rmse: Tensor | None  # (N,) of the last step, None without any
    Xt: Clouds  # X, moved
    RTs: SimilarityTransform
    t_history: list[SimilarityTransform]  # after each step


def convert_pointclouds_to_tensor(pcl: Clouds) -> tuple[Tensor, Tensor]:
    """Padded points (N, P, D) and the number in each cloud (N,), of Pointclouds or of a tensor (N, P, D)."""
    if hasattr(pcl, "points_padded"):
        return pcl.points_padded(), pcl.num_points_per_cloud()
    if not isinstance(pcl, Tensor):
        raise ValueError(f"point clouds must be tensors (N, P, D) or Pointclouds, got {type(pcl).__name__}")
    return pcl, lengths_of(pcl, None)


def iterative_closest_point(
    X: Clouds, Y: Clouds, init_transform: SimilarityTransform | None = None, max_iterations: int = 100,
    relative_rmse_thr: float = 1e-6, estimate_scale: bool = False, allow_reflection: bool = False, verbose=False,
) -> ICPSolution:  # fmt: skip
    """Moves X (N, P1, D) to Y (N, P2, D): aligns it with its nearest points there, again and again (Besl & McKay 1992).

    It begins with `init_transform`, and has converged when the root mean squared distance of no cloud shrinks by more
    than the share `relative_rmse_thr`. Raises a ValueError for shapes that do not fit.
    """
    (start, sizes_X), (target, sizes_Y) = convert_pointclouds_to_tensor(X), convert_pointclouds_to_tensor(Y)
    N, P, D = start.shape
    identity = start.new_ones(N, D).diag_embed(), start.new_zeros(N, D), start.new_ones(N)
    transform = SimilarityTransform(*(init_transform or identity))
    if target.shape != (N, target.shape[1], D) or [t.shape for t in transform] != [t.shape for t in identity]:
        raise ValueError(f"X {tuple(start.shape)}, Y {tuple(target.shape)} and init_transform do not fit")
    moved, mask = _moved(start, transform), rows_inside(start, sizes_X).to(start.dtype)
    rmse, history, converged = None, [], False
    while len(history) < max_iterations and not converged:
        nearest = knn_points(moved, target, sizes_X, sizes_Y, return_nn=True).knn[:, :, 0]
        transform = corresponding_points_alignment(start, nearest, mask, estimate_scale, allow_reflection)
        moved, previous = _moved(start, transform), rmse
        history.append(transform)
        rmse = wmean((moved - nearest).square().sum(2, keepdim=True), mask)[:, 0, 0].sqrt()
        converged = previous is not None and bool((previous - rmse <= relative_rmse_thr * previous).all())
        if verbose:
            print(f"ICP step {len(history)}: rmse {rmse.mean():.3e} on average, {rmse.max():.3e} at most")
    moved = X.update_padded(moved) if isinstance(X, Pointclouds) else moved
    return ICPSolution(converged, rmse, moved, transform, history)


def _moved(points: Tensor, transform: SimilarityTransform) -> Tensor:
    return transform.s[:, None, None] * (points @ transform.R) + transform.T[:, None]


def corresponding_points_alignment(
    X: Clouds, Y: Clouds, weights: Tensor | Sequence[Tensor] | None = None, estimate_scale: bool = False,
    allow_reflection: bool = False, eps: float = 1e-9,
) -> SimilarityTransform:  # fmt: skip
    """The similarity transform that brings X (N, P, D) closest to Y, row by row, in least squares (Umeyama 1991).

    Weights, (N, P) or N tensors (P_n,), weight the means, and, as in PyTorch3D, both centred clouds, so that squared
    residuals count by weights squared. s is 1 unless estimated; det R is 1 unless reflections are allowed; `eps` is the
    least total weight and the least spread of X. Raises a ValueError for shapes that do not fit.
    """
    (Xt, sizes), (Yt, sizes_Y) = convert_pointclouds_to_tensor(X), convert_pointclouds_to_tensor(Y)
    if Xt.shape != Yt.shape or (sizes != sizes_Y).any():
        raise ValueError(f"X and Y must have the same sizes, got {tuple(Xt.shape)} and {tuple(Yt.shape)}")
    mask = rows_inside(Xt, sizes).to(Xt.dtype)
    if isinstance(weights, list | tuple) and [len(w) for w in weights] == sizes.tolist():
        weights = list_to_padded(weights, (Xt.shape[1],))
    if weights is not None and (not isinstance(weights, Tensor) or weights.shape != mask.shape):
        raise ValueError(f"weights must be {tuple(mask.shape)}, or a list of as many as the points of each cloud")
    weights = mask if weights is None else mask * weights
    mean_X, mean_Y = wmean(Xt, weights, eps=eps), wmean(Yt, weights, eps=eps)
    centred_X, centred_Y = (Xt - mean_X) * weights[..., None], (Yt - mean_Y) * weights[..., None]
    total = weights.sum(1).clamp(min=eps)
    U, S, Vh = torch.linalg.svd(centred_X.transpose(1, 2) @ centred_Y / total[:, None, None])
    if (sizes <= Xt.shape[2]).any() or (S <= 1e-15).any():
        warnings.warn("corresponding_points_alignment: too few points, or in a subspace: R is not unique", stacklevel=2)
    signs, s = torch.ones_like(S), torch.ones_like(total)
    if not allow_reflection:
        signs = torch.cat((signs[:, 1:], torch.linalg.det(U @ Vh)[:, None]), 1)
    R = (U * signs[:, None]) @ Vh
    if estimate_scale:
        s = (signs * S).sum(1) / (centred_X.square().sum((1, 2)) / total).clamp(min=eps)
    return SimilarityTransform(R, mean_Y[:, 0] - s[:, None] * (mean_X @ R)[:, 0], s)


def wmean(
    x: Tensor, weight: Tensor | None = None, dim: int | tuple[int, ...] = -2, keepdim: bool = True, eps: float = 1e-9
) -> Tensor:
    """Mean of x (..., D) over dimensions other than the last, with weights (...) that broadcast, at least `eps` in all.

    Raises a ValueError for weights that do not broadcast.
    """
    if weight is None:
        return x.mean(dim, keepdim)
    if any(w not in (1, n) for w, n in zip(weight.shape[::-1], x.shape[-2::-1], strict=False)):
        raise ValueError(f"weights are not compatible with the tensor: {tuple(weight.shape)} and {tuple(x.shape)}")
    weight = weight[..., None].to(x.dtype)
    return (x * weight).sum(dim, keepdim) / weight.sum(dim, keepdim).clamp(min=eps)
