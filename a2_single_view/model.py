"""One image to a shape: an encoder, and a decoder of one of five kinds."""

import numpy as np
import torch
from torch import Tensor, nn

from a2_single_view.data.packed import ShapeViews
from a2_single_view.decoders import (
    ImplicitDecoder,
    MeshDecoder,
    ParametricDecoder,
    PointDecoder,
    VoxelDecoder,
)
from a2_single_view.resnet import ARCHITECTURES
from common.p3d import Meshes

TYPES = ("vox", "point", "mesh", "implicit", "parametric")


class SingleViewTo3D(nn.Module):
    """Features of a picture, and what they say of the shape.

    Args:
        arch: of the encoder: "small", "resnet18" or "resnet34".
        kind: one of ``TYPES``.
        n_points: of a point decoder's clouds.
        kept: there is no encoder, but features that were kept.
    """

    def __init__(self, arch: str, kind: str, n_points: int = 5000, kept: bool = False):
        super().__init__()
        self.kind, self.kept = kind, kept
        self.encoder = nn.Identity() if kept else ARCHITECTURES[arch]()
        makers = {
            "vox": VoxelDecoder,
            "point": lambda: PointDecoder(n_points),
            "mesh": MeshDecoder,
            "implicit": ImplicitDecoder,
            "parametric": ParametricDecoder,
        }
        self.decoder = makers[kind]()

    def inputs(self, shapes: ShapeViews, index: np.ndarray, view: np.ndarray) -> Tensor:
        """What the model takes of views (B,) of shapes (B,): pictures (B, 3, H, W) uint8, or features (B, 512)."""
        return (shapes.features if self.kept else shapes.images)(index, view)

    def encode(self, inputs: Tensor) -> Tensor:
        """Features (B, 512) of pictures (B, 3, H, W) uint8; of features themselves."""
        return inputs if inputs.dim() == 2 else self.encoder(inputs)

    def forward(self, inputs: Tensor, *places: Tensor) -> Tensor:
        """What the decoder makes of pictures or features, as :meth:`inputs` gives them."""
        return self.decoder(self.encode(inputs), *places)

    @torch.no_grad()
    def occupancy(self, features: Tensor, resolution: int = 64, chunk: int = 32_768) -> Tensor:
        """Logits (resolution,) * 3 by x, y, z at the middles of cells of [-1/2, 1/2]^3, of features (1, 512)."""
        ticks = (torch.arange(resolution, device=features.device) + 0.5) / resolution - 0.5
        places = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).view(1, -1, 3)
        parts = [self.decoder(features, part) for part in places.split(chunk, 1)]
        return torch.cat(parts, 1).view((resolution,) * 3)

    @torch.no_grad()
    def surface(self, features: Tensor, side: int = 24) -> Meshes:
        """The bent squares, ``side`` x ``side`` vertices each, as meshes, of features (B, 512)."""
        uv, faces = self.decoder.grid(side)
        verts = self.decoder(features, uv.to(features.device))
        return Meshes(verts, faces.to(features.device).expand(len(verts), -1, 3))
