"""Question 1.2: train Gaussians on posed pictures."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from a4_splatting_sds.files import save_gaussians
from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.pictures import UP, beside, render_all
from a4_splatting_sds.scene import RASTERIZERS, rasterizer_of
from a4_splatting_sds.spherical_harmonics import MOST_DEGREE
from a4_splatting_sds.training import DENSITY, SMALLEST, Model, Settings, Trainer, first_gaussians, model_of_checkpoint
from common.checkpoint import load_checkpoint
from common.cli import (
    ArgumentParser,
    UserError,
    add_common_flags,
    command,
    non_negative_float,
    positive_float,
    positive_int,
    resolve_device,
)
from common.gif import save_gif
from common.image_metrics import psnr, ssim, ssim_uniform
from common.optimisation import Steps, optimise
from common.outputs import make_folder, write_json, write_metrics, write_run
from common.scenes.load import load_scene
from common.scenes.posed_images import PosedImages
from common.training import seed_everything
from common.visualize import as_picture

OUTPUT_DIR = "outputs/a4_splatting_sds"
CHECKPOINT, GAUSSIANS, FILM = "checkpoint.pt", "gaussians.ply", "training_progress.gif"
BACKGROUNDS = {"black": (0.0, 0.0, 0.0), "white": (1.0, 1.0, 1.0)}
WATCHED, LARGEST = 5, 200  # views of the film of progress, and pixels along each side of them


def evaluate(gaussians: Gaussians, trainer: Trainer, views: Tensor) -> tuple[dict[str, float], np.ndarray]:
    """Scores of views, means over them, and their pictures (N, H, W, 3) in [0, 1]."""
    made = render_all(gaussians, [trainer.cameras[v] for v in views.tolist()], trainer.background, trainer.rasterizer)
    rows = []
    for view, image in zip(views.tolist(), torch.from_numpy(made["image"]), strict=True):
        truth = trainer.images[view].cpu()
        rows.append((psnr(image, truth), ssim_uniform(image, truth), ssim(image, truth)))
    means = np.mean(rows, 0)
    return dict(zip(("psnr", "ssim", "ssim_gaussian"), map(float, means), strict=True)), made["image"]


def train(args: argparse.Namespace, scene: PosedImages, settings: Settings, folder: Path, device: torch.device):
    """Train, or go on from the folder's checkpoint.

    Returns:
        the trainer, `Steps`, and frames (H, W, 3) uint8 of the film of progress since the run began or went on.
    """
    seed_everything(args.seed)
    if args.resume:
        model = model_of_checkpoint(load_checkpoint(folder / CHECKPOINT)["weights"])
    else:
        model = Model(first_gaussians(scene, args.init, args.num_gaussians, args.isotropic, args.sh_degree, args.seed))
    rasterizer = rasterizer_of(args.rasterizer, args.gaussians_per_splat, device)
    trainer = Trainer(model.to(device), scene, settings, args.seed, description(args, scene), rasterizer)
    train_views = scene.split["train"]
    watched = train_views[torch.linspace(0, len(train_views) - 1, min(WATCHED, len(train_views))).long()]
    frames = []
    viewer = _viewer(args)

    def after(steps: Steps) -> dict[str, float] | None:
        begin = time.perf_counter()
        trainer.after(steps)
        steps.seconds += time.perf_counter() - begin  # adding and moving Gaussians is training as well
        if steps.step % args.viz_freq and steps.step != args.num_itrs:
            return None
        if viewer:
            viewer.show(model.gaussians, f"after {steps.step} steps")
        scores, made = evaluate(model.gaussians, trainer, watched)
        frames.append(as_small_picture(made))
        return {"train_psnr": scores["psnr"], "num_gaussians": len(model.gaussians)}

    try:
        steps = optimise(
            trainer.run,
            args.num_itrs,
            folder / CHECKPOINT,
            resume=args.resume,
            max_minutes=args.max_minutes,
            after=after,
            bar="splatting",
        )
    finally:
        if viewer:
            viewer.stop()
    truth = as_small_picture(trainer.images[watched].cpu().numpy())
    return trainer, steps, [np.concatenate((frame, truth), 0) for frame in frames]


def as_small_picture(views: np.ndarray) -> np.ndarray:
    """Views (N, H, W, 3) in [0, 1] side by side as uint8, each at most ``LARGEST`` pixels wide and high."""
    H, W = views.shape[1:3]
    share = min(1.0, LARGEST / max(H, W))
    size = (max(1, round(W * share)), max(1, round(H * share)))
    pictures = [Image.fromarray(as_picture(view)).resize(size, Image.Resampling.BOX) for view in views]
    return np.concatenate([np.asarray(picture) for picture in pictures], 1)


def _viewer(args: argparse.Namespace):
    """The page to watch the training on, where one is asked for."""
    if args.view_port is None:
        return None
    from a4_splatting_sds.view import Viewer

    viewer = Viewer(args.view_port, up=args.up)
    print(f"watch at {viewer.address}", flush=True)
    return viewer


def description(args: argparse.Namespace, scene: PosedImages) -> dict:
    """What a checkpoint says of its run, so that only the same is resumed."""
    # A run may go on for longer: of its length only the rates' fall depends.
    names = [f.name for f in fields(Settings) if f.name not in ("adaptive", "mcmc", "background", "num_itrs")]
    said = {name: getattr(args, name) for name in names if hasattr(args, name)}
    more = ("init", "num_gaussians", "image_size", "isotropic", "sh_degree", "background", "max_gaussians", "seed")
    return {"scene": scene.name, "data": scene.fingerprint(), **said, **{name: getattr(args, name) for name in more}}


def settings_of(args: argparse.Namespace) -> Settings:
    """What the flags say."""
    settings = Settings(background=BACKGROUNDS[args.background])
    names = [f.name for f in fields(Settings) if hasattr(args, f.name) and f.name != "background"]
    settings = replace(settings, **{name: getattr(args, name) for name in names})
    return replace(
        settings,
        adaptive=replace(settings.adaptive, most=args.max_gaussians),
        mcmc=replace(settings.mcmc, most=args.max_gaussians),
    )


def add_rasterizer_flags(p: ArgumentParser) -> None:
    """Which rasteriser, and the course's flag of the plain one."""
    p.add_argument(
        "--rasterizer",
        choices=RASTERIZERS,
        default="auto",
        help="what composites: gsplat on a GPU where it is installed, else fast; reference is the plain form",
    )
    p.add_argument(
        "--gaussians_per_splat", type=some_or_all, default=2048, help="at once, of --rasterizer reference; -1: all"
    )


