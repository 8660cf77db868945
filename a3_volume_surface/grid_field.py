"""The fast radiance field: features on a multiresolution hash grid, samples only where an occupancy grid says so.

After Mueller et al., Instant Neural Graphics Primitives (SIGGRAPH 2022), with two changes that suit a CPU: few levels
of wide features, and a density that is linear in the features, so that it costs no network.
"""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from a3_volume_surface.feature_grid import FeatureGrid
from a3_volume_surface.occupancy import OccupancyGrid, packed_weights, per_ray
from a3_volume_surface.rays import RayBundle
from common.p3d import HarmonicEmbedding

PRUNE_FIRST, PRUNE_EVERY = 200, 400  # steps before cells without weight go, and between such times
EMPTY = 0.03  # the greatest weight of a sample in a cell that counts as empty
START = 1.0  # logarithm of the density everywhere before training: fog, so that all that may be there is seen


class GridRadianceField(nn.Module):
    """Density and colour in a box.

    Args:
        cfg: ``resolutions``, ``features``, ``log2_table_size``, ``n_hidden_neurons``, ``view_dependence``.
        space: what is there: the occupancy grid of a box, or of contracted space.
        sampler: ``step`` between samples, in cells of 1 / 128 of the box; ``resolution`` of the occupancy grid.
    """

    def __init__(self, cfg: SimpleNamespace, space: OccupancyGrid, sampler: SimpleNamespace):
        super().__init__()
        self.occupancy = space
        self.grid = FeatureGrid(cfg.resolutions, cfg.features, 2**cfg.log2_table_size)
        self.step = sampler.step * float((space.bounds[1] - space.bounds[0]).amax()) / 128
        self.embed = HarmonicEmbedding(cfg.n_harmonic_functions_dir) if cfg.view_dependence else None
        directional = self.embed.get_output_dim(3) if self.embed else 0
        width, hidden = self.grid.output_dim, cfg.n_hidden_neurons
        self.log_density = nn.Linear(width, 1)
        nn.init.constant_(self.log_density.weight, 1.0)
        nn.init.constant_(self.log_density.bias, START)
        self.first = nn.Linear(width + directional, hidden)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3), nn.Sigmoid())

    def _density(self, features: Tensor) -> Tensor:
        return torch.exp(self.log_density(features)[:, 0].clamp(max=12.0))

    def density(self, points: Tensor) -> Tensor:
        """(N,) at points (N, 3)."""
        return self._density(self.grid(self.occupancy.unit(points)))

    def forward(self, points: Tensor, directions: Tensor, ray: Tensor) -> tuple[Tensor, Tensor]:
        """Densities (M,) and colours (M, 3) of points (M, 3) on rays (M,) with unit directions (P, 3)."""
        features = self.grid(self.occupancy.unit(points))
        width = self.grid.output_dim
        hidden = nn.functional.linear(features, self.first.weight[:, :width], self.first.bias)
        if self.embed is not None:
            of_ray = nn.functional.linear(self.embed(directions), self.first.weight[:, width:])
            hidden = hidden + of_ray.index_select(0, ray)
        return self._density(features), self.rest(hidden)

    def prune(self, step: int) -> None:
        """After training step ``step``: now and then drop the cells in which no sample has weight."""
        if step == PRUNE_FIRST or step % PRUNE_EVERY == 0:
            self.occupancy.prune(EMPTY)

    def groups(self, lr: float) -> list[dict]:
        """Parameter groups of an optimiser: the tables learn faster than the network."""
        network = [p for name, p in self.named_parameters() if not name.startswith("grid.")]
        return [{"params": list(self.grid.parameters()), "lr": lr}, {"params": network, "lr": 0.1 * lr}]


class OccupancyRenderer(nn.Module):
    """Renders a `GridRadianceField`: emission and absorption over the samples in cells that are not empty.

    Args:
        cfg: ``chunk_size`` rays at once, ``white_background``.
        near, far: ends of rays, world units.
    """

    def __init__(self, cfg: SimpleNamespace, near: float, far: float):
        super().__init__()
        self.chunk_size, self.near, self.far = cfg.chunk_size, near, far
        self.background = 1.0 if cfg.white_background else 0.0

    def forward(self, field: GridRadianceField, rays: RayBundle) -> dict[str, Tensor]:
        """``feature`` (P, 3), ``depth`` (P, 1), ``opacity`` (P, 1) of rays (P,)."""
        starts = range(0, rays.shape[0], self.chunk_size)
        parts = [self._render(field, rays[start : start + self.chunk_size]) for start in starts]
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]} if parts else {}

    def _render(self, field: GridRadianceField, rays: RayBundle) -> dict[str, Tensor]:
        count = len(rays.origins)
        jitter = torch.rand(count, device=rays.origins.device) if self.training else None
        samples = field.occupancy.march(rays.origins, rays.directions, field.step, self.near, self.far, jitter)
        density, color = field(samples.points, rays.directions, samples.ray)
        weights, opacity = packed_weights(density, samples.deltas, samples.ray, count)
        if self.training:
            field.occupancy.note(samples.points, weights)
        values = per_ray(weights, torch.cat((color, samples.lengths[:, None]), 1), samples.ray, count)
        feature = values[:, :3] + (1.0 - opacity[:, None]) * self.background
        return {"feature": feature, "depth": values[:, 3:], "opacity": opacity[:, None]}
