"""Train a point-cloud classifier or part segmenter; ends with its test figures and GIFs."""

import argparse
import shutil
import time
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from a5_pointclouds import augment
from a5_pointclouds.data import TrainBatches, loader
from a5_pointclouds.eval_seg import labeller
from a5_pointclouds.evaluate import predict, report, summary, write_results
from a5_pointclouds.models import FRAMES, MODELS, build_model
from a5_pointclouds.options import (
    Trained,
    add_data_flags,
    check_batch_size,
    checkpoint_folder,
    checkpoint_path,
    experiment_folder,
    fitting_weights,
    load_splits,
)
from common import distributed
from common.checkpoint import load_checkpoint, load_weights
from common.cli import (
    ArgumentParser,
    UserError,
    command,
    non_negative_int,
    positive_float,
    positive_int,
    resolve_device,
)
from common.data.cloud_set import Splits
from common.outputs import make_folder
from common.training import BEST, Experiment, fit, seed_everything

EPOCHS = {"cls": 25, "seg": 15}
VALIDATION_POINTS = 2048


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The flags of this command; the course's names."""
    parser = ArgumentParser(
        "Train PointNet on point clouds: --task cls takes about 3 minutes on two cores, --task seg about 6.",
        "python -m a5_pointclouds.train --task cls --augment so3 --exp_name so3",
    )
    add_data_flags(parser, num_points=1024)
    parser.add_argument("--task", choices=("cls", "seg"), default="cls", help="classify clouds, or label their points")
    parser.add_argument("--arch", choices=sorted(MODELS), default="pointnet", help="model")
    parser.add_argument(
        "--num_epochs",
        type=positive_int,
        default=None,
        help="epochs (default: cls 25, seg 15, twice as many with --augment so3)",
    )
    parser.add_argument("--batch_size", type=positive_int, default=32, help="clouds in a batch, of each process")
    parser.add_argument("--lr", type=positive_float, default=2e-3, help="peak learning rate")
    parser.add_argument(
        "--augment",
        choices=augment.MODES,
        default="none",
        help="random rotations in training: none, so2 about the vertical, so3 all of them",
    )
    parser.add_argument(
        "--frame",
        choices=("auto", *FRAMES),
        default="auto",
        help="principal: turn clouds into their principal axes, which makes the model rotation-invariant; "
        "auto: that with --augment so3, else as given",
    )
    parser.add_argument(
        "--num_workers", type=non_negative_int, default=0, help="loader processes; they do not change the result"
    )
    parser.add_argument(
        "--checkpoint_every", type=non_negative_int, default=0, help="also keep every n-th epoch's weights (0: none)"
    )
    parser.add_argument("--load_checkpoint", default=None, help="start from these weights (name or path)")
    parser.add_argument("--resume", action="store_true", help="go on from the last whole epoch of this experiment")
    parser.add_argument("--max_minutes", type=positive_float, default=None, help="stop training after this time")
    args = parser.parse_args(argv)
    if args.frame == "auto":
        args.frame = "principal" if args.augment == "so3" else "given"
    args.num_epochs = args.num_epochs or EPOCHS[args.task] * (2 if args.augment == "so3" else 1)
    return args


def build_experiment(args: argparse.Namespace, splits: Splits, device: torch.device) -> Experiment:
    """Model, optimiser, batches and losses of the flags."""
    check_batch_size(args, len(splits.train) // distributed.world_size())
    seed_everything(args.seed)
    classes = splits.train.class_names
    settings = {"arch": args.arch, "task": args.task, "num_classes": len(classes), "frame": args.frame}
    model = build_model(**settings)
    if args.load_checkpoint:
        _start_from(model, args)
    model = model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), args.lr, weight_decay=1e-2)
    if distributed.world_size() > 1:
        model = DistributedDataParallel(model, [device] if device.type == "cuda" else None)

    def batches(epoch: int):
        epoch_batches = TrainBatches(splits.train, args.batch_size, args.num_points, args.augment, args.seed, epoch)
        return loader(epoch_batches, args.num_workers, pin_memory=device.type == "cuda")

    def loss(model: nn.Module, batch):
        points, labels = (part.to(device, non_blocking=True) for part in batch)
        logits = model(points).float().flatten(0, -2)
        value = functional.cross_entropy(logits, labels.flatten(), label_smoothing=0.1 if args.task == "cls" else 0.0)
        return value, len(points), (logits.argmax(1) == labels.flatten()).sum(), labels.numel()

    def validate() -> dict[str, float]:
        points = min(VALIDATION_POINTS, splits.val.points_per_cloud)
        metrics = summary(predict(_bare(model), splits.val, points, device, args.seed))
        return {name: value for name, value in metrics.items() if name != "majority_baseline"}

    fixed = ("task", "arch", "batch_size", "lr", "num_points", "augment", "seed", "load_checkpoint")
    description = {
        "model": settings,
        "classes": list(classes),
        "data": splits.train.fingerprint,
        "training": {name: getattr(args, name) for name in fixed},
    }
    return Experiment(
        model,
        optimizer,
        batches,
        loss,
        validate,
        "accuracy",
        description,
        device,
        args.seed,
        autocast=device.type == "cuda",
    )


