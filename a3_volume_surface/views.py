"""Pictures of what a model renders."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from a3_volume_surface.rays import RayBundle, cast, get_pixels_from_image
from common.p3d import PerspectiveCameras
from common.visualize import as_picture

Render = Callable[[RayBundle], dict[str, Tensor]]
Images = dict[str, np.ndarray]


@torch.no_grad()
def render_views(render: Render, cameras: PerspectiveCameras, image_size: tuple[int, int], bar: str | None = None):
    """What a model renders from each camera.

    Args:
        render: rays (P,) -> name -> values (P, C).
        image_size: width and height.
        bar: words of a progress bar; none without.

    Returns:
        name -> (N, H, W, C) float.
    """
    width, height = image_size
    xy = get_pixels_from_image(image_size)
    outputs: list[Images] = []
    for view in tqdm(range(len(cameras)), desc=bar, disable=bar is None, unit="view", leave=False):
        origins, directions = cast(cameras, xy, torch.full((len(xy),), view))
        empty = origins[:, None]
        out = render(RayBundle(origins, directions, empty, empty[..., :1]))
        outputs.append({key: value.float().view(height, width, -1).cpu().numpy() for key, value in out.items()})
    return {key: np.stack([out[key] for out in outputs]) for key in outputs[0]}


def normal_picture(normals: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Unit normals (N, H, W, 3) as colours, -1 to 1 becoming 0 to 1; white where not ``seen`` (N, H, W, 1)."""
    return as_picture(np.where(seen > 0.5, 0.5 + 0.5 * normals, 1.0))


def vis_grid(xy_grid: Tensor, image_size: tuple[int, int]) -> np.ndarray:
    """NDC (W * H, 2) as colours (H, W, 3) uint8: x red, y green."""
    width, height = image_size
    colors = torch.cat(((xy_grid + 1) / 2, torch.zeros_like(xy_grid[:, :1])), -1)
    return as_picture(colors.view(height, width, 3).cpu().numpy())


def vis_rays(rays: RayBundle, image_size: tuple[int, int]) -> np.ndarray:
    """Sizes of the components of unit directions (W * H, 3) as colours (H, W, 3) uint8."""
    width, height = image_size
    return as_picture(rays.directions.abs().view(height, width, 3).cpu().numpy())
