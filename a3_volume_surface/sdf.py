"""Signed distances of primitives, and of their unions, intersections and smooth unions.

The forms are those of I. Quilez, "Distance functions" (2008) and "Smooth minimum" (2013).
"""

from types import SimpleNamespace

import torch
from torch import Tensor, nn


def union(*distances: Tensor) -> Tensor:
    """The nearest surface of all: elementwise minimum."""
    return torch.stack(distances).amin(0)


def intersection(*distances: Tensor) -> Tensor:
    """What lies in all: elementwise maximum; a lower bound of the true distance outside."""
    return torch.stack(distances).amax(0)


def difference(one: Tensor, other: Tensor) -> Tensor:
    """What lies in one and not in the other."""
    return torch.maximum(one, -other)


def smooth_union(one: Tensor, other: Tensor, k: float) -> Tensor:
    """The union with its crease filled over a width of about k (polynomial, of degree two); k > 0."""
    blend = (k - (one - other).abs()).clamp(min=0.0) / k
    return torch.minimum(one, other) - 0.25 * k * blend * blend


def _parameter(entry: SimpleNamespace) -> nn.Parameter:
    return nn.Parameter(torch.tensor(entry.val, dtype=torch.float32).reshape(1, -1), requires_grad=entry.opt)


class SphereSDF(nn.Module):
    """|p - center| - radius."""

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        self.center, self.radius = _parameter(cfg.center), _parameter(cfg.radius)

    @property
    def bounds(self) -> Tensor:
        """(2, 3) lowest and highest corner of the box around it."""
        return torch.cat((self.center - self.radius, self.center + self.radius)).detach()

    def forward(self, points: Tensor) -> Tensor:
        """(N, 1) of points (..., 3), N of them."""
        return (points.view(-1, 3) - self.center).norm(dim=-1, keepdim=True) - self.radius


class BoxSDF(nn.Module):
    """An axis-aligned box of full ``side_lengths`` (3,)."""

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        self.center, self.side_lengths = _parameter(cfg.center), _parameter(cfg.side_lengths)

    @property
    def bounds(self) -> Tensor:
        """(2, 3) lowest and highest corner."""
        return torch.cat((self.center - self.side_lengths / 2, self.center + self.side_lengths / 2)).detach()

    def forward(self, points: Tensor) -> Tensor:
        """(N, 1) of points (..., 3)."""
        beyond = (points.view(-1, 3) - self.center).abs() - self.side_lengths / 2.0
        outside = torch.linalg.norm(beyond.clamp(min=0.0), dim=-1, keepdim=True)
        return outside + beyond.amax(-1, keepdim=True).clamp(max=0.0)


class TorusSDF(nn.Module):
    """A torus around the z axis of ``radii`` (major, minor)."""

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        self.center, self.radii = _parameter(cfg.center), _parameter(cfg.radii)

    @property
    def bounds(self) -> Tensor:
        """(2, 3) lowest and highest corner of the box around it."""
        major, minor = self.radii[0]
        reach = torch.stack((major + minor, major + minor, minor))
        return torch.cat((self.center - reach, self.center + reach)).detach()

    def forward(self, points: Tensor) -> Tensor:
        """(N, 1) of points (..., 3)."""
        local = points.view(-1, 3) - self.center
        ring = torch.linalg.norm(local[:, :2], dim=-1) - self.radii[0, 0]
        return (torch.hypot(ring, local[:, 2]) - self.radii[0, 1])[:, None]


class CombinationSDF(nn.Module):
    """Two or more shapes joined: ``operation`` union, intersection, difference or smooth_union (of width ``k``)."""

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        self.operation, self.k = cfg.operation, cfg.k
        self.parts = nn.ModuleList(build_sdf(part) for part in cfg.parts)
        self.register_buffer("center", torch.zeros(1, 3))

    @property
    def bounds(self) -> Tensor:
        """(2, 3) lowest and highest corner of a box around all that can be left."""
        low, high = torch.stack([part.bounds for part in self.parts]).unbind(1)
        if self.operation == "difference":
            return self.parts[0].bounds
        if self.operation == "intersection":
            return torch.stack((low.amax(0), high.amin(0)))
        grown = 0.25 * self.k * (len(self.parts) - 1) if self.operation == "smooth_union" else 0.0
        return torch.stack((low.amin(0) - grown, high.amax(0) + grown))

    def forward(self, points: Tensor) -> Tensor:
        """(N, 1) of points (..., 3)."""
        first, *others = (part(points) for part in self.parts)
        if self.operation in ("union", "intersection"):
            return (union if self.operation == "union" else intersection)(first, *others)
        for other in others:
            first = difference(first, other) if self.operation == "difference" else smooth_union(first, other, self.k)
        return first


def build_sdf(cfg: SimpleNamespace) -> nn.Module:
    """The module that a configuration's ``sdf`` section describes."""
    from a3_volume_surface.primitives import ManyPrimitivesSDF

    modules = {
        "sphere": SphereSDF,
        "box": BoxSDF,
        "torus": TorusSDF,
        "combination": CombinationSDF,
        "many_primitives": ManyPrimitivesSDF,
    }
    return modules[cfg.type](cfg)