def _bare(model: nn.Module) -> nn.Module:
    return model.module if isinstance(model, DistributedDataParallel) else model


def _start_from(model: nn.Module, args: argparse.Namespace) -> None:
    """Load the weights that ``--load_checkpoint`` names, all but a last layer of another number of classes."""
    path = checkpoint_path(args, args.task)
    contents = load_checkpoint(path)
    for flag in ("task", "arch", "frame"):
        if contents.get("model", {}).get(flag) != getattr(args, flag):
            raise UserError(
                f"checkpoint {path}: it holds {contents.get('model')}, which is another --{flag} than this run's "
                f"{getattr(args, flag)}"
            )
    weights, fresh = fitting_weights(model, contents, path)
    load_weights(model, {"weights": weights}, path)
    print(f"starting from {path}" + (" (the last layer is new)" if fresh else ""))


def _writer(folder, resume: bool):
    from torch.utils.tensorboard import SummaryWriter

    if not resume:
        shutil.rmtree(folder / "logs", ignore_errors=True)  # curves of an earlier run would join these
    return SummaryWriter(folder / "logs")


def finish(args: argparse.Namespace, experiment: Experiment, splits: Splits, folder, started: float, progress) -> None:
    """Test the best weights once and leave figures, GIFs, metrics.json and run.json."""
    from a5_pointclouds.figures import classification_outputs, segmentation_outputs, training_curves  # slow imports

    model = _bare(experiment.model)
    path = checkpoint_folder(args, args.task) / BEST
    load_weights(model, load_checkpoint(path), path)
    result = predict(model, splits.test, splits.test.points_per_cloud, experiment.device)
    metrics = report(result, splits.test.class_names)
    last = progress.history[-1]
    metrics |= {
        "val_accuracy": progress.best,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "train_loss": last["train_loss"],
        "clouds_per_second": last["clouds_per_second"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": time.time() - started,
    }
    write_results(folder, args, started, splits.train, metrics, device=str(experiment.device))
    training_curves(progress.history, folder / "curves.png")
    if args.task == "cls":
        classification_outputs(result, splits.test, folder)
    else:
        trained = Trained(model.eval(), splits.test.class_names, path, experiment.device)
        segmentation_outputs(result, splits.test, folder, labeller(trained, torch.arange(len(trained.classes))))
    extra = f", mean IoU {metrics['test_mean_iou']:.4f}" if args.task == "seg" else ""
    print(
        f"test accuracy {metrics['test_accuracy']:.4f} (95 % interval {metrics['test_accuracy_low']:.4f} to "
        f"{metrics['test_accuracy_high']:.4f}), mean class accuracy {metrics['test_mean_class_accuracy']:.4f}{extra}; "
        f"majority baseline {metrics['majority_baseline']:.4f}; best epoch {progress.best_epoch}"
    )
    print(f"{metrics['seconds']:.0f} s; figures, GIFs and metrics.json are in {folder}")


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Train, then evaluate."""
    started = time.time()
    args = parse(argv)
    device = distributed.start(resolve_device(args.device))
    try:
        folder = make_folder(experiment_folder(args, args.task), "--output_dir")
        checkpoints = make_folder(checkpoint_folder(args, args.task), "--checkpoint_dir")
        if distributed.rank() == 0:
            splits = load_splits(args, args.task)
        distributed.barrier()
        if distributed.rank() > 0:
            splits = load_splits(args, args.task)
        experiment = build_experiment(args, splits, device)
        count = sum(p.numel() for p in experiment.model.parameters())
        if distributed.rank() == 0:
            print(f"{args.arch} for {args.task}: {count:,} parameters, on {device}; checkpoints in {checkpoints}")
        writer = _writer(folder, args.resume) if distributed.rank() == 0 else None
        progress = fit(
            experiment,
            args.num_epochs,
            checkpoints,
            resume=args.resume,
            max_minutes=args.max_minutes,
            checkpoint_every=args.checkpoint_every,
            writer=writer,
        )
        if distributed.rank() == 0:
            try:
                finish(args, experiment, splits, folder, started, progress)
            except KeyboardInterrupt:
                said = f"the training is complete and saved in {checkpoints}; the same command with --resume goes on"
                raise KeyboardInterrupt(f"{said} to its test and figures") from None
        distributed.barrier()
    finally:
        distributed.stop()


if __name__ == "__main__":
    raise SystemExit(main())
