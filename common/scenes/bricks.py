"""The `lego` scene: the toy bulldozer under a sun and a sky, seen from all around."""

import math

import torch
from torch import Tensor
from tqdm import tqdm

from common.mesh_views import mesh_of_shape
from common.p3d import PerspectiveCameras, look_at_view_transform
from common.scenes.sky_light import SkyLight, visible_surface
from common.shapes.bulldozer import bulldozer

DISTANCE, FOCAL = 4.0, 2.5
SUN = (0.5, -0.75, 0.9)
SMOOTH = 4  # pictures are made so many times as large and averaged


def cameras_around(count: int, seed: int, lowest: float = -20.0, highest: float = 75.0) -> PerspectiveCameras:
    """Cameras at random places of a sphere around the origin, z up, spread evenly by area between two elevations."""
    generator = torch.Generator().manual_seed(seed)
    low, high = math.sin(math.radians(lowest)), math.sin(math.radians(highest))
    share = torch.rand(count, 2, generator=generator)
    z, azimuth = low + (high - low) * share[:, 0], 2 * math.pi * share[:, 1]
    flat = (1 - z * z).sqrt()
    eye = DISTANCE * torch.stack((flat * azimuth.cos(), flat * azimuth.sin(), z), 1)
    R, T = look_at_view_transform(eye=eye, at=((0.0, 0.0, 0.0),), up=((0.0, 0.0, 1.0),))
    return PerspectiveCameras(focal_length=FOCAL, R=R, T=T)


@torch.no_grad()
def render_bricks(cameras: PerspectiveCameras, size: int) -> tuple[Tensor, Tensor]:
    """Premultiplied colours (N, size, size, 3) and coverage (N, size, size), in [0, 1], of the bulldozer."""
    mesh = mesh_of_shape(bulldozer())
    light = SkyLight(mesh, SUN, reach=1.65)
    images, alphas = [], []
    for camera in tqdm(list(cameras), desc="rendering lego", unit="view", leave=False):
        fine = size * SMOOTH
        seen, points, normals, colors, _ = visible_surface(mesh, camera, (fine, fine))
        color = torch.zeros(fine, fine, 3)
        color[seen] = light.shade(points, normals, colors, camera.get_camera_center())
        images.append(_averaged(color))
        alphas.append(_averaged(seen.float()[..., None])[..., 0])
    return torch.stack(images), torch.stack(alphas)


def _averaged(picture: Tensor) -> Tensor:
    height, width, channels = picture.shape
    return picture.view(height // SMOOTH, SMOOTH, width // SMOOTH, SMOOTH, channels).mean((1, 3))
