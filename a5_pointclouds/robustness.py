"""How accuracy falls when clouds are turned, thinned, blurred, littered, cut or scaled: curves, a table and GIFs.

Each change is applied to the test clouds before the model sees them, with the same seed for every model, so that two
checkpoints can be compared. ``--load_checkpoint`` takes several names: their curves share the figure.
"""

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from tqdm import tqdm

from a5_pointclouds.augment import add_noise, add_outliers, axis_rotation, cut_region, random_rotations, rotate
from a5_pointclouds.eval_seg import labeller
from a5_pointclouds.evaluate import Predictions, predict, summary, write_results
from a5_pointclouds.figures import save_figure, still
from a5_pointclouds.options import OUTPUT_DIR, Trained, check_classes, evaluation_parser, load_splits, load_trained
from common.cli import command
from common.data.cloud_set import PointCloudSet
from common.metrics import bootstrap_interval, wilson_interval
from common.outputs import atomic_path, make_folder
from common.visualize import image_grid, label_colors, save_gif, save_png, side_by_side

ANGLES = (0, 10, 20, 30, 60, 90, 120, 150, 180)
AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0), "random": None}
COUNTS = (10_000, 5000, 1000, 500, 100, 50, 10)
SHOWN = {"rotation about x": (10, 20, 30, 60), "points": (5000, 1000, 500, 100)}  # the course's own GIFs


@dataclass(frozen=True)
class Sweep:
    """One kind of change and its levels; ``apply(points (B, N, 3), level, generator)`` returns points and, where points
    were moved about, the indices (B, N) of where each came from."""

    name: str
    levels: tuple[float, ...]
    apply: Callable
    unit: str = ""
    log: bool = False


def _turned(axis):
    def apply(points, degrees, generator):
        axes = generator.standard_normal((len(points), 3)) if axis is None else np.tile(axis, (len(points), 1))
        return rotate(points, axis_rotation(axes, degrees)), None

    return apply


def _cut(points, share, generator):
    kept = cut_region(points, share, generator)
    return np.take_along_axis(points, kept[..., None], 1), kept


SWEEPS = (
    *(
        Sweep(f"rotation about {name}" + (" axes" if name == "random" else ""), ANGLES, _turned(axis), "degrees")
        for name, axis in AXES.items()
    ),
    Sweep(
        "any rotation",
        (0, 1),
        lambda p, on, g: (rotate(p, random_rotations(len(p), g)) if on else p, None),
        "0 no, 1 yes",
    ),
    Sweep("points", COUNTS, lambda p, n, g: (p, None), "points", log=True),
    Sweep(
        "noise", (0, 0.01, 0.02, 0.05, 0.1), lambda p, s, g: (add_noise(p, s, g), None), "standard deviation / radius"
    ),
    Sweep("outliers", (0, 0.01, 0.05, 0.1, 0.2), lambda p, s, g: (add_outliers(p, s, g), None), "share of points"),
    Sweep("missing region", (0, 0.1, 0.25, 0.5), _cut, "share of points"),
    Sweep("scale", (0.5, 0.75, 1, 1.5, 2), lambda p, s, g: (p * np.float32(s), None), "factor"),
)


def sweep_accuracy(
    trained: Trained, clouds: PointCloudSet, sweep: Sweep, level: float, num_points: int, seed: int
) -> Predictions:
    """Predictions of a model on clouds changed by one level of a sweep."""
    generator = np.random.default_rng([seed, len(sweep.name)])

    def change(points: torch.Tensor, labels: torch.Tensor):
        changed, source = sweep.apply(points.numpy(), level, generator)
        if source is not None and labels.ndim == 2:
            labels = labels.gather(1, torch.from_numpy(source))
        return torch.from_numpy(np.ascontiguousarray(changed, np.float32)), labels

    count = int(level) if sweep.name == "points" else num_points
    return predict(trained.model, clouds, count, trained.device, seed, change)


