"""From the colours of the K faces behind each pixel to one colour and an alpha."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["BlendParams", "hard_rgb_blend", "sigmoid_alpha_blend", "softmax_rgb_blend"]

SMALLEST = 1e-10  # weight of the background at least, PyTorch3D's


class BlendParams(NamedTuple):
    """How softly to blend: width of faces' edges, weight of depth, and the background.

    Attributes:
        sigma: squared NDC distance over which a face fades at its edge.
        gamma: share of the depth range over which nearer faces hide farther ones.
        background_color: RGB.
    """

    sigma: float = 1e-4
    gamma: float = 1e-4
    background_color: Tensor | Sequence[float] = (1.0, 1.0, 1.0)


def hard_rgb_blend(colors: Tensor, fragments, blend_params: BlendParams) -> Tensor:
    """RGBA (N, H, W, 4): the nearest face's colour of (N, H, W, K, 3), or the background; alpha says which."""
    nearest = fragments.pix_to_face[..., 0]
    pixel = (nearest.reshape(-1) >= 0).nonzero().squeeze(1)
    rgb = colors[..., 0, :].reshape(-1, colors.shape[-1]).index_select(0, pixel).expand(-1, 3)
    return _on_background(torch.cat((rgb, torch.ones_like(rgb[:, :1])), 1), pixel, nearest.shape, blend_params)


def sigmoid_alpha_blend(colors: Tensor, fragments, blend_params: BlendParams) -> Tensor:
    """RGBA (N, H, W, 4): the nearest face's colour, and alpha 1 - prod_k (1 - sigmoid(-d_k / sigma)).

    d_k is the signed squared distance of the pixel to face k (Liu et al., "Soft Rasterizer", ICCV 2019).
    """
    alpha = silhouette_alpha(fragments.pix_to_face, fragments.dists, blend_params.sigma)
    return torch.cat((colors[..., 0, :], alpha[..., None].to(colors.dtype)), -1)


def silhouette_alpha(pix_to_face: Tensor, dists: Tensor, sigma: float) -> Tensor:
    """(N, H, W): 1 - prod_k (1 - sigmoid(-d_k / sigma)) over the covered places, as 1 - exp(sum of logarithms)."""
    places = (pix_to_face.reshape(-1) >= 0).nonzero().squeeze(1)
    hidden = F.logsigmoid(dists.reshape(-1).index_select(0, places) / sigma)
    pixel = torch.div(places, pix_to_face.shape[-1], rounding_mode="floor")
    shape = pix_to_face.shape[:-1]
    return -dists.new_zeros(shape.numel()).index_add(0, pixel, hidden).expm1().view(shape)


def softmax_rgb_blend(
    colors: Tensor, fragments, blend_params: BlendParams, znear: float | Tensor = 1.0, zfar: float | Tensor = 100
) -> Tensor:
    """RGBA (N, H, W, 4): faces weighted by how much of the pixel they cover and how near they are, and a background.

    w_k = p_k exp((z_k - max z) / gamma), p_k = sigmoid(-d_k / sigma), z_k the depth from 1 at znear to 0 at zfar (Liu
    et al., 2019).

    Args:
        colors: (N, H, W, K, 3).
        znear, zfar: numbers or (N,).
    """
    pix_to_face = fragments.pix_to_face
    _, height, width, depth = pix_to_face.shape
    # Only the pixels that see anything are worked on.
    pixel = (pix_to_face[..., 0].reshape(-1) >= 0).nonzero().squeeze(1)
    layers = (pix_to_face >= 0, fragments.dists, fragments.zbuf)
    seen, dists, zbuf = (t.reshape(-1, depth).index_select(0, pixel) for t in layers)
    rgb = colors.reshape(-1, depth, 3).index_select(0, pixel)
    near, far = (_per_pixel(z, pixel, height * width, dists) for z in (znear, zfar))
    share = torch.sigmoid(-dists / blend_params.sigma) * seen
    nearness = (far - zbuf) / (far - near) * seen
    nearest = nearness.amax(1, keepdim=True).clamp(min=SMALLEST)
    weight = share * torch.exp((nearness - nearest) / blend_params.gamma)
    rest = torch.exp((SMALLEST - nearest) / blend_params.gamma).clamp(min=SMALLEST)
    mixed = (weight[..., None] * rgb).sum(1) + rest * _background(blend_params, colors)
    mixed = mixed / (weight.sum(1, keepdim=True) + rest)
    alpha = 1.0 - (1.0 - share).prod(1, keepdim=True)
    return _on_background(torch.cat((mixed, alpha), 1), pixel, pix_to_face.shape[:3], blend_params)


def _on_background(rgba: Tensor, pixel: Tensor, shape: torch.Size, blend_params: BlendParams) -> Tensor:
    """(*shape, 4) with rgba (M, 4) at flat pixels (M,), the background with alpha 0 elsewhere."""
    background = _background(blend_params, rgba)
    empty = torch.cat((background, background.new_zeros(1)))
    return empty.expand(shape.numel(), 4).index_copy(0, pixel, rgba).view(*shape, 4)


def _per_pixel(z: float | Tensor, pixel: Tensor, size: int, like: Tensor) -> Tensor:
    """(1, 1) or (M, 1) of a number or of (N,), for flat pixels (M,) of images of `size` pixels."""
    z = torch.as_tensor(z).to(like).reshape(-1, 1)
    return z if len(z) == 1 else z[torch.div(pixel, size, rounding_mode="floor")]


def _background(blend_params: BlendParams, like: Tensor) -> Tensor:
    return torch.as_tensor(blend_params.background_color, dtype=like.dtype, device=like.device).reshape(-1)
