"""Rays of cameras' pixels and the points on them, as PyTorch3D's ray samplers.

A ray's point at length l is origin + l * direction; directions have unit depth in the camera (so lengths are depths),
or, with `unit_directions`, unit length.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .cameras import CamerasBase

__all__ = ["GridRaysampler", "HeterogeneousRayBundle", "MonteCarloRaysampler", "MultinomialRaysampler"]
__all__ += ["NDCGridRaysampler", "NDCMultinomialRaysampler", "RayBundle"]
__all__ += ["ray_bundle_to_ray_points", "ray_bundle_variables_to_ray_points", "sample_pdf"]


class RayBundle(NamedTuple):
    """Rays in the world: origins and directions (..., 3), lengths (..., S) of the points, xys (..., 2) in NDC."""

    origins: Tensor
    directions: Tensor
    lengths: Tensor
    xys: Tensor


@dataclass
class HeterogeneousRayBundle:
    """As `RayBundle`, of cameras `camera_ids` (M,) one after the other, each with as many rays as `camera_counts`."""

    origins: Tensor
    directions: Tensor
    lengths: Tensor
    xys: Tensor
    camera_ids: Tensor | None = None
    camera_counts: Tensor | None = None


def ray_bundle_to_ray_points(ray_bundle: RayBundle | HeterogeneousRayBundle) -> Tensor:
    """Points (..., S, 3) of rays."""
    return ray_bundle_variables_to_ray_points(ray_bundle.origins, ray_bundle.directions, ray_bundle.lengths)


def ray_bundle_variables_to_ray_points(rays_origins: Tensor, rays_directions: Tensor, rays_lengths: Tensor) -> Tensor:
    """Points (..., S, 3) at lengths (..., S) of rays (..., 3)."""
    return torch.addcmul(rays_origins[..., None, :], rays_lengths[..., None], rays_directions[..., None, :])


@dataclass
class _Settings:
    """Points per ray, at equal depths from `min_depth` to `max_depth`, and how rays are drawn.

    n_rays_per_image: of each camera; n_rays_total: of all, each of a random camera. stratified_sampling: each length is
    drawn from the interval around it that ends halfway to its neighbours.
    """

    n_pts_per_ray: int
    min_depth: float
    max_depth: float
    n_rays_per_image: int | None = None
    n_rays_total: int | None = None
    unit_directions: bool = False
    stratified_sampling: bool = False


class _Raysampler(nn.Module):
    """What the samplers share; a subclass gives the image points (N, ..., 2) of N cameras as `_points`."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        self._settings = _Settings(*args, **kwargs)

    def forward(self, cameras: CamerasBase, *, mask: Tensor | None = None, **options):
        """Rays of N cameras.

        Args:
            mask: (N, H, W), non-negative: a pixel is drawn in proportion to it, never where it is zero. ValueError of
                other shapes and of an image without a pixel.
            options: replace what the sampler was made with (ValueError of two numbers of rays); others are ignored.

        Returns:
            `RayBundle` (N, H, W, ...); of drawn rays (N, n, 1, ...), n that of the emptiest mask if not given; with
            `n_rays_total` a `HeterogeneousRayBundle` (n, 1, 1, ...). `MonteCarloRaysampler`: without the last 1.
        """
        given = {name: v for name, v in options.items() if v is not None and hasattr(self._settings, name)}
        settings = replace(self._settings, **given)
        n, total = settings.n_rays_per_image, settings.n_rays_total
        if n is not None and total is not None:
            raise ValueError("n_rays_per_image and n_rays_total exclude each other")
        if total is None:
            return _cast(cameras, self._points(cameras, n, mask), settings)
        ids, counts = torch.randint(len(cameras), (total,)).unique(return_counts=True)
        cameras, mask, n = cameras[ids], None if mask is None else mask[ids.to(mask.device)], int(counts.max())
        rays = _cast(cameras, self._points(cameras, n, mask), settings)
        kept = (torch.arange(n) < counts[:, None]).to(rays.xys.device)
        return HeterogeneousRayBundle(*[part[kept][:, None] for part in rays], ids, counts)


class MultinomialRaysampler(_Raysampler):
    """Rays of an image grid: all, or random ones, without repetition where there are enough.

    `min_x`, `max_x`, `min_y`, `max_y` are NDC coordinates of the centres of the first and last column and row.
    """

    def __init__(
        self, *, min_x: float, max_x: float, min_y: float, max_y: float, image_width: int, image_height: int, **settings
    ):
        super().__init__(**settings)
        x, y = torch.linspace(min_x, max_x, image_width), torch.linspace(min_y, max_y, image_height)
        self.register_buffer("_xy_grid", torch.stack(torch.meshgrid(x, y, indexing="xy"), -1), persistent=False)

    def _points(self, cameras: CamerasBase, n: int | None, mask: Tensor | None) -> Tensor:
        xys = self._xy_grid.to(cameras.device).expand(len(cameras), -1, -1, -1)
        if mask is not None and mask.shape != xys.shape[:-1]:
            raise ValueError(f"mask must be {tuple(xys.shape[:-1])}, got {tuple(mask.shape)}")
        if n is None and mask is None:
            return xys
        weights = (torch.ones_like(xys[..., 0]) if mask is None else mask.to(xys)).flatten(1)
        chosen = _safe_multinomial(weights, int((weights > 0).sum(1).min()) if n is None else n)
        return xys.flatten(1, 2).gather(1, chosen[..., None].expand(-1, -1, 2))[:, :, None]


