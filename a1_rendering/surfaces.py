"""Surfaces, each as a parametric function, as an implicit one, or as both."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

Parametric = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
Implicit = Callable[[Tensor, Tensor, Tensor], Tensor]

R, r = 1.0, 0.4  # of the torus: to the tube's middle, of the tube
A, B, C, M, N = 1.0, 1.0, 1.0, 0.4, 0.6  # of the superquadric: semi-axes, exponents


@dataclass(frozen=True)
class Surface:
    """A surface around the origin.

    Attributes:
        equation: as it is printed.
        parametric: (u, v) -> x, y, z, of tensors of one shape. u, v: their ranges.
        implicit: (x, y, z) -> values, 0 on the surface, negative inside. reach: half the side of a cube around it.
    """

    equation: str
    parametric: Parametric | None = None
    u: tuple[float, float] = (0.0, 2 * pi)
    v: tuple[float, float] = (0.0, 2 * pi)
    implicit: Implicit | None = None
    reach: float = 1.5

    def points(self, num_samples: int) -> Tensor:
        """Points (num_samples^2, 3) over an even grid of u and v."""
        u, v = (torch.linspace(*ends, num_samples) for ends in (self.u, self.v))
        return torch.stack(torch.broadcast_tensors(*self.parametric(*torch.meshgrid(u, v, indexing="ij"))), -1).view(
            -1, 3
        )

    def volume(self, resolution: int) -> Tensor:
        """About the distance (D, H, W), in cells, of the corners of a grid over the cube, by z, y, x.

        It is the value over its slope: to this, linear interpolation between corners finds the surface well even where
        the value grows with a power of the distance.
        """
        axis = torch.linspace(-self.reach, self.reach, resolution)
        z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
        value = self.implicit(x, y, z)
        slope = torch.stack(torch.gradient(value)).norm(dim=0)
        return value / slope.clamp(min=1e-12)


def _torus(u, v):
    ring = R + r * torch.cos(v)
    return ring * torch.cos(u), ring * torch.sin(u), r * torch.sin(v)


def _superellipse(t: Tensor, exponent: float) -> tuple[Tensor, Tensor]:
    """(cos^e, sin^e) of the superellipse at the direction t: even in t, where cos and sin to the e would leave gaps."""
    c, s = torch.cos(t), torch.sin(t)
    scale = (c.abs().pow(2 / exponent) + s.abs().pow(2 / exponent)).pow(-exponent / 2)
    return c * scale, s * scale


def _superquadric(u, v):
    (ring, height), (x, y) = _superellipse(u, M), _superellipse(v, N)
    return A * ring * x, B * ring * y, C * height


def _superquadric_value(x, y, z):
    flat = (x.abs() / A).pow(2 / N) + (y.abs() / B).pow(2 / N)
    return flat.pow(N / M) + (z.abs() / C).pow(2 / M) - 1


def _mobius(u, v):
    ring = 1 + 0.5 * v * torch.cos(u / 2)
    return ring * torch.cos(u), 0.5 * v * torch.sin(u / 2), ring * torch.sin(u)


def _klein(u, v):
    """The figure-8 immersion."""
    bulge = torch.cos(u / 2) * torch.sin(v) - torch.sin(u / 2) * torch.sin(2 * v)
    height = torch.sin(u / 2) * torch.sin(v) + torch.cos(u / 2) * torch.sin(2 * v)
    ring = 1 + 0.45 * bulge
    return ring * torch.cos(u), 0.45 * height, ring * torch.sin(u)


def _trefoil(u, v):
    """A tube around the trefoil knot, in the frame of its tangent and of +z."""

    def knot(t):
        return torch.stack(
            (torch.sin(t) + 2 * torch.sin(2 * t), torch.cos(t) - 2 * torch.cos(2 * t), -torch.sin(3 * t)), -1
        )

    tangent = torch.nn.functional.normalize(knot(u + 1e-3) - knot(u - 1e-3), dim=-1)
    across = torch.nn.functional.normalize(
        torch.linalg.cross(tangent, tangent.new_tensor([0.0, 0.0, 1.0]).expand_as(tangent)), dim=-1
    )
    rise = torch.linalg.cross(across, tangent)
    tube = knot(u) + 0.42 * (torch.cos(v)[..., None] * across + torch.sin(v)[..., None] * rise)
    x, y, z = (tube * 0.4).unbind(-1)
    return x, z, y


def _seashell(u, v):
    """A tube that grows as it winds up."""
    grow = torch.exp(u / (6 * pi))
    ring = grow * (1 + torch.cos(v))
    return 0.35 * ring * torch.cos(u), 0.9 - 0.35 * grow * (1.2 * torch.sin(v) + 1.6), 0.35 * ring * torch.sin(u)


def _helicoid(u, v):
    return v * torch.cos(u), 0.28 * (u - 2 * pi), v * torch.sin(u)


def _enneper(u, v):
    return u - u**3 / 3 + u * v**2, u**2 - v**2, v - v**3 / 3 + v * u**2


SURFACES = {
    "torus": Surface(
        "(R - sqrt(x^2 + y^2))^2 + z^2 = r^2",
        _torus,
        implicit=lambda x, y, z: (R - torch.hypot(x, y)) ** 2 + z**2 - r**2,
        reach=1.6,
    ),
    "superquadric": Surface(
        "(|x/a|^(2/n) + |y/b|^(2/n))^(n/m) + |z/c|^(2/m) = 1",
        _superquadric,
        u=(-pi / 2, pi / 2),
        implicit=_superquadric_value,
        reach=1.2,
    ),
    "sphere": Surface(
        "x^2 + y^2 + z^2 = 1",
        lambda u, v: (torch.sin(u) * torch.cos(v), torch.cos(u), torch.sin(u) * torch.sin(v)),
        u=(0.0, pi),
        implicit=lambda x, y, z: x**2 + y**2 + z**2 - 1,
        reach=1.2,
    ),
    "mobius": Surface("a strip with half a twist", _mobius, v=(-1.0, 1.0)),
    "klein": Surface("the figure-8 Klein bottle", _klein),
    "trefoil": Surface("a tube around the trefoil knot", _trefoil),
    "seashell": Surface("a growing tube on a spiral", _seashell, u=(0.0, 4 * pi)),
    "helicoid": Surface("(v cos u, u / 4, v sin u)", _helicoid, u=(0.0, 4 * pi), v=(-1.0, 1.0)),
    "enneper": Surface("(u - u^3/3 + u v^2, u^2 - v^2, v - v^3/3 + v u^2)", _enneper, u=(-1.4, 1.4), v=(-1.4, 1.4)),
    "heart": Surface(
        "(x^2 + 9/4 z^2 + y^2 - 1)^3 = (x^2 + 9/80 z^2) y^3",
        implicit=lambda x, y, z: (x**2 + 2.25 * z**2 + y**2 - 1) ** 3 - (x**2 + 9 / 80 * z**2) * y**3,
        reach=1.35,
    ),
    "gyroid": Surface(
        "|sin x cos y + sin y cos z + sin z cos x| = 0.3, in a ball, the rim rounded",
        implicit=lambda x, y, z: _rounded_maximum(
            _gyroid(4 * x, 4 * y, 4 * z).abs() - 0.3, 4 * ((x**2 + y**2 + z**2).sqrt() - 1.2), 0.2
        ),
        reach=1.35,
    ),
    "tanglecube": Surface(
        "x^4 - 5 x^2 + y^4 - 5 y^2 + z^4 - 5 z^2 + 11.8 = 0",
        implicit=lambda x, y, z: sum((2.1 * w) ** 4 - 5 * (2.1 * w) ** 2 for w in (x, y, z)) + 11.8,
        reach=1.3,
    ),
    "genus2": Surface(
        "2 y (y^2 - 3 x^2)(1 - z^2) + (x^2 + y^2)^2 = (9 z^2 - 1)(1 - z^2)",
        implicit=lambda x, y, z: _genus2(1.6 * x, 1.6 * y, 1.6 * z),
        reach=1.35,
    ),
}


def _gyroid(x, y, z):
    return torch.sin(x) * torch.cos(y) + torch.sin(y) * torch.cos(z) + torch.sin(z) * torch.cos(x)


def _rounded_maximum(a: Tensor, b: Tensor, width: float) -> Tensor:
    return 0.5 * (a + b + ((a - b) ** 2 + width**2).sqrt())


def _genus2(x, y, z):
    return 2 * y * (y**2 - 3 * x**2) * (1 - z**2) + (x**2 + y**2) ** 2 - (9 * z**2 - 1) * (1 - z**2)


def names(kind: str) -> list[str]:
    """The surfaces that have a ``parametric`` or an ``implicit`` form."""
    return [name for name, surface in SURFACES.items() if getattr(surface, kind) is not None]
