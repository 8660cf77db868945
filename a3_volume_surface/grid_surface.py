"""The fast neural surface: a signed distance and a colour from features on a multiresolution hash grid.

After Li et al., Neuralangelo (CVPR 2023): a small network over grid features and coordinates, whose gradient is taken
by finite differences, which spread over neighbouring cells what a derivative inside one cell would not.
"""

from types import SimpleNamespace

import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from a3_volume_surface.density import Sharpness
from a3_volume_surface.feature_grid import FeatureGrid
from a3_volume_surface.occupancy import OccupancyGrid, PackedSamples
from a3_volume_surface.packed import PackedField, PackedRenderer


class GridSurface(PackedField):
    """Signed distance and colour in a box: a starting distance, of a ball or the visual hull, and what is learnt.

    Args:
        cfg: ``resolutions``, ``features``, ``log2_table_size``, ``n_hidden_neurons``, ``radius`` of the ball as a share
            of the box's shortest half side.
        space: the occupancy grid of the box.
        sampler: ``step`` between samples, in cells of 1 / 128 of the box.
    """

    prune_first, empty = 800, 0.003

    def __init__(self, cfg: SimpleNamespace, space: OccupancyGrid, sampler: SimpleNamespace):
        super().__init__(space, sampler.step)
        self.grid = FeatureGrid(cfg.resolutions, cfg.features, 2**cfg.log2_table_size, scale=1e-4)
        side = space.bounds[1] - space.bounds[0]
        self.epsilon = 0.75 * float(side.amax()) / max(cfg.resolutions)  # of the finite differences
        self.start = FeatureGrid((space.resolution - 1,), 1, 2**30)
        self.start.requires_grad_(False)
        self._start_as(self._ball(cfg.radius * float(side.amin()) / 2))
        width, hidden = self.grid.output_dim, cfg.n_hidden_neurons
        self.first = nn.Linear(width + 3, hidden)
        self.second = nn.Linear(hidden, 1 + hidden)
        self.shade = nn.Sequential(
            nn.Linear(hidden + width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3)
        )
        nn.init.zeros_(self.second.weight[:1])  # the network begins as nothing beside the ball
        nn.init.zeros_(self.second.bias)

    def _places(self) -> Tensor:
        """Middles (R^3, 3) of the occupancy grid's cells, x fastest: where the starting distance is stored."""
        R, (low, high) = self.occupancy.resolution, self.occupancy.bounds
        step = (torch.arange(R, device=low.device) + 0.5) / R
        z, y, x = torch.meshgrid(step, step, step, indexing="ij")
        return low + torch.stack((x, y, z), -1).view(-1, 3) * (high - low)

    def _ball(self, radius: float) -> Tensor:
        return (self._places() - self.occupancy.bounds.mean(0)).norm(dim=1) - radius

    @torch.no_grad()
    def _start_as(self, distance: Tensor) -> None:
        self.start.tables[0].copy_(distance[:, None])

    @torch.no_grad()
    def start_as_hull(self) -> None:
        """Begin as the distance to what the occupancy grid holds to be possible, in place of a ball."""
        R, (low, high) = self.occupancy.resolution, self.occupancy.bounds.cpu()
        cell = ((high - low) / R).flip(0).tolist()
        solid = self.occupancy.possible.view(R, R, R).cpu().numpy()
        outside, inside = (distance_transform_edt(mask, sampling=cell) for mask in (~solid, solid))
        distance = gaussian_filter(outside - inside, 1.0)
        self._start_as(torch.from_numpy(distance).float().view(-1).to(self.start.tables[0].device))

    def _starting_distance(self, unit: Tensor) -> Tensor:
        R = self.occupancy.resolution
        return self.start(((unit * R - 0.5) / (R - 1)).clamp(0.0, 1.0))

    def _features(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, 1), and what the colour is made of (N, D)."""
        unit = self.occupancy.unit(points.reshape(-1, 3)).clamp(0.0, 1.0)
        features = self.grid(unit)
        out = self.second(functional.softplus(self.first(torch.cat((features, unit), 1)), beta=100.0))
        return self._starting_distance(unit) + out[:, :1], torch.cat((out[:, 1:], features), 1)

    def get_distance(self, points: Tensor) -> Tensor:
        """(N, 1) of points (..., 3), N of them."""
        return self._features(points)[0]

    def get_color(self, points: Tensor) -> Tensor:
        """(N, 3) in [0, 1] of points (..., 3)."""
        return self.get_distance_color(points)[1]

    def get_distance_color(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, 1) and colours (N, 3) of points (..., 3)."""
        distance, hidden = self._features(points)
        return distance, torch.sigmoid(self.shade(hidden))

    def forward(self, points: Tensor) -> Tensor:
        """The same as :meth:`get_distance`."""
        return self.get_distance(points)

    def get_distance_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, 1) and gradients (N, 3) of points (..., 3), from four neighbours on a tetrahedron.

        sum over its corners k of k f(p + e k), divided by 4 e: exact for linear f.
        """
        points = points.reshape(-1, 3)
        corners = points.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
        values = self.get_distance(points[:, None] + self.epsilon * corners).view(-1, 4)
        return values.mean(1, keepdim=True), values @ corners / (4.0 * self.epsilon)


class PackedSDFRenderer(PackedRenderer):
    """Renders a `GridSurface`; ``cfg`` as of `VolumeSDFRenderer`."""

    shown = "color"

    def __init__(self, cfg: SimpleNamespace, near: float, far: float):
        super().__init__(cfg, near, far)
        self.sharpness = Sharpness(cfg)
        self.stops_early = self.sharpness.conversion != "neus"  # whose opacities need a sample's neighbour

    def ask(self, field: GridSurface, samples: PackedSamples, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Densities (M,) and colours (M, 3) of samples; they do not depend on the directions (P, 3)."""
        distance, color = field.get_distance_color(samples.points)
        return self._density(distance[:, 0], samples), color

    def _density(self, distance: Tensor, samples: PackedSamples) -> Tensor:
        """Densities (M,) of packed samples with signed distances (M,)."""
        if self.sharpness.conversion != "neus":
            return self.sharpness.density(distance)
        s = self.sharpness["s"]
        # NeuS: the opacity of the stretch to the next sample of the same ray, as the density that gives it.
        following = torch.cat((distance[1:], distance[-1:]))
        same = torch.cat((samples.ray[1:] == samples.ray[:-1], samples.ray.new_zeros(1, dtype=torch.bool)))
        cdf, after = torch.sigmoid(s * distance), torch.sigmoid(s * following)
        opacity = torch.where(same, ((cdf - after + 1e-6) / (cdf + 1e-6)).clamp(0.0, 1.0 - 1e-4), 0.0)
        return -torch.log1p(-opacity) / samples.deltas