class NDCMultinomialRaysampler(MultinomialRaysampler):
    """`MultinomialRaysampler` of the pixels of a rendered image: NDC, +X left, +Y up, the shorter side from -1 to 1."""

    def __init__(self, *, image_width: int, image_height: int, **settings):
        x, y = ((side - 1) / min(image_width, image_height) for side in (image_width, image_height))
        size = {"image_width": image_width, "image_height": image_height}
        super().__init__(min_x=x, max_x=-x, min_y=y, max_y=-y, **size, **settings)


class MonteCarloRaysampler(_Raysampler):
    """Rays through uniformly random points of a rectangle of the image plane."""

    def __init__(self, min_x, max_x, min_y, max_y, n_rays_per_image: int | None, *args, **settings):
        super().__init__(*args, n_rays_per_image=n_rays_per_image, **settings)
        self._bounds = ((min_x, max_x), (min_y, max_y))

    def _points(self, cameras: CamerasBase, n: int | None, mask: Tensor | None) -> Tensor:
        if n is None or mask is not None:
            raise ValueError("MonteCarloRaysampler needs a number of rays, and takes no mask")
        sides = [torch.rand(len(cameras), n, 1, device=cameras.device) * (b - a) + a for a, b in self._bounds]
        return torch.cat(sides, 2)


GridRaysampler, NDCGridRaysampler = MultinomialRaysampler, NDCMultinomialRaysampler  # older names


def _cast(cameras: CamerasBase, xys: Tensor, settings: _Settings) -> RayBundle:
    """The rays of N cameras through image points (N, ..., 2)."""
    N, shape, S = len(xys), xys.shape[:-1], settings.n_pts_per_ray
    flat = xys.reshape(N, shape[1:].numel(), 2)
    lengths = torch.linspace(settings.min_depth, settings.max_depth, S, dtype=xys.dtype, device=xys.device)
    lengths = lengths.expand(*flat.shape[:2], S)
    if settings.stratified_sampling:
        lengths = _jiggle_within_stratas(lengths)
    planes = [torch.cat((flat, torch.full_like(flat[..., :1], depth)), -1) for depth in (1.0, 2.0)]
    near, far = cameras.unproject_points(torch.cat(planes, 1), from_ndc=True).chunk(2, 1)
    directions = far - near
    origins = near - directions
    directions = normalize(directions, dim=-1) if settings.unit_directions else directions
    return RayBundle(origins.view(*shape, 3), directions.view(*shape, 3), lengths.view(*shape, S), xys)


def _jiggle_within_stratas(lengths: Tensor) -> Tensor:
    """A uniform draw (..., S) per ascending length, from the interval that ends halfway to its neighbours."""
    middle = 0.5 * (lengths[..., 1:] + lengths[..., :-1])
    low, high = torch.cat((lengths[..., :1], middle), -1), torch.cat((middle, lengths[..., -1:]), -1)
    return low + (high - low) * torch.rand_like(low)


def _safe_multinomial(weights: Tensor, n: int) -> Tensor:
    """n columns (N, n) drawn from each row of weights; they repeat only where fewer than n are positive."""
    available = (weights > 0).sum(1)
    if not available.all():
        raise ValueError(f"the mask of image {int(available.argmin())} is empty")
    chosen = torch.empty(len(weights), n, dtype=torch.int64, device=weights.device)
    for repeat in (False, True):
        rows = (available < n) == repeat
        if rows.any():
            chosen[rows] = torch.multinomial(weights[rows], n, replacement=repeat)
    return chosen


def sample_pdf(bins: Tensor, weights: Tensor, n_samples: int, det: bool = False, eps: float = 1e-5) -> Tensor:
    """Samples (..., n) of densities constant within bins, by inverting their distribution (NeRF's fine samples).

    Args:
        bins: (..., B + 1), ascending edges.
        weights: (..., B), non-negative; `eps` is added to each. ValueError of others and of shapes that do not fit.
        det: quantiles at equal steps from 0 to 1 instead of random ones.
    """
    if bins.shape != (*weights.shape[:-1], weights.shape[-1] + 1):
        raise ValueError(f"bins must have one more edge than weights, got {tuple(bins.shape)}, {tuple(weights.shape)}")
    weights = weights + eps
    if (weights <= 0).any():
        raise ValueError("weights must not be negative")
    shape, kind = (*weights.shape[:-1], n_samples), {"dtype": weights.dtype, "device": weights.device}
    quantiles = torch.linspace(0, 1, n_samples, **kind).expand(shape) if det else torch.rand(shape, **kind)
    cdf = torch.cat((torch.zeros_like(weights[..., :1]), weights.cumsum(-1)), -1) / weights.sum(-1, keepdim=True)
    above = torch.searchsorted(cdf.detach(), quantiles.contiguous(), right=True).clamp(1, weights.shape[-1])
    (start, low), (stop, high) = [[t.gather(-1, i) for t in (cdf, bins.to(cdf))] for i in (above - 1, above)]
    inside = (quantiles - start) / (stop - start).clamp(min=torch.finfo(cdf.dtype).tiny)
    return low + inside.clamp(0, 1) * (high - low)