def some_or_all(text: str) -> int:
    """argparse type of a number above 0, or -1."""
    if text.strip() == "-1":
        return -1
    try:
        return positive_int(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text} is neither a whole number above 0 nor -1") from None


def share(text: str) -> float:
    """argparse type of a number from 0 to 1."""
    value = non_negative_float(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text} is more than 1")
    return value


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Train; leave the Gaussians, films of progress and of held-out views, and the scores on these."""
    run(parser().parse_args(argv))


def run(args: argparse.Namespace) -> dict[str, float]:
    """The command with its flags read; its metrics."""
    started = time.time()
    device = resolve_device(args.device)
    if args.image_size is not None and args.image_size < SMALLEST:
        raise UserError(f"--image_size {args.image_size}: pictures must be at least {SMALLEST} pixels along each side")
    scene = load_scene(args.data_path, args.image_size, args.data_dir)
    folder = make_folder(Path(args.output_dir) / (args.exp_name or f"train_{scene.name}"), "--output_dir")
    trainer, steps, frames = train(args, scene, settings_of(args), folder, device)
    gaussians = trainer.model.gaussians
    save_gaussians(folder / GAUSSIANS, gaussians)
    metrics, shown = evaluate(gaussians, trainer, held_out(scene))
    metrics |= {"num_gaussians": len(gaussians), "steps": steps.step, "training_seconds": steps.seconds}
    metrics["seconds"] = time.time() - started
    write_json(folder / "history.json", {"steps": steps.history})
    write_metrics(folder, metrics)
    write_run(folder, vars(args), started, seed=args.seed, device=str(device), data=scene.source)
    if frames:
        save_gif(folder / film_name(args.resume, folder), np.stack(frames), 8)
    truth = trainer.images[held_out(scene)].cpu().numpy()
    save_gif(folder / "training_final_renders.gif", beside({"held out": truth, "Gaussians": shown}), 2)
    print(f"held-out views: PSNR {metrics['psnr']:.2f}, SSIM {metrics['ssim']:.4f}, {len(gaussians)} Gaussians")
    print(f"{folder / GAUSSIANS}: {steps.step} steps in {steps.seconds:.0f} s")
    return metrics


def held_out(scene: PosedImages) -> Tensor:
    """The views that are scored: those for tests, but of the course's own .pth files those for validation, as there."""
    validation = scene.split["val"]
    return validation if scene.source.endswith(".pth") and len(validation) else scene.split["test"]


