"""Question 2.4: F1 against the threshold, voxel IoU and Chamfer of a trained model on unseen shapes."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from a2_single_view.data import load_shapes
from a2_single_view.data.packed import ShapeViews
from a2_single_view.data.shapes_file import load_file
from a2_single_view.figures import f1_figure, show, spread
from a2_single_view.model import LEVEL, TYPES, SingleViewTo3D
from a2_single_view.scores import (
    THRESHOLDS,
    compute_sampling_metrics,
    recentred,
    sample_occupancy,
    voxel_iou,
)
from a2_single_view.train_model import CHECKPOINT, OUTPUT_DIR
from common.checkpoint import load_checkpoint, load_weights
from common.cli import (
    ArgumentParser,
    UserError,
    add_common_flags,
    command,
    positive_int,
    proper_fraction,
    resolve_device,
)
from common.outputs import make_folder, write_metrics, write_run
from common.p3d import Meshes, sample_points_from_meshes
from common.training import seed_everything

MOST_SHOWN = 12
N_POINTS = (5000, 1000)  # the course once compared 5000 points, now 1000: both are stated


def load_model(path: Path, kind: str | None = None, n_points: int | None = None) -> tuple[SingleViewTo3D, dict]:
    """The model of a checkpoint, and what the checkpoint says of it.

    Raises:
        UserError: no such file, or a model of another type or number of points.
    """
    contents = load_checkpoint(path)
    said = contents.get("model", {})
    if "type" not in said:
        raise UserError(f"checkpoint {path}: not one of train_model's")
    if kind is not None and said["type"] != kind:
        raise UserError(f"checkpoint {path}: its type is {said['type']}, not {kind}; use --type {said['type']}")
    if n_points is not None and said["n_points"] != n_points:
        raise UserError(f"checkpoint {path}: its n_points is {said['n_points']}; use --n_points {said['n_points']}")
    model = SingleViewTo3D(said["arch"], said["type"], said["n_points"], said.get("load_feat", False))
    load_weights(model, contents, path)
    return model.eval(), said


@torch.no_grad()
def predict(model: SingleViewTo3D, inputs: Tensor) -> list[Tensor | Meshes]:
    """What the model sees in pictures (B, 3, H, W) uint8, or in their features (B, 512).

    Returns:
        Of each logits (R, R, R) that are 0 at the model's level, points (N, 3), or a mesh.
    """
    features = model.encode(inputs)
    if model.kind == "implicit":
        return [model.occupancy(one[None]) for one in features]
    if model.kind == "vox":
        return list(model.decoder(features) - model.level_logit)
    if model.kind == "parametric":
        return list(model.surface(features))
    out = model.decoder(features)
    return list(model.decoder.meshes(out) if model.kind == "mesh" else out)


def cloud_of(kind: str, shape: Tensor | Meshes, count: int) -> Tensor | None:
    """Points (1, count, 3) of a predicted shape; None where it is empty."""
    if kind in ("vox", "implicit"):
        return sample_occupancy(shape, count)
    if kind == "point":
        return shape[None] if len(shape) <= count else shape[None, torch.randperm(len(shape))[:count]]
    return sample_points_from_meshes(shape, count)


def score(
    kind: str, shape: Tensor | Meshes, truth: Tensor, voxels: Tensor | None, level: float = 0.5
) -> dict[str, float]:
    """Scores of one predicted shape: F1, precision and recall at 5000 and 1000 points, Chamfer, and IoU of voxels.

    Args:
        truth: (N, 3) points of the true surface. voxels: (32, 32, 32) bool, of occupancies.
        level: of `predict`; IoU is always that of voxels which are more likely filled than not, an occupancy's being
            as likely as the likeliest of their finer cells.
    """
    row = {}
    if kind in ("vox", "implicit"):
        # Voxels count what a shape only touches: they are filled where any finer cell is.
        at = shape if kind == "vox" else torch.nn.functional.max_pool3d(shape[None], shape.shape[0] // 32)[0]
        row["voxel_iou"] = float(voxel_iou(at[None], voxels[None], 1.0 - level))
    for count in N_POINTS:
        cloud = cloud_of(kind, shape, count)
        gt = truth[None, torch.randperm(len(truth))[:count]]
        if cloud is None:  # nothing predicted: no point is near, and the shape's size is how far the truth is
            values = {f"{name}@{t:f}": 0.0 for t in THRESHOLDS for name in ("Precision", "Recall", "F1")}
            values["Chamfer"] = float(gt.square().sum(-1).mean())
        else:
            if kind == "vox":  # the course's rule for voxels
                cloud, gt = recentred(cloud), recentred(gt)
            values = {name: float(value) for name, value in compute_sampling_metrics(cloud, gt).items()}
        row |= {f"{name}/{count}": value for name, value in values.items()}
    return row


def evaluate(
    model: SingleViewTo3D,
    shapes: ShapeViews,
    views: int,
    device: torch.device,
    batch_size: int = 16,
    bar: str = "evaluating",
) -> list[dict[str, float]]:
    """Scores of each of the first ``views`` views of each shape, in that order, and which these are."""
    model = model.to(device).eval()
    index, view = first_views(shapes, views)
    generator, rows = np.random.default_rng(0), []
    with tqdm(total=len(index), desc=bar, unit="view") as progress:
        for start in range(0, len(index), batch_size):
            part = slice(start, start + batch_size)
            given = model.inputs(shapes, index[part], view[part]).to(device)
            truth = shapes.points(index[part], max(N_POINTS), generator)
            voxels = shapes.voxels(index[part])
            made = predict(model, given)
            for number, shape in enumerate(made):
                row = score(model.kind, shape.cpu(), truth[number], voxels[number], model.level)
                rows.append({"shape": int(index[start + number]), "view": int(view[start + number]), **row})
            progress.update(len(made))
    return rows


def first_views(shapes: ShapeViews, views: int) -> tuple[np.ndarray, np.ndarray]:
    """The first ``views`` views of each shape: which shapes (N,) and which of their views (N,).

    Raises:
        UserError: there are fewer.
    """
    if views > shapes.num_views:
        raise UserError(f"--views {views}: there are {shapes.num_views} of each shape")
    return np.repeat(np.arange(len(shapes)), views), np.tile(np.arange(views), len(shapes))


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over the rows, under the names of metrics.json."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name not in ("shape", "view")}
    metrics = {"voxel_iou": means["voxel_iou"]} if "voxel_iou" in means else {}
    for count in N_POINTS:
        end = "" if count == N_POINTS[0] else f"_{count}_points"
        metrics |= {f"f1@{t:.2f}{end}": means[f"F1@{t:f}/{count}"] for t in THRESHOLDS}
        metrics[f"chamfer{end}"] = means[f"Chamfer/{count}"]
    t = THRESHOLDS[-1]
    metrics |= {f"{name.lower()}@{t:.2f}": means[f"{name}@{t:f}/{N_POINTS[0]}"] for name in ("Precision", "Recall")}
    return metrics


def predictions(model: SingleViewTo3D, shapes: ShapeViews, chosen, device: torch.device) -> list[list[Tensor | Meshes]]:
    """What the model predicts of (shape, view) pairs, a list of one each."""
    made = []
    for index, view in chosen:
        given = model.inputs(shapes, np.array([index]), np.array([view])).to(device)
        made.append([predict(model, given)[0].cpu()])
    return made


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Score a trained model on the test shapes once; leave the scores, a figure, and some predictions to look at."""
    started = time.time()
    args = parser().parse_args(argv)
    device = resolve_device(args.device)
    seed_everything(args.seed)
    home = Path(args.output_dir) / (args.exp_name or args.type or "vox")
    model, said = load_model(args.checkpoint or home / CHECKPOINT, args.type, args.n_points)
    args.type = said["type"]
    model.level = args.level or model.level
    if args.load_feat and not model.kept:
        raise UserError(f"--load_feat: {home} was trained on pictures, not on kept features")
    about = [args.only, args.split if args.split != "test" else None, args.shapes and f"of_{Path(args.shapes).stem}"]
    if args.shapes:
        shapes = load_file(args.shapes, args.data_dir, args.skip_bad)
    else:
        shapes = load_shapes(tuple(said["classes"]), args.data_dir, args.skip_bad)[args.split]
        if shapes.fingerprint != said["data"]:
            print(f"the model was trained on other data than {shapes.source}")
    if args.only:
        if args.only not in shapes.classes:
            raise UserError(f"--only {args.only}: the model was trained on {', '.join(shapes.classes)}")
        shapes = shapes.of_class(args.only)
    if not len(shapes):
        raise UserError(f"{shapes.source}: no shape to score")
    if model.kept:
        shapes.features_of(said.get("features"))
    folder = make_folder(home / "_".join(["eval", *filter(None, about)]), "--output_dir")
    rows = evaluate(model, shapes, args.views, device, args.batch_size)
    metrics = summary(rows)
    f1_figure(folder / f"eval_{args.type}.png", {args.type: metrics})
    chosen = [(index, 0) for index in spread(len(shapes), MOST_SHOWN, args.vis_freq)]
    show(
        folder,
        f"predicted_{args.type}",
        shapes,
        chosen,
        predictions(model, shapes, chosen, device),
        ("image", "truth", args.type),
    )
    metrics["seconds"] = time.time() - started
    write_metrics(folder, metrics)
    write_run(folder, vars(args), started, seed=args.seed, device=str(device), data=shapes.source)
    t = THRESHOLDS[-1]
    print(f"F1@{t} at {N_POINTS[0]} points {metrics[f'f1@{t:.2f}']:.2f}, ", end="")
    print(f"at {N_POINTS[1]} points {metrics[f'f1@{t:.2f}_{N_POINTS[1]}_points']:.2f}", end="")
    print(f", IoU {metrics['voxel_iou']:.3f}" if "voxel_iou" in metrics else "")


