"""Looking up texels in images of unequal size: bilinear, nearest, and between levels of ever smaller images."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .interpolate import sample_grids
from .packing import list_to_padded


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
    single, first = [], {}  # what several meshes share is looked up once
    for image in images:
        if id(image) not in first:
            first[id(image)] = len(single)
            single += [image] if part is None else image.unbind()
    which = None
    if len(single) > 1 or part is not None:
        start = torch.tensor([first[id(image)] for image in images], device=uv.device)
        which = start[torch.zeros_like(uv[:, 0], dtype=torch.int64) if mesh is None else mesh]
        which = which if part is None else which + part
    grid = torch.stack((2.0 * uv[:, 0] - 1.0, 1.0 - 2.0 * uv[:, 1]), 1)
    options = (mode, padding_mode, align_corners)
    if footprint is None:
        return _look_up(single, which, grid, options)
    side = max(max(image.shape[:2]) for image in single)
    level = (footprint * side).clamp(min=1.0).log2().clamp(max=math.log2(side))
    out = uv.new_zeros(len(uv), single[0].shape[-1])
    for step in range(int(level.max().ceil()) + 1 if len(level) else 0):
        weight = (1.0 - (level - step).abs()).clamp(min=0.0)
        used = (weight > 0).nonzero().squeeze(1)
        if len(used):
            shrunk = [_shrink(image, step) for image in single]
            texels = _look_up(shrunk, None if which is None else which[used], grid[used], options)
            out = out.index_add(0, used, texels * weight[used, None])
    return out


def _look_up(images: list[Tensor], which: Tensor | None, grid: Tensor, options: tuple) -> Tensor:
    """(M, C) texels at places (M, 2) in [-1, 1] of the images (H, W, C) `which` (M,), None for the only one."""

    def sample(image: Tensor, places: Tensor) -> Tensor:
        return sample_grids(image.permute(2, 0, 1)[None], places[None], *options)[0]

    if which is None:
        return sample(images[0], grid)
    out = images[0].new_zeros(len(grid), images[0].shape[-1])
    for number in torch.unique(which).tolist():
        rows = (which == number).nonzero().squeeze(1)
        out = out.index_copy(0, rows, sample(images[number], grid.index_select(0, rows)))
    return out


def _shrink(image: Tensor, level: int) -> Tensor:
    """The image (H, W, C) at 1 / 2^level of its size, at least 1 texel, by averaging."""
    size = [max(side >> level, 1) for side in image.shape[:2]]
    return F.adaptive_avg_pool2d(image.permute(2, 0, 1), size).permute(1, 2, 0) if level else image


def stack_images(images: Sequence[Tensor]) -> Tensor:
    """(N, H, W, C), or (N, S, H, W, C) of sets: the images, resized to the largest height and width if they differ."""
    if not images:
        return torch.zeros(0, 0, 0, 3)
    size = [max(image.shape[axis] for image in images) for axis in (-3, -2)]
    resized = []
    for image in images:
        if [*image.shape[-3:-1]] != size:
            stack = image.reshape(-1, *image.shape[-3:]).permute(0, 3, 1, 2)
            stack = F.interpolate(stack, size, mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
            image = stack.view(*image.shape[:-3], *stack.shape[1:])
        resized.append(image)
    return list_to_padded(resized, equisized=len({image.shape for image in resized}) == 1)


def paste_images(
    images: Sequence[Tensor], coordinates: Sequence[Tensor], align_corners: bool
) -> tuple[Tensor, list[Tensor]]:
    """One image of several (H, W, C), and their texture coordinates (T, 2) moved along.

    Shelves of falling height. Around each image stands a rim of its own outermost texels, so that bilinear lookups at
    its edge do not see its neighbours. An image that several meshes share is stored once.
    """
    kinds = sorted({id(image): image for image in images}.values(), key=lambda image: [-s for s in image.shape[:2]])
    padded = [F.pad(image.permute(2, 0, 1)[None], (1, 1, 1, 1), mode="replicate")[0] for image in kinds]
    limit = max(math.isqrt(sum(image[0].numel() for image in padded)), *(image.shape[2] for image in padded))
    corners, x, y, shelf = [], 0, 0, 0
    for _, height, width in (image.shape for image in padded):
        if x + width > limit:
            x, y, shelf = 0, y + shelf, 0
        corners.append((x, y))
        x, shelf = x + width, max(shelf, height)
    wide = max(x + image.shape[2] for (x, _), image in zip(corners, padded, strict=True))
    out = images[0].new_zeros(y + shelf, wide, images[0].shape[2])
    for (x, y), image in zip(corners, padded, strict=True):
        out[y : y + image.shape[1], x : x + image.shape[2]] = image.permute(1, 2, 0)
    corner = {id(image): place for image, place in zip(kinds, corners, strict=True)}
    inset, placed = int(align_corners), []  # 0 and 1 are texels' middles, and so a side is one texel shorter
    for image, uv in zip(images, coordinates, strict=True):
        old, new = (uv.new_tensor([i.shape[1] - inset, i.shape[0] - inset]) for i in (image, out))
        moved = torch.stack((uv[:, 0], 1.0 - uv[:, 1]), 1) * old + uv.new_tensor(corner[id(image)]) + 1
        u, v = (moved / new).unbind(1)
        placed.append(torch.stack((u, 1.0 - v), 1))
    return out, placed
