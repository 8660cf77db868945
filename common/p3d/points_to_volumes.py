"""Point clouds to voxel grids: each point votes for its voxel, or for the eight around it with trilinear weights.

The latter is the transpose of `grid_sample`, which reads a grid at a point with the same weights.
"""

from itertools import product

import torch
from torch import Tensor

from .neighbours import rows_inside
from .pointclouds import Pointclouds
from .volumes import Volumes

__all__ = ["add_pointclouds_to_volumes", "add_points_features_to_volume_densities_features"]


def add_pointclouds_to_volumes(pointclouds: Pointclouds, initial_volumes: Volumes, mode: str = "trilinear", **options):
    """New volumes: N given ones, with N clouds (in world coordinates) and their features added.

    `mode`, and `min_weight` and `rescale_features` as options: see `add_points_features_to_volume_densities_features`.
    Raises a ValueError for unlike batch sizes, clouds without features, or shapes that do not fit together.
    """
    if len(initial_volumes) != len(pointclouds) or pointclouds.features_padded() is None:
        raise ValueError(f"{len(initial_volumes)} volumes need as many clouds with features, got {len(pointclouds)}")
    points = pointclouds.points_padded()
    features, densities = add_points_features_to_volume_densities_features(
        initial_volumes.world_to_local_coords(points),
        pointclouds.features_padded(),
        initial_volumes.densities(),
        initial_volumes.features(),
        mode,
        mask=rows_inside(points, pointclouds.num_points_per_cloud()),
        grid_sizes=initial_volumes.get_grid_sizes(),
        align_corners=initial_volumes.get_align_corners(),
        **options,
    )
    return initial_volumes.update_padded(densities, features)


def add_points_features_to_volume_densities_features(
    points_3d: Tensor, points_features: Tensor, volume_densities: Tensor, volume_features: Tensor | None,
    mode: str = "trilinear", min_weight: float = 1e-4, mask: Tensor | None = None, grid_sizes: Tensor | None = None,
    rescale_features: bool = True, align_corners: bool = True,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """New features (N, C, D, H, W) and densities (N, 1, D, H, W): the given ones and what the points add.

    Args:
        points_3d: (N, P, 3), local coordinates as of `Volumes`, with features (N, P, C); those outside add nothing.
        volume_features: None for zeros.
        mode: trilinear, or nearest (no gradient to the points).
        min_weight: the least density that features are divided by if trilinear; it is 1 if nearest.
        mask: (N, P), which points count.
        grid_sizes: (N, 3), depth, height, width of each grid without its padding.
        rescale_features: averages (features divided by densities) instead of sums.

    Raises a ValueError for another mode, or shapes that do not fit together.
    """
    (N, P, C), shape = points_features.shape, volume_densities.shape[2:]
    volume_features = volume_densities.new_zeros(N, C, *shape) if volume_features is None else volume_features
    mask = torch.ones(N, P, device=points_3d.device) if mask is None else mask
    grid_sizes = torch.tensor(shape, device=points_3d.device).expand(N, 3) if grid_sizes is None else grid_sizes
    given = [tuple(t.shape) for t in (points_3d, mask, grid_sizes, volume_densities, volume_features)]
    if mode not in ("trilinear", "nearest") or given != [(N, P, 3), (N, P), (N, 3), (N, 1, *shape), (N, C, *shape)]:
        raise ValueError(f"mode is trilinear or nearest, got {mode}; or shapes do not fit together: {given}")
    densities, features = (t.clone(memory_format=torch.contiguous_format) for t in (volume_densities, volume_features))
    splat = mode == "trilinear"
    _points_to_volumes(points_3d, points_features, densities, features, grid_sizes, 1.0, mask, align_corners, splat)
    return features / densities.clamp(min=min_weight if splat else 1.0) if rescale_features else features, densities


def _points_to_volumes(
    points, points_features, densities, features, grid_sizes, point_weight, mask, align_corners, splat
) -> tuple[Tensor, Tensor]:
    """Adds weights to contiguous densities, and features times weights to features, in place."""
    N, C, _, H, W = features.shape
    size, faces = grid_sizes.flip(1)[:, None], int(not align_corners)
    index = 0.5 * ((points + 1) * (size - 1 + faces) - faces)
    index = index if splat else index.detach().round()
    first = index.detach().floor()
    for corner in product((0, 1), repeat=3) if splat else [(0, 0, 0)]:
        voxel = first + first.new_tensor(corner)
        inside = ((voxel >= 0) & (voxel < size)).all(2) & (mask > 0)
        x, y, z = voxel.masked_fill(~inside[..., None], 0).long().unbind(2)
        weights = (1 - (index - voxel).abs()).prod(2).masked_fill(~inside, 0) * point_weight
        slot = (z * H + y) * W + x
        densities.view(N, -1).scatter_add_(1, slot, weights)
        votes = (weights[..., None] * points_features).transpose(1, 2)
        features.view(N, C, -1).scatter_add_(2, slot[:, None].expand(-1, C, -1), votes)
    return densities, features