def measure(models: dict[str, Trained], clouds: PointCloudSet, num_points: int, seed: int) -> dict[str, dict]:
    """model -> sweep -> one row (level, metrics, low, high) for each level."""
    table: dict[str, dict] = {name: {sweep.name: [] for sweep in SWEEPS} for name in models}
    with tqdm(total=len(models) * sum(len(s.levels) for s in SWEEPS), desc="robustness", unit="test") as bar:
        for name, trained in models.items():
            for sweep in SWEEPS:
                for level in sweep.levels:
                    result = sweep_accuracy(trained, clouds, sweep, level, num_points, seed)
                    if result.predicted.ndim == 1:
                        low, high = wilson_interval(float(result.object_accuracy.sum()), len(clouds))
                    else:
                        low, high = bootstrap_interval(result.object_accuracy)
                    table[name][sweep.name].append({"level": level, **summary(result), "low": low, "high": high})
                    bar.update()
    return table


def curves(table: dict[str, dict], path: Path, baseline: float) -> None:
    """One panel a sweep, one line a model."""
    columns = 4
    rows = -(-len(SWEEPS) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4 * columns, 3 * rows), squeeze=False)
    for axis, sweep in zip(axes.flat, SWEEPS, strict=False):
        for name, sweeps in table.items():
            rows_ = sweeps[sweep.name]
            levels = [row["level"] for row in rows_]
            line = axis.plot(levels, [row["accuracy"] for row in rows_], marker=".", label=name)[0]
            axis.fill_between(
                levels, [r["low"] for r in rows_], [r["high"] for r in rows_], alpha=0.15, color=line.get_color()
            )
        axis.axhline(baseline, color="grey", linestyle=":", linewidth=1)
        axis.set(title=sweep.name, xlabel=sweep.unit, ylim=(0, 1.02))
        axis.grid(alpha=0.3)
        if sweep.log:
            axis.set_xscale("log")
    axes[0, 0].set_ylabel("accuracy")
    axes[0, 0].legend(loc="lower left", fontsize=8)
    for axis in axes.flat[len(SWEEPS) :]:
        axis.axis("off")
    figure.suptitle("accuracy (band: 95 % interval; dotted: majority baseline)")
    figure.tight_layout()
    save_figure(figure, path)


def text_table(table: dict[str, dict]) -> str:
    """Every level of every sweep, the models side by side."""
    names = list(table)
    lines = [f"{'change':26s} {'level':>8s} " + " ".join(f"{name[:16]:>16s}" for name in names)]
    for sweep in SWEEPS:
        for k, level in enumerate(sweep.levels):
            scores = (table[name][sweep.name][k]["accuracy"] for name in names)
            lines.append(f"{sweep.name:26s} {level:8g} " + " ".join(f"{score:16.4f}" for score in scores))
    return "\n".join(lines)


def show(trained: Trained, clouds: PointCloudSet, task: str, folder: Path, seed: int) -> None:
    """A picture of what the course's angles and counts do to three clouds, and one GIF for each of them."""
    picked = _one_of_each(clouds)
    sweeps = {sweep.name: sweep for sweep in SWEEPS}
    stills = []
    label = labeller(trained, torch.arange(len(trained.classes))) if task == "seg" else None
    for name, levels in SHOWN.items():
        for level in levels:
            columns, captions, colors = [], [], []
            for i in picked:
                points, truth = clouds.cloud(i)
                count = min(int(level), len(points)) if name == "points" else len(points)
                changed, _ = sweeps[name].apply(points[None, :count], level, np.random.default_rng(seed))
                cloud = torch.from_numpy(np.ascontiguousarray(changed[0], np.float32))
                caption, labels = _verdict(trained, clouds, cloud, truth[:count] if task == "seg" else truth, label)
                columns.append(cloud)
                captions.append(caption)
                colors.append(None if labels is None else label_colors(labels))
                stills.append(still(cloud, f"{level:g}: {caption}", labels))
            frames = side_by_side(columns, colors if task == "seg" else None, captions, num_frames=24, image_size=200)
            save_gif(folder / f"{name.replace(' ', '_')}_{level:g}.gif", frames, fps=12)
    save_png(folder / "examples.png", image_grid(stills, columns=len(picked) * 2))


