"""Emission and absorption along rays (Max, TVCG 1995): weights, colour, depth, opacity and normals.

A ray is cut into stretches of constant density, so that what is rendered is the exact integral over them.
"""

import torch
from torch import Tensor


def transmittance(densities: Tensor, deltas: Tensor) -> Tensor:
    """Share of light that passes all of the stretches before each one: (..., S) of (..., S) each, T_1 = 1.

    T_i = exp(-sum over j < i of density_j delta_j).
    """
    depth = (densities * deltas).cumsum(-1)
    return torch.exp(-torch.cat((torch.zeros_like(depth[..., :1]), depth[..., :-1]), -1))


def compute_weights(densities: Tensor, deltas: Tensor) -> Tensor:
    """T_i (1 - exp(-density_i delta_i)): (..., S) of (..., S) each, lengths of stretches in world units."""
    return transmittance(densities, deltas) * -torch.expm1(-densities * deltas)


def opacity_weights(opacities: Tensor) -> Tensor:
    """alpha_i prod over j < i of (1 - alpha_j): (..., S) of (..., S) opacities in [0, 1]."""
    passed = torch.cumprod(1.0 - opacities, -1)
    return opacities * torch.cat((torch.ones_like(passed[..., :1]), passed[..., :-1]), -1)


def aggregate(weights: Tensor, values: Tensor) -> Tensor:
    """Weighted sum over samples: (..., C) of weights (..., S) and values (..., S, C)."""
    return (weights[..., None] * values).sum(-2)


def interval_lengths(lengths: Tensor, far: float | Tensor | None = None) -> Tensor:
    """Lengths (..., S) of the stretches from each sample (..., S) to the next; the last ends at ``far``, or never."""
    last = torch.full_like(lengths[..., :1], 1e10) if far is None else far - lengths[..., -1:]
    return torch.cat((lengths[..., 1:] - lengths[..., :-1], last), -1)
