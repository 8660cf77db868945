"""Question 2: the centre and sides of a box (or a sphere's centre and colour) from a few views."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from a3_volume_surface.command import Job
from a3_volume_surface.model import Model, renders
from a3_volume_surface.rays import get_random_pixels_from_image, get_rays_from_pixels, sample_images_at_xy
from a3_volume_surface.sdf import BoxSDF, SphereSDF
from a3_volume_surface.views import render_views
from common.camera_poses import create_surround_cameras
from common.cli import UserError
from common.data.npy import open_npy
from common.image_metrics import psnr
from common.optimisation import Optimisation, exponential, optimise
from common.p3d import PerspectiveCameras, look_at_view_transform
from common.visualize import as_picture, image_grid

# What the views show where the course's pictures are not at hand.
TRUE_BOX = {"center": [0.25, 0.25, 0.0], "side_lengths": [2.0, 1.5, 1.5]}
TRUE_SPHERE = {"center": [0.0, 0.0, 0.0], "radius": [1.0]}
TRUE_COLOR = [0.8, 0.3, 0.2]


def cameras_of(entries: list[SimpleNamespace]) -> PerspectiveCameras:
    """The cameras of a configuration's ``data.cameras``.

    Raises:
        UserError: one that looks nowhere.
    """
    if any(entry.eye == entry.scene_center for entry in entries):
        raise UserError("data.cameras: eye and scene_center of a camera must not be the same")
    R, T = look_at_view_transform(
        eye=[entry.eye for entry in entries], at=[entry.scene_center for entry in entries], up=[e.up for e in entries]
    )
    focal = torch.tensor([[entry.focal] for entry in entries])
    return PerspectiveCameras(focal, torch.tensor([entry.principal_point for entry in entries]), R, T)


def read_views(job: Job, cameras: PerspectiveCameras) -> tuple[Tensor, str]:
    """Pictures (N, H, W, 3) of the cameras, and where they come from: the files that the configuration names, or ours.

    Raises:
        UserError: some of the files are missing, are no pictures, or differ in size.
    """
    entries, (width, height) = job.cfg.data.cameras, job.image_size
    paths = [Path(entry.image) if entry.image else None for entry in entries]
    if job.args.data_dir:
        paths = [path and Path(job.args.data_dir) / path.name for path in paths]
    missing = [path for path in paths if path is None or not path.is_file()]
    if len(missing) == len(paths):
        return _true_views(job, cameras), "procedural"
    if missing:
        place = missing[0] or "data.cameras: the image of a camera"
        raise UserError(f"{place}: not there, but other views of data.cameras are; all or none must be")
    images = []
    for path in paths:
        image = open_npy(path)
        if image.shape != (height, width, 3) or image.dtype.kind != "f":
            raise UserError(f"{path}: {image.dtype} {image.shape} is not a picture of {width} x {height} floats")
        images.append(torch.from_numpy(np.array(image, np.float32)))
    return torch.stack(images), str(paths[0].parent)


@torch.no_grad()
def _true_views(job: Job, cameras: PerspectiveCameras) -> Tensor:
    truth = Model(job.cfg).eval()
    if not isinstance(truth.implicit_fn.sdf, (BoxSDF, SphereSDF)):
        raise UserError("data.cameras: their pictures are not there, and there are others of a box or a sphere alone")
    for name, value in (TRUE_BOX if isinstance(truth.implicit_fn.sdf, BoxSDF) else TRUE_SPHERE).items():
        getattr(truth.implicit_fn.sdf, name).data = torch.tensor([value])
    if not truth.implicit_fn.rainbow:
        truth.implicit_fn.feature.data = torch.tensor([TRUE_COLOR])
    images = render_views(renders(truth, torch.device("cpu")), cameras, job.image_size, "the true views")["feature"]
    return torch.from_numpy(images)


def train(job: Job) -> None:
    """Fit the parameters that the configuration marks, and leave pictures before and after, a GIF and the values."""
    cfg, settings = job.cfg, job.cfg.training
    if not cfg.data.cameras:
        raise UserError("data.cameras: this configuration names no views to train on")
    cameras = cameras_of(cfg.data.cameras)
    model = Model(cfg).to(job.device)
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise UserError("implicit_function: nothing to train; mark a parameter with opt: true")
    images, source = read_views(job, cameras)
    job.data = {"source": source}
    before = render_views(renders(model, job.device), cameras, job.image_size)["feature"]
    optimizer = torch.optim.Adam(trained, settings.lr)
    views = [camera.to(job.device) for camera in cameras]
    images = images.to(job.device)

    def losses(step: int) -> dict[str, Tensor]:
        view = step % len(views)
        xy = get_random_pixels_from_image(settings.batch_size, job.image_size)
        rays = get_rays_from_pixels(xy, job.image_size, views[view])
        return {
            "color": functional.mse_loss(
                model(rays)["feature"], sample_images_at_xy(images[view : view + 1], xy.to(job.device))
            )
        }

    run = Optimisation(model, optimizer, losses, exponential(0.02), job.description, job.seed)
    steps = optimise(run, settings.num_epochs * len(views), job.checkpoint, resume=job.resume, bar="fitting the volume")
    render = renders(model, job.device)
    after = render_views(render, cameras, job.image_size)["feature"]
    rows = [as_picture(images.cpu().numpy()), as_picture(before), as_picture(after)]
    job.png("before_after.png", image_grid([picture for row in rows for picture in row], len(views)))
    spiral = create_surround_cameras(3.0, job.args.num_frames)
    job.gif("part_2.gif", as_picture(render_views(render, spiral, job.image_size, "turning")["feature"]))
    job.finish(
        **_values(model),
        train_psnr=psnr(torch.from_numpy(after), images.cpu()),
        steps=steps.step,
    )


def _values(model: Model) -> dict[str, float]:
    """The fitted values by name."""
    out = {}
    for name in ("center", "side_lengths", "radius"):
        value = getattr(model.implicit_fn.sdf, name, None)
        if value is not None:
            print(f"{name}: {tuple(round(v, 4) for v in value.flatten().tolist())}")
            out |= {f"{name}_{axis}": v for axis, v in zip("xyz", value.flatten().tolist(), strict=False)}
    return out
