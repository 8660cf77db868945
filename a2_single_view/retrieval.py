"""What one view gives away: models against the nearest training shape, and against no view at all.

Three baselines on the same test views, scored as the models are. *Blind*: of a hundred training shapes the one that is
nearest to all others, whatever the picture shows. *By features*: the training shape whose view has the nearest
features, of a trained encoder. *Oracle*: the training shape that is nearest to the truth itself: the most that
retrieval can reach.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from a2_single_view.compare import views_of
from a2_single_view.data import load_shapes
from a2_single_view.data.packed import ShapeViews
from a2_single_view.eval_model import first_views, load_model, score, summary
from a2_single_view.model import TYPES, SingleViewTo3D
from a2_single_view.train_model import CHECKPOINT, OUTPUT_DIR
from common.cli import ArgumentParser, add_common_flags, command, positive_int, resolve_device
from common.outputs import atomic_path, make_folder, write_json, write_metrics, write_run
from common.training import seed_everything

FEW, SOME = 128, 500  # points of each shape in the search for the nearest, and of those that come first in it
FIRST = 40
SHAPES_AT_ONCE = 16


@torch.no_grad()
def features_of(model: SingleViewTo3D, shapes: ShapeViews, views: int, device: torch.device) -> Tensor:
    """(N, views, 512) of the first views of each shape, of length 1."""
    index, view = first_views(shapes, views)
    parts = []
    for start in tqdm(range(0, len(index), 64), desc="features", unit="batch"):
        part = slice(start, start + 64)
        parts.append(model.encode(model.inputs(shapes, index[part], view[part]).to(device)).cpu())
    features = torch.cat(parts)
    return torch.nn.functional.normalize(features, dim=1).view(len(shapes), views, -1)


def chamfer_table(clouds: Tensor, others: Tensor, bar: str | None) -> Tensor:
    """(N, M) Chamfer distances of clouds (N, P, 3) and others (M, Q, 3); ``bar``: words for a progress bar.

    Clouds are small: each pair of points is measured once, for both ways.
    """
    rows = []
    for cloud in tqdm(clouds, desc=bar, unit="shape", disable=bar is None):
        row = []
        for part in others.split(SHAPES_AT_ONCE):
            squared = torch.cdist(cloud[None], part.flatten(0, 1)[None])[0].square_().view(len(cloud), *part.shape[:2])
            row.append(squared.amin(2).mean(0) + squared.amin(0).mean(1))
        rows.append(torch.cat(row))
    return torch.stack(rows)


def nearest_of(clouds: Tensor, others: Tensor) -> Tensor:
    """(N,) which of others (M, P, 3) is nearest to each of clouds (N, P, 3): few points find the first, all decide."""
    first = chamfer_table(clouds[:, :FEW], others[:, :FEW], "oracle").topk(min(FIRST, len(others)), largest=False)[1]
    best = [int(chamfer_table(c[None], others[f], None).argmin()) for c, f in zip(clouds, first, strict=True)]
    return first.gather(1, torch.tensor(best)[:, None])[:, 0]


def score_retrieved(train: ShapeViews, chosen: np.ndarray, test: ShapeViews, views: int) -> dict[str, float]:
    """Means of the scores of training shapes ``chosen`` (N * views,) in the place of predictions."""
    generator, rows = np.random.default_rng(0), []
    for number, picked in enumerate(chosen):
        index = np.array([number // views])
        truth = test.points(index, 5000, generator)[0]
        made = train.points(np.array([picked]), 5000, generator)[0]
        rows.append({"shape": int(index[0]), "view": number % views, **score("point", made, truth, None)})
    return summary(rows)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Score the baselines; leave a table of them beside the models that were evaluated."""
    started = time.time()
    args = parser().parse_args(argv)
    device = resolve_device(args.device)
    seed_everything(args.seed)
    home = Path(args.output_dir)
    folder = make_folder(home / "retrieval", "--output_dir")
    model, said = load_model(args.checkpoint or home / args.type / CHECKPOINT, args.type)
    model = model.to(device)
    sets = load_shapes(tuple(said["classes"]), args.data_dir, args.skip_bad)
    train, test = sets["train"], sets["test"]
    known = features_of(model, train, min(8, train.num_views), device)
    asked = features_of(model, test, args.views, device)
    nearest = (asked.flatten(0, 1) @ known.flatten(0, 1).T).argmax(1) // known.shape[1]
    generator = np.random.default_rng(args.seed)
    clouds = [shapes.points(np.arange(len(shapes)), SOME, generator) for shapes in (train, test)]
    few = generator.permutation(len(train))[:100]
    blind = int(few[int(chamfer_table(clouds[0][few, :FEW], clouds[0][:, :FEW], "blind").mean(1).argmin())])
    oracle = nearest_of(clouds[1], clouds[0])
    ways = {
        "blind": np.full(len(nearest), blind),
        "by_features": nearest.numpy(),
        "oracle": np.repeat(oracle.numpy(), args.views),
    }
    rows = {name: score_retrieved(train, chosen, test, args.views) for name, chosen in ways.items()}
    metrics = {f"{name}_{key}": value for name, row in rows.items() for key, value in row.items()}
    for kind in TYPES:
        scores = home / kind / "eval" / "metrics.json"
        if scores.is_file() and views_of(scores.parent) == args.views:
            rows[kind] = json.loads(scores.read_text())
        elif scores.is_file():
            print(f"{kind} was scored on another number of views than --views {args.views}; it is left out")
    for kind in set(TYPES) & set(rows):
        metrics[f"{kind}_margin_f1@0.05"] = rows[kind]["f1@0.05"] - rows["by_features"]["f1@0.05"]
    lines = ["| | F1@0.05 | F1@0.01 | Chamfer |", "|---|---|---|---|"]
    lines += [f"| {n} | {r['f1@0.05']:.2f} | {r['f1@0.01']:.2f} | {r['chamfer']:.5f} |" for n, r in rows.items()]
    with atomic_path(folder / "table.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    write_json(folder / "results.json", rows)
    write_metrics(folder, {**metrics, "seconds": time.time() - started})
    write_run(folder, vars(args), started, seed=args.seed, device=str(device), data=test.source)


def parser() -> ArgumentParser:
    """Flags."""
    p = ArgumentParser(
        "Models against retrieval; five minutes on two cores.", "python -m a2_single_view.retrieval --type point"
    )
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument("--type", choices=TYPES, default="point", help="the model whose encoder gives the features")
    p.add_argument("--skip_bad", action="store_true", help="leave out official shapes that are damaged or missing")
    p.add_argument("--checkpoint", default=None, help="file (default: train_model's of that type)")
    p.add_argument("--views", type=positive_int, default=3, help="of each test shape")
    return p


if __name__ == "__main__":
    raise SystemExit(main())
