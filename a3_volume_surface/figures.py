"""Figures of runs."""

from pathlib import Path

from common.outputs import atomic_path


def training_figure(path: Path, histories: dict[str, list[dict[str, float]]]) -> None:
    """Write a plot of each run's PSNR against the seconds that it trained.

    Args:
        histories: name -> rows with ``seconds`` and ``val_psnr``, or ``train_psnr`` of scenes without validation views.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, rows in histories.items():
        kept = [(row["seconds"], row.get("val_psnr", row.get("train_psnr"))) for row in rows]
        axes.plot(*zip(*kept, strict=True) if kept else ([], []), marker="o", markersize=3, label=name)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("PSNR, dB")
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
