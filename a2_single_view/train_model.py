"""Question 2: learn to predict a shape from one image of it."""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from a2_single_view.data import CLASSES, load_shapes
from a2_single_view.data.batches import PLACES, Batch, Batches
from a2_single_view.data.packed import ShapeViews
from a2_single_view.losses import (
    CHAMFER_NORMS,
    LAPLACIANS,
    VOXEL_LOSSES,
    chamfer_of_some,
    edge_loss,
    normal_loss,
    smoothness_loss,
    voxel_loss,
)
from a2_single_view.model import TYPES, SingleViewTo3D
from a2_single_view.resnet import ARCHITECTURES, load_encoder_weights
from a2_single_view.speed import flops_of, gemm_rate
from common.cli import (
    ArgumentParser,
    UserError,
    add_common_flags,
    command,
    listed,
    non_negative_float,
    non_negative_int,
    positive_float,
    positive_int,
    resolve_device,
)
from common.optimisation import Optimisation, Steps, optimise
from common.outputs import make_folder, write_json, write_metrics, write_run
from common.p3d import sample_points_from_meshes
from common.training import learning_rate, seed_everything

OUTPUT_DIR = "outputs/a2_single_view"
CHECKPOINT = "checkpoint.pt"
# Steps of the plain command: what less than half an hour on two cores allows.
MAX_ITER = {"vox": 5000, "point": 2200, "mesh": 1400, "implicit": 5000, "parametric": 2600}
LEARNING_RATE = {"vox": 1.5e-3, "point": 1e-3, "mesh": 1e-3, "implicit": 1.5e-3, "parametric": 1e-3}
N_POINTS = {"point": 5000, "mesh": 1024, "implicit": PLACES, "parametric": 1024}
SCHEDULE = partial(learning_rate, warmup=0.02)  # in short trainings of voxels a cosine did better than an early fall
SOME = 512  # points that look for their nearest ones in a step


