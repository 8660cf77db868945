"""Renderers of the course's configurations: from rays and a field to colour, depth and opacity."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from a3_volume_surface.rays import RayBundle, in_chunks
from a3_volume_surface.samplers import sample_importance, with_samples
from a3_volume_surface.sphere_tracing import sphere_trace, surface_normals
from a3_volume_surface.volume_renderer import aggregate, compute_weights, interval_lengths

Output = dict[str, Tensor]


class VolumeRenderer(nn.Module):
    """Emission and absorption through a field with ``density`` and ``feature``, ray by ray in chunks.

    Args:
        cfg: ``chunk_size`` rays at once; ``white_background``.
        n_fine: further samples of each ray, drawn where a first pass saw weight.
    """

    def __init__(self, cfg: SimpleNamespace, n_fine: int = 0):
        super().__init__()
        self.chunk_size, self.n_fine = cfg.chunk_size, n_fine
        self.background = 1.0 if cfg.white_background else 0.0

    def forward(self, sampler, implicit_fn, rays: RayBundle) -> Output:
        """``feature`` (P, C), ``depth`` (P, 1) and ``opacity`` (P, 1) of rays (P,).

        With two passes ``coarse`` and ``coarse_opacity`` too, the first one's. Depth is the weighted sum of the
        samples' lengths, 0 where there is nothing.
        """
        return in_chunks(lambda part: self._render(sampler, implicit_fn, part), rays, self.chunk_size)

    def _render(self, sampler, implicit_fn, rays: RayBundle) -> Output:
        rays = sampler(rays)
        coarse_fn = getattr(implicit_fn, "coarse", None) or implicit_fn
        out, weights = self._integrate(coarse_fn if self.n_fine else implicit_fn, rays)
        if not self.n_fine:
            return out
        lengths = rays.sample_lengths[..., 0]
        middle = 0.5 * (lengths[:, 1:] + lengths[:, :-1])
        fine = sample_importance(middle, weights.detach()[:, 1:-1], self.n_fine, self.training)
        rays = with_samples(rays, torch.cat((lengths, fine), -1).sort(-1).values)
        first = {"coarse": out["feature"], "coarse_opacity": out["opacity"]}
        return {**self._integrate(implicit_fn, rays)[0], **first}

    def _integrate(self, implicit_fn, rays: RayBundle) -> tuple[Output, Tensor]:
        values = implicit_fn(rays)
        lengths = rays.sample_lengths[..., 0]
        density = values["density"].view(lengths.shape)
        weights = compute_weights(density, interval_lengths(lengths))
        return self._blend(weights, values["feature"].view(*lengths.shape, -1), lengths), weights

    def _blend(self, weights: Tensor, features: Tensor, lengths: Tensor) -> Output:
        opacity = weights.sum(-1, keepdim=True)
        feature = aggregate(weights, features) + (1.0 - opacity) * self.background
        return {"feature": feature, "depth": (weights * lengths).sum(-1, keepdim=True), "opacity": opacity}


class SphereTracingRenderer(nn.Module):
    """Colours where rays meet a surface, black elsewhere."""

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        self.cfg = cfg

    def sphere_tracing(self, implicit_fn, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Points (P, 3) and which rays meet the surface (P, 1) bool, of origins and unit directions (P, 3)."""
        cfg = self.cfg
        analytic = getattr(implicit_fn, "sdf", None)
        # An analytic surface knows its box, a little larger for rays along its sides; others are followed everywhere.
        bounds = getattr(analytic, "bounds", None)
        if bounds is not None:
            bounds = bounds + bounds.new_tensor([[-1e-3], [1e-3]])
        polish = torch.float64 if analytic is not None and origins.device.type != "mps" else None
        more = {"over_relaxation": cfg.over_relaxation, "bounds": bounds, "polish": polish}
        lengths, mask = sphere_trace(implicit_fn, origins, directions, cfg.near, cfg.far, cfg.max_iters, **more)
        return origins + lengths[:, None] * directions, mask[:, None]

    def forward(self, sampler, implicit_fn, rays: RayBundle, light_dir: Tensor | None = None) -> Output:
        """``color`` (P, 3), ``normal`` (P, 3), ``depth`` (P, 1) and ``mask`` (P, 1) of rays (P,).

        Args:
            light_dir: (3,) or (P, 3) towards a light; colours are shaded by it.
        """
        return in_chunks(lambda part: self._render(implicit_fn, part, light_dir), rays, self.cfg.chunk_size)

    def _render(self, implicit_fn, rays: RayBundle, light_dir: Tensor | None) -> Output:
        points, mask = self.sphere_tracing(implicit_fn, rays.origins, rays.directions)
        hit = mask[:, 0].nonzero()[:, 0]
        color, normal = torch.zeros_like(rays.origins), torch.zeros_like(rays.origins)
        depth = (points - rays.origins).norm(dim=1, keepdim=True) * mask
        if len(hit):
            normal[hit] = surface_normals(implicit_fn, points[hit])
            shown = implicit_fn.get_color(points[hit])
            if light_dir is not None:
                light = light_dir.expand(len(points), 3)[hit]
                shown = shown * (0.3 + 0.7 * (normal[hit] * light).sum(1, keepdim=True).clamp(min=0.0))
            color[hit] = shown
        return {"color": color, "normal": normal, "depth": depth, "mask": mask}
