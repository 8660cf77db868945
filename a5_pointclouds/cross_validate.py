"""Fine-tune a trained model on a small data set and test it by k-fold cross-validation over all of its clouds.

Every cloud is tested exactly once, by a model that never saw it. The number of epochs is fixed beforehand: with some
tens of clouds there is nothing to spare for selection.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from a5_pointclouds import augment
from a5_pointclouds.data import evaluation_batches, gather
from a5_pointclouds.evaluate import Predictions, report, write_results
from a5_pointclouds.figures import confusion_figure, still
from a5_pointclouds.models import MODELS, build_model
from a5_pointclouds.options import check_batch_size, checkpoint_path, evaluation_parser, fitting_weights, load_splits
from common.checkpoint import load_checkpoint, load_weights
from common.cli import UserError, command, positive_float, positive_int, resolve_device
from common.data.cloud_set import JoinedSet, PointCloudSet, join_splits
from common.outputs import make_folder, write_json
from common.training import learning_rate, seed_everything
from common.visualize import image_grid, save_png


def folds(labels: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """The fold (N,) of each cloud: equal sizes, the classes of labels (N,) spread evenly over them."""
    order = generator.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % count
    return fold


def fit_fold(
    model: nn.Module,
    clouds: JoinedSet,
    rows: np.ndarray,
    args: argparse.Namespace,
    device: torch.device,
    stream: Sequence[int],
) -> nn.Module:
    """Fine-tune a model in place on some rows of the clouds; the last layer learns at ten times the rate.

    ``stream`` (fold, member) gives every model randomness of its own.
    """
    seed_everything(args.seed, *stream)
    generator = np.random.default_rng([args.seed, *stream])
    last = list(model.parameters())[-2:]
    body = [p for p in model.parameters() if not any(p is q for q in last)]
    optimizer = torch.optim.AdamW(
        [{"params": body, "peak": args.lr}, {"params": last, "peak": 10 * args.lr}], args.lr, weight_decay=1e-2
    )
    model.train()
    per_epoch = max(1, len(rows) // args.batch_size)
    total = args.num_epochs * per_epoch
    for step in range(total):
        if step % per_epoch == 0:
            batches = np.array_split(generator.permutation(rows), per_epoch)
        points, labels = gather(clouds, batches[step % per_epoch], args.train_points, generator)
        points = torch.from_numpy(augment.augment(points, args.augment, generator)).to(device)
        logits = model(points).float().flatten(0, -2)
        loss = functional.cross_entropy(logits, torch.from_numpy(labels).to(device).flatten(), label_smoothing=0.1)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate(step / total)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return model.eval()


@torch.inference_mode()
def predict_rows(
    models: Sequence[nn.Module], clouds: JoinedSet, rows: np.ndarray, num_points: int, device: torch.device
):
    """Labels that the models' mean probabilities give the clouds of some rows, and the true ones."""
    predicted, target = [], []
    for points, labels in evaluation_batches(_Rows(clouds, rows), num_points):
        probabilities = sum(model(points.to(device)).softmax(-1) for model in models)
        predicted.append(probabilities.argmax(-1).cpu())
        target.append(labels)
    return torch.cat(predicted), torch.cat(target)


class _Rows:
    """Some rows of a set, read as a set."""

    def __init__(self, clouds: PointCloudSet | JoinedSet, rows: np.ndarray):
        self.clouds, self.rows, self.points_per_cloud = clouds, rows, clouds.points_per_cloud

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows, columns=None):
        return self.clouds.batch(self.rows[rows], columns)


def _worst_objects(result: Predictions, clouds: JoinedSet, order: np.ndarray, num_points: int, path: Path) -> None:
    """A picture of the worst clouds, prediction beside ground truth."""
    stills = []
    for place in result.object_accuracy.argsort().tolist()[:12]:
        points, _ = next(evaluation_batches(_Rows(clouds, order[place : place + 1]), num_points))
        caption = f"{order[place]}: accuracy {result.object_accuracy[place]:.3f}"
        stills += [
            still(points[0], caption, result.predicted[place]),
            still(points[0], "ground truth", result.target[place]),
        ]
    save_png(path, image_grid(stills, columns=6))


