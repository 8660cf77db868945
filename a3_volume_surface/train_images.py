"""Questions 7 and 8: a signed distance with colours, trained on pictures through a volume rendering of it."""

import torch
from torch import Tensor
from torch.nn import functional

from a3_volume_surface.command import Job
from a3_volume_surface.figures import training_figure
from a3_volume_surface.geometry import extract_mesh, geometry_views, largest_pieces, surface_errors
from a3_volume_surface.grid_surface import GridSurface
from a3_volume_surface.image_training import RayBatches, composited, fit, last_loss, scene_of, score, spiral
from a3_volume_surface.model import Model, renders
from a3_volume_surface.surface_losses import eikonal_loss, get_random_points, inter_loss
from a3_volume_surface.train_points import pretrain
from a3_volume_surface.views import render_views
from common.cli import UserError
from common.optimisation import Steps, exponential
from common.scenes import PosedImages
from common.visualize import as_picture, depth_picture, image_grid

RESOLUTION = 256  # of the mesh that is scored, along its longest side
TRUE_POINTS = 100_000


def train_images(job: Job) -> None:
    """Train on the scene's views; leave GIFs of colour and geometry, test scores and the error of the surface."""
    cfg, settings = job.cfg, job.cfg.training
    scene = scene_of(job)
    model = Model(cfg, scene.bounds, scene.depth_range).to(job.device)
    field, renderer = model.implicit_fn, model.renderer
    grid = isinstance(field, GridSurface)
    batches = RayBatches(scene, job.device, margin=4 if grid else None)
    if grid and scene.alpha is not None:
        field.occupancy.carve(batches.cameras, batches.alpha)
        field.start_as_hull()
    if settings.pretrain_iters and not grid and not job.resume:
        pretrain(field, settings, job)
    own, num_steps = renderer.background, settings.num_epochs * len(scene.split["train"])
    known = field.occupancy.bounds if grid else scene.bounds
    box = (torch.tensor(settings.bounds) if known is None else known).to(job.device)

    def losses(step: int) -> dict[str, Tensor]:
        renderer.sharpness.lead(step / num_steps)
        rays, colors, alpha = batches.draw(settings.batch_size)
        terms = {"color": functional.mse_loss(*composited(model(rays), colors, alpha, own))}
        places = get_random_points(settings.batch_size, box, job.device)
        distance, gradient = field.get_distance_and_gradient(places)
        if settings.inter_weight:
            terms["inter"] = settings.inter_weight * inter_loss(distance)
        if settings.eikonal_weight:
            terms["eikonal"] = settings.eikonal_weight * eikonal_loss(gradient)
        return terms

    groups = field.groups(settings.lr) if grid else [{"params": list(field.parameters()), "lr": settings.lr}]
    groups.append({"params": list(renderer.parameters()), "lr": 5e-3 if grid else settings.lr})
    optimizer = torch.optim.Adam(groups, eps=1e-15 if grid else 1e-8, betas=(0.9, 0.99) if grid else (0.9, 0.999))
    fall = settings.lr_scheduler_gamma ** (settings.num_epochs / settings.lr_scheduler_step_size)
    schedule = exponential(0.03 if grid else fall)
    steps = fit(job, scene, model, losses, optimizer, schedule, renderer.sharpness.values)
    finish(job, scene, model, steps, box)


@torch.no_grad()
def finish(job: Job, scene: PosedImages, model: Model, steps: Steps, box: Tensor) -> None:
    """Score the test views once and the surface, and leave GIFs, pictures and a figure."""
    render, own = renders(model, job.device), model.renderer.background
    test, (height, width) = scene.split["test"], scene.image_size
    metrics = {f"test_{name}": value for name, value in score(render, scene, test, own).items()}
    metrics |= model.renderer.sharpness.values()
    few = test[:: max(1, len(test) // 4)][:4]
    shown = as_picture(render_views(render, scene.cameras[few], (width, height))["color"])
    job.png("test_views.png", image_grid([*as_picture(scene.over(own)[few].numpy()), *shown], len(few)))
    around = spiral(scene, job.args.num_frames)
    frames = render_views(render, around, (width, height), "turning")
    job.gif("part_7.gif", as_picture(frames["color"]))
    job.gif("part_7_depth.gif", depth_picture(frames["depth"], frames["opacity"]))
    training_figure(job.folder / "training.png", {job.args.config_name: steps.history})
    try:
        mesh = largest_pieces(extract_mesh(model.implicit_fn, box, RESOLUTION).cpu())
        job.gif("part_7_geometry.gif", geometry_views(mesh, around, max(256, height)))
        metrics["mesh_faces"] = len(mesh.faces_packed())
        if scene.surface is not None:
            metrics |= surface_errors(mesh, scene.surface(TRUE_POINTS, 0))
    except UserError as error:
        print(f"no mesh: {error}")
    job.finish(steps.history, **metrics, **last_loss(steps), steps=steps.step, training_seconds=steps.seconds)
