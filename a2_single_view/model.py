"""One image to a shape: an encoder, and a decoder of one of five kinds."""

import torch
from torch import Tensor, nn

from a2_single_view.decoders import (
    ImplicitDecoder,
    MeshDecoder,
    ParametricDecoder,
    PointDecoder,
    VoxelDecoder,
)
from a2_single_view.resnet import ARCHITECTURES
from common.p3d import Meshes, sample_points_from_meshes

TYPES = ("vox", "point", "mesh", "implicit", "parametric")


class SingleViewTo3D(nn.Module):
    """Features of a picture, and what they say of the shape.

    Args:
        arch: of the encoder: "small", "resnet18" or "resnet34".
        kind: one of ``TYPES``.
        n_points: of a point decoder's clouds.
    """

    def __init__(self, arch: str, kind: str, n_points: int = 5000):
        super().__init__()
        self.kind = kind
        self.encoder = ARCHITECTURES[arch]()
        makers = {
            "vox": VoxelDecoder,
            "point": lambda: PointDecoder(n_points),
            "mesh": MeshDecoder,
            "implicit": ImplicitDecoder,
            "parametric": ParametricDecoder,
        }
        self.decoder = makers[kind]()

    def encode(self, images: Tensor) -> Tensor:
        """Features (B, 512) of pictures (B, 3, H, W) uint8."""
        return self.encoder(images)

    def forward(self, images: Tensor, *places: Tensor, features: Tensor | None = None) -> Tensor:
        """What the decoder makes of pictures (B, 3, H, W) uint8, or of their features (B, 512) in their place."""
        return self.decoder(self.encode(images) if features is None else features, *places)

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


def points_of(model: SingleViewTo3D, output: Tensor, count: int) -> Tensor:
    """Points (B, count, 3) sampled from meshes of vertices (B, V, 3)."""
    return sample_points_from_meshes(model.decoder.meshes(output), count)
