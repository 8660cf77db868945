"""Questions 5 and 8.1: surfaces of analytic distances, by sphere tracing."""

import time

import numpy as np
import torch

from a3_volume_surface.command import Job
from a3_volume_surface.model import Model, renders
from a3_volume_surface.views import normal_picture, render_views
from common.camera_poses import create_surround_cameras
from common.visualize import as_picture, depth_picture

LIGHT = torch.nn.functional.normalize(torch.tensor([0.4, -0.5, 0.8]), dim=0)


def render(job: Job) -> None:
    """Leave GIFs of colour, normals and depth of a turn around the surface."""
    model = Model(job.cfg)
    many = job.cfg.implicit_function.sdf.type == "many_primitives"
    radius, focal, light = (3.4, 2.0, LIGHT.to(job.device)) if many else (3.0, 1.0, None)
    if many:
        model.implicit_fn.sdf.culling = job.cfg.renderer.culling
    cameras = create_surround_cameras(radius, job.args.num_frames, (0.0, 0.0, 1.0), focal)
    render = renders(model, job.device, light_dir=light)
    start = time.perf_counter()
    values = render_views(render, cameras, job.image_size, "tracing")
    seconds = time.perf_counter() - start
    job.gif("part_5.gif", as_picture(values["color"]))
    job.gif("part_5_normals.gif", normal_picture(values["normal"], values["mask"]))
    job.gif("part_5_depth.gif", depth_picture(values["depth"]))
    job.finish(frames_per_second=len(cameras) / seconds, hit_share=float(np.mean(values["mask"])))
