"""Pictures of point clouds: shaded renders, turntables, grids, captions, PNG and GIF files.

Images are numpy uint8 (H, W, 3), animations (T, H, W, 3). Points are drawn as small opaque balls: lit from the viewer,
paler with distance, darker where something nearer is beside them (eye-dome lighting), so that the shape reads well.
"""

import math
import os
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from common.colors import LABEL_COLORS, height_colors, label_colors
from common.gif import save_gif
from common.outputs import atomic_path
from common.p3d import (
    FoVPerspectiveCameras,
    Pointclouds,
    PointsRasterizationSettings,
    PointsRasterizer,
    look_at_view_transform,
    weighted_sum,
)

__all__ = [
    "LABEL_COLORS",
    "add_caption",
    "height_colors",
    "image_grid",
    "label_colors",
    "render_points",
    "save_gif",
    "save_png",
    "side_by_side",
    "turntable",
]

DEFAULT_COLOR = (0.35, 0.55, 0.80)
WHITE = (1.0, 1.0, 1.0)
# Layers blended at the smoothed rims of balls, and frames rendered at once (few: the image stays in the cache).
LAYERS, FRAMES_AT_ONCE = 3, 2
FIELD_OF_VIEW = 35.0  # degrees
# How much the farthest points fade into the background, how dark balls' rims are, and hidden places.
PALENESS, RIM_SHADE, DOME_STRENGTH = 0.5, 0.35, 6.0
FILLED = 0.93  # the part of the picture's width that a cloud fills


def render_points(
    points: Tensor,
    colors: Tensor | None = None,
    image_size: int | tuple[int, int] = 256,
    azim: float | Tensor = 30.0,
    elev: float | Tensor = 20.0,
    dist: float | None = None,
    radius: float | None = None,
    background: Sequence[float] = WHITE,
    R: Tensor | None = None,
    T: Tensor | None = None,
) -> np.ndarray:
    """One picture of a point cloud, or several from several cameras.

    Args:
        points: (N, 3), +Y up.
        colors: (N, 3) in [0, 1]; one blue for all by default.
        image_size: pixels, one number or (height, width).
        azim, elev: degrees, one number or (M,), of cameras that look at the middle of the cloud's bounding box.
        dist: of the cameras from there; by default such that the cloud fills the picture.
        radius: of the balls, NDC; by default smaller the more points there are.
        background: RGB in [0, 1].
        R, T: extrinsics (M, 3, 3) and (M, 3), in place of azim, elev and dist; the field of view is 35 degrees.

    Returns:
        (H, W, 3) uint8; (M, H, W, 3) if azim, elev or R is a batch.

    Raises:
        ValueError: shapes that do not fit.
    """
    points, colors = _checked(points, colors)
    batched = R is not None and R.dim() == 3 or any(isinstance(a, Tensor) and a.dim() for a in (azim, elev))
    centre, reach = _bounds(points)
    if R is None:
        dist = dist or _fitting_distance(points, elev, azim)
        R, T = look_at_view_transform(dist, elev, azim, at=centre[None], device=points.device)
    R, T = R.reshape(-1, 3, 3).to(points), T.reshape(-1, 3).to(points)
    radius = radius or _ball_radius(len(points), image_size)
    parts = zip(R.split(FRAMES_AT_ONCE), T.split(FRAMES_AT_ONCE), strict=True)
    images = [_render(points, colors, r, t, image_size, radius, background, centre, reach) for r, t in parts]
    images = np.concatenate(images)
    return images if batched else images[0]


def turntable(
    points: Tensor,
    colors: Tensor | None = None,
    num_frames: int = 30,
    image_size: int | tuple[int, int] = 256,
    dist: float | None = None,
    elev: float = 20.0,
    radius: float | None = None,
    background: Sequence[float] = WHITE,
) -> np.ndarray:
    """Frames (num_frames, H, W, 3) uint8 of a full turn about the vertical axis; arguments as for `render_points`."""
    azim = torch.arange(num_frames) * (360.0 / num_frames)
    return render_points(points, colors, image_size, azim, elev, dist, radius, background)


