"""Batches of voxel grids and where they lie in the world, as `pytorch3d.structures.Volumes`.

Local coordinates are those of `grid_sample`: x, y, z along width, height, depth; -1 and 1 are the centres of the first
and last voxel of an axis with `align_corners`, else their outer faces. In both cases the world is at
x_world = x_local * (size - 1) / 2 * voxel_size - volume_translation.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from .packing import list_to_padded, padded_to_list
from .structures import Structure
from .transform3d import Scale, Transform3d

__all__ = ["VolumeLocator", "Volumes"]

Grids = Sequence[Tensor] | Tensor
ORIGIN = (0.0, 0.0, 0.0)


class VolumeLocator(Structure):
    """Where the voxels of N grids lie. An axis of one voxel has its centre at local 0, local 1 half a voxel from it.

    Args:
        grid_sizes: depth, height, width: of all, or (N, 3) of each.
        voxel_size: edge lengths in world units: a number, three (x, y, z), (1,), (3,), (N, 1) or (N, 3).
        volume_translation: minus the grids' centres in the world: three numbers, (3,) or (N, 3).

    Raises:
        ValueError: shapes that do not fit.
    """

    def __init__(self, batch_size, grid_sizes, device, voxel_size=1.0, volume_translation=ORIGIN, align_corners=True):
        if not isinstance(grid_sizes, Tensor):
            grid_sizes = torch.stack([torch.as_tensor(size) for size in grid_sizes])
        self._N, self._align_corners = batch_size, align_corners
        self._grid_sizes = self._per_volume("grid_sizes", grid_sizes.to(device))
        self._resolution = tuple(self._grid_sizes.amax(0).tolist()) if batch_size else (0, 0, 0)
        voxel_size = [voxel_size] if isinstance(voxel_size, float | int) else voxel_size
        half = 0.5 * self._per_volume("voxel_size", voxel_size, 1) * (self._grid_sizes.flip(1) - 1).clamp(min=1)
        translation = self._per_volume("volume_translation", volume_translation)
        self._local_to_world_transform = Scale(half, dtype=half.dtype, device=device).translate(-translation)

    def _per_volume(self, name: str, value: Sequence[float] | Tensor, *widths: int) -> Tensor:
        """(N, 3) of three values (or of as many as `widths`), for all or for each."""
        if not isinstance(value, Tensor | Sequence):
            raise ValueError(f"{name} must be (3,) or ({self._N}, 3), got {value!r}")
        value = value if name == "grid_sizes" else torch.as_tensor(value, device=self.device)
        if value.shape[-1:] not in ((3,), widths) or value.shape[:-1] not in ((), (1,), (self._N,)):
            raise ValueError(f"{name} must be (3,) or ({self._N}, 3), got {tuple(value.shape)}")
        return value.expand(self._N, 3)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        new = copy.copy(self)
        new._grid_sizes = function(self._grid_sizes)
        new._local_to_world_transform = Transform3d(matrix=function(self._local_to_world_transform.get_matrix()))
        new._N = len(new._grid_sizes)
        return new

    def _select(self, chosen: list[int]) -> Self:
        return self._map(lambda tensor: tensor[chosen])

    @property
    def device(self) -> torch.device:
        return self._grid_sizes.device

    def get_grid_sizes(self) -> Tensor:
        """(N, 3) int64: depth, height, width."""
        return self._grid_sizes

    def get_align_corners(self) -> bool:
        """Whether local -1 and 1 are the centres of the outermost voxels."""
        return self._align_corners

    def get_local_to_world_coords_transform(self) -> Transform3d:
        """From local coordinates to the world."""
        return self._local_to_world_transform

    def get_world_to_local_coords_transform(self) -> Transform3d:
        """From the world to local coordinates."""
        return self._local_to_world_transform.inverse()

    def world_to_local_coords(self, points_3d_world: Tensor) -> Tensor:
        """World points (N, ..., 3) in local coordinates."""
        return _transform(self.get_world_to_local_coords_transform(), points_3d_world)

    def local_to_world_coords(self, points_3d_local: Tensor) -> Tensor:
        """Local points (N, ..., 3) in the world."""
        return _transform(self.get_local_to_world_coords_transform(), points_3d_local)

    def get_coord_grid(self, world_coordinates: bool = True) -> Tensor:
        """(N, D, H, W, 3): the voxels' centres; past the end of a smaller grid they go on at its spacing."""
        size = self._grid_sizes.flip(1)[:, None].to(self._local_to_world_transform.dtype)
        axes = [torch.arange(r, device=self.device) for r in self._resolution]
        index = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], -1).view(-1, 3)
        local = (2 * index + 1 - size) / (size - int(self._align_corners)).clamp(min=1)
        local = local.view(self._N, *self._resolution, 3)
        return self.local_to_world_coords(local) if world_coordinates else local


