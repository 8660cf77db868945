"""Density control as sampling: 3D Gaussian Splatting as Markov Chain Monte Carlo (Kheradmand et al., NeurIPS 2024).

Gaussians that have become faint move to where opaque ones are, a few are added until there are enough, and places are
jittered, the more the fainter a Gaussian is. What moves changes the picture as little as can be (eq. 9).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.projection import compute_cov_3D
from a4_splatting_sds.regrow import regrow

MOST_TIMES = 51  # that one Gaussian stands in for others


@dataclass(frozen=True)
class MonteCarlo:
    """When and how Gaussians move.

    Attributes:
        start, stop: shares of the run between which it happens. every: steps between.
        faint: opacity below which one moves. growth: share that is added each time. most: Gaussians, at most.
        noise: of places, in covariances over the scene's extent, at the peak rate.
        opacity, scale: weights of the terms that make Gaussians that are not needed fade and shrink.
    """

    start: float = 0.03
    stop: float = 0.85
    every: int = 100
    faint: float = 0.005
    growth: float = 0.05
    most: int = 50_000
    noise: float = 80.0
    opacity: float = 0.01
    scale: float = 0.01


def shared_opacity(opacities: Tensor, times: Tensor) -> Tensor:
    """Opacity (N,) of each of ``times`` (N,) Gaussians that together cover as much as one of these: eq. 9."""
    return 1.0 - (1.0 - opacities) ** (1.0 / times)


def shared_scale(opacities: Tensor, shared: Tensor, times: Tensor) -> Tensor:
    """By what scales (N,) of these Gaussians are multiplied, so that their sum is as wide as the one: eq. 9.

    Args:
        opacities: (N,) of the one. shared: (N,) of each of its ``times`` (N,), at most 51.
    """
    total = torch.zeros_like(opacities)
    for i in range(1, int(times.max()) + 1):
        for k in range(i):
            term = math.comb(i - 1, k) * (-1) ** k / math.sqrt(k + 1) * shared ** (k + 1)
            total += torch.where(times >= i, term, 0.0)
    return opacities / total


@torch.no_grad()
def relocate(gaussians: Gaussians, optimizer: torch.optim.Optimizer, control: MonteCarlo) -> None:
    """Move faint Gaussians to opaque ones, drawn by opacity, and add a few."""
    N, opacities = len(gaussians), gaussians.opacities.double()
    faint = opacities <= control.faint
    if bool(faint.all()):
        return
    added = min(control.most, int((1 + control.growth) * N)) - N
    moved = int(faint.sum()) + max(0, added)
    if not moved:
        return
    chosen = torch.multinomial(torch.where(faint, 0.0, opacities), moved, replacement=True)
    times = (1 + torch.bincount(chosen, minlength=N)).clamp(max=MOST_TIMES).double()
    shared = shared_opacity(opacities, times).clamp(control.faint, 1 - 1e-6)
    wider = shared_scale(opacities, shared, times)
    index = torch.cat((torch.arange(N, device=chosen.device), chosen[: moved - int(faint.sum())]))
    index[:N][faint] = chosen[moved - int(faint.sum()) :]
    changed = times[index] > 1
    logits = torch.where(changed, torch.logit(shared)[index].float(), gaussians.opacity_logits[index])
    log_scales = gaussians.log_scales[index] + torch.where(changed, wider[index].log().float(), 0.0)[:, None]
    regrow(gaussians, optimizer, index, changed, {"opacity_logits": logits, "log_scales": log_scales})


@torch.no_grad()
def jitter(gaussians: Gaussians, control: MonteCarlo, extent: float, share: float) -> None:
    """Move places by noise along the Gaussians' own axes; opaque ones stay.

    Args:
        extent: of the scene, world units. share: of the peak learning rate that is in force.
    """
    weight = torch.sigmoid(-100.0 * (gaussians.opacities - 0.005))
    some = (weight > 1e-4).nonzero()[:, 0]
    cov = compute_cov_3D(gaussians.quats[some], gaussians.scales[some])
    noise = (
        torch.randn(len(some), 3, 1, device=some.device) * weight[some, None, None] * (control.noise * share / extent)
    )
    gaussians.means.index_add_(0, some, (cov @ noise)[:, :, 0])


def sparseness(gaussians: Gaussians, control: MonteCarlo) -> Tensor:
    """The term that lets Gaussians which are not needed fade and shrink."""
    return control.opacity * gaussians.opacities.mean() + control.scale * gaussians.scales.mean()
