"""How near a predicted shape is to the true one: F1 at thresholds as the course computes it, Chamfer, voxel IoU."""

from collections.abc import Sequence

import torch
from torch import Tensor

from common.p3d import Meshes, knn_points, marching_cubes, sample_points_from_meshes

THRESHOLDS = (0.01, 0.02, 0.03, 0.04, 0.05)  # world units: shares of the diagonal of a shape's box


def compute_sampling_metrics(
    pred_points: Tensor, gt_points: Tensor, thresholds: Sequence[float] = THRESHOLDS, eps: float = 1e-8
) -> dict[str, Tensor]:
    """Precision, recall and F1, in percent, at each threshold, and the Chamfer distance, of each cloud of a batch.

    Precision is the share of predicted points that lie nearer than the threshold to a true one, recall that of true
    points near a predicted one; so their values depend on how many points there are.

    Args:
        pred_points: (B, N, 3). gt_points: (B, M, 3).

    Returns:
        name -> (B,): ``Precision@t``, ``Recall@t``, ``F1@t``, t with six decimals, and ``Chamfer``, the mean squared
        distances of both ways added.
    """
    there, back = knn_points(pred_points, gt_points).dists[..., 0], knn_points(gt_points, pred_points).dists[..., 0]
    metrics = {"Chamfer": there.mean(1) + back.mean(1)}
    for t in thresholds:
        precision, recall = (100.0 * (way.sqrt() < t).float().mean(1) for way in (there, back))
        metrics[f"Precision@{t:f}"], metrics[f"Recall@{t:f}"] = precision, recall
        metrics[f"F1@{t:f}"] = 2.0 * precision * recall / (precision + recall + eps)
    return metrics


def voxel_iou(logits: Tensor, truth: Tensor, threshold: float = 0.5) -> Tensor:
    """Intersection over union (B,) of voxels whose probability is above the threshold with the true ones, (B, ...)."""
    pred, truth = torch.sigmoid(logits).flatten(1) > threshold, truth.flatten(1).bool()
    return (pred & truth).sum(1) / (pred | truth).sum(1).clamp(min=1)


def occupancy_mesh(logits: Tensor, level: float = 0.5) -> Meshes:
    """The surface where the probability is ``level``, of logits (R, R, R) by x, y, z in [-1/2, 1/2]^3.

    Empty where nothing is that likely.
    """
    R = logits.shape[0]
    padded = torch.nn.functional.pad(torch.sigmoid(logits), (1,) * 6)  # so that the surface is closed
    # The volume's axes are depth, height, width: z, y, x.
    verts, faces = marching_cubes(padded.permute(2, 1, 0)[None], level, return_local_coords=False)
    return Meshes([(verts[0] - 0.5) / R - 0.5], [faces[0].flip(1)])  # facing outwards


def sample_occupancy(logits: Tensor, count: int) -> Tensor | None:
    """Points (1, count, 3) of the surface of logits (R, R, R), or None where there is none."""
    mesh = occupancy_mesh(logits)
    return None if mesh.isempty() else sample_points_from_meshes(mesh, count)


def recentred(points: Tensor) -> Tensor:
    """Clouds (B, N, 3) moved to have their means at the origin: how the course compares voxels with meshes."""
    return points - points.mean(1, keepdim=True)
