"""Training on posed pictures: rays of the training views, scores of held-out ones, the loop."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from a3_volume_surface.command import Job
from a3_volume_surface.model import Model, renders
from a3_volume_surface.rays import RayBundle, cast, pixel_ndc
from a3_volume_surface.views import Render, render_views
from common.camera_poses import create_surround_cameras
from common.cli import UserError
from common.image_metrics import psnr, ssim
from common.optimisation import Optimisation, Steps, optimise
from common.outputs import make_folder
from common.p3d import PerspectiveCameras
from common.scenes import PosedImages, load_scene
from common.visualize import as_picture, save_png

WATCHED_VIEWS, WATCHED_PIXELS = 4, 2**16  # looked at while training, at most
NOTES = 12  # how often
AROUND = 0.3  # length of the mean direction to the cameras, across, below which they go around a scene


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
    scene = load_scene(data.dataset_name, data.image_size and data.image_size[::-1], job.args.data_dir)
    height, width = scene.image_size
    if min(width, height) < 11:
        raise UserError(f"data.image_size {width} x {height}: at least 11 pixels along each side, the window of SSIM")
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


class Watch:
    """Says when another twelfth of the minutes that a run may take is over; never, where they are not limited."""

    def __init__(self, max_minutes: float | None):
        self.every, self.noted = 60 * max_minutes / NOTES if max_minutes else math.inf, 0

    def due(self, steps: Steps) -> bool:
        """Whether it is so for the first time."""
        passed = int(steps.seconds / self.every)
        due, self.noted = passed > self.noted, passed
        return due


def fit(
    job: Job,
    scene: PosedImages,
    model: Model,
    losses: Callable[[int], dict[str, Tensor]],
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[float], float],
    values: Callable[[], dict[str, float]] = dict,
) -> Steps:
    """Train for the configuration's epochs; as in the course, one takes a batch of each training view.

    Now and then a few validation views are scored, or training views where the scene has none for validation; every
    ``render_interval`` epochs the first of them is left as a picture in the folder ``progress``.

    Args:
        losses: step -> named terms.
        values: of the model, to be noted with the scores.
    """
    settings, views = job.cfg.training, len(scene.split["train"])
    name = "val" if len(scene.split["val"]) else "train"
    height, width = scene.image_size
    watched = scene.split[name][: max(1, min(WATCHED_VIEWS, WATCHED_PIXELS // (height * width)))]
    num_steps = settings.num_epochs * views
    render, prune = renders(model, job.device), getattr(model.implicit_fn, "prune", None)
    progress = make_folder(job.folder / "progress", "--output_dir")

    watch = Watch(settings.max_minutes)

    def after(steps: Steps) -> dict[str, float] | None:
        if prune:
            prune(steps.step)
        epoch, rest = divmod(steps.step, views)
        if not rest and epoch % settings.render_interval == 0:
            model.eval()
            out = render_views(render, scene.cameras[watched[:1]], (width, height))
            save_png(
                progress / f"epoch_{epoch:04d}.png", as_picture(out["feature" if "feature" in out else "color"])[0]
            )
            model.train()
        if steps.step % max(1, num_steps // NOTES) and not watch.due(steps):
            return None
        model.eval()
        scores = score(render, scene, watched, model.renderer.background)
        return {**values(), **{f"{name}_{key}": value for key, value in scores.items()}}

    run = Optimisation(model, optimizer, losses, schedule, job.description, job.seed)
    return optimise(
        run,
        num_steps,
        job.checkpoint,
        resume=job.resume,
        checkpoint_every=settings.checkpoint_interval * views,
        max_minutes=settings.max_minutes,
        after=after,
        bar=f"training on {scene.name}",
    )


def last_loss(steps: Steps) -> dict[str, float]:
    """``train_loss`` as noted last, if it was noted at all."""
    return {"train_loss": steps.history[-1]["loss"]} if steps.history else {}


def spiral(scene: PosedImages, count: int) -> PerspectiveCameras:
    """Cameras on the course's circle where the scene's own go around it, else some of its own."""
    centres = scene.cameras.get_camera_center()
    middle = torch.zeros(3) if scene.bounds is None else scene.bounds.mean(0)
    if functional.normalize(centres - middle, dim=1)[:, :2].mean(0).norm() < AROUND:
        return create_surround_cameras(4.0, count, up=(0.0, 0.0, 1.0), focal_length=2.8)
    views = torch.arange(count) * len(scene.cameras) // count
    return scene.cameras[views]
