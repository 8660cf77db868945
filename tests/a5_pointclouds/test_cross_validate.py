"""Cross-validation: folds that part the clouds evenly, and each tested by a model that never saw it."""

import numpy as np
import pytest
import torch

from a5_pointclouds import cross_validate
from a5_pointclouds.cross_validate import _Rows, folds, pretrained
from a5_pointclouds.data import evaluation_batches
from common.checkpoint import load_checkpoint
from common.cli import UserError
from common.data.cloud_set import join_splits

QUICK = ("--num_epochs", 1, "--train_points", 32, "--num_points", 64, "--batch_size", 8)


@pytest.mark.parametrize(("counts", "count"), [((10, 10, 10), 5), ((37, 3, 1), 4), ((2,), 2), ((5, 4), 9)])
def test_folds_are_even_and_stratified(counts, count):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    fold = folds(labels, count, np.random.default_rng(0))
    sizes = np.bincount(fold, minlength=count)
    assert len(sizes) == count and sizes.max() - sizes.min() <= 1
    for k, number in enumerate(counts):
        spread = np.bincount(fold[labels == k], minlength=count)
        assert spread.sum() == number and spread.max() - spread.min() <= 1


def test_folds_are_random_but_reproducible():
    labels = np.zeros(40, int)
    first, second, other = (folds(labels, 5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert (first == second).all() and (first != other).any() and (np.diff(first) < 0).sum() > 5


def test_rows_of_a_set_are_read_as_a_set(splits):
    clouds = join_splits(splits["cls"])
    rows = np.array([35, 0, 28, 2])
    batches = list(evaluation_batches(_Rows(clouds, rows), clouds.points_per_cloud))
    points, labels = clouds.batch(rows)
    assert len(batches) == 1 and batches[0][1].tolist() == labels.tolist()
    assert torch.equal(batches[0][0].sort(1)[0], torch.from_numpy(points).sort(1)[0])


@pytest.fixture
def checkpoint(trained):
    """task -> path of its best checkpoint."""
    return lambda task: trained[0] / f"{task}_exp" / "checkpoints" / "best_model.pt"


@pytest.mark.parametrize("task", ["cls", "seg"])
@pytest.mark.parametrize("classes", [3, 5])
def test_a_new_last_layer_where_the_classes_are_others(checkpoint, task, classes):
    contents = load_checkpoint(checkpoint(task))
    own = pretrained(contents, classes, checkpoint(task)).state_dict()
    fresh = {name for name, value in own.items() if not torch.equal(value, contents["weights"][name])}
    last = {"cls": {"head.7.weight", "head.7.bias"}, "seg": {"classify.weight", "classify.bias"}}[task]
    assert fresh == (set() if classes == 3 else last)


def test_weights_of_something_else_are_refused(checkpoint):
    contents = load_checkpoint(checkpoint("cls"))
    contents["weights"]["stray"] = torch.ones(1)
    with pytest.raises((UserError, KeyError)):
        pretrained(contents, 3, "m.pt")


def test_every_cloud_is_tested_once_by_a_model_that_never_saw_it(run, tmp_path, checkpoint, monkeypatch):
    taught, tested = [], []

    def fit_fold(model, clouds, rows, *_):
        taught.append(set(rows.tolist()))
        return model

    def predict_rows(models, clouds, rows, *_):
        assert len({id(model) for model in models}) == 2
        tested.append(rows.tolist())
        labels = torch.from_numpy(clouds.batch(rows, slice(0, 1))[1])
        return labels, labels

    monkeypatch.setattr(cross_validate, "fit_fold", fit_fold)
    monkeypatch.setattr(cross_validate, "predict_rows", predict_rows)
    flags = ("--folds", 4, "--members", 2, "--load_checkpoint", checkpoint("cls"))
    assert run(cross_validate, tmp_path, *QUICK, *flags).code == 0
    assert sorted(i for rows in tested for i in rows) == list(range(36)) and len(tested) == 4
    for fold, unseen in enumerate(tested):
        assert taught[2 * fold] == taught[2 * fold + 1] == set(range(36)) - set(unseen)


@pytest.mark.parametrize("task", ["cls", "seg"])
def test_the_command(studied, read_json, task):
    folder = studied[0] / f"cross_validate_{task}_exp"
    metrics, objects = read_json(folder / "metrics.json"), read_json(folder / "objects.json")["objects"]
    names = {
        "test_accuracy", "test_accuracy_low", "test_accuracy_high", "test_mean_class_accuracy", "majority_baseline",
        "folds", "objects", "seconds", *(["test_mean_iou"] if task == "seg" else []),
    }  # fmt: skip
    assert names <= set(metrics) and metrics["folds"] == 3 and metrics["objects"] == 36
    assert [o["index"] for o in objects] == list(range(36))
    assert np.mean([o["accuracy"] for o in objects]) == pytest.approx(metrics["test_accuracy"])
    assert (folder / "confusion.png").stat().st_size > 1000
    assert read_json(folder / "run.json")["checkpoint"].endswith("best_model.pt")


@pytest.fixture
def accuracies(run, tmp_path, checkpoint, read_json):
    """Run the classifier's cross-validation; returns its figures but the time."""

    def cross(name: str, *flags) -> dict[str, float]:
        flags = ("--folds", 2, "--load_checkpoint", checkpoint("cls"), "--exp_name", name, *flags)
        assert run(cross_validate, tmp_path, *QUICK, *flags).code == 0
        metrics = read_json(tmp_path / f"cross_validate_cls_{name}" / "metrics.json")
        return {name: value for name, value in metrics.items() if name != "seconds"}

    return cross


def test_the_same_command_gives_the_same(accuracies):
    assert accuracies("a", "--augment", "so3") == accuracies("b", "--augment", "so3")


def test_fine_tuning_learns(accuracies):
    flags = ("--num_epochs", 12, "--batch_size", 6, "--train_points", 64, "--lr", 2e-3, "--members", 1)
    assert accuracies("c", *flags)["test_accuracy"] > 0.9


class Always(torch.nn.Module):
    """Says one thing of every cloud, more or less surely."""

    def __init__(self, label: int, sureness: float):
        super().__init__()
        self.logits = sureness * torch.nn.functional.one_hot(torch.tensor(label), 3)

    def forward(self, points):
        return self.logits.expand(len(points), 3)


@pytest.mark.parametrize(("sureness", "said"), [(9.0, 2), (0.1, 1)])
def test_members_add_their_probabilities(splits, sureness, said):
    models = [Always(1, 1.0), Always(1, 1.0), Always(2, sureness)]
    rows = np.array([4, 0])
    predicted, target = cross_validate.predict_rows(models, splits["cls"].test, rows, 64, torch.device("cpu"))
    assert predicted.tolist() == [said, said] and target.tolist() == [1, 0]
