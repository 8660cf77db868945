"""Accuracies, overlaps and their uncertainty, from counts."""

import math

import torch
from torch import Tensor


def confusion_matrix(predicted: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Counts (K, K) int64: row = true class, column = predicted; predicted, target: integer, any equal shape."""
    index = target.reshape(-1).long() * num_classes + predicted.reshape(-1).long()
    return torch.bincount(index, minlength=num_classes**2).view(num_classes, num_classes)


def class_accuracies(confusion: Tensor) -> Tensor:
    """Recall (K,) of each class; NaN for a class that does not occur."""
    return confusion.diagonal().double() / confusion.sum(1).double()


def accuracy_metrics(confusion: Tensor) -> dict[str, float]:
    """accuracy, mean_class_accuracy (over classes that occur) and majority_baseline of a confusion matrix (K, K)."""
    total = confusion.sum().item()
    return {
        "accuracy": confusion.diagonal().sum().item() / total,
        "mean_class_accuracy": class_accuracies(confusion).nanmean().item(),
        "majority_baseline": confusion.sum(1).max().item() / total,
    }


def shape_ious(predicted: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Mean IoU (B,) of each labelled cloud (B, N), over the parts that it has or that were predicted in it.

    This is the ShapeNetPart convention without its bonus: there a part that is absent and not predicted counts as 1,
    here it does not count.
    """
    offset = torch.arange(len(target), device=target.device)[:, None] * num_classes

    def counts(labels: Tensor) -> Tensor:
        return torch.bincount((labels.long() + offset)[labels >= 0], minlength=len(target) * num_classes).double()

    both = counts(torch.where(predicted == target, target, -1))
    either = counts(predicted) + counts(target) - both
    return torch.where(either > 0, both / either, torch.nan).view(-1, num_classes).nanmean(1)


def part_ious(confusion: Tensor) -> Tensor:
    """IoU (K,) of each class over all points of a set; NaN for a class that neither occurs nor is predicted."""
    hit = confusion.diagonal().double()
    return hit / (confusion.sum(0) + confusion.sum(1) - confusion.diagonal()).double()


def wilson_interval(successes: float, count: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """95 % interval of a proportion (E. B. Wilson, 1927): sound for small counts and near 0 and 1."""
    share, spread = successes / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(values: Tensor, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of values (N,): for scores of clouds that are not 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(values), (draws, len(values)), generator=generator)
    low, high = values.double()[rows].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
