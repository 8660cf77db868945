"""Voxels as a mesh of cubes, as in `pytorch3d.ops.cubify`."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .meshes import Meshes
from .textures import TexturesAtlas

__all__ = ["cubify"]

# The sides of a cube: the step (z, y, x) to the voxel beyond, and two triangles of corners 4 x + 2 y + z.
SIDES = {(0, 0, -1): "012132", (0, 1, 0): "236376", (-1, 0, 0): "026064"}
SIDES |= {(0, -1, 0): "051045", (0, 0, 1): "675654", (1, 0, 0): "173157"}


def cubify(
    voxels: Tensor, thresh: float, *, feats: Tensor | None = None, device: torch.device | str | None = None,
    align: str = "topleft",
) -> Meshes:  # fmt: skip
    """The surface of the cubes of all voxels (N, D, H, W) >= thresh; x runs along W. Cubes share vertices.

    Args:
        feats: (N, K, D, H, W) colours of the voxels, one texel for each face; with align="center" only.
        align: what fits into [-1, 1]: the first and last voxels' centres (`center`), their lower corners (`topleft`),
            or the whole grid (`corner`).

    Raises:
        ValueError: another shape or align, or feats without align="center".
    """
    if align not in ("topleft", "corner", "center"):
        raise ValueError(f"Align mode must be one of (topleft, corner, center), got {align!r}")
    if voxels.dim() != 4 or (feats is not None and align != "center"):
        raise ValueError(f'voxels must be (N, D, H, W), got {tuple(voxels.shape)}, and feats need align="center"')
    voxels = voxels.to(device or voxels.device)
    N, D, H, W = voxels.shape
    full = F.pad(voxels >= thresh, (1, 1, 1, 1, 1, 1))
    beyond = [full[:, 1 + z : 1 + z + D, 1 + y : 1 + y + H, 1 + x : 1 + x + W] for z, y, x in SIDES]
    bare = full[:, 1:-1, 1:-1, 1:-1, None] & ~torch.stack(beyond, 4)
    n, y, x, z, side = bare.permute(0, 2, 3, 1, 4).nonzero().unbind(1)

    # points of the grid are numbered in the order n, y, x, z
    corner = torch.tensor([[int(c) for c in corners] for corners in SIDES.values()], device=voxels.device)[side]
    row, size = D + 1, (H + 1) * (W + 1) * (D + 1)
    point = (n * size + (y * (W + 1) + x) * row + z)[:, None]
    point = point + ((corner >> 1 & 1) * (W + 1) + (corner >> 2)) * row + (corner & 1)
    used = torch.zeros(N * size, dtype=torch.bool, device=voxels.device)
    used[point] = True
    sizes, quads = used.view(N, size).sum(1), torch.bincount(n, minlength=N).tolist()
    faces = (used.cumsum(0) - 1)[point] - (sizes.cumsum(0) - sizes)[n][:, None]
    place = used.nonzero().squeeze(1) % size
    verts = torch.stack((place // row % (W + 1), place // (row * (W + 1)), place % row), 1)
    between = torch.tensor([W, H, D], device=voxels.device) - int(align != "corner")
    verts = (verts - 0.5 * int(align == "center")) * 2 / between.clamp(min=1) - 1
    textures = None
    if feats is not None:
        texels = feats.to(voxels.device)[n, :, z, y, x].repeat_interleave(2, 0)[:, None, None]
        textures = TexturesAtlas(list(texels.split([2 * count for count in quads])))
    return Meshes(verts.split(sizes.tolist()), [part.view(-1, 3) for part in faces.split(quads)], textures)
