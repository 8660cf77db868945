"""Question 2.6: what a trained model has learnt: errors on the shape, failures, features in between, hidden patches."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from a2_single_view.data import load_shapes
from a2_single_view.data.packed import ShapeViews
from a2_single_view.eval_model import cloud_of, evaluate, load_model, predict
from a2_single_view.figures import SIZE, as_size, pictures, show, spread
from a2_single_view.model import TYPES, SingleViewTo3D
from a2_single_view.train_model import CHECKPOINT, OUTPUT_DIR
from common.cli import ArgumentParser, UserError, add_common_flags, command, resolve_device
from common.gif import save_gif
from common.outputs import make_folder, write_metrics, write_run
from common.p3d import knn_points
from common.training import seed_everything
from common.visualize import add_caption, image_grid, save_png

FAR = 0.08  # world units: an error that is drawn in full red
PATCH, STRIDE = 25, 14  # pixels
SHOWN = 6
COLUMNS = ("image", "what counts") * 3


def error_colors(cloud: Tensor, truth: Tensor) -> Tensor:
    """Colours (N, 3) from blue to red by how far points (N, 3) lie from the nearest of truth (M, 3)."""
    from matplotlib import colormaps

    distance = knn_points(cloud[None], truth[None]).dists[0, :, 0].sqrt()
    return torch.from_numpy(colormaps["turbo"](0.1 + 0.8 * (distance / FAR).clamp(max=1.0).numpy())[:, :3]).float()


def error_gallery(folder: Path, kind: str, shapes: ShapeViews, chosen, made) -> None:
    """Write ``error.png``: images, predicted and true points, blue where the others are near, else red."""
    rows, generator = [], np.random.default_rng(0)
    for (index, view), shape in zip(chosen, made, strict=True):
        truth, cloud = shapes.points(np.array([index]), 2500, generator)[0], cloud_of(kind, shape, 2500)
        rows.append(as_size(picture_of(shapes, index, view)))
        if cloud is None:
            rows += [np.full((SIZE, SIZE, 3), 255, np.uint8)] * 2
            continue
        rows.append(pictures(cloud[0], [30.0], colors=error_colors(cloud[0], truth))[0])
        rows.append(pictures(truth, [30.0], colors=error_colors(truth, cloud[0]))[0])
    titled(folder / "error.png", rows, ("image", "predicted", "truth") * 2)


def titled(path: Path, pictures: list[np.ndarray], titles: Sequence[str]) -> None:
    """Write pictures (SIZE, SIZE, 3) uint8 in rows of as many as there are titles of columns, these above them."""
    heads = [add_caption(np.zeros((0, SIZE, 3), np.uint8), title) for title in titles[: len(pictures)]]
    save_png(path, np.concatenate([image_grid(part, len(titles)) for part in (heads, pictures)]))


def picture_of(shapes: ShapeViews, index: int, view: int) -> np.ndarray:
    """Picture (H, W, 3) uint8."""
    return shapes.images(np.array([index]), np.array([view]))[0].permute(1, 2, 0).numpy()


@torch.no_grad()
def interpolation(model: SingleViewTo3D, one: Tensor, two: Tensor, count: int) -> list:
    """Shapes of ``count`` features on the way from one image's (1, 3, H, W) to another's."""
    first, second = model.encode(one), model.encode(two)
    return [decode(model, torch.lerp(first, second, share)) for share in np.linspace(0.0, 1.0, count).tolist()]


@torch.no_grad()
def decode(model: SingleViewTo3D, features: Tensor):
    """The shape of features (1, 512): logits, points or a mesh."""
    return predict(model, features)[0].cpu()


@torch.no_grad()
def occlusion(model: SingleViewTo3D, image: Tensor, patch: int = PATCH, stride: int = STRIDE) -> np.ndarray:
    """How much of the prediction each part of an image (3, H, W) uint8 decides: (h, w), at most 1.

    A square covers the image place by place; what counts is how far the features move (Zeiler and Fergus, ECCV 2014).
    It has the background's colour, the median along the border: another would itself be seen as a part of the shape.
    """
    _, height, width = image.shape
    border = torch.cat((image[:, [0, -1]].flatten(1), image[:, :, [0, -1]].flatten(1)), 1).median(1).values
    rows, columns = (range(0, size - patch + 1, stride) for size in (height, width))
    covered = image.expand(len(rows) * len(columns), -1, -1, -1).clone()
    for number, (row, column) in enumerate((r, c) for r in rows for c in columns):
        covered[number, :, row : row + patch, column : column + patch] = border[:, None, None]
    plain = model.encode(image[None])
    moved = torch.cat([model.encode(part) for part in covered.split(16)])
    change = (moved - plain).norm(dim=1).view(len(rows), len(columns)).cpu()
    return (change / change.max().clamp(min=1e-9)).numpy()


def heat(image: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8 under the colours of a map (h, w) in [0, 1]."""
    from matplotlib import colormaps

    large = functional.interpolate(torch.from_numpy(map_)[None, None].float(), image.shape[:2], mode="bicubic")[0, 0]
    return (0.45 * image + 0.55 * 255 * colormaps["inferno"](large.clamp(0, 1).numpy())[..., :3]).astype(np.uint8)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Look into a trained model; leave pictures and GIFs."""
    started = time.time()
    args = parser().parse_args(argv)
    device = resolve_device(args.device)
    seed_everything(args.seed)
    home = Path(args.output_dir) / (args.exp_name or args.type)
    model, said = load_model(args.checkpoint or home / CHECKPOINT, args.type)
    if model.kept:
        raise UserError(f"{home}: trained on kept features; this looks into an encoder: train without --load_feat")
    model = model.to(device)
    folder = make_folder(home / "interpret", "--output_dir")
    shapes = load_shapes(tuple(said["classes"]), args.data_dir, args.skip_bad)["test"]
    rows = evaluate(model, shapes, 1, device)
    order = np.argsort([row["F1@0.050000/5000"] for row in rows])

    def made(chosen):
        return [predict(model, shapes.images(np.array([i]), np.array([v])).to(device))[0].cpu() for i, v in chosen]

    some = [(index, 0) for index in spread(len(shapes), SHOWN)]
    error_gallery(folder, args.type, shapes, some, made(some))
    for name, chosen in (("worst", order[:SHOWN]), ("best", order[-SHOWN:])):
        pairs = [(int(index), 0) for index in chosen]
        show(folder, name, shapes, pairs, [[shape] for shape in made(pairs)], ("image", "truth", args.type))
    ends = some[0][0], some[len(some) // 2][0]
    one, two = (shapes.images(np.array([index]), np.array([0])).to(device) for index in ends)
    way = interpolation(model, one, two, 16)
    frames = [pictures(shape, [30.0], two_sided=True) for shape in (*way, *way[::-1])]
    save_gif(folder / "interpolation.gif", np.concatenate(frames), 10)
    images = [picture_of(shapes, *pair) for pair in some]
    maps = [
        heat(image, occlusion(model, torch.from_numpy(image.copy()).permute(2, 0, 1).to(device))) for image in images
    ]
    titled(folder / "occlusion.png", [as_size(i) for pair in zip(images, maps, strict=True) for i in pair], COLUMNS)
    metrics = {
        f"{name}_f1@0.05": float(np.mean([rows[i]["F1@0.050000/5000"] for i in part]))
        for name, part in (("worst", order[:SHOWN]), ("best", order[-SHOWN:]))
    }
    write_metrics(folder, {**metrics, "seconds": time.time() - started})
    write_run(folder, vars(args), started, seed=args.seed, device=str(device), data=shapes.source)
    print(f"{folder}: error.png, worst.gif, best.gif, interpolation.gif, occlusion.png")


def parser() -> ArgumentParser:
    """Flags."""
    p = ArgumentParser(
        "What a trained model has learnt; two minutes on two cores.", "python -m a2_single_view.interpret --type point"
    )
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument("--type", choices=TYPES, default="point", help="what is predicted")
    p.add_argument("--skip_bad", action="store_true", help="leave out official shapes that are damaged or missing")
    p.add_argument("--checkpoint", default=None, help="file (default: train_model's in the experiment's folder)")
    p.add_argument("--exp_name", default=None, help="folder below --output_dir (default: the type)")
    return p


if __name__ == "__main__":
    raise SystemExit(main())
