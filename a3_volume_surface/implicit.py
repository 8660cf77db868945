"""Fields in space that renderers ask: volumes and surfaces of analytic signed distances."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from a3_volume_surface.density import sdf_to_density
from a3_volume_surface.rays import RayBundle
from a3_volume_surface.sdf import build_sdf
from a3_volume_surface.volume_renderer import interval_lengths


class _Painted(nn.Module):
    """A signed distance with a colour: one, or in ``rainbow`` the distance from the centre along each axis."""

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        self.sdf = build_sdf(cfg.sdf)
        self.rainbow = cfg.feature.rainbow
        self.feature = nn.Parameter(torch.tensor(cfg.feature.val)[None], requires_grad=cfg.feature.opt)

    def get_color(self, points: Tensor) -> Tensor:
        """(N, 3) in [0, 1] of points (..., 3)."""
        points = points.view(-1, 3)
        if hasattr(self.sdf, "get_color"):
            return self.sdf.get_color(points) * self.feature
        if not self.rainbow:
            return self.feature.expand(len(points), 3)
        return (points - self.sdf.center).abs().clamp(0.02, 0.98) * self.feature


class SDFVolume(_Painted):
    """A volume whose samples have the opacity of VolSDF's density: alpha times the Laplace distribution at -distance.

    As in the course the opacity is a sample's own, whatever stretch of the ray it stands for: the density that the
    renderer is given is that which makes it so.
    """

    def __init__(self, cfg: SimpleNamespace):
        super().__init__(cfg)
        self.alpha = nn.Parameter(torch.tensor(cfg.alpha.val), requires_grad=cfg.alpha.opt)
        self.beta = nn.Parameter(torch.tensor(cfg.beta.val), requires_grad=cfg.beta.opt)

    def forward(self, rays: RayBundle) -> dict[str, Tensor]:
        """``density`` (M, 1) and ``feature`` (M, 3) of the M samples of rays (P,) with S samples, M = P S."""
        points = rays.sample_points.reshape(-1, 3)
        opacity = sdf_to_density(self.sdf(points), self.alpha, self.beta).clamp(max=1.0 - 1e-6)
        deltas = interval_lengths(rays.sample_lengths[..., 0]).reshape(-1, 1).clamp(min=1e-6)  # samples may coincide
        return {"density": -torch.log1p(-opacity) / deltas, "feature": self.get_color(points)}


class SDFSurface(_Painted):
    """A surface: distance and colour at points."""

    def get_distance(self, points: Tensor) -> Tensor:
        """(N, 1) of points (..., 3)."""
        return self.sdf(points.view(-1, 3))

    def forward(self, points: Tensor) -> Tensor:
        """The same as :meth:`get_distance`."""
        return self.get_distance(points)
