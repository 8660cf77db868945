"""Fields that rays ask only in the cells of an occupancy grid, and the rendering of such packed samples."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from a3_volume_surface.occupancy import OccupancyGrid, PackedSamples
from a3_volume_surface.rays import RayBundle, in_chunks

OPAQUE = 1e-3  # of light: what a ray lets through when what is behind no longer counts
FEW = 16  # samples of each ray asked at a time


class PackedField(nn.Module):
    """A field with features on ``grid`` whose samples lie in cells that are not empty.

    Args:
        space: what is there: the occupancy grid of a box, or of contracted space.
        step: between samples, in cells of 1 / 128 of the box.

    Attributes:
        prune_first, prune_every: steps before cells without weight go, and between such times.
        empty: the greatest weight of a sample in a cell that counts as empty.
    """

    prune_first: int
    prune_every = 400
    empty: float

    def __init__(self, space: OccupancyGrid, step: float):
        super().__init__()
        self.occupancy = space
        self.step = step * float((space.bounds[1] - space.bounds[0]).amax()) / 128

    def prune(self, step: int) -> None:
        """After training step ``step``: now and then drop the cells in which no sample has weight."""
        if step == self.prune_first or step > self.prune_first and step % self.prune_every == 0:
            self.occupancy.prune(self.empty, self.occupancy.first_block if step == self.prune_first else 1)

    def groups(self, lr: float) -> list[dict]:
        """Parameter groups of an optimiser: the tables learn faster than the network."""
        tables = {id(p) for p in self.grid.parameters()}
        network = [p for p in self.parameters() if p.requires_grad and id(p) not in tables]
        return [{"params": list(self.grid.parameters()), "lr": lr}, {"params": network, "lr": 0.1 * lr}]


class PackedRenderer(nn.Module):
    """Emission and absorption over the samples of a `PackedField`; what it asks for them is its ``ask``.

    Args:
        cfg: ``chunk_size`` rays at once, ``white_background``.
        near, far: ends of rays, world units.

    Attributes:
        shown: the name under which it gives the colour.
        stops_early: pictures are rendered front to back, rays ending where nothing more shines through.
    """

    shown: str
    stops_early = True

    def __init__(self, cfg: SimpleNamespace, near: float, far: float):
        super().__init__()
        self.chunk_size, self.near, self.far = cfg.chunk_size, near, far
        self.background = 1.0 if cfg.white_background else 0.0
        self.distortion = False  # whether training asks for it
        self.register_buffer("samples_per_ray", torch.zeros(()))  # lately, in training

    def rays_for(self, samples: int, most: int) -> int:
        """How many rays to train on, at most ``most``, to take about ``samples`` samples."""
        return max(1, min(most, int(samples / max(float(self.samples_per_ray), 1.0))))

    def ask(self, field: PackedField, samples: PackedSamples, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Densities (M,) and colours (M, 3) of samples on rays with unit directions (P, 3)."""
        raise NotImplementedError

    def forward(self, sampler, field: PackedField, rays: RayBundle) -> dict[str, Tensor]:
        """Colour (P, 3), ``depth`` (P, 1), ``opacity`` (P, 1) of rays (P,); the field itself says where samples lie."""
        return in_chunks(lambda part: self._render(field, part), rays, self.chunk_size)

    def _render(self, field: PackedField, rays: RayBundle) -> dict[str, Tensor]:
        count = len(rays.origins)
        jitter = torch.rand(count, device=rays.origins.device) if self.training else None
        samples = field.occupancy.march(rays.origins, rays.directions, field.step, self.near, self.far, jitter)
        if not self.training and self.stops_early:
            return self._front_to_back(field, samples, rays)
        density, color = self.ask(field, samples, rays.directions)
        weights, opacity = packed_weights(density, samples.deltas, samples.ray, count)
        if self.training:
            field.occupancy.note(samples.points, weights)
            self.samples_per_ray.copy_(torch.tensor(len(samples.ray) / max(count, 1)))
        values = per_ray(weights, torch.cat((color, samples.lengths[:, None]), 1), samples.ray, count)
        color = values[:, :3] + (1.0 - opacity[:, None]) * self.background
        out = {self.shown: color, "depth": values[:, 3:], "opacity": opacity[:, None]}
        if self.training and self.distortion:
            out["distortion"] = distortion(weights, samples, count)[:, None]
        return out

    def _front_to_back(self, field: PackedField, samples: PackedSamples, rays: RayBundle) -> dict[str, Tensor]:
        """The same, a few samples of each ray at a time; rays that let less than ``OPAQUE`` through have ended."""
        count = len(rays.origins)
        first = torch.bincount(samples.ray, minlength=count).cumsum(0)
        number = torch.arange(len(samples.ray), device=first.device)
        number -= torch.cat((first.new_zeros(1), first))[samples.ray]
        passed = rays.origins.new_ones(count)
        values = rays.origins.new_zeros(count, 4)
        for start in range(0, int(number.amax()) + 1 if len(number) else 0, FEW):
            now = ((number >= start) & (number < start + FEW) & (passed[samples.ray] > OPAQUE)).nonzero()[:, 0]
            if not len(now):
                break
            some = samples[now]
            density, color = self.ask(field, some, rays.directions)
            weights, opacity = packed_weights(density, some.deltas, some.ray, count)
            weights = weights * passed[some.ray]
            values += per_ray(weights, torch.cat((color, some.lengths[:, None]), 1), some.ray, count)
            passed = passed * (1.0 - opacity)
        color = values[:, :3] + passed[:, None] * self.background
        return {self.shown: color, "depth": values[:, 3:], "opacity": 1.0 - passed[:, None]}


