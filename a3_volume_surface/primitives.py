"""A scene of hundreds of primitives, and its signed distance computed from those alone that can be nearest."""

import math
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from common.p3d import random_rotations

CELLS = 24  # of the culling grid, along each side
KINDS = 3  # spheres, boxes with rounded edges, tori


class ManyPrimitivesSDF(nn.Module):
    """The union of ``count`` spheres, rounded boxes and tori, turned and placed at random in a cube around the origin.

    Asked for a point, it looks up the point's cell in a grid and computes the distances of those primitives alone that
    can be nearest somewhere in the cell. A signed distance changes by no more than the way that one goes, so these are
    the ones whose distance from the cell's middle is within the cell's diagonal of the least. The result is the same as
    that of all primitives, to the last bit.

    Args:
        cfg: ``count``, ``seed``.
    """

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        generator = torch.Generator().manual_seed(cfg.seed)
        count = cfg.count
        side = math.ceil(count ** (1 / 3))
        spots = (torch.arange(side) + 0.5) / side * 2 - 1
        spots = torch.cartesian_prod(spots, spots, spots)[torch.randperm(side**3, generator=generator)[:count]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cfg.seed)
            self.register_buffer("turn", random_rotations(count))
        jitter, size = torch.rand(2, count, 3, generator=generator)
        self.register_buffer("center", torch.zeros(1, 3))
        self.register_buffer("place", 1.2 * (spots + (jitter - 0.5) / side))
        self.register_buffer("kind", torch.arange(count) % KINDS)
        self.register_buffer("size", (0.35 + 0.45 * size) / side)
        self.register_buffer("color", 0.2 + 0.75 * torch.rand(count, 3, generator=generator))
        reach = self.size.norm(dim=1, keepdim=True) * 1.2
        self.register_buffer("bounds", torch.stack(((self.place - reach).amin(0), (self.place + reach).amax(0))))
        self.culling = True
        self._make_grid()

    @torch.no_grad()
    def _make_grid(self) -> None:
        low, high = self.bounds
        cell = (high - low) / CELLS
        spots = torch.stack(torch.meshgrid(*[torch.arange(CELLS) + 0.5] * 3, indexing="ij"), -1).view(-1, 3)
        middles = low + spots * cell
        nearest, candidates = [], []
        for part in middles.split(512):
            distances = self._all(part)
            nearest.append(distances.amin(1))
            candidates.append(distances <= nearest[-1][:, None] + cell.norm() + 1e-5)
        marks = torch.cat(candidates)
        count = marks.sum(1)
        self.register_buffer("count", count)
        self.register_buffer("first", count.cumsum(0) - count)
        self.register_buffer("candidates", marks.nonzero()[:, 1])

    def _distances(self, points: Tensor, number: Tensor) -> Tensor:
        """(M,) distances of points (M, 3), each to the primitive (M,) of that number."""
        place, size = self.place[number], self.size[number].to(points.dtype)
        local = torch.linalg.vecdot((points - place)[:, None], self.turn[number].to(points.dtype).transpose(1, 2))
        sphere = local.norm(dim=1) - size[:, 0]
        beyond = local.abs() - 0.8 * size
        box = beyond.clamp(min=0.0).norm(dim=1) + beyond.amax(1).clamp(max=0.0) - 0.1 * size[:, 0]
        ring = local[:, :2].norm(dim=1) - 0.8 * size[:, 0]
        torus = torch.hypot(ring, local[:, 2]) - 0.3 * size[:, 1]
        kind = self.kind[number]
        return torch.where(kind == 0, sphere, torch.where(kind == 1, box, torus))

    def _all(self, points: Tensor) -> Tensor:
        """(N, P) distances of points (N, 3) to all primitives."""
        count = len(self.place)
        number = torch.arange(count, device=points.device).repeat(len(points))
        return self._distances(points.repeat_interleave(count, 0), number).view(len(points), count)

    def _nearest(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distance (N,) and number (N,) of the primitive nearest to points (N, 3)."""
        if not self.culling:
            parts = [self._all(part).min(1) for part in points.split(max(1, 2**21 // len(self.place)))]
            return torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])
        low, high = self.bounds.to(points.dtype)
        inside = torch.minimum(torch.maximum(points, low), high)
        index = ((inside - low) / (high - low) * CELLS).long().clamp(0, CELLS - 1)
        cell = (index[:, 0] * CELLS + index[:, 1]) * CELLS + index[:, 2]
        count = self.count[cell]
        owner = torch.repeat_interleave(torch.arange(len(points), device=points.device), count)
        start = count.cumsum(0) - count
        number = self.candidates[(self.first[cell] - start)[owner] + torch.arange(len(owner), device=points.device)]
        distances = self._distances(inside[owner], number)
        nearest = distances.new_full((len(points),), torch.inf).scatter_reduce(0, owner, distances, "amin")
        best = torch.empty_like(cell)
        best[owner[distances == nearest[owner]]] = number[distances == nearest[owner]]
        way = (points - inside).norm(dim=1)  # from outside to the grid, in which all primitives lie
        return torch.where(way > 0, torch.maximum(way, nearest - way), nearest), best

    def forward(self, points: Tensor) -> Tensor:
        """(N, 1) of points (..., 3): exact in the bounds; outside them a lower bound, a third of it at least."""
        return self._nearest(points.reshape(-1, 3))[0][:, None]

    def get_color(self, points: Tensor) -> Tensor:
        """(N, 3) colours of the primitives nearest to points (..., 3)."""
        return self.color[self._nearest(points.reshape(-1, 3))[1]]
