"""Figures of runs."""

from pathlib import Path

from common.outputs import atomic_path


def training_figure(path: Path, histories: dict[str, list[dict[str, float]]], value: str = "val_psnr") -> None:
    """Write a plot of a value of each run against the seconds that it trained.

    Args:
        histories: name -> rows with ``seconds`` and the value; rows without it are left out.
        value: of the rows; its label is made of its name.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, rows in histories.items():
        kept = [row for row in rows if value in row]
        axes.plot([row["seconds"] for row in kept], [row[value] for row in kept], marker="o", markersize=3, label=name)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("PSNR of validation views, dB" if value == "val_psnr" else value.replace("_", " "))
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
