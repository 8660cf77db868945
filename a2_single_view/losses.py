"""Losses that fit voxels, points and meshes, under the course's names."""

import torch
from torch import Tensor
from torch.nn import functional

from common.p3d import (
    Meshes,
    chamfer_distance,
    knn_points,
    mesh_edge_loss,
    mesh_laplacian_smoothing,
    mesh_normal_consistency,
)

VOXEL_LOSSES = ("bce", "focal", "dice")
CHAMFER_NORMS = ("l1", "l2")
LAPLACIANS = ("uniform", "cot", "cotcurv")


def voxel_loss(
    voxel_src: Tensor,
    voxel_tgt: Tensor,
    positive_weight: float = 1.0,
    kind: str = "bce",
    each_weight: Tensor | None = None,
) -> Tensor:
    """How far predicted occupancies are from the true ones, a mean over voxels.

    Args:
        voxel_src: (...) logits. voxel_tgt: (...) 0 or 1, of the same shape.
        positive_weight: of filled voxels, which are few; empty ones weigh 1.
        kind: "bce"; "focal", whose voxels weigh (1 - p)^2, p the probability of the truth (Lin et al., ICCV 2017); or
            "dice", 1 minus the Dice coefficient of each shape (the first dimension), added to "bce" (Milletari et al.,
            3DV 2016).
        each_weight: (...) of every voxel or place besides; all alike otherwise.

    Raises:
        ValueError: shapes that differ, an unknown kind.
    """
    if voxel_src.shape != voxel_tgt.shape:
        raise ValueError(f"voxels of shapes {tuple(voxel_src.shape)} and {tuple(voxel_tgt.shape)}")
    if kind not in VOXEL_LOSSES:
        raise ValueError(f"kind must be one of {', '.join(VOXEL_LOSSES)}, got {kind!r}")
    target = voxel_tgt.to(voxel_src)
    weight = voxel_src.new_tensor(positive_weight)
    if kind == "focal":
        each = functional.binary_cross_entropy_with_logits(voxel_src, target, reduction="none")
        each = (1.0 - torch.exp(-each)).square() * each * torch.where(target > 0, weight, 1.0)
        return (each if each_weight is None else each * each_weight).mean()
    loss = functional.binary_cross_entropy_with_logits(voxel_src, target, each_weight, pos_weight=weight)
    if kind == "dice":
        p, t = torch.sigmoid(voxel_src).flatten(1), target.flatten(1)
        each = 1.0 if each_weight is None else each_weight.flatten(1)
        both, either = (each * p * t).sum(1), (each * (p + t)).sum(1)
        loss = loss + 1.0 - ((2 * both + 1.0) / (either + 1.0)).mean()
    return loss


def chamfer_loss(point_cloud_src: Tensor, point_cloud_tgt: Tensor) -> Tensor:
    """Mean squared distance of each point to the nearest of the other cloud, both ways added: (B, N, 3), (B, M, 3)."""
    return chamfer_distance(point_cloud_src, point_cloud_tgt)[0]


def chamfer_of_some(point_cloud_src: Tensor, point_cloud_tgt: Tensor, count: int, norm: str = "l2") -> Tensor:
    """A Chamfer distance with ``count`` points of each cloud, drawn at random, looking for the nearest of all others.

    Its mean over draws is the whole distance; both clouds are (B, N, 3) and (B, M, 3), in any order.

    Args:
        norm: "l2", squared distances, as in `chamfer_loss`; or "l1", distances themselves, to which the few points that
            are far away matter less (CD-l1 of Mescheder et al., Occupancy Networks, CVPR 2019, both ways added).
    """
    src, tgt = (_some(cloud, count) for cloud in (point_cloud_src, point_cloud_tgt))
    return _to_nearest(src, point_cloud_tgt, norm) + _to_nearest(tgt, point_cloud_src, norm)


def _to_nearest(points: Tensor, others: Tensor, norm: str) -> Tensor:
    """Mean distance of points (B, N, 3) to the nearest of others (B, M, 3)."""
    squared = knn_points(points, others).dists
    # A root has no slope at 0: a millionth of the diagonal is as good.
    return squared.mean() if norm == "l2" else (squared + 1e-12).sqrt().mean()


def _some(cloud: Tensor, count: int) -> Tensor:
    return cloud[:, torch.randperm(cloud.shape[1])[:count].to(cloud.device)]


def smoothness_loss(mesh_src: Meshes, method: str = "uniform") -> Tensor:
    """Mean length of the Laplacian of the vertices, "uniform", "cot" or "cotcurv"."""
    return mesh_laplacian_smoothing(mesh_src, method)


def edge_loss(mesh_src: Meshes) -> Tensor:
    """Mean squared length of the edges."""
    return mesh_edge_loss(mesh_src)


def normal_loss(mesh_src: Meshes) -> Tensor:
    """Mean of 1 - cosine between the normals of neighbouring faces."""
    return mesh_normal_consistency(mesh_src)