def side_by_side(
    clouds: Sequence[Tensor],
    colors: Sequence[Tensor | None] | None = None,
    captions: Sequence[str] | None = None,
    num_frames: int = 30,
    image_size: int = 256,
    elev: float = 20.0,
    radius: float | None = None,
) -> np.ndarray:
    """Turntables of several clouds next to each other, as prediction | ground truth, all from the same distance.

    Args:
        clouds: tensors (N_i, 3).
        colors: (N_i, 3) in [0, 1] of each, or None.
        captions: a text over each.

    Returns:
        (num_frames, H, W, 3) uint8.
    """
    colors = colors or [None] * len(clouds)
    dist = max(_fitting_distance(torch.as_tensor(c), elev, torch.arange(0, 360, 15)) for c in clouds)
    columns = [
        turntable(cloud, color, num_frames, image_size, dist, elev, radius)
        for cloud, color in zip(clouds, colors, strict=True)
    ]
    if captions is not None:
        columns = [add_caption(c, text) for c, text in zip(columns, captions, strict=True)]
    return np.concatenate(columns, axis=2)


def save_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write an image, (H, W, 3) uint8 or float in [0, 1], to a temporary name that is renamed when complete.

    Raises:
        ValueError: an array of another kind.
    """
    image = _as_uint8(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3), got {image.shape}")
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def image_grid(images: Sequence[np.ndarray], columns: int, pad: int = 2) -> np.ndarray:
    """Images of one size, row by row, with white between them.

    Args:
        images: (H, W, 3) each, or animations (T, H, W, 3); uint8 or float in [0, 1].
        columns: how many stand in a row.
        pad: pixels between images.

    Returns:
        (H', W', 3) or (T, H', W', 3) uint8.

    Raises:
        ValueError: no images, or images of unlike sizes.
    """
    images = [_as_uint8(i) for i in images]
    if not images or len({i.shape for i in images}) != 1 or columns < 1:
        raise ValueError(f"need images of one size and at least one column, got {[i.shape for i in images]}, {columns}")
    *time, height, width, _ = images[0].shape
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    out = np.full((*time, rows * (height + pad) - pad, columns * (width + pad) - pad, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + pad), i % columns * (width + pad)
        out[..., top : top + height, left : left + width, :] = image
    return out


def add_caption(frames: np.ndarray, text: str, size: int = 14) -> np.ndarray:
    """The image (H, W, 3) or frames (T, H, W, 3), uint8 or float in [0, 1], under a white strip with a line of text.

    Args:
        size: of the letters, pixels; smaller if the text would not fit.
    """
    frames = _as_uint8(frames)
    width, height = frames.shape[-2], size + 8
    font = ImageFont.load_default(size)
    while size > 6 and font.getlength(text) > width:
        size -= 1
        font = ImageFont.load_default(size)
    strip = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(strip).text((width / 2, height / 2), text, fill=(40, 40, 40), font=font, anchor="mm")
    strip = np.broadcast_to(np.asarray(strip), (*frames.shape[:-3], height, width, 3))
    return np.concatenate((strip, frames), axis=-3)


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


@torch.no_grad()
def _render(points, colors, R, T, image_size, radius, background, centre, reach) -> np.ndarray:
    """Pictures (M, H, W, 3) uint8 from the cameras R (M, 3, 3), T (M, 3)."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    pixel = 2.0 / min(height, width)
    cameras = FoVPerspectiveCameras(R=R, T=T, fov=FIELD_OF_VIEW, device=points.device)
    settings = PointsRasterizationSettings((height, width), radius + 0.5 * pixel, LAYERS)
    fragments = PointsRasterizer(cameras, settings)(Pointclouds([points]).extend(len(R)))
    idx, depth, squared = (f.permute(0, 3, 1, 2) for f in fragments)
    idx = torch.where(idx < 0, -1, idx % max(len(points), 1)).long()
    distance = squared.clamp(min=0.0).sqrt()
    alpha = ((radius - distance) / pixel + 0.5).clamp(0.0, 1.0)
    alpha[:, -1] = 1.0  # what lies behind the last layer is not known: nothing shines through
    alpha *= idx >= 0
    weight = alpha * torch.cat((torch.ones_like(alpha[:, :1]), (1.0 - alpha[:, :-1]).cumprod(1)), 1)
    middle = (centre @ R + T)[:, 2].view(-1, 1, 1, 1)
    away = ((depth - middle) / (2.0 * reach) + 0.5).clamp(0.0, 1.0)
    pale = PALENESS * away * away
    ball = 1.0 - RIM_SHADE * min(1.0, radius / pixel / 4.0) * (distance / radius).clamp(max=1.0).square()
    shade = _eye_dome(depth, reach)
    foreground = weighted_sum(idx, weight * (1.0 - pale) * ball * shade, colors.t())
    behind = 1.0 - (weight * (1.0 - pale)).sum(1, keepdim=True)
    image = foreground + behind * torch.tensor(background).to(points).view(1, 3, 1, 1)
    return image.clamp(0.0, 1.0).mul(255.0).add(0.5).byte().permute(0, 2, 3, 1).cpu().numpy()