def packed_weights(density: Tensor, deltas: Tensor, ray: Tensor, rays: int) -> tuple[Tensor, Tensor]:
    """Weights T (1 - exp(-density delta)) of packed samples, and the opacity of each ray.

    Args:
        density, deltas, ray: (M,), rays ascending.
        rays: how many rays there are, P.

    Returns:
        (M,) and (P,).
    """
    depth = density * deltas
    weights = torch.exp(-sums_before(depth, ray, rays)) * -torch.expm1(-depth)
    opacity = weights.new_zeros(rays).index_add(0, ray, weights)
    return weights, opacity


def sums_before(values: Tensor, ray: Tensor, rays: int) -> Tensor:
    """(M,) sums of the values (M,) of all samples before each one on its ray.

    Differences of a running sum over all rays, in double precision for its length.
    """
    total = values.to(torch.float32 if values.device.type == "mps" else torch.float64).cumsum(0)
    count = torch.bincount(ray, minlength=rays)
    base = torch.cat((total.new_zeros(1), total))[count.cumsum(0) - count]
    return (total - values - base[ray]).to(values.dtype)


def distortion(weights: Tensor, samples: PackedSamples, rays: int) -> Tensor:
    """How far each ray's weight is spread along it, (rays,), in [0, 1): little where it meets one surface.

    Sum over pairs of w_i w_j |s_i - s_j|, and of w_i^2 times a third of the stretch, s = 1 - 1 / (1 + length).
    Source: Barron et al., Mip-NeRF 360, CVPR 2022, eq. 15, its double sum as running sums.
    """
    lengths, half = samples.lengths, 0.5 * samples.deltas
    low, high = (1.0 - 1.0 / (1.0 + (lengths + side).clamp(min=0.0)) for side in (-half, half))
    s = 0.5 * (low + high)
    pairs = weights * (s * sums_before(weights, samples.ray, rays) - sums_before(weights * s, samples.ray, rays))
    each = 2.0 * pairs + weights.square() * (high - low) / 3.0
    return each.new_zeros(rays).index_add(0, samples.ray, each)


def per_ray(weights: Tensor, values: Tensor, ray: Tensor, rays: int) -> Tensor:
    """(P, C) sums of weights (M,) times values (M, C) over each ray's samples."""
    return values.new_zeros(rays, values.shape[1]).index_add(0, ray, weights[:, None] * values)
