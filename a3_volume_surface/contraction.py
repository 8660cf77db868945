"""Scenes without bounds: all of space brought into a cube (Barron et al., Mip-NeRF 360, CVPR 2022, eq. 10)."""

import torch
from torch import Tensor

from a3_volume_surface.occupancy import OccupancyGrid, PackedSamples
from common.cli import UserError
from common.p3d import PerspectiveCameras

NEAR, FAR = 0.3, 50.0  # ends of rays, in units of the scene's radius
THIN = 0.2  # optical depth of a radius, before training
CLOSE = 2.0  # so far along a ray, in radii, steps are equal; beyond they grow with the distance


def contract(x: Tensor) -> Tensor:
    """x (..., 3) where |x| <= 1, else (2 - 1 / |x|) x / |x|: all of space in a ball of radius 2."""
    length = x.norm(dim=-1, keepdim=True).clamp(min=1.0)
    return (2.0 - 1.0 / length) * x / length


def focus_of(cameras: PerspectiveCameras) -> tuple[Tensor, float]:
    """The point (3,) nearest to all optical axes, and half the cameras' mean distance from it: a scene's radius.

    Raises:
        UserError: that distance is 0.
    """
    centres = cameras.get_camera_center()
    axes = cameras.R[:, :, 2]
    across = torch.eye(3).to(axes) - axes[:, :, None] * axes[:, None]
    focus = torch.linalg.lstsq(across.sum(0), (across @ centres[:, :, None]).sum(0)).solution[:, 0]
    radius = 0.5 * float((centres - focus).norm(dim=1).mean())
    if not radius > 1e-4 * max(1.0, float(focus.norm())):
        raise UserError("all cameras stand in one place: what they look at has no size")
    return focus, radius


class ContractedGrid(OccupancyGrid):
    """An occupancy grid over contracted space: the ball around ``centre`` takes the middle half of each axis.

    Args:
        centre: (3,). radius: of what is seen in full detail, world units.
    """

    first_block = 4

    def __init__(self, centre: Tensor, radius: float, resolution: int = 128):
        super().__init__(torch.stack((centre - 2 * radius, centre + 2 * radius)), resolution)
        self.register_buffer("centre", centre.float())
        self.radius = radius

    def unit(self, points: Tensor) -> Tensor:
        """Points (..., 3) as coordinates in [0, 1]^3 of the cube around contracted space."""
        return contract((points - self.centre) / self.radius) / 4.0 + 0.5

    @property
    def fog(self) -> float:
        """The density everywhere before training: thin, or what is near the cameras would hide all else."""
        return THIN / self.radius

    def edges(self, step: float) -> Tensor:
        """Lengths (K + 1,) at which the stretches of all rays begin and end: equal ones first, then growing."""
        near, close, far = NEAR * self.radius, CLOSE * self.radius, FAR * self.radius
        even = torch.arange(near, 2 * close, step)
        growth = 1.0 + step / even[-1]
        count = int(torch.log(torch.tensor(far / float(even[-1]))) / torch.log(growth))
        return torch.cat((even, even[-1] * growth ** torch.arange(1, count + 1))).to(self.bounds)

    @torch.no_grad()
    def march(self, origins: Tensor, directions: Tensor, step: float, near: float, far: float, jitter=None):
        """As `OccupancyGrid.march`, but rays go far beyond the ball, in longer and longer stretches."""
        edges = self.edges(step)
        edges = edges[(edges >= near) & (edges <= far)]
        width = edges[1:] - edges[:-1]
        share = 0.5 if jitter is None else jitter[:, None]
        lengths = edges[:-1] + share * width
        lengths = lengths.expand(len(origins), len(width))
        points = origins[:, None] + lengths[..., None] * directions[:, None]
        kept = self.filled[self.cell(points.view(-1, 3))].nonzero()[:, 0]
        ray = kept // len(width)
        return PackedSamples(ray, lengths.flatten()[kept], width[kept % len(width)], points.view(-1, 3)[kept])
