"""Losses that make a network a signed distance."""

import torch
from torch import Tensor


def eikonal_loss(gradients: Tensor) -> Tensor:
    """Mean of (|g| - 1)^2 of gradients (N, 3): 0 of a signed distance (Gropp et al., IGR, ICML 2020)."""
    return (gradients.norm(dim=-1) - 1.0).square().mean()


def inter_loss(distances: Tensor) -> Tensor:
    """Mean of exp(-100 |d|) of distances (N, 1) at places off the surface: no surface where none was seen."""
    return torch.exp(-1e2 * distances.abs()).mean()


def sphere_loss(distances: Tensor, points: Tensor, radius: float = 1.0) -> Tensor:
    """Mean squared difference of distances (N, 1) at points (N, 3) from those to a sphere around the origin."""
    return (distances[:, 0] - (points.norm(dim=-1) - radius)).square().mean()


def get_random_points(num_points: int, bounds, device=None) -> Tensor:
    """(num_points, 3) uniform in the box of ``bounds``, (2, 3) lowest and highest corner."""
    low, high = torch.as_tensor(bounds, dtype=torch.float32, device=device)
    return low + torch.rand(num_points, 3, device=device) * (high - low)


def select_random_points(points: Tensor, n_points: int) -> Tensor:
    """(min(n_points, N), 3) of points (N, 3), none twice."""
    return points[torch.randperm(len(points))[:n_points].to(points.device)]