def _eye_dome(depth: Tensor, reach: float) -> Tensor:
    """Shade (M, 1, H, W) in (0, 1]: dark where neighbouring pixels are nearer.

    Args:
        depth: (M, K, H, W), the nearest first, -1 where there is nothing.
        reach: half the cloud's extent, world units.

    Source: Boucheny, Visualisation scientifique de grands volumes de donnees, 2009, chapter 6 (eye-dome lighting).
    """
    front = torch.where(depth[:, :1] < 0, torch.inf, depth[:, :1]) / reach
    hidden = torch.zeros_like(front)
    height, width = front.shape[2:]
    for step in (1, 3, 8):
        padded = F.pad(front, (step,) * 4, value=torch.inf)
        for down, right in ((0, 1), (2, 1), (1, 0), (1, 2), (0, 0), (0, 2), (2, 0), (2, 2)):
            neighbour = padded[:, :, down * step : down * step + height, right * step : right * step + width]
            hidden += (front - neighbour - 0.02).clamp_(0.0, 0.3).nan_to_num_(0.0)
    return torch.exp(-DOME_STRENGTH * hidden / 24.0)


def _checked(points: Tensor, colors: Tensor | None) -> tuple[Tensor, Tensor]:
    points = torch.as_tensor(points).detach()
    points = points if points.is_floating_point() else points.float()
    if points.dim() != 2 or points.shape[1] != 3:
        raise ValueError(f"points must be (N, 3), got {tuple(points.shape)}")
    if colors is None:
        colors = points.new_tensor(DEFAULT_COLOR).expand(len(points), 3)
    colors = torch.as_tensor(colors).detach().to(points)
    if colors.shape != points.shape:
        raise ValueError(f"colors must be (N, 3) like the points, got {tuple(colors.shape)}")
    return points, colors


def _bounds(points: Tensor) -> tuple[Tensor, float]:
    """Middle (3,) of the bounding box, and the largest distance of a point from it; of no points the origin and 1."""
    points = points[points.isfinite().all(1)]
    if len(points) == 0:
        return points.new_zeros(3), 1.0
    centre = 0.5 * (points.amin(0) + points.amax(0))
    return centre, max((points - centre).norm(dim=1).max().item(), 1e-6)


def _fitting_distance(points: Tensor, elev: float | Tensor, azim: float | Tensor) -> float:
    """Least distance from the middle of the bounding box at which all points are in view from all angles (degrees)."""
    centre, reach = _bounds(points)
    R, _ = look_at_view_transform(1.0, elev, azim, device=points.device)
    sideways, forward = ((points - centre) @ R.to(points)).split((2, 1), dim=-1)
    needed = sideways.abs().amax(-1) / (FILLED * math.tan(math.radians(FIELD_OF_VIEW / 2))) - forward[..., 0]
    needed = needed[needed.isfinite()]
    return max(needed.max().item() if len(needed) else 0.0, 1.05 * reach)


def _ball_radius(count: int, image_size: int | tuple[int, int]) -> float:
    """NDC radius that closes the surface of a typical shape of that many points, not below 1.2 pixels."""
    shorter = image_size if isinstance(image_size, int) else min(image_size)
    return max(2.4 / shorter, min(0.045, 2.2 / math.sqrt(max(count, 1))))


def _as_uint8(image: np.ndarray | Tensor) -> np.ndarray:
    image = image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
    if image.dtype == np.uint8:
        return image
    return np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