def losses_of(args: argparse.Namespace, model: SingleViewTo3D) -> Callable[[Batch], dict[str, Tensor]]:
    """The named terms of a batch that the model is trained with."""

    def cloud(points: Tensor, batch: Batch) -> Tensor:
        return args.w_chamfer * chamfer_of_some(points, batch["points"], SOME, args.chamfer_norm)

    def losses(batch: Batch) -> dict[str, Tensor]:
        features = model.encode(batch["inputs"])
        if args.type == "vox":
            logits = model.decoder(features)
            return {"voxels": voxel_loss(logits, batch["voxels"], args.positive_weight, args.voxel_loss)}
        if args.type == "implicit":
            grids, modulation = model.decoder.grids(features)
            logits = model.decoder.at(grids, modulation, batch["places"])
            given = (batch["inside"], args.positive_weight, args.voxel_loss, batch["weights"])
            voxels = voxel_loss(grids[:, 0], batch["voxels"], args.positive_weight, args.voxel_loss)
            return {"occupancy": voxel_loss(logits, *given), "voxels": voxels}  # which teach all cells at once
        if args.type == "point":
            return {"chamfer": cloud(model.decoder(features), batch)}
        if args.type == "parametric":
            patches = model.decoder.patches
            uv = 2 * torch.rand(patches, -(-args.n_points // patches), 2, device=features.device) - 1
            return {"chamfer": cloud(model.decoder(features, uv), batch)}
        meshes = model.decoder.meshes(model.decoder(features))
        regular = (
            ("smoothness", args.w_smooth, partial(smoothness_loss, method=args.laplacian)),
            ("edges", args.w_edge, edge_loss),
            ("normals", args.w_normal, normal_loss),
        )
        terms = {name: weight * loss(meshes) for name, weight, loss in regular if weight}
        return {"chamfer": cloud(sample_points_from_meshes(meshes, args.n_points), batch), **terms}

    return losses


def train(
    args: argparse.Namespace, shapes: ShapeViews, folder: Path, device: torch.device
) -> tuple[SingleViewTo3D, Steps, dict[str, float]]:
    """Train for ``args.max_iter`` steps, or go on from the folder's checkpoint; the model, and how fast it went."""
    seed_everything(args.seed)
    if args.load_feat and args.encoder_weights:
        raise UserError("--encoder_weights: with --load_feat there is no encoder; give it to a2_single_view.features")
    model = SingleViewTo3D(args.arch, args.type, args.n_points, args.load_feat)
    if args.encoder_weights:
        load_encoder_weights(model.encoder, args.encoder_weights)
    model = model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), args.lr, fused=True)
    batches = Batches(
        shapes,
        args.type,
        args.batch_size,
        args.seed,
        args.num_workers,
        features=args.load_feat,
        places=args.n_points,
        recolour=not args.keep_colors,
    )
    terms = losses_of(args, model)

    def losses(step: int) -> dict[str, Tensor]:
        return terms({name: value.to(device) for name, value in batches(step).items()})

    def one_step() -> None:
        batch = batches.make(steps.step)
        sum(terms({name: value.to(device) for name, value in batch.items()}).values()).backward()

    every = max(1, args.max_iter // 40)

    def after(steps: Steps) -> dict[str, float] | None:
        return {"steps_per_second": steps.step / steps.seconds} if steps.step % every == 0 else None

    run = Optimisation(model, optimizer, losses, SCHEDULE, description(args, shapes), args.seed)
    try:
        steps = optimise(
            run,
            args.max_iter,
            folder / CHECKPOINT,
            resume=args.load_checkpoint,
            checkpoint_every=args.save_freq,
            max_minutes=args.max_minutes,
            after=after,
            bar=f"training {args.type}",
        )
    finally:
        batches.close()
    return model, steps, speed_of(steps, batches, one_step, device)


def speed_of(steps: Steps, batches: Batches, step: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Steps a second, their arithmetic as a share of the rate of matrix products, and the share of waiting for data."""
    if not batches.given:
        return {}
    rate = steps.step / steps.seconds
    share = flops_of(step) * rate / gemm_rate(device)
    waited = batches.waited / batches.given  # of the steps of this call: others may have come before
    return {"steps_per_second": rate, "gemm_share": share, "data_share": waited * rate}


def description(args: argparse.Namespace, shapes: ShapeViews) -> dict:
    """What a checkpoint says of its model, so that evaluation can make it again and a run resume only its own."""
    weights = ("w_chamfer", "w_smooth", "w_edge", "w_normal", "positive_weight")
    loss = {name: getattr(args, name) for name in (*weights, "chamfer_norm", "laplacian", "voxel_loss", "keep_colors")}
    return {
        "type": args.type,
        "arch": args.arch,
        "n_points": args.n_points,
        "load_feat": args.load_feat,
        "features": shapes.features_of() if args.load_feat else None,
        "classes": list(shapes.classes),
        "data": shapes.fingerprint,
        "training": {"lr": args.lr, "batch_size": args.batch_size, "seed": args.seed, **loss},
    }


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Train one decoder; leave its checkpoint and the history of its losses."""
    started = time.time()
    args = parse(argv)
    device = resolve_device(args.device)
    folder = make_folder(Path(args.output_dir) / (args.exp_name or args.type), "--output_dir")
    shapes = load_shapes(tuple(args.classes), args.data_dir, args.skip_bad)["train"]
    print(shapes.source)
    model, steps, speed = train(args, shapes, folder, device)
    write_json(folder / "history.json", {"steps": steps.history})
    metrics = {"train_loss": steps.history[-1]["loss"]} if steps.history else {}
    metrics |= {**speed, "steps": steps.step, "training_seconds": steps.seconds, "seconds": time.time() - started}
    metrics["parameters"] = sum(p.numel() for p in model.parameters())
    write_metrics(folder, metrics)
    write_run(folder, vars(args), started, seed=args.seed, device=str(device), data=shapes.source)
    print(f"{folder / CHECKPOINT}: {steps.step} steps in {steps.seconds:.0f} s")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The flags, with the defaults that depend on the type."""
    args = parser().parse_args(argv)
    args.max_iter = args.max_iter or MAX_ITER[args.type]
    args.lr = args.lr or LEARNING_RATE[args.type]
    if args.n_points and args.type not in N_POINTS:
        raise UserError(f"--n_points {args.n_points}: --type {args.type} has no points")
    args.n_points = args.n_points or N_POINTS.get(args.type, 0)
    return args


def parser() -> ArgumentParser:
    """The course's flags and ours."""
    p = ArgumentParser(
        "Learn to predict voxels, points, a mesh, an occupancy or a parametric surface from one image; ten "
        "minutes to half an hour on two cores.",
        "python -m a2_single_view.train_model --type point",
    )
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument("--type", choices=TYPES, default="vox", help="what is predicted")
    p.add_argument("--arch", choices=sorted(ARCHITECTURES), default="small", help="encoder")
    p.add_argument("--encoder_weights", default=None, help="file of weights in torchvision's layout")
    p.add_argument("--classes", nargs="+", choices=CLASSES, default=["chair"], help="classes to train on")
    p.add_argument("--skip_bad", action="store_true", help="leave out official shapes that are damaged or missing")
    p.add_argument("--lr", type=positive_float, default=None, help=f"peak rate (default: {listed(LEARNING_RATE)})")
    p.add_argument("--max_iter", type=positive_int, default=None, help=f"steps (default: {listed(MAX_ITER)})")
    p.add_argument("--max_minutes", type=positive_float, default=None, help="stop after this time")
    p.add_argument("--keep_colors", action="store_true", help="show training pictures in their own colours")
    p.add_argument("--batch_size", type=positive_int, default=32, help="images a step")
    p.add_argument("--num_workers", type=non_negative_int, default=1, help="threads that read ahead")
    p.add_argument(
        "--n_points",
        type=positive_int,
        default=None,
        help=f"of a predicted cloud; or a step's, of surfaces, or places of occupancies (default: {listed(N_POINTS)})",
    )
    p.add_argument("--w_chamfer", type=non_negative_float, default=1.0, help="weight of the Chamfer distance")
    p.add_argument("--chamfer_norm", choices=CHAMFER_NORMS, default="l1", help="distances, or their squares")
    p.add_argument("--w_smooth", type=non_negative_float, default=0.1, help="weight of a mesh's Laplacian")
    p.add_argument("--laplacian", choices=LAPLACIANS, default="uniform", help="how a mesh's Laplacian weighs edges")
    p.add_argument("--w_edge", type=non_negative_float, default=0.0, help="weight of a mesh's edges")
    p.add_argument("--w_normal", type=non_negative_float, default=0.0, help="weight of a mesh's normals")
    p.add_argument("--voxel_loss", choices=VOXEL_LOSSES, default="dice", help="loss of voxels and places")
    p.add_argument("--positive_weight", type=positive_float, default=1.0, help="weight of those that are filled")
    p.add_argument("--save_freq", type=positive_int, default=500, help="steps between checkpoints")
    p.add_argument("--load_checkpoint", "--resume", action="store_true", help="go on from this run's checkpoint")
    p.add_argument("--load_feat", action="store_true", help="train on kept features, see .features")
    p.add_argument("--exp_name", default=None, help="folder below --output_dir (default: the type)")
    return p


if __name__ == "__main__":
    raise SystemExit(main())
