"""Pictures and films of Gaussians."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.projection import NEAR, Pinhole, pinhole
from a4_splatting_sds.scene import render
from a4_splatting_sds.tiles import composite_tiles
from common.camera_poses import create_surround_cameras
from common.gif import save_gif
from common.visualize import add_caption, as_picture, depth_picture

UP = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0), "minus_y": (0.0, -1.0, 0.0)}
LENS = 2.4  # focal length of turntables, halves of the shorter side


@torch.no_grad()
def render_all(
    gaussians: Gaussians,
    cameras: Sequence[Pinhole],
    background: Tensor | float = 0.0,
    rasterizer: Callable[..., tuple[Tensor, Tensor]] = composite_tiles,
    bar: str | None = None,
) -> dict[str, np.ndarray]:
    """``image`` (N, H, W, 3) in [0, 1], ``depth`` and ``mask`` (N, H, W, 1) of cameras of one size."""
    parts = {"image": [], "depth": [], "mask": []}
    for camera in tqdm(cameras, desc=bar, disable=bar is None, unit="view", leave=False):
        seen = render(gaussians, camera, background, rasterizer)
        for name, values in parts.items():
            value = getattr(seen, name).clamp(min=0.0) if name != "image" else seen.image.clamp(0, 1)
            values.append((value if name == "image" else value[..., None]).cpu().numpy())
    return {name: np.stack(values) for name, values in parts.items()}


@torch.no_grad()
def around(
    gaussians: Gaussians, count: int, size: tuple[int, int], up: Sequence[float], elevation: float, zoom: float = 1.0
) -> list[Pinhole]:
    """Cameras on a circle around what the Gaussians show; ``elevation`` in degrees, ``zoom`` above 1 is nearer."""
    weight = gaussians.opacities
    seen = gaussians.means[weight > 0.1] if bool((weight > 0.1).any()) else gaussians.means
    # Of what is seen a few lie far away: they do not count.
    ends = seen.sort(0).values[[int(share * (len(seen) - 1)) for share in (0.02, 0.98)]]
    middle = ends.mean(0)
    away = (seen - middle).norm(dim=1).sort().values
    reach = float(away[int(0.97 * (len(away) - 1))] + 2 * gaussians.scales.amax(1).median())
    distance = 1.15 * LENS * max(reach, 1e-6) / zoom
    tilt = np.radians(elevation)
    cameras = create_surround_cameras(
        distance * float(np.cos(tilt)), count, tuple(up), LENS, distance * float(np.sin(tilt)), middle.tolist()
    )
    near = min(NEAR, 0.01 * distance)
    return [pinhole(cameras[[view]].to(middle.device), size, near) for view in range(count)]


def save_turntables(folder: Path, seen: dict[str, np.ndarray], fps: float = 15) -> list[Path]:
    """Write ``render.gif`` of colour, ``depth.gif`` and ``mask.gif`` of what `render_all` gives."""
    films = {
        "render": as_picture(seen["image"]),
        "depth": depth_picture(seen["depth"], seen["mask"]),
        "mask": as_picture(np.repeat(seen["mask"], 3, -1)),
    }
    for name, frames in films.items():
        save_gif(folder / f"{name}.gif", frames, fps)
    return [folder / f"{name}.gif" for name in films]


def beside(films: dict[str, np.ndarray]) -> np.ndarray:
    """Films (N, H, W, 3) in [0, 1] or uint8 side by side, each under its name."""
    return np.concatenate([add_caption(as_picture(f) if f.dtype != np.uint8 else f, n) for n, f in films.items()], 2)
