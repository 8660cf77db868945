"""Fields that networks describe: radiance (NeRF), and signed distance with colour."""

import math
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional

from a3_volume_surface.rays import RayBundle
from common.p3d import HarmonicEmbedding


class MLPWithInputSkips(nn.Module):
    """Linear layers with an activation after each; the input joins again before the layers ``skips``."""

    def __init__(self, layers: int, input_dim: int, hidden: int, skips=(), activation: nn.Module | None = None):
        super().__init__()
        sizes = [input_dim if i == 0 else hidden + (input_dim if i in skips else 0) for i in range(layers)]
        self.layers = nn.ModuleList(nn.Linear(size, hidden) for size in sizes)
        self.skips, self.activation = set(skips), activation or nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(..., hidden) of x (..., input_dim)."""
        y = x
        for index, layer in enumerate(self.layers):
            y = self.activation(layer(torch.cat((y, x), -1) if index in self.skips and index else y))
        return y


class RadianceMLP(nn.Module):
    """Density and colour of points and directions: one of the two networks of NeRF (Mildenhall et al., ECCV 2020)."""

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        self.embed_xyz = HarmonicEmbedding(cfg.n_harmonic_functions_xyz)
        self.embed_dir = HarmonicEmbedding(cfg.n_harmonic_functions_dir)
        hidden, narrow = cfg.n_hidden_neurons_xyz, cfg.n_hidden_neurons_dir
        self.trunk = MLPWithInputSkips(cfg.n_layers_xyz, self.embed_xyz.get_output_dim(3), hidden, cfg.append_xyz)
        self.density = nn.Linear(hidden, 1)
        nn.init.constant_(self.density.bias, 0.5)  # ReLU: a field that begins empty everywhere never learns
        directional = self.embed_dir.get_output_dim(3) if cfg.view_dependence else 0
        self.feature = nn.Linear(hidden, hidden)
        self.color = nn.Sequential(
            nn.Linear(hidden + directional, narrow), nn.ReLU(), nn.Linear(narrow, 3), nn.Sigmoid()
        )
        self.view_dependence, self.noise = cfg.view_dependence, cfg.density_noise_std

    def forward(self, points: Tensor, directions: Tensor, ray: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Densities (P, S) and colours (P, S, 3) of points (P, S, 3) and unit directions (P, 3).

        Args:
            ray: (M,) whose samples they are, where points are packed, (M, 3); the results are (M,) and (M, 3) then.
        """
        hidden = self.trunk(self.embed_xyz(points))
        raw = self.density(hidden)[..., 0]
        if self.training and self.noise > 0:
            raw = raw + self.noise * torch.randn_like(raw)
        # The first layer of the colour is linear: the directions' part of it is computed once a ray, not once a sample.
        first = self.color[0]
        width = self.feature.out_features
        shade = functional.linear(self.feature(hidden), first.weight[:, :width], first.bias)
        if self.view_dependence:
            of_ray = functional.linear(self.embed_dir(directions), first.weight[:, width:])
            shade = shade + (of_ray[:, None] if ray is None else of_ray.index_select(0, ray))
        return functional.relu(raw), self.color[1:](shade)


class NeuralRadianceField(nn.Module):
    """NeRF: a field, and with ``two_passes`` another one for the first pass."""

    def __init__(self, cfg: SimpleNamespace, two_passes: bool = False):
        super().__init__()
        self.fine = RadianceMLP(cfg)
        self.first = RadianceMLP(cfg) if two_passes else None

    @staticmethod
    def _ask(field: RadianceMLP, rays: RayBundle) -> dict[str, Tensor]:
        density, color = field(rays.sample_points, rays.directions)
        return {"density": density, "feature": color}

    def forward(self, rays: RayBundle) -> dict[str, Tensor]:
        """``density`` (P, S) and ``feature`` (P, S, 3) of rays (P,) with S samples."""
        return self._ask(self.fine, rays)

    @property
    def coarse(self):
        """The field of the first pass."""
        return (lambda rays: self._ask(self.first, rays)) if self.first is not None else None


class NeuralSurface(nn.Module):
    """Signed distance and colour of points, of a network that starts as the distance to a sphere.

    Softplus of sharpness 100 and the initial weights of Atzmon and Lipman (SAL, CVPR 2020); the harmonic embedding's
    waves start with weight 0, as in VolSDF (Yariv et al., NeurIPS 2021).
    """

    def __init__(self, cfg: SimpleNamespace, radius: float = 1.0):
        super().__init__()
        self.embed = HarmonicEmbedding(cfg.n_harmonic_functions_xyz)
        size, hidden = self.embed.get_output_dim(3), cfg.n_hidden_neurons_distance
        self.trunk = MLPWithInputSkips(
            cfg.n_layers_distance, size, hidden, cfg.append_distance, nn.Softplus(beta=100.0)
        )
        self.distance = nn.Linear(hidden, 1)
        self.shade = MLPWithInputSkips(cfg.n_layers_color, hidden + size, cfg.n_hidden_neurons_color, cfg.append_color)
        self.color = nn.Linear(cfg.n_hidden_neurons_color, 3)
        self._start_as_sphere(radius)

    @torch.no_grad()
    def _start_as_sphere(self, radius: float) -> None:
        waves = self.embed.get_output_dim(3) - 3
        for index, layer in enumerate(self.trunk.layers):
            skip = index > 0 and index in self.trunk.skips
            # What joins again is as long as what comes from the layer before: half the variance keeps the length.
            nn.init.normal_(layer.weight, 0.0, math.sqrt((1.0 if skip else 2.0) / layer.out_features))
            nn.init.zeros_(layer.bias)
            if index == 0 or skip:
                layer.weight[:, layer.in_features - waves - 3 : layer.in_features - 3] = 0.0
        nn.init.normal_(self.distance.weight, math.sqrt(math.pi / self.distance.in_features), 1e-5)
        nn.init.constant_(self.distance.bias, -radius)

    def _hidden(self, points: Tensor) -> tuple[Tensor, Tensor]:
        embedded = self.embed(points.reshape(-1, 3))
        return embedded, self.trunk(embedded)

    def _color(self, embedded: Tensor, hidden: Tensor) -> Tensor:
        return torch.sigmoid(self.color(self.shade(torch.cat((hidden, embedded), -1))))

    def get_distance(self, points: Tensor) -> Tensor:
        """(N, 1) of points (..., 3), N of them."""
        return self.distance(self._hidden(points)[1])

    def get_color(self, points: Tensor) -> Tensor:
        """(N, 3) in [0, 1] of points (..., 3)."""
        return self._color(*self._hidden(points))

    def get_distance_color(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, 1) and colours (N, 3) of points (..., 3), the trunk computed once."""
        embedded, hidden = self._hidden(points)
        return self.distance(hidden), self._color(embedded, hidden)

    def forward(self, points: Tensor) -> Tensor:
        """The same as :meth:`get_distance`."""
        return self.get_distance(points)

    def get_distance_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N, 1) and their gradients (N, 3), which carry gradients themselves where autograd is on."""
        keep = torch.is_grad_enabled()
        with torch.enable_grad():
            points = points.reshape(-1, 3).detach().requires_grad_()
            distance = self.get_distance(points)
            gradient = torch.autograd.grad(distance.sum(), points, create_graph=keep)[0]
        return distance, gradient