def _one_of_each(clouds: PointCloudSet) -> list[int]:
    """A cloud of each class (cls), or the first three (seg)."""
    labels = clouds.batch(np.arange(len(clouds)), slice(0, 1))[1]
    if labels.ndim == 2:
        return list(range(min(3, len(clouds))))
    return np.unique(labels, return_index=True)[1].tolist()


def _verdict(trained, clouds, cloud, truth, label):
    if label is not None:
        labels = label(cloud)
        return f"accuracy {(labels == torch.from_numpy(truth)).double().mean():.3f}", labels
    with torch.inference_mode():
        said = int(trained.model(cloud[None].to(trained.device)).argmax())
    return f"{clouds.class_names[int(truth)]}: said {clouds.class_names[said]}", None


def _load_all(args: argparse.Namespace) -> dict[str, Trained]:
    """The models of ``--load_checkpoint``, by names that differ: as given, or of the experiment's folder."""
    models = {}
    for name in args.load_checkpoint:
        one = copy.copy(args)
        one.load_checkpoint = name
        trained = load_trained(one, args.task)
        label = trained.path.parent.parent.name or name if "/" in name else name
        label = f"{label}/{trained.path.stem}" if label in models else label
        models[f"{label}/{len(models) + 1}" if label in models else label] = trained
    return models


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Measure robustness and leave the curves, the table and the GIFs."""
    started = time.time()
    parser = evaluation_parser(
        "Accuracy of trained models against rotation, point count, noise, outliers, missing regions and scale; "
        "2 minutes a classifier and 6 a segmenter on two cores.",
        "python -m a5_pointclouds.robustness --task cls --load_checkpoint best_model "
        f"{OUTPUT_DIR}/cls_so3/checkpoints/best_model.pt",
    )
    parser.set_defaults(num_points=1024)
    parser.add_argument("--task", choices=("cls", "seg"), default="cls", help="which task")
    for action in parser._actions:
        if action.dest == "load_checkpoint":
            action.nargs, action.default = "+", ["best_model"]
    args = parser.parse_args(argv)
    models = _load_all(args)
    clouds = load_splits(args, args.task).test
    for trained in models.values():
        check_classes(trained, clouds)
    if clouds.points_per_cloud < max(COUNTS):
        print(f"note: clouds hold {clouds.points_per_cloud} points; larger counts are drawn with replacement")
    folder = make_folder(Path(args.output_dir) / f"robustness_{args.task}", "--output_dir")
    table = measure(models, clouds, args.num_points, args.seed)
    print(text_table(table))
    with atomic_path(folder / "robustness.txt") as temporary:
        temporary.write_text(text_table(table) + "\n")
    first = next(iter(table.values()))
    baseline = first["noise"][0]["majority_baseline"]
    curves(table, folder / "robustness.png", baseline)
    show(next(iter(models.values())), clouds, args.task, folder, args.seed)
    metrics = {
        f"{model}/{sweep}/{row['level']:g}/{name}".replace(" ", "_"): value
        for model, sweeps in table.items()
        for sweep, rows in sweeps.items()
        for row in rows
        for name, value in row.items()
        if name not in ("level", "majority_baseline")
    }
    metrics |= {"majority_baseline": baseline, "seconds": time.time() - started}
    paths = {name: str(trained.path) for name, trained in models.items()}
    write_results(folder, args, started, clouds, metrics, checkpoints=paths)
    print(f"curves, GIFs and metrics.json are in {folder}")


if __name__ == "__main__":
    raise SystemExit(main())