def parser() -> ArgumentParser:
    """The course's flags and ours."""
    p = ArgumentParser(
        "Score a trained model on shapes it has not seen: two minutes on two cores.",
        "python -m a2_single_view.eval_model --type point --load_checkpoint",
    )
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument(
        "--type",
        choices=TYPES,
        default=None,
        help="what is predicted (default: vox, or what --checkpoint or --exp_name holds)",
    )
    p.add_argument("--load_checkpoint", action="store_true", help="the course's flag; a checkpoint is always loaded")
    p.add_argument("--checkpoint", default=None, help="file (default: train_model's in the experiment's folder)")
    p.add_argument("--exp_name", default=None, help="folder below --output_dir (default: the type)")
    p.add_argument("--n_points", type=positive_int, default=None, help="of the model (default: the checkpoint's)")
    p.add_argument("--skip_bad", action="store_true", help="leave out official shapes that are damaged or missing")
    p.add_argument("--load_feat", action="store_true", help="the model was trained on kept features, see .features")
    p.add_argument("--batch_size", type=positive_int, default=16, help="images at once")
    p.add_argument("--views", type=positive_int, default=3, help="of each shape")
    p.add_argument(
        "--shapes", default=None, help="score other shapes: a folder of meshes, or an npz of meshes or voxels"
    )
    p.add_argument(
        "--level", type=proper_fraction, default=None, help=f"of surfaces of vox and implicit (default: {LEVEL})"
    )
    p.add_argument("--only", default=None, help="score this class alone")
    p.add_argument("--split", choices=("val", "test"), default="test", help="which shapes")
    p.add_argument(
        "--vis_freq", type=positive_int, default=1, help=f"every so many shapes one may be shown, {MOST_SHOWN} at most"
    )
    return p


if __name__ == "__main__":
    raise SystemExit(main())
