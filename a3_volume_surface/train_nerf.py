"""Questions 3 and 4: a radiance field of a scene, by the MLP or by the grid, scored on views held out."""

import torch
from torch import Tensor
from torch.nn import functional

from a3_volume_surface.command import Job
from a3_volume_surface.contraction import ContractedGrid, focus_of
from a3_volume_surface.figures import training_figure
from a3_volume_surface.image_training import RayBatches, composited, fit, last_loss, scene_of, score, spiral
from a3_volume_surface.model import Model, renders
from a3_volume_surface.views import render_views
from common.optimisation import Steps, exponential
from common.scenes import PosedImages
from common.visualize import as_picture, depth_picture, image_grid


def train_nerf(job: Job) -> None:
    """Train on the scene's training views; leave GIFs, held-out pictures, the scores of the test views and a figure."""
    cfg, settings = job.cfg, job.cfg.training
    scene = scene_of(job)
    focus = None if scene.bounds is not None else focus_of(scene.cameras[scene.split["train"]])
    model = Model(cfg, scene.bounds, scene.depth_range, focus).to(job.device)
    packed = cfg.sampler.type == "occupancy"
    # Rays that pass the visual hull by ask nothing then; else the MLP must learn that nothing is there.
    batches = RayBatches(scene, job.device, margin=4 if packed else None)
    if packed:
        model.renderer.distortion = settings.distortion_weight > 0
    if packed and scene.alpha is not None and not isinstance(model.implicit_fn.occupancy, ContractedGrid):
        model.implicit_fn.occupancy.carve(batches.cameras, batches.alpha)
    own = model.renderer.background

    def losses(step: int) -> dict[str, Tensor]:
        count = model.renderer.rays_for(cfg.sampler.n_samples, settings.batch_size) if packed else settings.batch_size
        rays, colors, alpha = batches.draw(count)
        out = model(rays)
        terms = color_losses(out, colors, alpha, own)
        if "distortion" in out:
            terms["distortion"] = settings.distortion_weight * out["distortion"].mean()
        return terms

    if cfg.implicit_function.type == "nerf_grid":
        optimizer = torch.optim.Adam(model.implicit_fn.groups(settings.lr), eps=1e-15, betas=(0.9, 0.99), fused=True)
        schedule = exponential(0.02)
    else:
        optimizer = torch.optim.Adam(model.parameters(), settings.lr)
        fall = settings.lr_scheduler_gamma ** (settings.num_epochs / settings.lr_scheduler_step_size)
        schedule = exponential(fall, warmup=0.0)
    steps = fit(job, scene, model, losses, optimizer, schedule)
    finish(job, scene, model, steps)


def color_losses(out: dict[str, Tensor], colors: Tensor, alpha: Tensor | None, own: float) -> dict[str, Tensor]:
    """Squared errors of what was rendered, and of the first of two passes, each with an opacity of its own.

    Args:
        out: a renderer's, over the background ``own``. colors, alpha: the truth, as of `composited`.
    """
    terms = {"color": functional.mse_loss(*composited(out, colors, alpha, own))}
    if "coarse" in out:
        first = {"feature": out["coarse"], "opacity": out["coarse_opacity"]}
        terms["coarse color"] = functional.mse_loss(*composited(first, colors, alpha, own))
    return terms


def finish(job: Job, scene: PosedImages, model: Model, steps: Steps) -> None:
    """Score the test views once, and leave GIFs of a turn around the scene, pictures and a figure."""
    render, own = renders(model, job.device), model.renderer.background
    test, (height, width) = scene.split["test"], scene.image_size
    metrics = {f"test_{name}": value for name, value in score(render, scene, test, own).items()}
    metrics["train_psnr"] = score(render, scene, scene.split["train"][: len(test)][:4], own)["psnr"]
    few = test[:: max(1, len(test) // 4)][:4]
    shown = render_views(render, scene.cameras[few], (width, height))
    truth = as_picture(scene.over(own)[few].numpy())
    job.png("test_views.png", image_grid([*truth, *as_picture(shown["feature"])], len(few)))
    frames = render_views(render, spiral(scene, job.args.num_frames), (width, height), "turning")
    job.gif("part_3.gif", as_picture(frames["feature"]))
    job.gif("part_3_depth.gif", depth_picture(frames["depth"], frames["opacity"]))
    training_figure(job.folder / "training.png", {job.args.config_name: steps.history})
    metrics |= {"training_seconds": steps.seconds, "parameters": sum(p.numel() for p in model.parameters())}
    job.finish(steps.history, **metrics, **last_loss(steps), steps=steps.step)
