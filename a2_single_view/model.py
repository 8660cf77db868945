"""One image to a shape: an encoder, and a decoder of one of five kinds."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

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
# How likely a place must be filled to be inside the surface that is drawn and scored: the course's for voxels; for
# occupancies from validation chairs, whose F1 rises from 0.4 to 0.75 and hardly after.
LEVEL = {"vox": 0.5, "implicit": 0.75}

UNLIKELY = -4.0  # logit below which a voxel is not looked into
CHUNK = 65_536  # places asked at once


class SingleViewTo3D(nn.Module):
    """Features of a picture, and what they say of the shape.

    Args:
        arch: of the encoder: "small", "resnet18" or "resnet34".
        kind: one of ``TYPES``.
        n_points: of a point decoder's clouds.
        kept: there is no encoder, but features that were kept.

    Attributes:
        level: how likely a place must be filled to be inside.
    """

    def __init__(self, arch: str, kind: str, n_points: int = 5000, kept: bool = False):
        super().__init__()
        self.kind, self.kept, self.level = kind, kept, LEVEL.get(kind, 0.5)
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

    @property
    def level_logit(self) -> float:
        """The number whose sigmoid is the level."""
        return math.log(self.level / (1.0 - self.level))

    @torch.no_grad()
    def occupancy(self, features: Tensor, finer: int = 2) -> Tensor:
        """Logits (32 * finer,) * 3 by x, y, z at the middles of cells of [-1/2, 1/2]^3, of features (1, 512).

        They are 0 at the model's level. Only cells of voxels that may be filled, and of those beside them, are asked;
        the others have their voxel's value.
        """
        grids, modulation = self.decoder.grids(features)
        voxels = grids[:, :1]
        both = torch.cat((voxels, (functional.max_pool3d(voxels, 3, 1, 1) > UNLIKELY).float()), 1)
        fine, near = functional.interpolate(both, scale_factor=finer, mode="nearest")[0]
        near = near.flatten().nonzero()[:, 0]
        for part in near.split(CHUNK):
            fine.view(-1)[part] = self.decoder.at(grids, modulation, _middles(part, len(fine))[None])[0]
        return fine - self.level_logit

    @torch.no_grad()
    def surface(self, features: Tensor, side: int = 24) -> Meshes:
        """The bent squares, ``side`` x ``side`` vertices each, as meshes, of features (B, 512)."""
        uv, faces = self.decoder.grid(side)
        verts = self.decoder(features, uv.to(features.device))
        return Meshes(verts, faces.to(features.device).expand(len(verts), -1, 3))


def _middles(cells: Tensor, resolution: int) -> Tensor:
    """The middles (N, 3) of cells (N,) of [-1/2, 1/2]^3, counted by x, y, z."""
    by_axis = (cells // resolution**2, cells // resolution % resolution, cells % resolution)
    return (torch.stack(by_axis, 1) + 0.5) / resolution - 0.5