class Volumes(VolumeLocator):
    """N grids of densities and, optionally, features per voxel; the other arguments as of `VolumeLocator`.

    Args:
        densities: (N, C, D, H, W), or N tensors (C, D_n, H_n, W_n); smaller grids are padded with zeros at their ends.
        features: likewise with any number of channels.

    Raises:
        ValueError: shapes that do not fit together.
    """

    def __init__(
        self, densities: Grids, features: Grids | None = None, voxel_size=1.0, volume_translation=ORIGIN,
        align_corners=True,
    ):  # fmt: skip
        self._densities, sizes = _pad("densities", densities)
        super().__init__(len(sizes), sizes, sizes.device, voxel_size, volume_translation, align_corners)
        self._resolution = tuple(self._densities.shape[2:])
        self._features = None if features is None else self._fit("features", features)

    def _fit(self, name: str, grids: Grids) -> Tensor:
        """Padded grids (N, C, D, H, W) of these sizes."""
        padded, sizes = _pad(name, grids)
        here = len(padded) == self._N and padded.device == self.device
        whole = isinstance(grids, Tensor) and padded.shape[2:] == self._resolution
        if not here or not (whole or torch.equal(sizes, self._grid_sizes)):
            raise ValueError(f"{name} must have the batch size, the grid sizes and the device of the densities")
        return padded

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        new = super()._map(function)
        new._densities = function(self._densities)
        new._features = None if self._features is None else function(self._features)
        return new

    @property
    def locator(self) -> VolumeLocator:
        """Where the voxels lie: this object itself."""
        return self

    def densities(self) -> Tensor:
        """(N, C, D, H, W)."""
        return self._densities

    def features(self) -> Tensor | None:
        """(N, C, D, H, W)."""
        return self._features

    def densities_list(self) -> list[Tensor]:
        """N tensors (C, D_n, H_n, W_n)."""
        return padded_to_list(self._densities, [(self._densities.shape[1], *s) for s in self._grid_sizes.tolist()])

    def features_list(self) -> list[Tensor] | None:
        """N tensors (C, D_n, H_n, W_n)."""
        return None if self._features is None else self.update_padded(self._features).densities_list()

    def update_padded(self, new_densities: Grids, new_features: Grids | None = None) -> Self:
        """The same grids with other densities, and other features or none.

        Raises:
            ValueError: another batch size or resolution.
        """
        new = copy.copy(self)
        new._densities = self._fit("densities", new_densities)
        new._features = None if new_features is None else self._fit("features", new_features)
        return new


def _transform(transform: Transform3d, points: Tensor) -> Tensor:
    if len(points) != len(transform):
        raise ValueError(f"points must be ({len(transform)}, ..., 3), got {tuple(points.shape)}")
    return transform.transform_points(points.reshape(len(points), points.shape[1:-1].numel(), 3)).view(points.shape)


def _pad(name: str, grids: Grids) -> tuple[Tensor, Tensor]:
    """Grids (N, C, D, H, W), and the sizes (N, 3) without padding."""
    if isinstance(grids, Tensor) and grids.dim() == 5:
        return grids, torch.tensor(grids.shape[2:], device=grids.device).expand(len(grids), 3)
    if not isinstance(grids, list | tuple) or not grids or {(4, len(grids[0]))} != {(g.dim(), len(g)) for g in grids}:
        raise ValueError(f"{name} must be a tensor (N, C, D, H, W), or N of (C, D_n, H_n, W_n) in a list")
    return list_to_padded(grids), torch.tensor([grid.shape[1:] for grid in grids], device=grids[0].device)
