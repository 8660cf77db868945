"""Normals and principal directions of point clouds from their neighbourhoods, with the interface of `pytorch3d.ops`."""

import torch
from torch import Tensor

from .alignment import Clouds, convert_pointclouds_to_tensor
from .neighbours import knn_points

__all__ = ["estimate_pointcloud_local_coord_frames", "estimate_pointcloud_normals"]
__all__ += ["get_point_covariances", "symeig3x3"]


def estimate_pointcloud_normals(
    pointclouds: Clouds, neighborhood_size: int = 50, disambiguate_directions=True, *, use_symeig_workaround=True
) -> Tensor:
    """Normals (N, P, 3): the first axis of each of `estimate_pointcloud_local_coord_frames`."""
    return estimate_pointcloud_local_coord_frames(pointclouds, neighborhood_size, disambiguate_directions)[1][..., 0]


def estimate_pointcloud_local_coord_frames(
    pointclouds: Clouds, neighborhood_size: int = 50, disambiguate_directions=True, *, use_symeig_workaround=True
) -> tuple[Tensor, Tensor]:
    """Variances (N, P, 3), ascending, and principal axes (N, P, 3, 3), columns, of each point's nearest points.

    The point itself is one of them. Disambiguated, the first axis (the normal) and the last point to where most of them
    lie (Tombari et al. 2010, SHOT, sec. 3), and the middle one is the cross product normal x last. Differentiable where
    variances differ; of no meaning past a cloud's end. `use_symeig_workaround` is PyTorch3D's and changes nothing.
    Raises a ValueError for points that are not in space, or a cloud of `neighborhood_size` points or fewer.
    """
    points, sizes = convert_pointclouds_to_tensor(pointclouds)
    if points.shape[2] != 3 or (sizes <= neighborhood_size).any():
        raise ValueError(f"clouds need more than {neighborhood_size} points in space, got {sizes.tolist()}")
    points = points - (points.sum(1) / sizes[:, None])[:, None]
    covariances, neighbours = get_point_covariances(points, sizes, neighborhood_size)
    variances, axes = symeig3x3(covariances)
    if disambiguate_directions:
        ahead = ((neighbours - points[:, :, None]) @ axes > 0).sum(2, keepdim=True)
        axes = torch.where(2 * ahead < neighborhood_size, -axes, axes)
        axes = torch.stack((axes[..., 0], torch.linalg.cross(axes[..., 0], axes[..., 2]), axes[..., 2]), 3)
    return variances, axes


def get_point_covariances(points_padded: Tensor, num_points_per_cloud: Tensor, neighborhood_size: int):
    """Covariances (N, P, D, D) of the nearest points of each of (N, P, D), and these (N, P, neighborhood_size, D)."""
    sizes = num_points_per_cloud
    near = knn_points(points_padded, points_padded, sizes, sizes, K=neighborhood_size, return_nn=True).knn
    centred = near - near.mean(2, keepdim=True)
    return centred.transpose(2, 3) @ centred / neighborhood_size, near


def symeig3x3(inputs: Tensor, eigenvectors: bool = True) -> tuple[Tensor, Tensor | None]:
    """Eigenvalues (..., 3), ascending, and eigenvectors (..., 3, 3), columns, of symmetric matrices (..., 3, 3)."""
    if inputs.shape[-2:] != (3, 3):
        raise ValueError(f"only matrices of shape (..., 3, 3) are supported, got {tuple(inputs.shape)}")
    symmetric = 0.5 * (inputs + inputs.mT)
    return torch.linalg.eigh(symmetric) if eigenvectors else (torch.linalg.eigvalsh(symmetric), None)
