"""Looking up texels in images of unequal size: bilinear, nearest, and between levels of ever smaller images."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .interpolate import sample_grids

__all__: list[str] = []


def sample_images(
    images: Sequence[Tensor],
    uv: Tensor,
    mesh: Tensor | None,
    part: Tensor | None,
    mode: str,
    align_corners: bool,
    padding_mode: str,
    footprint: Tensor | None = None,
) -> Tensor:
    """(M, C) texels at uv (M, 2), u to the right, v up.

    Args:
        images: of each mesh (H, W, C), or a set (S, H, W, C).
        mesh: (M,), whose image, None if there is one mesh. part: (M,), which of the set.
        mode: "bilinear" or "nearest".
        footprint: (M,), shares of the image's side that a pixel covers: picks and mixes levels of a pyramid.
    """
    if footprint is None:
        return _sample(images, uv, mesh, part, mode, align_corners, padding_mode)
    kinds = list({id(image): image for image in images}.values())
    side = max(max(image.shape[-3:-1]) for image in kinds)
    level = (footprint * side).clamp(min=1.0).log2().clamp(max=math.log2(side))
    out = uv.new_zeros(len(uv), images[0].shape[-1])
    for step in range(int(level.max().ceil()) + 1 if len(level) else 0):
        weight = (1.0 - (level - step).abs()).clamp(min=0.0)
        used = (weight > 0).nonzero().squeeze(1)
        if len(used):
            shrunk = {id(image): _shrunk(image, step) for image in kinds}
            level_images = [shrunk[id(image)] for image in images]
            mesh_used, part_used = (None if t is None else t[used] for t in (mesh, part))
            texels = _sample(level_images, uv[used], mesh_used, part_used, mode, align_corners, padding_mode)
            out = out.index_add(0, used, texels * weight[used, None])
    return out


def _shrunk(image: Tensor, level: int) -> Tensor:
    """The image at 1 / 2^level of its size, at least 1 texel, by averaging."""
    if level == 0:
        return image
    *rest, height, width, channels = image.shape
    stack = image.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    small = F.adaptive_avg_pool2d(stack, (max(height >> level, 1), max(width >> level, 1)))
    return small.permute(0, 2, 3, 1).reshape(*rest, *small.shape[2:], channels)


def _sample(images, uv, mesh, part, mode, align_corners, padding_mode) -> Tensor:
    """Texels of one level; arguments as of `sample_images`."""
    kinds = list({id(image): image for image in images}.values())
    number = {id(image): k for k, image in enumerate(kinds)}
    grid = torch.stack((2.0 * uv[:, 0] - 1.0, 1.0 - 2.0 * uv[:, 1]), 1)

    def look_up(image: Tensor, places: Tensor) -> Tensor:
        return sample_grids(image.permute(2, 0, 1)[None], places[None], mode, padding_mode, align_corners)[0]

    if len(kinds) == 1 and part is None:
        return look_up(kinds[0], grid)
    which = torch.zeros(len(uv), dtype=torch.int64, device=uv.device)
    if mesh is not None:
        which = torch.tensor([number[id(image)] for image in images], device=uv.device)[mesh]
    sets = max(kind.shape[0] for kind in kinds) if part is not None else 1
    key = which * sets if part is None else which * sets + part
    out = uv.new_zeros(len(uv), kinds[0].shape[-1], dtype=kinds[0].dtype)
    for value in torch.unique(key).tolist():
        kind, place = kinds[value // sets], (key == value).nonzero().squeeze(1)
        image = kind if part is None else kind[value % sets]
        out = out.index_copy(0, place, look_up(image, grid.index_select(0, place)))
    return out


def _texel(share: Tensor, size: int, align_corners: bool) -> Tensor:
    """Texels from the first one's middle of a share of the image's side."""
    return share * (size - 1) if align_corners else share * size - 0.5


def stack_images(images: Sequence[Tensor]) -> Tensor:
    """(N, H, W, C), or (N, S, H, W, C) of sets: the images, resized to the largest height and width if they differ."""
    if not images:
        return torch.zeros(0, 0, 0, 3)
    if len({image.shape for image in images}) == 1:
        return torch.stack(list(images))
    height, width = (max(image.shape[axis] for image in images) for axis in (-3, -2))
    sets = max(image.shape[0] for image in images) if images[0].dim() == 4 else None
    out = []
    for image in images:
        stack = image.reshape(-1, *image.shape[-3:]).permute(0, 3, 1, 2)
        if tuple(image.shape[-3:-1]) != (height, width):
            stack = F.interpolate(stack, (height, width), mode="bicubic", align_corners=False)
        stack = stack.permute(0, 2, 3, 1)
        if sets is None:
            out.append(stack[0])
        else:
            out.append(torch.cat((stack, stack.new_zeros(sets - len(stack), *stack.shape[1:]))))
    return torch.stack(out)


def paste_images(
    images: Sequence[Tensor], coordinates: Sequence[Tensor], align_corners: bool
) -> tuple[Tensor, list[Tensor]]:
    """One image of several (H, W, C), and their texture coordinates (T, 2) moved along.

    Shelves of falling height. Around each image stands a rim of its own outermost texels, so that bilinear lookups at
    its edge do not see its neighbours. An image that several meshes share is stored once.
    """
    kinds = {id(image): image for image in images}
    order = sorted(kinds, key=lambda k: (-kinds[k].shape[0], -kinds[k].shape[1]))
    area = sum((k.shape[0] + 2) * (k.shape[1] + 2) for k in kinds.values())
    limit = max(math.isqrt(area), *(k.shape[1] + 2 for k in kinds.values()))
    corner, x, y, shelf, wide = {}, 0, 0, 0, 0
    for key in order:
        height, width = (s + 2 for s in kinds[key].shape[:2])
        if x + width > limit:
            x, y, shelf = 0, y + shelf, 0
        corner[key] = (y + 1, x + 1)
        x, shelf = x + width, max(shelf, height)
        wide = max(wide, x)
    total = (y + shelf, wide)
    out = images[0].new_zeros(*total, images[0].shape[2])
    for key, image in kinds.items():
        (top, left), (height, width) = corner[key], image.shape[:2]
        padded = F.pad(image.permute(2, 0, 1)[None], (1, 1, 1, 1), mode="replicate")[0].permute(1, 2, 0)
        out[top - 1 : top + height + 1, left - 1 : left + width + 1] = padded
    placed = []
    for image, uv in zip(images, coordinates, strict=True):
        (top, left), (height, width) = corner[id(image)], image.shape[:2]
        column = _texel(uv[:, 0], width, align_corners) + left
        row = _texel(1.0 - uv[:, 1], height, align_corners) + top
        if align_corners:
            share = column / (total[1] - 1), row / (total[0] - 1)
        else:
            share = (column + 0.5) / total[1], (row + 0.5) / total[0]
        placed.append(torch.stack((share[0], 1.0 - share[1]), 1))
    return out, placed
