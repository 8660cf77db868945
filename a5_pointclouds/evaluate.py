"""Predictions of a model over a split, and the figures reported of them."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from a5_pointclouds.data import evaluation_batches
from a5_pointclouds.options import Trained
from common.data.cloud_set import JoinedSet, PointCloudSet
from common.metrics import (
    accuracy_metrics,
    bootstrap_interval,
    class_accuracies,
    confusion_matrix,
    part_ious,
    shape_ious,
    wilson_interval,
)
from common.outputs import write_metrics, write_run


@dataclass(frozen=True)
class Predictions:
    """What a model says of a split: ``predicted`` and ``target`` (M,) for cls, (M, N) for seg, int64, on the CPU."""

    predicted: Tensor
    target: Tensor
    num_classes: int

    @property
    def confusion(self) -> Tensor:
        """Counts (K, K): row = true, column = predicted."""
        return confusion_matrix(self.predicted, self.target, self.num_classes)

    @property
    def object_accuracy(self) -> Tensor:
        """Share of right answers in each cloud (M,): 0 or 1 for cls."""
        right = (self.predicted == self.target).double()
        return right if right.ndim == 1 else right.mean(1)


@torch.inference_mode()
def predict(
    model: nn.Module, clouds: PointCloudSet, num_points: int, device: torch.device, seed: int = 0, change=None
) -> Predictions:
    """Run a model over a split, in batches of bounded size, each cloud once.

    Args:
        change: (points (B, N, 3), labels) -> the same, applied to each batch before the model sees it.
    """
    was_training = model.training
    model.eval()
    predicted, target = [], []
    for points, labels in evaluation_batches(clouds, num_points, seed):
        if change is not None:
            points, labels = change(points, labels)
        predicted.append(model(points.to(device)).argmax(-1).cpu())
        target.append(labels)
    model.train(was_training)
    return Predictions(torch.cat(predicted), torch.cat(target), len(clouds.class_names))


def summary(result: Predictions) -> dict[str, float]:
    """accuracy, mean_class_accuracy, majority_baseline; for seg also mean_iou."""
    metrics = accuracy_metrics(result.confusion)
    if result.predicted.ndim == 2:
        metrics["mean_iou"] = shape_ious(result.predicted, result.target, result.num_classes).mean().item()
    return metrics


def report(result: Predictions, class_names: tuple[str, ...], prefix: str = "test") -> dict[str, float]:
    """Every figure of a split, named ``<prefix>_...``: the summary, 95 % intervals, and each class."""
    metrics = {f"{prefix}_{name}": value for name, value in summary(result).items() if name != "majority_baseline"}
    metrics["majority_baseline"] = summary(result)["majority_baseline"]
    if result.predicted.ndim == 1:
        low, high = wilson_interval(float(result.object_accuracy.sum()), len(result.predicted))
        ious = None
    else:
        low, high = bootstrap_interval(result.object_accuracy)
        ious = part_ious(result.confusion)
    metrics |= {f"{prefix}_accuracy_low": low, f"{prefix}_accuracy_high": high}
    for k, name in enumerate(class_names):
        if result.confusion[k].sum() > 0:
            metrics[f"{prefix}_accuracy_{name.replace(' ', '_')}"] = class_accuracies(result.confusion)[k].item()
        if ious is not None and torch.isfinite(ious[k]):
            metrics[f"{prefix}_iou_{name.replace(' ', '_')}"] = ious[k].item()
        for other, count in zip(class_names, result.confusion[k].tolist(), strict=True):
            metrics[f"{prefix}_confusion_{name}_as_{other}".replace(" ", "_")] = count
    return metrics


def write_results(
    folder: Path, args: argparse.Namespace, started: float, clouds: PointCloudSet | JoinedSet, metrics: dict, **more
) -> None:
    """Leave metrics.json, and run.json with the data's source and what else is given."""
    data = {"source": clouds.source, "fingerprint": clouds.fingerprint}
    write_metrics(folder, metrics)
    write_run(folder, vars(args), started, seed=args.seed, data=data, **more)


def write_evaluation(
    folder: Path, args: argparse.Namespace, started: float, trained: Trained, clouds: PointCloudSet, metrics: dict
) -> None:
    """Leave metrics.json and run.json of an evaluation, and print its figures, all but the confusion counts."""
    more = {"num_points": args.num_points, "objects": len(clouds), "seconds": time.time() - started}
    where = {"device": str(trained.device), "checkpoint": str(trained.path)}
    write_results(folder, args, started, clouds, {**metrics, **more}, **where)
    for name, value in metrics.items():
        if "_confusion_" not in name:
            print(f"{name:32s} {value:.4f}")
    print(f"figures, GIFs and metrics.json are in {folder}")
