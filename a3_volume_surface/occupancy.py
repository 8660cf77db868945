"""Which cells of a box hold something, and samples of rays in those cells alone."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from common.cli import UserError
from common.p3d import PerspectiveCameras

FOG = 6.5  # optical depth along the longest side of a box, before training


@dataclass
class PackedSamples:
    """M samples of P rays, ray by ray and front to back.

    Attributes:
        ray: (M,) int64, ascending: whose sample it is.
        lengths: (M,) distances from the origins to the samples.
        deltas: (M,) lengths of the stretches that the samples stand for.
        points: (M, 3).
    """

    ray: Tensor
    lengths: Tensor
    deltas: Tensor
    points: Tensor

    def __getitem__(self, index: Tensor) -> "PackedSamples":
        return PackedSamples(self.ray[index], self.lengths[index], self.deltas[index], self.points[index])


class OccupancyGrid(nn.Module):
    """Bits over the cells of a box: where samples of rays are worth taking.

    Args:
        bounds: (2, 3) lowest and highest corner.
        resolution: cells along each side, R. Cell (x, y, z) is number x + R (y + R z).
    """

    first_block = 1  # of the first time that cells go

    def __init__(self, bounds: Tensor, resolution: int = 64):
        super().__init__()
        self.resolution = resolution
        self.register_buffer("bounds", bounds.float())
        self.register_buffer("possible", torch.ones(resolution**3, dtype=torch.bool))
        self.register_buffer("filled", torch.ones(resolution**3, dtype=torch.bool))
        self.register_buffer("seen", torch.zeros(resolution**3))

    @property
    def fog(self) -> float:
        """The density everywhere before training: enough that all that may be there is seen."""
        return FOG / float((self.bounds[1] - self.bounds[0]).amax())

    def unit(self, points: Tensor) -> Tensor:
        """Points (..., 3) as coordinates in [0, 1]^3 of the box."""
        return (points - self.bounds[0]) / (self.bounds[1] - self.bounds[0])

    def cell(self, points: Tensor) -> Tensor:
        """Numbers (N,) int64 of the cells of points (N, 3); those outside count to the nearest."""
        x, y, z = (self.unit(points) * self.resolution).int().clamp_(0, self.resolution - 1).unbind(1)
        return (x + self.resolution * (y + self.resolution * z)).long()

    @torch.no_grad()
    def carve(self, cameras: PerspectiveCameras, alpha: Tensor, least: float = 0.02) -> None:
        """Empty the cells that some camera sees beside the object: the visual hull (Laurentini, PAMI 1994).

        Args:
            cameras: N, none of them inside the box.
            alpha: (N, H, W) coverage; below ``least`` a pixel shows nothing. Beyond a picture all is possible.
        """
        R, (height, width) = self.resolution, alpha.shape[1:]
        step = (torch.arange(R, device=alpha.device) + 0.5) / R
        z, y, x = torch.meshgrid(step, step, step, indexing="ij")
        middles = self.bounds[0] + torch.stack((x, y, z), -1).view(-1, 3) * (self.bounds[1] - self.bounds[0])
        half = float(((self.bounds[1] - self.bounds[0]) / R).norm() / 2)
        shorter = min(height, width)
        for camera, picture in zip(cameras, alpha, strict=True):
            live = self.possible.nonzero()[:, 0]
            if not len(live):
                raise UserError(
                    "no place of the scene's box is covered in all pictures: do its bounds and poses fit them?"
                )
            depth = camera.get_world_to_view_transform().transform_points(middles[live])[:, 2]
            reach = half * float(camera.focal_length.max()) * shorter / 2 / max(float(depth.min()), 1e-3)
            radius = min(math.ceil(reach), shorter)  # pixels around a cell's middle that the cell may cover
            near = functional.max_pool2d(picture[None], 2 * radius + 1, 1, radius)[0]
            ndc = camera.transform_points_ndc(middles[live])[:, :2]
            column = ((width - ndc[:, 0] * shorter) / 2).long()
            row = ((height - ndc[:, 1] * shorter) / 2).long()
            outside = (column < 0) | (column >= width) | (row < 0) | (row >= height)
            shown = near[row.clamp(0, height - 1), column.clamp(0, width - 1)] > least
            self.possible[live] = shown | outside
        self.filled &= self.possible

    @torch.no_grad()
    def note(self, points: Tensor, weights: Tensor) -> None:
        """Remember the greatest weight (N,) that samples at points (N, 3) had in each cell."""
        self.seen.scatter_reduce_(0, self.cell(points), weights.detach(), "amax")

    @torch.no_grad()
    def prune(self, threshold: float, block: int = 1) -> None:
        """Keep the cells where a sample had more weight than this since the last time, and their neighbours.

        Cells inside a solid, or behind it, go as well as those in the air: no ray sees them.

        Args:
            block: cells along each side of the blocks that stay or go together, where rays were too few for cells.
        """
        R = self.resolution
        weighty = (self.seen > threshold).float().view(1, 1, R, R, R)
        if block > 1:
            blocks = functional.max_pool3d(weighty, block, ceil_mode=True)
            weighty = functional.interpolate(blocks, scale_factor=block)[..., :R, :R, :R]
        near = functional.max_pool3d(weighty, 3, 1, 1)
        self.filled = (near.reshape(-1) > 0) & self.possible
        self.seen.zero_()

    @torch.no_grad()
    def march(self, origins: Tensor, directions: Tensor, step: float, near: float, far: float, jitter=None):
        """Samples of rays (P, 3) every ``step`` in the box, of those in filled cells.

        Args:
            jitter: (P,) in [0, 1], the share of a step by which each ray's samples are moved; the middle without.
        """
        inverse = 1.0 / torch.where(directions.abs() < 1e-9, 1e-9, directions)
        one, two = (self.bounds[0] - origins) * inverse, (self.bounds[1] - origins) * inverse
        start = torch.minimum(one, two).amax(1).clamp(min=near)
        stop = torch.maximum(one, two).amin(1).clamp(max=far)
        start = start + step * (0.5 if jitter is None else jitter)
        count = ((stop - start) / step).ceil().clamp(min=0).nan_to_num().long()
        ray = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
        first = count.cumsum(0) - count
        number = torch.arange(len(ray), device=ray.device) - first[ray]
        scale = self.resolution / (self.bounds[1] - self.bounds[0])
        lengths = start[ray] + step * number
        cell = ((origins - self.bounds[0]) * scale)[ray]
        cell.addcmul_((directions * scale)[ray], lengths[:, None])
        index = cell.int().clamp_(0, self.resolution - 1)
        flat = index[:, 0] + self.resolution * (index[:, 1] + self.resolution * index[:, 2])
        kept = self.filled[flat].nonzero()[:, 0]
        ray, lengths = ray[kept], lengths[kept]
        return PackedSamples(
            ray, lengths, torch.full_like(lengths, step), origins[ray] + lengths[:, None] * directions[ray]
        )
