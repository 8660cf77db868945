"""Adaptive density control (Kerbl et al., 2023, section 5): Gaussians are added where the pictures ask for more."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.projection import Pinhole
from a4_splatting_sds.regrow import forget, regrow
from a4_splatting_sds.scene import Splats
from common.p3d import quaternion_to_matrix


@dataclass(frozen=True)
class DensityControl:
    """When and how Gaussians are added and removed.

    Attributes:
        start, stop: shares of the run between which it happens. every: steps between.
        gradient: mean length of a centre's gradient in the picture (in halves of the picture's sides) above which a
            Gaussian is not enough. large: in shares of the scene's extent, above which it is split, not doubled.
        faint: opacity below which it is removed. huge: share of the extent above which it is removed.
        reset_every: share of the run after which opacities fall to ``reset_to``, from which what matters rises again.
        most: Gaussians, at most.
    """

    start: float = 0.05
    stop: float = 0.6
    every: int = 100
    gradient: float = 2e-4
    large: float = 0.01
    faint: float = 0.005
    huge: float = 0.5
    reset_every: float = 0.3
    reset_to: float = 0.02
    most: int = 50_000


class SeenGradients(nn.Module):
    """How long the gradients of the centres in pictures were, since the last time Gaussians were added.

    Attributes:
        total: (N,) lengths added. count: (N,) in how many pictures each was seen.
    """

    def __init__(self, count: int):
        super().__init__()
        self.clear(count, torch.device("cpu"))

    def clear(self, count: int, device: torch.device) -> None:
        """Begin anew with a number of Gaussians."""
        for name in ("total", "count"):
            self.register_buffer(name, torch.zeros(count, device=device))

    @torch.no_grad()
    def add(self, splats: Splats, camera: Pinhole, pictures: int = 1) -> None:
        """Count what the backward pass left in ``splats.means_2D.grad``, of a loss that is a mean over ``pictures``."""
        half = pictures * splats.means_2D.new_tensor([camera.size[1], camera.size[0]]) / 2
        lengths = (splats.means_2D.grad * half).norm(dim=1)
        seen = lengths > 0
        self.total.index_add_(0, splats.index[seen], lengths[seen])
        self.count.index_add_(0, splats.index[seen], torch.ones_like(lengths[seen]))


@torch.no_grad()
def densify(
    gaussians: Gaussians,
    optimizer: torch.optim.Optimizer,
    gradients: SeenGradients,
    control: DensityControl,
    extent: float,
) -> None:
    """Double small Gaussians that are pulled hard, split large ones in two, remove faint and huge ones.

    Args:
        extent: of the scene, world units.
    """
    pull = gradients.total / gradients.count.clamp(min=1)
    widest = gaussians.scales.amax(1)
    kept = (gaussians.opacities > control.faint) & (widest < control.huge * extent)
    if not kept.any():  # nothing would be left to train
        return
    room = max(0, control.most - int(kept.sum()))
    hardest = torch.where(kept & (pull > control.gradient), pull, -1.0).topk(min(room, len(pull)))
    pulled = torch.zeros_like(kept)
    pulled[hardest.indices[hardest.values > 0]] = True
    split = pulled & (widest > control.large * extent)
    doubled = pulled & ~split
    parts = [(kept & ~split).nonzero()[:, 0], doubled.nonzero()[:, 0], split.nonzero()[:, 0].repeat(2)]
    index = torch.cat(parts)
    halves = torch.arange(len(index), device=index.device) >= len(parts[0]) + len(parts[1])
    fresh = torch.arange(len(index), device=index.device) >= len(parts[0])
    means, log_scales = gaussians.means[index], gaussians.log_scales[index]
    means[halves] += _draws(gaussians, index[halves])
    log_scales[halves] -= math.log(1.6)
    regrow(gaussians, optimizer, index, fresh, {"means": means, "log_scales": log_scales})
    gradients.clear(len(gaussians), index.device)


def reset_opacities(gaussians: Gaussians, optimizer: torch.optim.Optimizer, to: float) -> None:
    """Let no opacity be above a value."""
    most = math.log(to / (1 - to))
    forget(optimizer, "opacity_logits", gaussians.opacity_logits.detach().clamp(max=most))


def _draws(gaussians: Gaussians, index: Tensor) -> Tensor:
    """Offsets (M, 3) drawn from Gaussians (M,) themselves."""
    local = torch.randn(len(index), 3, device=index.device) * gaussians.scales[index]
    if gaussians.is_isotropic:
        return local
    R = quaternion_to_matrix(nn.functional.normalize(gaussians.quats[index], dim=1))
    return (R @ local[:, :, None])[:, :, 0]
