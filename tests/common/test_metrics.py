"""Metrics against scikit-learn, scipy and loops that are written out."""

import math

import pytest
import torch
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from common.metrics import (
    accuracy_metrics,
    bootstrap_interval,
    class_accuracies,
    confusion_matrix,
    part_ious,
    shape_ious,
    wilson_interval,
)


def labels(*shape: int, classes: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and targets that agree about half of the time."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(classes, shape, generator=generator)
    guess = torch.randint(classes, shape, generator=generator)
    return torch.where(torch.rand(shape, generator=generator) < 0.5, target, guess), target


def test_confusion_matrix_against_sklearn():
    for shape in ((200,), (8, 25), (1,)):
        predicted, target = labels(*shape)
        ours = confusion_matrix(predicted.int(), target, 4)
        theirs = sklearn_metrics.confusion_matrix(target.flatten(), predicted.flatten(), labels=range(4))
        assert ours.dtype == torch.int64 and torch.equal(ours, torch.from_numpy(theirs))


def test_accuracies_against_sklearn():
    predicted, target = labels(300)
    ours = accuracy_metrics(confusion_matrix(predicted, target, 4))
    assert ours["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(target, predicted))
    assert ours["mean_class_accuracy"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(target, predicted))
    assert ours["majority_baseline"] == pytest.approx(target.bincount().max().item() / 300)


def test_classes_that_do_not_occur_do_not_count():
    confusion = confusion_matrix(torch.tensor([0, 0, 2]), torch.tensor([0, 0, 0]), 4)
    recall = class_accuracies(confusion)
    assert recall[0] == pytest.approx(2 / 3) and recall[1:].isnan().all()
    assert accuracy_metrics(confusion)["mean_class_accuracy"] == pytest.approx(2 / 3)


def test_part_ious_against_sklearn():
    predicted, target = labels(500)
    theirs = sklearn_metrics.jaccard_score(target, predicted, average=None, labels=range(4))
    torch.testing.assert_close(part_ious(confusion_matrix(predicted, target, 4)), torch.from_numpy(theirs))
    assert part_ious(confusion_matrix(predicted, target, 5))[4].isnan()


def shape_iou(predicted: list[int], target: list[int]) -> float:
    """Mean over parts of points of that part in both / in either, one cloud, written out."""
    ious = []
    for part in sorted(set(predicted) | set(target)):
        both = sum(p == part and t == part for p, t in zip(predicted, target, strict=True))
        either = sum(p == part or t == part for p, t in zip(predicted, target, strict=True))
        ious.append(both / either)
    return sum(ious) / len(ious)


@pytest.mark.parametrize("classes", [2, 4, 9])
def test_shape_ious_against_a_loop(classes):
    predicted, target = labels(12, 7, classes=classes, seed=classes)
    expected = [shape_iou(p, t) for p, t in zip(predicted.tolist(), target.tolist(), strict=True)]
    ours = shape_ious(predicted, target, classes)
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64))


def test_shape_ious_of_one_part():
    ones = torch.ones(2, 5, dtype=torch.int64)
    assert shape_ious(ones, ones, 3).tolist() == [1, 1]
    assert shape_ious(ones, 0 * ones, 3).tolist() == [0, 0]


@pytest.mark.parametrize(("successes", "count"), [(0, 5), (5, 5), (1, 1), (0, 1), (37, 400), (399, 400), (200, 400)])
def test_wilson_interval_against_scipy(successes, count):
    theirs = binomtest(successes, count).proportion_ci(method="wilson")
    assert wilson_interval(successes, count) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_bootstrap_is_reproducible_and_right():
    values = torch.rand(400, generator=torch.Generator().manual_seed(1))
    low, high = bootstrap_interval(values)
    assert (low, high) == bootstrap_interval(values) != bootstrap_interval(values, seed=1)
    error = values.std().item() / math.sqrt(len(values))
    mean = values.mean().item()
    assert low == pytest.approx(mean - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.25 * error)


def test_bootstrap_leaves_the_generator_alone():
    before = torch.get_rng_state()
    bootstrap_interval(torch.tensor([0.5]))
    assert torch.equal(before, torch.get_rng_state())
    assert bootstrap_interval(torch.tensor([0.5])) == (0.5, 0.5)
