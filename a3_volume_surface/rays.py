"""Pixels and their rays. Functions that the course names keep its names; rays leave the middles of pixels."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional

from common.p3d import CamerasBase, PerspectiveCameras


@dataclass
class RayBundle:
    """Rays with samples along them, all for leading dimensions (...).

    Attributes:
        origins, directions: (..., 3) world units; directions of length 1.
        sample_points: (..., S, 3).
        sample_lengths: (..., S, 1) distances of the samples from the origins.
    """

    origins: Tensor
    directions: Tensor
    sample_points: Tensor
    sample_lengths: Tensor

    def __getitem__(self, index) -> "RayBundle":
        return RayBundle(*(getattr(self, part.name)[index] for part in fields(self)))

    @property
    def shape(self) -> torch.Size:
        """Of the rays."""
        return self.origins.shape[:-1]

    @property
    def sample_shape(self) -> torch.Size:
        """Of the samples."""
        return self.sample_points.shape[:-1]

    def _replace(self, **values) -> "RayBundle":
        return replace(self, **values)


def in_chunks(render: Callable[[RayBundle], dict[str, Tensor]], rays: RayBundle, size: int) -> dict[str, Tensor]:
    """What ``render`` gives for rays (P,), name -> (P, C), asked for ``size`` rays at a time to bound memory."""
    parts = [render(rays[start : start + size]) for start in range(0, rays.shape[0], size)]
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]} if parts else {}


def get_pixels_from_image(image_size: tuple[int, int], camera: CamerasBase | None = None) -> Tensor:
    """NDC (W * H, 2) of the middles of all pixels, row by row; +X left, +Y up, the shorter side from -1 to 1.

    Args:
        image_size: width and height, as in the course's configurations.
        camera: not needed; where the course passes it.
    """
    width, height = image_size
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return pixel_ndc(rows.reshape(-1), columns.reshape(-1), (height, width))


def pixel_ndc(rows: Tensor, columns: Tensor, image_size: tuple[int, int]) -> Tensor:
    """NDC (N, 2) of the middles of pixels (N,) of an image of a height and width."""
    height, width = image_size
    shorter = min(height, width)
    return torch.stack((width - 2 * columns - 1.0, height - 2 * rows - 1.0), -1) / shorter


def get_random_pixels_from_image(
    n_pixels: int, image_size: tuple[int, int], camera: CamerasBase | None = None, generator=None
) -> Tensor:
    """NDC (n_pixels, 2) of pixels drawn at random, none twice while there are enough; ``image_size``: width, height."""
    width, height = image_size
    total = width * height
    if n_pixels <= total:
        index = torch.randperm(total, generator=generator)[:n_pixels]
    else:
        index = torch.randint(total, (n_pixels,), generator=generator)
    return pixel_ndc(index // width, index % width, (height, width))


def sample_images_at_xy(images: Tensor, xy_grid: Tensor) -> Tensor:
    """Colours (N * P, C) of images (N, H, W, C) at NDC (P, 2), or (N, P, 2), between pixels bilinear."""
    height, width = images.shape[1:3]
    shorter = min(height, width)
    scale = xy_grid.new_tensor([shorter / width, shorter / height])
    grid = -(xy_grid * scale).view(1, -1, 1, 2).expand(len(images), -1, 1, 2)
    values = functional.grid_sample(
        images.permute(0, 3, 1, 2), grid.to(images), padding_mode="border", align_corners=False
    )
    return values.permute(0, 2, 3, 1).reshape(-1, images.shape[-1])


def get_rays_from_pixels(xy_grid: Tensor, image_size: tuple[int, int], camera: CamerasBase) -> RayBundle:
    """Rays of one camera through NDC (P, 2), without samples as yet; ``image_size``: width and height."""
    xy_grid = xy_grid.to(camera.device)
    plane = torch.cat((xy_grid, torch.ones_like(xy_grid[:, :1])), -1)
    points = camera.unproject_points(plane, world_coordinates=True, from_ndc=True).reshape(-1, 3)
    origins = camera.get_camera_center().expand(len(points), 3)
    directions = functional.normalize(points - origins, dim=-1)
    empty = origins[:, None]
    return RayBundle(origins, directions, empty, empty[..., :1] * 0)


def cast(cameras: PerspectiveCameras, xy: Tensor, view: Tensor) -> tuple[Tensor, Tensor]:
    """Origins and unit directions (P, 3) of rays through NDC (P, 2), each of its own of the N views (P,).

    The same as `get_rays_from_pixels` of each camera in turn, for cameras defined in NDC.
    """
    focal = cameras.focal_length.expand(len(cameras), -1)
    focal = focal.expand(-1, 2) if focal.shape[1] == 1 else focal
    flat = (xy - cameras.principal_point.expand(len(cameras), 2)[view]) / focal[view]
    R, T = cameras.R.expand(len(cameras), 3, 3), cameras.T.expand(len(cameras), 3)
    local = torch.cat((flat, torch.ones_like(flat[:, :1])), 1)
    directions = functional.normalize((R[view] @ local[:, :, None])[:, :, 0], dim=1)
    centres = -(R @ T[:, :, None])[:, :, 0]
    return centres[view], directions
