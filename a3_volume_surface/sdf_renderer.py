"""Volume rendering of signed distances: VolSDF, NeuS and the naive density."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from a3_volume_surface.density import Sharpness, neus_opacity
from a3_volume_surface.rays import RayBundle, in_chunks
from a3_volume_surface.renderers import Output
from a3_volume_surface.samplers import sample_importance, with_samples
from a3_volume_surface.volume_renderer import aggregate, compute_weights, interval_lengths, opacity_weights


class VolumeSDFRenderer(nn.Module):
    """Renders a field with ``get_distance`` and ``get_distance_color``.

    Args:
        cfg: ``chunk_size``, ``white_background``; ``conversion`` of distance to density; its ``alpha`` and ``beta``
            (volsdf) or ``s`` (neus, naive), and whether they are trained or led: see `Sharpness`.
        n_fine: further samples, drawn where a first pass over distances alone saw weight.
    """

    def __init__(self, cfg: SimpleNamespace, n_fine: int = 0):
        super().__init__()
        self.chunk_size, self.n_fine = cfg.chunk_size, n_fine
        self.background = 1.0 if cfg.white_background else 0.0
        self.sharpness = Sharpness(cfg)

    def weights(self, distance: Tensor, lengths: Tensor) -> Tensor:
        """Weights (P, S) of samples with signed distances (P, S) and lengths (P, S)."""
        if self.sharpness.conversion == "neus":
            opacity = neus_opacity(distance, self.sharpness["s"])
            return opacity_weights(torch.cat((opacity, torch.zeros_like(opacity[:, :1])), -1))
        density = self.sharpness.density(distance)
        # The last sample stands for a stretch like the one before it: the ray ends, it does not go on for ever.
        return compute_weights(density, interval_lengths(lengths, 2 * lengths[:, -1:] - lengths[:, -2:-1]))

    def forward(self, sampler, implicit_fn, rays: RayBundle, light_dir: Tensor | None = None) -> Output:
        """``color`` (P, 3), ``depth`` (P, 1), ``opacity`` (P, 1) of rays (P,)."""
        return in_chunks(lambda part: self._render(sampler, implicit_fn, part), rays, self.chunk_size)

    def _render(self, sampler, implicit_fn, rays: RayBundle) -> Output:
        rays = sampler(rays)
        lengths = rays.sample_lengths[..., 0]
        if self.n_fine:
            lengths = self._finer(implicit_fn, rays, lengths)
            rays = with_samples(rays, lengths)
        distance, color = implicit_fn.get_distance_color(rays.sample_points)
        weights = self.weights(distance.view(lengths.shape), lengths)
        opacity = weights.sum(-1, keepdim=True)
        shown = aggregate(weights, color.view(*lengths.shape, 3)) + (1.0 - opacity) * self.background
        return {"color": shown, "depth": (weights * lengths).sum(-1, keepdim=True), "opacity": opacity}

    @torch.no_grad()
    def _finer(self, implicit_fn, rays: RayBundle, lengths: Tensor) -> Tensor:
        """Lengths (P, n_fine) where the first pass's samples have weight."""
        distance = implicit_fn.get_distance(rays.sample_points).view(lengths.shape)
        weights = self.weights(distance, lengths)
        middle = 0.5 * (lengths[:, 1:] + lengths[:, :-1])
        edges = torch.cat((lengths[:, :1], middle, lengths[:, -1:]), 1)
        return sample_importance(edges, weights, self.n_fine, self.training)
