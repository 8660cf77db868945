"""Question 6: a neural signed distance of a cloud of points."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from a3_volume_surface.command import Job
from a3_volume_surface.geometry import extract_mesh, geometry_views, largest_pieces
from a3_volume_surface.model import Model
from a3_volume_surface.surface_losses import (
    eikonal_loss,
    get_random_points,
    inter_loss,
    select_random_points,
    sphere_loss,
)
from common.camera_poses import create_surround_cameras
from common.cli import UserError
from common.mesh_views import centred, cow
from common.optimisation import Optimisation, exponential, optimise
from common.outputs import data_folder
from common.p3d import sample_points_from_meshes
from common.visualize import FIELD_OF_VIEW, render_points

COW_POINTS = 10_000
FOCAL = 1 / math.tan(math.radians(FIELD_OF_VIEW / 2))  # the same for the points and the surface
BAND = 0.1  # around the surface, in which the gradient's length is judged and mostly trained
RESOLUTION = 192  # of the mesh that the error is measured on


def read_points(job: Job) -> tuple[Tensor, str]:
    """A cloud (N, 3), its middle at the origin: of the configuration's file, or of a procedural cow.

    Raises:
        UserError: a file that is missing though named on the command line, damaged, or holds no ``verts`` (N, 3).
    """
    path = Path(job.cfg.data.point_cloud_path or "")
    beside = data_folder(job.args.data_dir) / path.name
    path = beside if beside.is_file() and not path.is_file() else path
    if not path.is_file():
        if any(override.lstrip("+").startswith("data.point_cloud_path") for override in job.args.overrides):
            raise UserError(f"data.point_cloud_path {path}: no such file")
        print(f"data.point_cloud_path {path}: not there; a procedural cow in its place")
        return sample_points_from_meshes(centred(cow()), COW_POINTS)[0], "procedural cow"
    try:
        with np.load(path, allow_pickle=False) as archive:
            verts = archive["verts"]
        if verts.ndim != 2 or verts.shape[1] != 3 or verts.dtype.kind not in "fiu":
            raise ValueError(f"verts are {verts.dtype} {verts.shape}")
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged files
        raise UserError(f"{path}: not a cloud with verts (N, 3) ({str(error)[:80]})") from None
    with np.errstate(over="ignore"):
        points = torch.from_numpy(verts.astype(np.float32))
    if len(points) < 10 or not points.isfinite().all() or not (points != points[0]).any():
        raise UserError(f"{path}: needs at least ten points, all finite, not all in one place")
    return points - points.mean(0), str(path)


def train_points(job: Job) -> None:
    """Train the distance on the points alone; leave GIFs of the points and the surface, and how far they are apart."""
    cfg, settings = job.cfg, job.cfg.training
    points, source = read_points(job)
    job.data = {"source": source, "points": len(points)}
    points = points.to(job.device)
    diagonal = float((points.amax(0) - points.amin(0)).norm())
    model = Model(cfg).to(job.device)
    field = model.implicit_fn
    if settings.pretrain_iters and not job.resume:
        pretrain(field, settings, job)
    optimizer = torch.optim.Adam(model.parameters(), settings.lr)

    def losses(step: int) -> dict[str, Tensor]:
        batch = select_random_points(points, settings.batch_size)
        near = batch + BAND / 2 * torch.randn_like(batch)
        everywhere = get_random_points(settings.batch_size // 2, settings.bounds, job.device)
        beside = torch.cat((near[: settings.batch_size // 2], everywhere))
        _, gradient = field.get_distance_and_gradient(torch.cat((beside, batch[: settings.batch_size // 4])))
        return {
            "points": field.get_distance(batch).abs().mean(),
            "inter": settings.inter_weight * inter_loss(field.get_distance(everywhere)),
            "eikonal": settings.eikonal_weight * eikonal_loss(gradient),
        }

    run = Optimisation(model, optimizer, losses, exponential(0.02), job.description, job.seed)
    steps = optimise(
        run,
        settings.num_epochs,
        job.checkpoint,
        resume=job.resume,
        checkpoint_every=settings.checkpoint_interval,
        max_minutes=settings.max_minutes,
        bar="fitting the distance",
    )
    cameras = create_surround_cameras(3.7, job.args.num_frames, focal_length=FOCAL, height=0.8)
    clouds = render_points(points.cpu(), None, job.image_size[0], R=cameras.R, T=cameras.T)
    job.gif("part_6_input.gif", clouds)
    margin = 0.05 * diagonal
    bounds = torch.stack((points.amin(0) - margin, points.amax(0) + margin))
    mesh = largest_pieces(extract_mesh(field, bounds, RESOLUTION).cpu())
    job.gif("part_6.gif", geometry_views(mesh, cameras, job.image_size[0]))
    metrics = distance_metrics(field, points, diagonal)
    job.finish(steps.history, **metrics, steps=steps.step, training_seconds=steps.seconds)


def pretrain(field, settings, job: Job) -> None:
    """Bring the field to the distance to the unit sphere first, as the course does."""
    optimizer = torch.optim.Adam(field.parameters(), settings.lr)
    for _ in range(settings.pretrain_iters):
        places = get_random_points(settings.batch_size, settings.bounds, job.device)
        loss = sphere_loss(field.get_distance(places), places)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def distance_metrics(field, points: Tensor, diagonal: float) -> dict[str, float]:
    """Mean and greatest distance of the points from the zero set, shares of the diagonal; mean | |gradient| - 1 |."""
    distances = torch.cat([distance_to_zero_set(field, part) for part in points.split(8192)]) / diagonal
    spread = torch.rand(points.shape, generator=torch.Generator().manual_seed(0)).to(points)
    near = points + BAND * (2 * spread - 1)
    with torch.no_grad():
        gradient = torch.cat([field.get_distance_and_gradient(part)[1] for part in near.split(8192)])
    return {
        "mean_point_distance": float(distances.mean()),
        "greatest_point_distance": float(distances.max()),
        "gradient_error": float((gradient.norm(dim=1) - 1).abs().mean()),
    }


@torch.no_grad()
def distance_to_zero_set(field, points: Tensor, rounds: int = 8) -> Tensor:
    """(N,) how far points (N, 3) go when Newton's method takes them to the zero set along the gradient."""
    place = points
    for _ in range(rounds):
        value, gradient = field.get_distance_and_gradient(place)
        place = place - value * gradient / gradient.square().sum(1, keepdim=True).clamp(min=1e-6)
    return (place - points).norm(dim=1)
