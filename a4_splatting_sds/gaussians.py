"""A scene of Gaussians: their parameters, and how they begin."""

import math

import torch
from torch import Tensor, nn

from a4_splatting_sds.spherical_harmonics import MOST_DEGREE, harmonics_of_colours
from common.p3d import knn_points

FIRST_OPACITY = 0.1


class Gaussians(nn.Module):
    """N Gaussians, their parameters before activation.

    Attributes:
        means: (N, 3) world units.
        log_scales: (N, 3), or (N, 1) where all axes are alike: standard deviations, logarithm of world units.
        quats: (N, 4) rotations, real part first, of any length but 0.
        opacity_logits: (N,).
        sh_dc: (N, 1, 3), sh_rest: (N, (degree + 1)^2 - 1, 3) coefficients of spherical harmonics.

    Raises:
        ValueError: parameters whose shapes do not fit each other.
    """

    NAMES = ("means", "log_scales", "quats", "opacity_logits", "sh_dc", "sh_rest")

    def __init__(self, **parameters: Tensor):
        super().__init__()
        for name in self.NAMES:
            setattr(self, name, nn.Parameter(parameters[name].detach().float().clone()))
        N = len(self.means)
        shapes = {"means": [(N, 3)], "log_scales": [(N, 1), (N, 3)], "quats": [(N, 4)], "opacity_logits": [(N,)]}
        shapes |= {"sh_dc": [(N, 1, 3)], "sh_rest": [(N, (d + 1) ** 2 - 1, 3) for d in range(MOST_DEGREE + 1)]}
        for name, allowed in shapes.items():
            if tuple(getattr(self, name).shape) not in allowed:
                raise ValueError(f"{name} of {N} Gaussians is {tuple(getattr(self, name).shape)}, not {allowed}")
        self.degree = round((1 + self.sh_rest.shape[1]) ** 0.5) - 1

    def __len__(self) -> int:
        return len(self.means)

    @property
    def scales(self) -> Tensor:
        """(N, 3) or (N, 1) standard deviations, world units."""
        return self.log_scales.exp()

    @property
    def opacities(self) -> Tensor:
        """(N,) in (0, 1)."""
        return torch.sigmoid(self.opacity_logits)

    @property
    def harmonics(self) -> Tensor:
        """(N, (degree + 1)^2, 3) coefficients."""
        return torch.cat((self.sh_dc, self.sh_rest), 1)

    @property
    def is_isotropic(self) -> bool:
        """Whether one scale serves all three axes."""
        return self.log_scales.shape[1] == 1

    def tensors(self) -> dict[str, Tensor]:
        """The parameters by name, detached."""
        return {name: getattr(self, name).detach() for name in self.NAMES}

    def at_degree(self, degree: int) -> "Gaussians":
        """The same with harmonics of no more than a degree."""
        return Gaussians(**{**self.tensors(), "sh_rest": self.sh_rest.detach()[:, : (degree + 1) ** 2 - 1]})


def gaussians_at(
    points: Tensor, colours: Tensor, isotropic: bool = False, degree: int = 0, opacity: float = FIRST_OPACITY
) -> Gaussians:
    """Round Gaussians at points (N, 3) of colours (N, 3), as wide as the way to their three nearest neighbours.

    Raises:
        ValueError: fewer than two points.
    """
    N = len(points)
    if N < 2:
        raise ValueError(f"at least two points are needed, got {N}")
    near = knn_points(points[None], points[None], K=min(4, N)).dists[0, :, 1:]
    scale = near.mean(1).clamp(min=1e-7).sqrt()
    quats = torch.zeros(N, 4)
    quats[:, 0] = 1.0
    return Gaussians(
        means=points,
        log_scales=scale.log()[:, None].expand(-1, 1 if isotropic else 3).clone(),
        quats=quats.to(points.device),
        opacity_logits=torch.full_like(scale, math.log(opacity / (1 - opacity))),
        sh_dc=harmonics_of_colours(colours),
        sh_rest=points.new_zeros(N, (degree + 1) ** 2 - 1, 3),
    )


def random_gaussians(
    count: int, bounds: Tensor, isotropic: bool = False, degree: int = 0, generator: torch.Generator | None = None
) -> Gaussians:
    """``count`` Gaussians of random colours all over a box (2, 3), its lowest and highest corner."""
    points = bounds[0] + (bounds[1] - bounds[0]) * torch.rand(count, 3, generator=generator)
    return gaussians_at(points, torch.rand(count, 3, generator=generator), isotropic, degree)
