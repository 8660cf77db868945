"""Places to ask an occupancy for: half of them where the shape's surface is, weighted as if drawn everywhere alike."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def draw_places(
    voxels: Tensor, fine: Tensor, count: int, generator: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw places of the cube [-1/2, 1/2]^3: about half anywhere, half in filled cells and those beside them.

    Voxels say where, finer cells what is true: a thin part fills whole voxels, which places hit. Weighted means over
    the places are those over the whole cube: unweighted, the places near a shape would say where it is likely to be,
    and the occupancy learnt from them would be too thick.

    Args:
        voxels: (B, R, R, R) bool, by x, y, z, which say where a shape is. fine: (B, F, F, F) bool, what is asked.

    Returns:
        Places (B, count, 3), whether their fine cells are filled (B, count) bool, and weights (B, count) with mean 1
        over all draws.
    """
    B, R = voxels.shape[:2]
    near = functional.max_pool3d(voxels[:, None].float(), 3, 1, 1)[:, 0].flatten(1) > 0
    number = near.sum(1, keepdim=True).clamp(min=1)
    anywhere = torch.from_numpy(generator.integers(R**3, size=(B, count)))
    order = near.to(torch.uint8).argsort(1, descending=True)  # the cells that are near come first
    beside = order.gather(1, (torch.from_numpy(generator.random((B, count))) * number).long())
    cell = torch.where(torch.from_numpy(generator.random((B, count)) < 0.5), anywhere, beside)
    places = torch.stack((cell // R**2, cell // R % R, cell % R), 2) + torch.from_numpy(generator.random((B, count, 3)))
    weights = 1.0 / (0.5 + 0.5 * near.gather(1, cell) * R**3 / number)
    F = fine.shape[1]
    places = (places / R - 0.5).float()
    x, y, z = ((places + 0.5) * F).long().clamp(max=F - 1).unbind(2)
    inside = fine.flatten(1).gather(1, (x * F + y) * F + z)
    return places, inside, weights.float()
