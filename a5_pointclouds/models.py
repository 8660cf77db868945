"""PointNet for classification and part segmentation (Qi et al., "PointNet", CVPR 2017), without input transforms.

    classification:  (B, N, 3) -> shared MLP 64-64-64-128-1024 -> max over points -> 512-256-K logits
    segmentation:    per point, its local features joined with the cloud's global feature -> shared MLP -> K logits
"""

import torch
from torch import Tensor, nn

from a5_pointclouds.layers import PointwiseBlock, PointwiseMax


class PointNetEncoder(nn.Module):
    """A cloud (B, N, 3) to its local features after each shared layer and its global feature (B, 1024)."""

    widths = (64, 64, 64, 128)
    outputs = 1024

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(PointwiseBlock(a, b) for a, b in zip((3, *self.widths), self.widths, strict=False))
        self.pool = PointwiseMax(self.widths[-1], self.outputs)

    def forward(self, points: Tensor) -> tuple[list[Tensor], Tensor]:
        """Points (B, N, 3), centred, radius 1 -> [local (B, N, width)], global (B, 1024)."""
        local = []
        x = points
        for block in self.blocks:
            x = block(x)
            local.append(x)
        return local, self.pool(x)


class PointNetClassifier(nn.Module):
    """Logits (B, num_classes) of clouds (B, N, 3)."""

    task = "cls"

    def __init__(self, num_classes: int, dropout: float = 0.3):
        super().__init__()
        self.encoder = PointNetEncoder()
        self.head = nn.Sequential(
            nn.Linear(self.encoder.outputs, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(),
            nn.Linear(512, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(256, num_classes),
        )  # fmt: skip

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> (B, num_classes) logits."""
        return self.head(self.encoder(points)[1])


class PointNetSegmenter(nn.Module):
    """Logits (B, N, num_classes) of every point of clouds (B, N, 3)."""

    task = "seg"

    def __init__(self, num_classes: int, dropout: float = 0.3):
        super().__init__()
        self.encoder = PointNetEncoder()
        local = sum(self.encoder.widths)
        self.mix = PointwiseBlock(local, 256, cloud_inputs=self.encoder.outputs)
        self.blocks = nn.ModuleList([PointwiseBlock(256, 256), PointwiseBlock(256, 128)])
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(128, num_classes)

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> (B, N, num_classes) logits."""
        local, cloud = self.encoder(points)
        x = self.mix(torch.cat(local, 2), cloud)
        for block in self.blocks:
            x = block(x)
        return self.classify(self.dropout(x))


MODELS = {"pointnet": {"cls": PointNetClassifier, "seg": PointNetSegmenter}}


def build_model(arch: str, task: str, num_classes: int) -> nn.Module:
    """A freshly initialised model. Raises KeyError for an unknown architecture or task."""
    return MODELS[arch][task](num_classes)
