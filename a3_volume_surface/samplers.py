"""Places along rays: stratified, and drawn where a first pass saw weight."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from a3_volume_surface.rays import RayBundle
from common.cli import UserError


class StratifiedRaysampler(nn.Module):
    """S samples, one in each of S equal parts of [near, far]: anywhere in it while training, else in its middle."""

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        if cfg.n_pts_per_ray is None or cfg.min_depth is None or cfg.max_depth is None:
            raise UserError("sampler: n_pts_per_ray, min_depth and max_depth are needed for volume rendering")
        self.n_pts_per_ray, self.min_depth, self.max_depth = cfg.n_pts_per_ray, cfg.min_depth, cfg.max_depth

    def forward(self, rays: RayBundle) -> RayBundle:
        """The rays with samples (..., S, 3) and their lengths (..., S, 1)."""
        count = self.n_pts_per_ray
        shape = (*rays.shape, count)
        place = torch.rand(shape, device=rays.origins.device) if self.training else 0.5
        share = (torch.arange(count, device=rays.origins.device) + place) / count
        return with_samples(rays, (self.min_depth + (self.max_depth - self.min_depth) * share).expand(shape))


def with_samples(rays: RayBundle, lengths: Tensor) -> RayBundle:
    """The rays (...) with samples at distances (..., S)."""
    points = rays.origins[..., None, :] + lengths[..., None] * rays.directions[..., None, :]
    return rays._replace(sample_points=points, sample_lengths=lengths[..., None])


def sample_importance(edges: Tensor, weights: Tensor, count: int, random: bool) -> Tensor:
    """Distances drawn from the piecewise constant density of weights between edges.

    Args:
        edges: (P, S + 1) ascending.
        weights: (P, S) of the stretches between them, not negative.
        random: stratified at random, or in equal steps of the distribution.

    Returns:
        (P, count) ascending.

    Source: Mildenhall et al., NeRF, ECCV 2020, section 5.2.
    """
    weights = weights + 1e-5
    cdf = torch.cumsum(weights / weights.sum(-1, keepdim=True), -1)
    cdf = torch.cat((torch.zeros_like(cdf[:, :1]), cdf), -1)
    place = torch.rand(len(edges), count, device=edges.device) if random else 0.5
    u = ((torch.arange(count, device=edges.device) + place) / count).expand(len(edges), count).contiguous()
    above = torch.searchsorted(cdf, u, right=True).clamp(1, edges.shape[1] - 1)
    low, high = cdf.gather(1, above - 1), cdf.gather(1, above)
    start, stop = edges.gather(1, above - 1), edges.gather(1, above)
    return start + (stop - start) * ((u - low) / (high - low).clamp(min=1e-12)).clamp(0.0, 1.0)
