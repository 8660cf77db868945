"""Figures and GIFs of this assignment: curves, confusion matrices, clouds with what the model says of them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

from a5_pointclouds.evaluate import Predictions
from common.data.cloud_set import PointCloudSet
from common.outputs import atomic_path
from common.visualize import (
    add_caption,
    height_colors,
    image_grid,
    label_colors,
    render_points,
    save_gif,
    save_png,
    turntable,
)

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

Labeller = Callable[[Tensor], Tensor]  # points (N, 3) -> labels (N,)


def save_figure(figure, path: Path) -> None:
    """Write a matplotlib figure whole, and free it."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, bbox_inches="tight")
    plt.close(figure)


def training_curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Loss, and train and validation scores, over the epochs."""
    epochs = [row["epoch"] for row in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    left.plot(epochs, [row["train_loss"] for row in history], marker=".")
    left.set(xlabel="epoch", ylabel="training loss")
    for name in [name for name in history[-1] if "accuracy" in name or "iou" in name]:
        right.plot(epochs, [row[name] for row in history], marker=".", label=name.replace("_", " "))
    right.set(xlabel="epoch", ylabel="score", ylim=(None, 1.005))
    right.legend()
    for axis in (left, right):
        axis.grid(alpha=0.3)
    save_figure(figure, path)


def confusion_figure(confusion: Tensor, names: Sequence[str], path: Path) -> None:
    """Row: true class; column: predicted; each cell the share of its row and the count."""
    counts = confusion.numpy()
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    size = 1.6 + 0.9 * len(names)
    figure, axis = plt.subplots(figsize=(size, size))
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        text = f"{shares[row, column]:.3f}\n{counts[row, column]}"
        axis.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=8,
            color="white" if shares[row, column] > 0.5 else "black",
        )
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="predicted", ylabel="true")
    save_figure(figure, path)


def classification_outputs(result: Predictions, clouds: PointCloudSet, folder: Path, index: int | None = None) -> None:
    """The confusion matrix, turntables of random clouds and of a failure of each class, and a picture of them all.

    Args:
        index: a cloud of the split to show as well, by position.
    """
    names = clouds.class_names
    _remove_old(folder)
    confusion_figure(result.confusion, names, folder / "confusion.png")
    random = np.random.default_rng(0).permutation(len(clouds))[:6].tolist()
    failures = _failures(result)
    chosen = [("random", i) for i in random] + [("failure", i) for i in failures]
    chosen += [("object", index)] if index is not None else []
    stills = []
    for kind, i in chosen:
        true, said = names[result.target[i]], names[result.predicted[i]]
        points = torch.from_numpy(clouds.cloud(i)[0])
        caption = f"{true}: said {said}"
        frames = add_caption(turntable(points, height_colors(points)), caption)
        save_gif(folder / (re.sub(r"\W+", "_", f"{kind}_{i:04d}_{true}_as_{said}") + ".gif"), frames, fps=15)
        stills.append(frames[0])
    save_png(folder / "examples.png", image_grid(stills, columns=min(6, len(stills))))
    missing = [name for k, name in enumerate(names) if not ((result.target == k) & (result.predicted != k)).any()]
    print(
        f"GIFs: {len(random)} random clouds, {len(failures)} failures"
        + (f" (none among {', '.join(missing)})" if missing else "")
    )


def _remove_old(folder: Path) -> None:
    """GIFs of an earlier run go: they are not what the present model does."""
    for kind in ("random", "failure", "object", "best", "worst"):
        for path in folder.glob(f"{kind}_[0-9]*.gif"):
            path.unlink()


def _failures(result: Predictions) -> list[int]:
    """The first cloud of each class that the model gets wrong."""
    wrong = [
        ((result.target == k) & (result.predicted != k)).nonzero().flatten().tolist() for k in range(result.num_classes)
    ]
    return [rows[0] for rows in wrong if rows]


def segmentation_outputs(
    result: Predictions, clouds: PointCloudSet, folder: Path, label: Labeller, index: int | None = None
) -> None:
    """The confusion matrix, best, random and worst clouds beside the ground truth, and a histogram of accuracies."""
    _remove_old(folder)
    confusion_figure(result.confusion, clouds.class_names, folder / "confusion.png")
    order = result.object_accuracy.argsort(descending=True).tolist()
    chosen = [("best", i) for i in order[:3]] + [("worst", i) for i in order[::-1][:3]]
    chosen += [("random", i) for i in np.random.default_rng(0).permutation(len(clouds))[:3].tolist()]
    chosen += [("object", index)] if index is not None else []
    stills = []
    for kind, i in chosen:
        frames = segmentation_turntable(clouds, i, label)
        save_gif(folder / f"{kind}_{i:04d}.gif", frames, fps=15)
        stills.append(frames[0])
    save_png(folder / "examples.png", image_grid(stills, columns=3))
    _accuracy_histogram(result.object_accuracy, folder / "object_accuracy.png")
    print(f"GIFs: the 3 best, 3 worst and 3 random of {len(clouds)} clouds, prediction beside ground truth")


def segmentation_turntable(clouds: PointCloudSet, i: int, label: Labeller, num_frames: int = 24) -> np.ndarray:
    """Frames (T, H, W, 3) uint8 of a cloud as predicted | as it is, with its accuracy."""
    points, truth = (torch.from_numpy(part) for part in clouds.cloud(i))
    predicted = label(points)
    accuracy = (predicted == truth).double().mean().item()
    sides = (("predicted", predicted), ("ground truth", truth))
    frames = [turntable(points, label_colors(labels), num_frames) for _, labels in sides]
    captions = (f"predicted: accuracy {accuracy:.3f}", f"ground truth {i}")
    return np.concatenate([add_caption(f, text) for f, text in zip(frames, captions, strict=True)], axis=2)


def _accuracy_histogram(accuracy: Tensor, path: Path) -> None:
    figure, axis = plt.subplots(figsize=(5, 3.2))
    axis.hist(accuracy.numpy(), bins=np.linspace(min(0.5, float(accuracy.min())), 1, 40))
    axis.set(xlabel="accuracy of one object", ylabel="objects")
    axis.axvline(float(accuracy.mean()), color="black", linestyle=":", label=f"mean {accuracy.mean():.3f}")
    axis.legend()
    save_figure(figure, path)


def still(points: Tensor, caption: str, labels: Tensor | None = None) -> np.ndarray:
    """One captioned picture (H, W, 3) uint8 of a cloud, coloured by label or by height."""
    colors = height_colors(points) if labels is None else label_colors(labels)
    return add_caption(render_points(points, colors)[None], caption)[0]
