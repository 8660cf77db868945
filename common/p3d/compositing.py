"""Blending the features of the points that cover a pixel: PyTorch3D's three compositing functions and two compositors.

Images are made from the list of covered (pixel, layer) places alone, feature channel by feature channel; nothing of
the size (N, C, K, H, W) is ever stored.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["AlphaCompositor", "NormWeightedCompositor", "alpha_composite", "norm_weighted_sum", "weighted_sum"]

SMALLEST_SUM = 1e-4  # of weights that norm_weighted_sum divides by, PyTorch3D's


def alpha_composite(pointsidx: Tensor, alphas: Tensor, pt_clds: Tensor) -> Tensor:
    """Front-to-back blending: sum over k of f_k a_k prod_{j < k} (1 - a_j).

    Args:
        pointsidx: (N, K, H, W) integers, the points that cover each pixel, nearest first; negative where there is none.
        alphas: (N, K, H, W), their opacities.
        pt_clds: (C, P), features of the packed points.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: shapes that do not fit.
    """
    places, pixel, point, weight = _covered_places(pointsidx, alphas, pt_clds)
    layer, pixels = places - pixel * pointsidx.shape[1], pointsidx[:, 0].numel()
    layers = int(layer.max()) + 1 if len(layer) else 0
    place = layer * pixels + pixel
    alpha = weight.new_zeros(layers * pixels).scatter_(0, place, weight).view(layers, pixels)
    visible = _visible_fractions(alpha).view(-1).index_select(0, place)
    return _accumulate(pt_clds, point, pixel, visible, pointsidx.shape)


def weighted_sum(pointsidx: Tensor, alphas: Tensor, pt_clds: Tensor) -> Tensor:
    """Sum over k of f_k a_k; arguments and result as for `alpha_composite`."""
    _, pixel, point, weight = _covered_places(pointsidx, alphas, pt_clds)
    return _accumulate(pt_clds, point, pixel, weight, pointsidx.shape)


def norm_weighted_sum(pointsidx: Tensor, alphas: Tensor, pt_clds: Tensor) -> Tensor:
    """Sum over k of f_k a_k / sum of a_k (at least 1e-4); arguments and result as for `alpha_composite`."""
    _, pixel, point, weight = _covered_places(pointsidx, alphas, pt_clds)
    total = weight.new_zeros(pointsidx[:, 0].numel()).scatter_add(0, pixel, weight).clamp(min=SMALLEST_SUM)
    return _accumulate(pt_clds, point, pixel, weight / total.index_select(0, pixel), pointsidx.shape)


class _Compositor(nn.Module):
    """`_composite`, with `background_color` where no point covers the pixel (it is not blended with points).

    Args:
        background_color: C numbers, C - 1 (then the last channel, alpha, is 1), one number, or None for zeros.
    """

    def __init__(self, background_color: Sequence[float] | Tensor | None = None):
        super().__init__()
        self.background_color = background_color

    def forward(self, fragments: Tensor, alphas: Tensor, ptclds: Tensor, **kwargs) -> Tensor:
        """Images (N, C, H, W), arguments as for `alpha_composite`; `background_color=` replaces the stored one."""
        background = kwargs.get("background_color", self.background_color)
        return _with_background(fragments, self._composite(fragments, alphas, ptclds), background)


class AlphaCompositor(_Compositor):
    """`alpha_composite`, with a background."""

    _composite = staticmethod(alpha_composite)


class NormWeightedCompositor(_Compositor):
    """`norm_weighted_sum`, with a background."""

    _composite = staticmethod(norm_weighted_sum)


def _covered_places(pointsidx: Tensor, alphas: Tensor, pt_clds: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the places (N, H, W, K) with a point: flat place, flat pixel, point and alpha; (M,) each."""
    if pointsidx.dim() != 4 or pointsidx.shape != alphas.shape or pt_clds.dim() != 2:
        shapes = [tuple(t.shape) for t in (pointsidx, alphas, pt_clds)]
        raise ValueError(f"expected (N, K, H, W), (N, K, H, W) and (C, P), got {shapes}")
    idx, weights = (t.permute(0, 2, 3, 1).reshape(-1) for t in (pointsidx, alphas))
    places = (idx >= 0).nonzero().squeeze(1)
    pixel = torch.div(places, pointsidx.shape[1], rounding_mode="floor")
    return places, pixel, idx.index_select(0, places).long(), weights.index_select(0, places)


def _visible_fractions(alpha: Tensor) -> Tensor:
    """a_k prod_{j < k} (1 - a_j) of alphas (K, pixels), layer by layer."""
    fractions, passed = [], 1.0
    for layer in alpha:
        fractions.append(layer * passed)
        passed = passed * (1.0 - layer)
    return torch.stack(fractions) if fractions else alpha


def _accumulate(features: Tensor, point: Tensor, pixel: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
    """Images (N, C, H, W) of features (C, P) of points (M,), times weights (M,), added up in flat pixels (M,)."""
    N, _, H, W = shape
    C = len(features)
    gathered = features.gather(1, point.expand(C, -1))
    image = features.new_zeros(C, N * H * W).scatter_add_(1, pixel.expand(C, -1), gathered * weight)
    return image.view(C, N, H, W).transpose(0, 1)


def _with_background(pointsidx: Tensor, images: Tensor, background: Sequence[float] | Tensor | None) -> Tensor:
    """Images (N, C, H, W) with a colour at the pixels that no point covers.

    Raises:
        ValueError: a colour with neither C nor C - 1 channels.
    """
    if background is None:
        return images
    colour = torch.as_tensor(background, dtype=images.dtype, device=images.device)
    channels = images.shape[1]
    if colour.dim() == 0:
        colour = colour.expand(channels)
    if tuple(colour.shape) == (channels - 1,):
        colour = torch.cat((colour, colour.new_ones(1)))
    if tuple(colour.shape) != (channels,):
        raise ValueError(f"background_color has shape {tuple(colour.shape)}, images have {channels} channels")
    return torch.where(pointsidx[:, :1] < 0, colour.view(1, -1, 1, 1), images)
