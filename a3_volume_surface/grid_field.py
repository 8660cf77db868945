"""The fast radiance field: features on a multiresolution hash grid, samples only where an occupancy grid says so.

After Mueller et al., Instant Neural Graphics Primitives (SIGGRAPH 2022), with two changes that suit a CPU: few levels
of wide features, and a density that is linear in the features, so that it costs no network.
"""

import math
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from a3_volume_surface.feature_grid import FeatureGrid
from a3_volume_surface.occupancy import OccupancyGrid, PackedSamples
from a3_volume_surface.packed import PackedField, PackedRenderer
from common.p3d import HarmonicEmbedding


class GridRadianceField(PackedField):
    """Density and colour in a box.

    Args:
        cfg: ``resolutions``, ``features``, ``log2_table_size``, ``n_hidden_neurons``, ``view_dependence``.
        space: what is there: the occupancy grid of a box, or of contracted space.
        sampler: ``step`` between samples, in cells of 1 / 128 of the box; ``resolution`` of the occupancy grid.
    """

    prune_first, empty = 200, 0.03

    def __init__(self, cfg: SimpleNamespace, space: OccupancyGrid, sampler: SimpleNamespace):
        super().__init__(space, sampler.step)
        self.grid = FeatureGrid(cfg.resolutions, cfg.features, 2**cfg.log2_table_size)
        self.embed = HarmonicEmbedding(cfg.n_harmonic_functions_dir) if cfg.view_dependence else None
        directional = self.embed.get_output_dim(3) if self.embed else 0
        width, hidden = self.grid.output_dim, cfg.n_hidden_neurons
        self.log_density = nn.Linear(width, 1)
        nn.init.constant_(self.log_density.weight, 1.0)
        nn.init.constant_(self.log_density.bias, math.log(space.fog))
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


class OccupancyRenderer(PackedRenderer):
    """Renders a `GridRadianceField`."""

    shown = "feature"

    def ask(self, field: GridRadianceField, samples: PackedSamples, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Densities (M,) and colours (M, 3) of samples on rays with unit directions (P, 3)."""
        return field(samples.points, directions, samples.ray)
