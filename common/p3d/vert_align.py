"""Features of an image at projected vertices (perceptual feature pooling; Wang et al., Pixel2Mesh, ECCV 2018)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .meshes import Meshes
from .pointclouds import Pointclouds

__all__ = ["vert_align"]


def vert_align(
    feats: Tensor | Sequence[Tensor], verts: Tensor | Meshes | Pointclouds, return_packed: bool = False,
    interp_mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = True,
) -> Tensor:  # fmt: skip
    """Maps (N, C, H, W), one or several, at the x, y of verts (N, V, 3); (-1, -1) is top left, (1, 1) bottom right.

    Returns (N, max V_n, sum of C), or (sum V_n, sum of C) if packed. The last three arguments are `grid_sample`'s.
    Raises a ValueError for other shapes and for batches of unequal size.
    """
    padded = getattr(verts, "verts_padded", getattr(verts, "points_padded", lambda: verts))()
    feats = [feats] if isinstance(feats, Tensor) else list(feats)
    if not isinstance(padded, Tensor) or padded.dim() != 3 or any(f.dim() != 4 or len(f) != len(padded) for f in feats):
        raise ValueError("verts must be (N, V, 3), meshes or clouds, feats (N, C, H, W)")
    grid = padded[:, None, :, :2]
    sampled = [F.grid_sample(f, grid, interp_mode, padding_mode, align_corners)[:, :, 0].mT for f in feats]
    sampled = torch.cat(sampled, 2)
    if not return_packed:
        return sampled
    packed = getattr(verts, "verts_padded_to_packed_idx", getattr(verts, "padded_to_packed_idx", lambda: slice(None)))
    return sampled.flatten(0, 1)[packed()]
