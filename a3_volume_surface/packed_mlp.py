"""The course's network asked only where an occupancy grid says that something may be."""

from types import SimpleNamespace

from torch import Tensor

from a3_volume_surface.neural_fields import RadianceMLP
from a3_volume_surface.occupancy import OccupancyGrid
from a3_volume_surface.packed import PackedField


class PackedRadianceMLP(PackedField):
    """Density and colour of a `RadianceMLP` in a box, or in contracted space, seen as the cube [-2, 2]^3.

    Args:
        cfg: of the network. space: what is there. sampler: ``step`` between samples, in cells of 1 / 128 of the box.
    """

    prune_first, empty = 400, 0.01

    def __init__(self, cfg: SimpleNamespace, space: OccupancyGrid, sampler: SimpleNamespace):
        super().__init__(space, sampler.step)
        self.mlp = RadianceMLP(cfg)

    def forward(self, points: Tensor, directions: Tensor, ray: Tensor) -> tuple[Tensor, Tensor]:
        """Densities (M,) and colours (M, 3) of points (M, 3) on rays (M,) with unit directions (P, 3)."""
        return self.mlp(4.0 * self.occupancy.unit(points) - 2.0, directions, ray)