def pretrained(contents: dict, num_classes: int, path: Path) -> nn.Module:
    """The checkpoint's model with an output for each of ``num_classes``; its last layer is new where that differs."""
    settings = {**contents["model"], "num_classes": num_classes}
    model = build_model(**settings)
    load_weights(model, {"weights": fitting_weights(model, contents, path)[0]}, path)
    return model


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The flags of this command."""
    parser = evaluation_parser(
        "Fine-tune and test by cross-validation over all clouds of a small data set; some 10 minutes on two cores.",
        "python -m a5_pointclouds.cross_validate --task cls --main_dir my_scans --exp_name so3 --augment so3",
    )
    parser.set_defaults(num_points=4096)
    parser.add_argument("--task", choices=("cls", "seg"), default="cls", help="which task")
    parser.add_argument(
        "--folds", type=positive_int, default=5, help="parts; each is tested by a model trained on the others"
    )
    parser.add_argument("--members", type=positive_int, default=3, help="models fine-tuned for each fold; they vote")
    parser.add_argument("--num_epochs", type=positive_int, default=40, help="epochs of fine-tuning")
    parser.add_argument("--batch_size", type=positive_int, default=4, help="clouds in a batch")
    parser.add_argument("--train_points", type=positive_int, default=1024, help="points of a training cloud")
    parser.add_argument(
        "--lr", type=positive_float, default=5e-4, help="peak learning rate; ten times that for the last layer"
    )
    parser.add_argument("--augment", choices=augment.MODES, default="none", help="random rotations in fine-tuning")
    return parser.parse_args(argv)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Cross-validate."""
    started = time.time()
    args = parse(argv)
    device = resolve_device(args.device)
    path = checkpoint_path(args, args.task)
    contents = load_checkpoint(path)
    settings = contents.get("model", {})
    if settings.get("task") != args.task or settings.get("arch") not in MODELS:
        raise UserError(f"checkpoint {path}: not a {args.task} model; name another with --load_checkpoint")
    clouds = join_splits(load_splits(args, args.task))
    names = clouds.class_names
    labels = clouds.batch(np.arange(len(clouds)), slice(0, 1))[1]
    if not 2 <= args.folds <= len(clouds):
        raise UserError(f"--folds {args.folds}: from 2 to the number of clouds, {len(clouds)}")
    check_batch_size(args, len(clouds) - -(-len(clouds) // args.folds))
    fold = folds(
        labels if args.task == "cls" else np.zeros(len(clouds), int), args.folds, np.random.default_rng(args.seed)
    )
    folder = make_folder(Path(args.output_dir) / f"cross_validate_{args.task}_{args.exp_name}", "--output_dir")
    predicted, target = [], []
    for k in tqdm(range(args.folds), desc="folds"):
        rest, held_out = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        models = [
            fit_fold(pretrained(contents, len(names), path).to(device), clouds, rest, args, device, (k, m))
            for m in range(args.members)
        ]
        said, true = predict_rows(models, clouds, held_out, args.num_points, device)
        predicted.append(said)
        target.append(true)
        tqdm.write(f"fold {k + 1}: accuracy {(said == true).double().mean():.4f} of {len(said)} clouds")
    result = Predictions(torch.cat(predicted), torch.cat(target), len(names))
    metrics = report(result, names)
    confusion_figure(result.confusion, names, folder / "confusion.png")
    order = np.concatenate([np.flatnonzero(fold == k) for k in range(args.folds)])
    objects = zip(order.tolist(), result.object_accuracy.tolist(), strict=True)
    if args.task == "seg":
        _worst_objects(result, clouds, order, args.num_points, folder / "worst.png")
    write_json(folder / "objects.json", {"objects": [{"index": i, "accuracy": a} for i, a in sorted(objects)]})
    more = {"folds": args.folds, "objects": len(clouds), "seconds": time.time() - started}
    where = {"device": str(device), "checkpoint": str(path)}
    write_results(folder, args, started, clouds, {**metrics, **more}, **where)
    for name, value in metrics.items():
        print(f"{name:32s} {value:.4f}")


if __name__ == "__main__":
    raise SystemExit(main())
