"""Colours of points, faces and curves: by label and by height."""

import torch
from torch import Tensor

__all__ = ["LABEL_COLORS", "height_colors", "label_colors"]

# Okabe and Ito's colours, distinguishable with any colour vision, then the same darkened; (16, 3) in [0, 1].
_OKABE_ITO = [
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
    (130, 130, 130),
]
LABEL_COLORS = torch.cat((torch.tensor(_OKABE_ITO) / 255.0, torch.tensor(_OKABE_ITO) / 425.0))
# From low to high: dark violet, blue, green, yellow; lightness rises evenly.
_HEIGHT_COLORS = torch.tensor([(62, 38, 110), (49, 92, 160), (33, 145, 140), (94, 190, 95), (248, 211, 60)]) / 255.0


def label_colors(labels: Tensor) -> Tensor:
    """Colours (N, 3) of integer labels (N,): `LABEL_COLORS`, over again from the 17th on."""
    return LABEL_COLORS.to(labels.device)[labels.long() % len(LABEL_COLORS)]


def height_colors(points: Tensor, axis: int = 1) -> Tensor:
    """Colours (N, 3) of points (N, 3) by their coordinate on one axis, from dark violet (low) to yellow (high)."""
    height = points[:, axis]
    span = (height.max() - height.min()).clamp(min=1e-12)
    place = (height - height.min()) / span * (len(_HEIGHT_COLORS) - 1)
    low = place.long().clamp(max=len(_HEIGHT_COLORS) - 2)
    table = _HEIGHT_COLORS.to(points)
    return torch.lerp(table[low], table[low + 1], (place - low)[:, None])
