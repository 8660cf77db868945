"""Rendering of fields and voxel grids along rays, as `pytorch3d.renderer.ImplicitRenderer` and `VolumeRenderer`."""

from collections.abc import Callable

from torch import Tensor, nn

from .cameras import CamerasBase
from .interpolate import sample_grids
from .ray_samplers import HeterogeneousRayBundle, RayBundle, ray_bundle_variables_to_ray_points
from .volumes import Volumes

__all__ = ["ImplicitRenderer", "VolumeRenderer", "VolumeSampler"]

Rays = RayBundle | HeterogeneousRayBundle


class ImplicitRenderer(nn.Module):
    """Renders any field that a function describes, by a sampler of rays and a marcher along them.

    Their calls: raysampler(cameras=..., **kwargs) -> rays; raymarcher(rays_densities=..., rays_features=...,
    ray_bundle=..., **kwargs) -> images.
    """

    def __init__(self, raysampler: Callable, raymarcher: Callable):
        super().__init__()
        if not callable(raysampler) or not callable(raymarcher):
            raise ValueError("raysampler and raymarcher must be callable")
        self.raysampler, self.raymarcher = raysampler, raymarcher

    def forward(self, cameras: CamerasBase, volumetric_function: Callable, **kwargs) -> tuple[Tensor, Rays]:
        """Images (N, ..., C) of N views, and their rays.

        volumetric_function(ray_bundle=..., cameras=..., **kwargs) gives densities (N, ..., S, 1) in [0, 1] and features
        (N, ..., S, C) at the rays' points.
        """
        if not callable(volumetric_function):
            raise ValueError("volumetric_function must be callable")
        rays = self.raysampler(cameras=cameras, volumetric_function=volumetric_function, **kwargs)
        densities, features = volumetric_function(ray_bundle=rays, cameras=cameras, **kwargs)
        return self.raymarcher(rays_densities=densities, rays_features=features, ray_bundle=rays, **kwargs), rays


class VolumeRenderer(nn.Module):
    """Renders N volumes, each seen by one of N cameras; `sample_mode` as of `VolumeSampler`."""

    def __init__(self, raysampler: Callable, raymarcher: Callable, sample_mode: str = "bilinear"):
        super().__init__()
        self.renderer = ImplicitRenderer(raysampler, raymarcher)
        self._sample_mode = sample_mode

    def forward(self, cameras: CamerasBase, volumes: Volumes, **kwargs) -> tuple[Tensor, Rays]:
        """Images and rays, as of `ImplicitRenderer`."""
        return self.renderer(cameras, VolumeSampler(volumes, self._sample_mode), **kwargs)


class VolumeSampler(nn.Module):
    """Values of N volumes at points of rays, bilinear (in all three directions) or nearest, as by `grid_sample`."""

    def __init__(self, volumes: Volumes, sample_mode: str = "bilinear", padding_mode: str = "zeros"):
        super().__init__()
        if not isinstance(volumes, Volumes):
            raise ValueError(f"volumes must be Volumes, got {type(volumes).__name__}")
        self._volumes, self._sample_mode, self._padding_mode = volumes, sample_mode, padding_mode

    def forward(self, ray_bundle: Rays, **kwargs) -> tuple[Tensor, Tensor]:
        """Densities (N, ..., S, C) and features (N, ..., S, C') of rays (N, ..., 3); C' is 0 without features.

        ValueError of rays whose shapes do not fit together, or of another N than the volumes'.
        """
        origins, directions, lengths = ray_bundle.origins, ray_bundle.directions, ray_bundle.lengths
        _validate_ray_bundle_variables(origins, directions, lengths)
        volumes, N = self._volumes, len(origins)
        if len(volumes) != N:
            raise ValueError(f"{len(volumes)} volumes for rays of {N} cameras")
        linear = volumes.get_world_to_local_coords_transform().get_matrix()[:, :3, :3]
        directions = (directions.flatten(1, -2) @ linear).view(directions.shape)
        points = ray_bundle_variables_to_ray_points(volumes.world_to_local_coords(origins), directions, lengths)
        corner, sizes = int(volumes.get_align_corners()), volumes.get_grid_sizes().flip(1)
        padded = sizes.new_tensor(volumes.densities().shape[:1:-1])
        if (sizes != padded).any():  # local coordinates are of each grid's own size, grid_sample's of the padded one
            ratio = (sizes - corner) / (padded - corner)
            points = (points + 1) * ratio.view(N, *[1] * (points.dim() - 2), 3) - 1
        flat = points.reshape(N, points.shape[1:-1].numel(), 3)

        def sample(grids: Tensor) -> Tensor:
            values = sample_grids(grids, flat, self._sample_mode, self._padding_mode, bool(corner))
            return values.reshape(*points.shape[:-1], grids.shape[1])

        features = volumes.features()
        return sample(volumes.densities()), points[..., :0] if features is None else sample(features)


def _validate_ray_bundle_variables(rays_origins: Tensor, rays_directions: Tensor, rays_lengths: Tensor) -> None:
    shapes = [tuple(t.shape) for t in (rays_origins, rays_directions, rays_lengths)]
    if len(shapes[0]) < 3 or len({shape[:-1] for shape in shapes}) > 1 or (shapes[0][-1], shapes[1][-1]) != (3, 3):
        raise ValueError(f"rays must be (N, ..., 3), (N, ..., 3) and (N, ..., S), got {shapes}")
