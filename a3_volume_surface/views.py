"""Cameras around a scene, and pictures of what a model renders from them."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from a3_volume_surface.rays import RayBundle, cast, get_pixels_from_image
from common.p3d import PerspectiveCameras, look_at_view_transform

Render = Callable[[RayBundle], dict[str, Tensor]]
Images = dict[str, np.ndarray]


def create_surround_cameras(
    radius: float,
    n_poses: int = 20,
    up: Sequence[float] = (0.0, 1.0, 0.0),
    focal_length: float = 1.0,
    height: float | None = None,
    at: Sequence[float] = (0.0, 0.0, 0.0),
) -> PerspectiveCameras:
    """Cameras on a circle around ``at``: level with it for y up, ``height`` (2 by default) above it for z up."""
    theta = torch.arange(n_poses) * (2 * math.pi / n_poses) + math.pi / 2
    level = torch.zeros(n_poses)
    if abs(up[1]) > 0:
        eye = torch.stack((theta.cos() * radius, level + (height or 0.0), -theta.sin() * radius), 1)
    else:
        eye = torch.stack((theta.cos() * radius, theta.sin() * radius, level + (2.0 if height is None else height)), 1)
    middle = torch.tensor(at, dtype=torch.float32)[None]
    R, T = look_at_view_transform(eye=eye + middle, at=middle, up=(tuple(up),))
    return PerspectiveCameras(focal_length=focal_length, R=R, T=T)


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


def as_picture(values: np.ndarray) -> np.ndarray:
    """Colours (..., 3) in [0, 1] as uint8."""
    return np.rint(255 * np.clip(values, 0.0, 1.0)).astype(np.uint8)


def depth_picture(depth: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
    """Depths (N, H, W, 1) as greys (N, H, W, 3) uint8, near bright, the nearest and farthest of all frames at the ends.

    Args:
        seen: (N, H, W, 1) in [0, 1], how much of a pixel is covered; the rest is black. Default: where depth is not 0.
    """
    covered = depth > 0 if seen is None else seen > 0.5
    if not covered.any():
        return np.zeros((*depth.shape[:-1], 3), np.uint8)
    full = depth / np.maximum(seen, 1e-6) if seen is not None else depth
    low, high = np.quantile(full[covered], (0.01, 0.99))
    near = 1.0 - 0.85 * np.clip((full - low) / max(high - low, 1e-6), 0.0, 1.0)
    share = covered if seen is None else np.clip(seen, 0.0, 1.0)
    return as_picture(np.repeat(near * share, 3, -1))


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
