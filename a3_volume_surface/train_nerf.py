"""Questions 3 and 4: a radiance field of a scene, by the MLP or by the grid, scored on views held out."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from a3_volume_surface.command import Job, plain
from a3_volume_surface.contraction import focus_of
from a3_volume_surface.figures import training_figure
from a3_volume_surface.model import Model, renders
from a3_volume_surface.rays import RayBundle, cast, pixel_ndc
from a3_volume_surface.views import Render, as_picture, create_surround_cameras, depth_picture, render_views
from common.cli import UserError
from common.image_metrics import psnr, ssim
from common.optimisation import Optimisation, Steps, exponential, optimise
from common.scenes import PosedImages, load_scene
from common.visualize import image_grid

VALIDATION_VIEWS = 4  # looked at while training
NOTES = 12  # how often


class RayBatches:
    """Random rays of a scene's training views with the colours and coverage that they show.

    Args:
        margin: pixels; where coverage is known, only pixels this near to what is covered are drawn. None draws all.
    """

    def __init__(self, scene: PosedImages, device: torch.device, margin: int | None = None):
        views = scene.split["train"]
        self.cameras = scene.cameras[views].to(device)
        self.images = scene.images[views].to(device)
        self.alpha = scene.alpha[views].to(device) if scene.alpha is not None else None
        self.pixels = torch.arange(self.images[..., 0].numel(), device=device)
        if self.alpha is not None and margin is not None:
            near = functional.max_pool2d(self.alpha[:, None], 2 * margin + 1, 1, margin)
            self.pixels = (near.reshape(-1) > 0).nonzero()[:, 0]
            if not len(self):
                raise UserError(f"{scene.name}: its training pictures show nothing; their coverage is 0 everywhere")

    def __len__(self) -> int:
        """Pixels to draw from."""
        return len(self.pixels)

    def draw(self, count: int) -> tuple[RayBundle, Tensor, Tensor | None]:
        """``count`` rays, premultiplied colours (count, 3) and coverage (count,), of pixels drawn with replacement."""
        height, width = self.images.shape[1:3]
        pixel = self.pixels[torch.randint(len(self), (count,)).to(self.images.device)]
        view, inside = pixel // (height * width), pixel % (height * width)
        xy = pixel_ndc(inside // width, inside % width, (height, width))
        origins, directions = cast(self.cameras, xy, view)
        empty = origins[:, None]
        colors = self.images.view(-1, 3)[pixel]
        alpha = self.alpha.view(-1)[pixel] if self.alpha is not None else None
        return RayBundle(origins, directions, empty, empty[..., :1]), colors, alpha


def scene_of(job: Job) -> PosedImages:
    """The scene that the configuration names.

    Raises:
        UserError: none of that name; pictures too small to score; coverage but no choice of a background.
    """
    data = job.cfg.data
    width, height = data.image_size
    if min(width, height) < 11:
        raise UserError(f"data.image_size {width} x {height}: at least 11 pixels along each side, the window of SSIM")
    scene = load_scene(data.dataset_name, (height, width), job.args.data_dir)
    if data.num_views is not None:
        scene = scene.fewer(data.num_views, job.seed)
    if scene.alpha is not None and job.cfg.renderer.white_background is None:
        raise UserError(
            f"{scene.name}: its pictures have an alpha channel; choose what is behind it with "
            "renderer.white_background=true or =false"
        )
    job.data = {"source": scene.source, "scene": scene.name, "views": {k: len(v) for k, v in scene.split.items()}}
    return scene


def score(render: Render, scene: PosedImages, views: Tensor, background: float) -> dict[str, float]:
    """Mean PSNR and SSIM of ``views`` (M,)."""
    height, width = scene.image_size
    targets = scene.over(background)[views]
    out = render_views(render, scene.cameras[views], (width, height))
    pictures = torch.from_numpy(out["feature" if "feature" in out else "color"]).clamp(0, 1)
    pairs = list(zip(pictures, targets, strict=True))
    return {
        "psnr": float(np.mean([psnr(one, other) for one, other in pairs])),
        "ssim": float(np.mean([ssim(one, other) for one, other in pairs])),
    }


def composited(out: dict[str, Tensor], colors: Tensor, alpha: Tensor | None, own: float) -> tuple[Tensor, Tensor]:
    """Rendered and true colours (P, 3) over one random background, so that what is empty must be seen to be.

    Args:
        out: a renderer's, over the background ``own``.
        alpha: coverage (P,) of the true, premultiplied ``colors`` (P, 3); None where they show all that there is.
    """
    shown = out["feature" if "feature" in out else "color"]
    if alpha is None:
        return shown, colors
    background = torch.rand(3, device=shown.device)
    empty = 1.0 - out["opacity"]
    return shown + empty * (background - own), colors + (1.0 - alpha[:, None]) * background


def train_nerf(job: Job) -> None:
    """Train on the scene's training views; leave GIFs, held-out pictures, the scores of the test views and a figure."""
    cfg, settings = job.cfg, job.cfg.training
    scene = scene_of(job)
    focus = None if scene.bounds is not None else focus_of(scene.cameras[scene.split["train"]])
    model = Model(cfg, scene.bounds, scene.depth_range, focus).to(job.device)
    grid = cfg.implicit_function.type == "nerf_grid"
    # Rays that pass the visual hull by ask the grid nothing; the MLP must learn that nothing is there.
    batches = RayBatches(scene, job.device, margin=4 if grid else None)
    if grid and scene.alpha is not None:
        model.implicit_fn.occupancy.carve(batches.cameras, batches.alpha)
    own = model.renderer.background

    def losses(step: int) -> dict[str, Tensor]:
        rays, colors, alpha = batches.draw(settings.batch_size)
        out = model(rays)
        terms = {"color": functional.mse_loss(*composited(out, colors, alpha, own))}
        if "coarse" in out:
            terms["coarse color"] = functional.mse_loss(
                *composited({**out, "feature": out["coarse"]}, colors, alpha, own)
            )
        return terms

    # As in the course, an epoch takes one batch of each training view.
    num_steps = settings.num_epochs * len(scene.split["train"])
    render = renders(model, job.device)
    watched = (scene.split["val"] if len(scene.split["val"]) else scene.split["test"])[:VALIDATION_VIEWS]

    def after(steps: Steps) -> dict[str, float] | None:
        if grid:
            model.implicit_fn.prune(steps.step)
        if steps.step % max(1, num_steps // NOTES):
            return None
        model.eval()
        return {f"val_{name}": value for name, value in score(render, scene, watched, own).items()}

    if grid:
        optimizer = torch.optim.Adam(model.implicit_fn.groups(settings.lr), eps=1e-15, betas=(0.9, 0.99), fused=True)
        schedule = exponential(0.02)
    else:
        optimizer = torch.optim.Adam(model.parameters(), settings.lr)
        fall = settings.lr_scheduler_gamma ** (settings.num_epochs / settings.lr_scheduler_step_size)
        schedule = exponential(fall, warmup=0.0)
    run = Optimisation(model, optimizer, losses, schedule, {"config": plain(cfg.implicit_function)}, job.seed)
    steps = optimise(
        run,
        num_steps,
        job.checkpoint,
        resume=job.resume,
        checkpoint_every=settings.checkpoint_interval * len(scene.split["train"]),
        max_minutes=settings.max_minutes,
        after=after,
        bar=f"training on {scene.name}",
    )
    finish(job, scene, render, steps, own, sum(p.numel() for p in model.parameters()))


def finish(job: Job, scene: PosedImages, render: Render, steps: Steps, own: float, parameters: int) -> None:
    """Score the test views once, and leave GIFs of a turn around the scene, pictures and a figure."""
    test = scene.split["test"]
    metrics = {f"test_{name}": value for name, value in score(render, scene, test, own).items()}
    height, width = scene.image_size
    few = test[:: max(1, len(test) // 4)][:4]
    shown = render_views(render, scene.cameras[few], (width, height))
    truth = as_picture(scene.over(own)[few].numpy())
    job.png("test_views.png", image_grid([*truth, *as_picture(shown["feature"])], len(few)))
    around = spiral(scene, job.args.num_frames)
    frames = render_views(render, around, (width, height), "turning")
    job.gif("part_3.gif", as_picture(frames["feature"]))
    job.gif("part_3_depth.gif", depth_picture(frames["depth"], frames["opacity"]))
    training_figure(job.folder / "training.png", {job.args.config_name: steps.history})
    job.finish(steps.history, **metrics, steps=steps.step, training_seconds=steps.seconds, parameters=parameters)


def spiral(scene: PosedImages, count: int):
    """Cameras on the course's circle around a scene whose box is known, else some of the scene's own."""
    if scene.bounds is not None:
        return create_surround_cameras(4.0, count, up=(0.0, 0.0, 1.0), focal_length=2.0)
    views = torch.arange(count) * len(scene.cameras) // count
    return scene.cameras[views]
