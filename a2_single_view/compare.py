"""Several evaluated runs: their F1 against the threshold in one figure, the same images as each sees them."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from a2_single_view.data import CLASSES, load_shapes
from a2_single_view.eval_model import load_model, predictions
from a2_single_view.figures import f1_figure, show, spread
from a2_single_view.model import TYPES
from a2_single_view.train_model import CHECKPOINT, OUTPUT_DIR
from common.cli import ArgumentParser, UserError, add_common_flags, command, resolve_device
from common.outputs import atomic_path, make_folder, write_json
from common.training import seed_everything

SHOWN = 8
COLUMNS = ("f1@0.01", "f1@0.03", "f1@0.05", "f1@0.05_1000_points", "chamfer", "voxel_iou")


def read_scores(home: Path, runs: Sequence[str], only: str | None = None) -> dict[str, dict[str, float]]:
    """The evaluated scores of runs below a folder.

    Args:
        only: take those of this class alone of runs that were trained on several.

    Raises:
        UserError: one of them was not evaluated, or they were on different numbers of views.
    """
    rows, views = {}, {}
    for run in runs:
        trained = json.loads((home / run / "run.json").read_text()) if (home / run / "run.json").is_file() else {}
        alone = only and trained.get("arguments", {}).get("classes", [only]) != [only]
        path = home / run / (f"eval_{only}" if alone else "eval") / "metrics.json"
        if not path.is_file():
            flags = f"--exp_name {run} --only {only}" if alone else f"--exp_name {run}"
            raise UserError(f"{path}: not there; run eval_model {flags} first")
        rows[run] = json.loads(path.read_text())
        views[run] = views_of(path.parent)
    if len(set(views.values())) > 1:
        said = ", ".join(f"{run} on {count}" for run, count in views.items())
        raise UserError(
            f"scored on different numbers of views of each shape: {said}; run eval_model with equal --views"
        )
    return rows


def views_of(folder: Path) -> int | None:
    """On how many views of each shape the scores in a folder of eval_model's are."""
    run = folder / "run.json"
    return json.loads(run.read_text())["arguments"].get("views") if run.is_file() else None


def side_by_side(folder: Path, home: Path, runs: Sequence[str], args: argparse.Namespace, device: torch.device) -> None:
    """Write ``predicted.gif`` and ``predicted.png``: test images of the classes that all runs know, as each sees them.

    Runs whose checkpoint is gone, and runs on kept features, which see no images, are left out.
    """
    loaded = {run: load_model(home / run / CHECKPOINT) for run in runs if (home / run / CHECKPOINT).is_file()}
    models = {run: model.to(device) for run, (model, _) in loaded.items() if not model.kept}
    known = [set(loaded[run][1]["classes"]) for run in models]
    classes = tuple(name for name in CLASSES if all(name in of for of in known) and args.only in (None, name))
    if not models or not classes:
        return
    shapes = load_shapes(classes, args.data_dir, args.skip_bad)["test"]
    chosen = [(index, 0) for index in spread(len(shapes), SHOWN)]
    made = (predictions(model, shapes, chosen, device) for model in models.values())
    rows = [[shape for one in row for shape in one] for row in zip(*made, strict=True)]
    show(folder, "predicted", shapes, chosen, rows, ("image", "truth", *models))


@command
def main(argv: Sequence[str] | None = None) -> None:
    """One figure and one table of the scores of evaluated runs, and pictures of what they predict."""
    p = ArgumentParser(
        "Evaluated runs side by side: half a minute.",
        "python -m a2_single_view.compare --runs point point_3c --only chair",
    )
    p.add_argument("--runs", nargs="+", default=None, help="folders below --output_dir (default: the types there are)")
    p.add_argument("--only", choices=CLASSES, default=None, help="of runs of several classes, score this one")
    p.add_argument("--skip_bad", action="store_true", help="leave out official shapes that are damaged or missing")
    add_common_flags(p, OUTPUT_DIR)
    args = p.parse_args(argv)
    device = resolve_device(args.device)
    seed_everything(args.seed)
    home = Path(args.output_dir)
    runs = args.runs or [kind for kind in TYPES if (home / kind / "eval" / "metrics.json").is_file()]
    if not runs:
        raise UserError(f"{home}: holds no evaluated run; run train_model and eval_model first")
    rows = read_scores(home, runs, args.only)
    folder = make_folder(home / "_".join(["compare", *(args.runs or [])]), "--output_dir")
    f1_figure(folder / "f1.png", rows)
    write_json(folder / "results.json", rows)
    lines = [f"| | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for name, row in rows.items():
        cells = (f"{row[c]:.5f}" if c == "chamfer" else f"{row[c]:.2f}" if c in row else "" for c in COLUMNS)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    side_by_side(folder, home, runs, args, device)
    with atomic_path(folder / "table.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    raise SystemExit(main())
