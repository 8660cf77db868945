"""How well the chair family covers real chair layouts: ``python -m common.shapes.coverage --layouts FILE.npz``."""

import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from tqdm import tqdm

from common.cli import ArgumentParser, add_common_flags, command, positive_int, resolve_device
from common.outputs import atomic_path, make_folder, write_metrics, write_run
from common.shapes.families import sample_shape
from common.shapes.layouts import (
    Layouts,
    Repairs,
    chair_of_shape,
    ks_statistic,
    layouts,
    nearest_distances,
    read_layouts,
)

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

THRESHOLDS = (0.03, 0.05, 0.08)  # of the whole box's diagonal
QUANTILES = (5, 25, 50, 75, 95)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Compare generated chairs with real ones; half a minute for 2,000."""
    started = time.time()
    args = _parser().parse_args(argv)
    device = resolve_device(args.device)
    chairs, repairs = read_layouts(args.layouts)
    folder = make_folder(args.output_dir, "--output_dir")
    real = layouts(chairs)
    print(_account(len(real), repairs))
    numbers = tqdm(range(args.count), desc="drawing chairs", unit="chair")
    made = layouts([chair_of_shape(sample_shape("chair", args.seed, i)) for i in numbers])
    pool = np.random.default_rng(args.seed).permutation(len(real))[: min(len(made), len(real) // 2)]
    distances = {
        "generated": nearest_distances(real, made, device),
        "real": nearest_distances(real, _subset(real, pool), device, _rows_in(pool, len(real))),
    }
    metrics = coverage_metrics(real, made, distances)
    _figure(real, made, distances, folder / "coverage.png")
    metrics |= {"real_layouts": len(real), "generated_layouts": len(made), "reference_layouts": len(pool)}
    metrics |= {"twins_moved": repairs.moved, "twins_added": repairs.added}
    write_metrics(folder, {**metrics, "seconds": time.time() - started})
    write_run(folder, vars(args), started, seed=args.seed, device=str(device), data={"source": str(args.layouts)})
    print(_table(real, made, metrics))
    print(f"coverage.png and metrics.json are in {folder}")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "Measure how well the chair family covers real chair layouts (labelled part boxes); half a minute for 2,000.",
        "python -m common.shapes.coverage --layouts boxes.npz --count 2000",
    )
    parser.add_argument("--layouts", required=True, help="npz of real part boxes: boxes, box_labels and n_boxes")
    parser.add_argument("--count", type=positive_int, default=2000, help="chairs to draw from the family")
    add_common_flags(parser, "outputs/shapes/coverage")
    return parser


def _account(count: int, repairs: Repairs) -> str:
    """What was read, and what had to be mended."""
    text = f"{count} real layouts; mirror twins in {repairs.chairs} of them mended: {repairs.moved} that were stored "
    text += f"translated by (1, 0, 0) reflected, {repairs.added} that were missing added"
    return text + (f"; left out for want of a seat: {', '.join(repairs.dropped[:8])}" if repairs.dropped else "")


def _subset(real: Layouts, rows: np.ndarray) -> Layouts:
    return Layouts(real.boxes[rows], real.present[rows], {})


def _rows_in(pool: np.ndarray, count: int) -> np.ndarray:
    """Where each of ``count`` layouts stands in the pool, -1 where it is not in it."""
    rows = np.full(count, -1)
    rows[pool] = np.arange(len(pool))
    return rows


def coverage_metrics(real: Layouts, made: Layouts, distances: dict[str, np.ndarray]) -> dict[str, float]:
    """Flat metrics.

    ``coverage@r``: share of real layouts with a generated one within r; ``real_coverage@r``: with another real one of
    the pool within r; ``ks_*``: Kolmogorov-Smirnov statistics; ``share_with_*``: chairs that have the label.
    """
    metrics = {}
    for radius in THRESHOLDS:
        metrics[f"coverage@{radius}"] = float((distances["generated"] <= radius).mean())
        metrics[f"real_coverage@{radius}"] = float((distances["real"] <= radius).mean())
    for name, values in distances.items():
        metrics[f"median_distance_to_{name}"] = float(np.median(values))
    for label, name in ((0, "back"), (3, "arm")):
        metrics[f"share_with_{name}_real"] = float(real.present[:, label].mean())
        metrics[f"share_with_{name}_generated"] = float(made.present[:, label].mean())
    for name in real.quantities:
        if name in made.quantities:
            metrics[f"ks_{name}"] = ks_statistic(real.quantities[name], made.quantities[name])
    return metrics


def _table(real: Layouts, made: Layouts, metrics: dict[str, float]) -> str:
    """Quantiles side by side, and coverage."""
    lines = [f"{'':22s}{'real: ' + ' '.join(f'{q}%' for q in QUANTILES):>40s}{'generated':>40s}{'KS':>8s}"]
    for name, values in real.quantities.items():
        if name in made.quantities:
            sides = (np.percentile(x, QUANTILES) for x in (values, made.quantities[name]))
            cells = "".join(f"{' '.join(f'{q:6.2f}' for q in side):>40s}" for side in sides)
            lines.append(f"{name:22s}{cells}{metrics[f'ks_{name}']:8.3f}")
    for name in ("back", "arm"):
        one, two = metrics[f"share_with_{name}_real"], metrics[f"share_with_{name}_generated"]
        lines.append(f"{'share with ' + name:22s}{one:40.3f}{two:40.3f}")
    for radius in THRESHOLDS:
        one, two = metrics[f"coverage@{radius}"], metrics[f"real_coverage@{radius}"]
        lines.append(f"coverage@{radius}: {one:.3f} by generated layouts, {two:.3f} by as many real ones")
    return "\n".join(lines)


def _figure(real: Layouts, made: Layouts, distances: dict[str, np.ndarray], path: Path) -> None:
    """Histograms of every quantity, and the cumulative curves of the distances."""
    names = [name for name in real.quantities if name in made.quantities]
    columns = 4
    rows = -(-(len(names) + 1) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 2.4 * rows))
    for axis, name in zip(axes.flat[1:], names, strict=False):
        one, two = real.quantities[name], made.quantities[name]
        low, high = np.percentile(np.concatenate([one, two]), [0.5, 99.5])
        bins = np.arange(low - 0.5, high + 1) if name.endswith("_parts") else np.linspace(low, high + 1e-9, 30)
        for values, label in ((one, "real"), (two, "generated")):
            axis.hist(values, bins, density=True, alpha=0.5, label=label)
        axis.set_title(name.replace("_", " "), fontsize=9)
        axis.tick_params(labelsize=7)
    curve = axes.flat[0]
    for name, label in (("generated", "to generated"), ("real", "to another real")):
        values = np.sort(distances[name])
        curve.plot(values, np.arange(1, len(values) + 1) / len(values), label=label)
    curve.set(xlim=(0, 0.15), ylim=(0, 1), title="real layouts within a distance")
    curve.title.set_fontsize(9)
    curve.grid(alpha=0.3)
    curve.legend(fontsize=7, title="nearest distance", title_fontsize=7)
    axes.flat[1].legend(fontsize=7)
    for axis in axes.flat[len(names) + 1 :]:
        axis.remove()
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    raise SystemExit(main())
