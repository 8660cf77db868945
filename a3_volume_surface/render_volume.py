"""Question 1: rays, samples along them, and the volume that they cross."""

import numpy as np
import torch

from a3_volume_surface.command import Job
from a3_volume_surface.model import Model, renders
from a3_volume_surface.rays import get_pixels_from_image, get_rays_from_pixels
from a3_volume_surface.views import render_views, vis_grid, vis_rays
from common.camera_poses import create_surround_cameras
from common.visualize import as_picture, depth_picture, render_points

SHOWN = 24  # rays along each side of the picture of samples


def render(job: Job) -> None:
    """Leave the pixel grid, the rays, the samples, and GIFs of colour and depth."""
    model = Model(job.cfg)
    cameras = create_surround_cameras(3.0, job.args.num_frames)
    size, camera = job.image_size, cameras[0]
    xy = get_pixels_from_image(size)
    rays = get_rays_from_pixels(xy, size, camera)
    job.png("grid.png", vis_grid(xy, size))
    job.png("rays.png", vis_rays(rays, size))
    job.png("sample_points.png", _samples(model, size, camera))
    values = render_views(renders(model, job.device), cameras, size, "rendering")
    job.gif("part_1.gif", as_picture(values["feature"]))
    depth = depth_picture(values["depth"], values["opacity"])
    job.gif("part_1_depth.gif", depth)
    job.png("depth.png", depth[0])
    job.finish(mean_opacity=float(values["opacity"].mean()), greatest_depth=float(values["depth"].max()))


def _samples(model: Model, size: tuple[int, int], camera) -> np.ndarray:
    """The samples of some rays of a camera as a point cloud, coloured by their direction, seen from the side."""
    few = (SHOWN, max(1, round(SHOWN * size[1] / size[0])))
    rays = model.sampler.eval()(get_rays_from_pixels(get_pixels_from_image(few), few, camera))
    points = rays.sample_points.reshape(-1, 3)
    colors = rays.directions.abs()[:, None].expand_as(rays.sample_points).reshape(-1, 3)
    return render_points(points, colors.contiguous(), 512, torch.tensor(35.0).item(), 20.0, radius=0.006)