def film_name(resumed: bool, folder: Path) -> str:
    """Of the film of progress; one that shows how a run began is kept when the run goes on."""
    kept = resumed and (folder / FILM).exists()
    return f"{Path(FILM).stem}_resumed.gif" if kept else FILM


def parser(
    description: str = "Train Gaussians on posed pictures; minutes on two cores.",
    example: str = "python -m a4_splatting_sds.train --data_path truck --init points --data_dir FOLDER",
) -> ArgumentParser:
    """The course's flags and ours."""
    p = ArgumentParser(description, example)
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument("--out_path", dest="output_dir", default=argparse.SUPPRESS, help="the course's --output_dir")
    p.add_argument(
        "--data_path", default="lego", help="lego, materials, or a folder: imgs and poses, transforms.json, or COLMAP's"
    )
    p.add_argument(
        "--image_size", "--img_dim", type=positive_int, default=None, help="the shorter side of pictures, pixels"
    )
    add_rasterizer_flags(p)
    p.add_argument("--num_itrs", type=positive_int, default=1000, help="steps")
    p.add_argument("--max_minutes", type=positive_float, default=None, help="stop after this time")
    p.add_argument("--batch_size", type=positive_int, default=1, help="pictures a step")
    p.add_argument("--viz_freq", type=positive_int, default=50, help="steps between frames of the film of progress")
    p.add_argument("--init", choices=("points", "random"), default="random", help="where Gaussians begin")
    p.add_argument(
        "--num_gaussians", type=positive_int, default=None, help="to begin with, at most (default: all points, 10000)"
    )
    p.add_argument("--max_gaussians", type=positive_int, default=50_000, help="to which --density lets them grow")
    p.add_argument("--isotropic", action="store_true", help="one scale for all axes")
    p.add_argument("--sh_degree", type=int, choices=range(MOST_DEGREE + 1), default=0, help="of colours by direction")
    p.add_argument("--density", choices=DENSITY, default="mcmc", help="how Gaussians are added and moved")
    p.add_argument("--ssim", type=share, default=Settings.ssim, help="share of 1 - SSIM in the loss")
    p.add_argument("--background", choices=BACKGROUNDS, default="black", help="behind everything, in scores and films")
    p.add_argument(
        "--fixed_background", dest="random_background", action="store_false", help="the same in every step of training"
    )
    for name in Gaussians.NAMES:
        default = getattr(Settings, f"lr_{name}")
        p.add_argument(f"--lr_{name}", type=non_negative_float, default=default, help=f"learning rate of {name}")
    p.add_argument(
        "--view_port", type=positive_int, default=None, help="watch the training in the browser at this port"
    )
    p.add_argument("--up", choices=UP, default="z", help="which way is up, on that page")
    p.add_argument("--resume", "--load_checkpoint", action="store_true", help="go on from this run's checkpoint")
    p.add_argument("--exp_name", default=None, help="folder below --output_dir (default: train_ and the scene)")
    return p


if __name__ == "__main__":
    raise SystemExit(main())
