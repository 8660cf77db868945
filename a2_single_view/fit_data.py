"""Question 1: fit a voxel grid, a point cloud or a mesh to a shape by gradient descent on its loss."""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from a2_single_view.data.cells import RESOLUTION, cells_of
from a2_single_view.data.embedded import SURFACE, embedded_shape
from a2_single_view.figures import pictures
from a2_single_view.losses import LAPLACIANS, chamfer_loss, normal_loss, smoothness_loss, voxel_loss
from a2_single_view.scores import voxel_iou
from a2_single_view.smoothing import averaged, neighbour_means
from a2_single_view.train_model import OUTPUT_DIR
from common.cli import (
    ArgumentParser,
    add_common_flags,
    command,
    listed,
    non_negative_float,
    non_negative_int,
    positive_float,
    positive_int,
    resolve_device,
)
from common.gif import save_gif
from common.mesh_views import centred, mesh_of_shape
from common.optimisation import Optimisation, exponential, optimise
from common.outputs import make_folder, write_metrics, write_run
from common.p3d import Meshes, ico_sphere, sample_points_from_meshes, torus
from common.shapes.primitives import Torus
from common.shapes.shape import Material, Part, Shape
from common.training import seed_everything
from common.visualize import add_caption, save_png

SMOOTHED = 4  # times that a mesh's displacements are averaged along its edges
MAX_ITER = {"vox": 300, "point": 400, "mesh": 1000}
LEARNING_RATE = {"vox": 0.3, "point": 0.01, "mesh": 0.02}
TARGETS, SOURCES = ("chair", "vase", "lamp", "torus"), ("sphere", "torus")


@dataclass
class Fit:
    """What is fitted: parameters, its loss, its scores, and how it looks.

    Attributes:
        shape: () -> the shape as it stands: logits (R, R, R), points (N, 3) or a mesh.
        losses: step -> named terms. scores: () -> name -> number. truth: what it is fitted to, as ``shape`` gives it.
    """

    module: nn.Module
    shape: Callable[[], Tensor | Meshes]
    losses: Callable[[int], dict[str, Tensor]]
    scores: Callable[[], dict[str, float]]
    truth: Tensor | Meshes


class Free(nn.Module):
    """A tensor that is free to move."""

    def __init__(self, values: Tensor):
        super().__init__()
        self.values = nn.Parameter(values)


def target_shape(name: str, seed: int, index: int) -> Shape:
    """The shape to fit, the middle of its bounding box at the origin, its diagonal 1."""
    if name != "torus":
        return embedded_shape(name, seed, index)
    ring = Part(Torus(0.3, 0.1), 0, Material("clay", (0.74, 0.38, 0.24)))
    low, high = Shape("torus", "torus", (ring,), ("ring",)).bounds()
    return Shape("torus", "torus", (ring,), ("ring",)).moved(1.0 / np.linalg.norm(high - low), np.zeros(3))


def fit_voxels(args: argparse.Namespace, target: Shape, device: torch.device) -> Fit:
    """A grid of logits, begun at random, to the cells that the shape fills."""
    truth = torch.from_numpy(voxels_of(target, args.seed)).to(device)[None]
    free = Free(torch.randn(truth.shape)).to(device)
    return Fit(
        free,
        lambda: free.values[0],
        lambda step: {"voxels": voxel_loss(free.values, truth)},
        lambda: {"voxel_iou": float(voxel_iou(free.values, truth))},
        20.0 * truth[0] - 10.0,
    )


def fit_points(args: argparse.Namespace, target: Shape, device: torch.device) -> Fit:
    """Points, begun in a ball, to as many points of the surface."""
    truth = visible(target, args.n_points, args.seed).to(device)
    free = Free(0.2 * torch.randn(truth.shape)).to(device)
    return Fit(
        free,
        lambda: free.values[0],
        lambda step: {"chamfer": args.w_chamfer * chamfer_loss(free.values, truth)},
        lambda: {"chamfer": float(chamfer_loss(free.values, truth))},
        truth[0],
    )


def fit_mesh(args: argparse.Namespace, target: Shape, device: torch.device) -> Fit:
    """The vertices of a sphere or torus to points of the surface, kept smooth."""
    start = centred(ico_sphere(4) if args.source == "sphere" else lying_torus(), 0.4).to(device)
    cloud = visible(target, 10_000, args.seed).to(device)
    free = Free(torch.zeros_like(start.verts_packed())).to(device)
    means = neighbour_means(start.edges_packed(), len(start.verts_packed())).to(device)

    def shape() -> Meshes:
        return start.offset_verts(averaged(free.values, means, SMOOTHED))

    def losses(step: int) -> dict[str, Tensor]:
        mesh = shape()
        truth = cloud[:, torch.randperm(cloud.shape[1])[: args.n_points].to(device)]
        return {
            "chamfer": args.w_chamfer * chamfer_loss(sample_points_from_meshes(mesh, args.n_points), truth),
            "smoothness": args.w_smooth * smoothness_loss(mesh, args.laplacian),
            "normals": args.w_normal * normal_loss(mesh),
        }

    def scores() -> dict[str, float]:
        mesh = shape()
        chamfer = chamfer_loss(sample_points_from_meshes(mesh, cloud.shape[1]), cloud)
        return {"chamfer": float(chamfer), "flipped_faces": flipped_faces(mesh)}

    return Fit(free, shape, losses, scores, mesh_of_shape(target))


def lying_torus() -> Meshes:
    """A torus around the y axis, as the target is."""
    ring = torus(0.4, 1.0, 32, 64)
    verts = ring.verts_packed()
    return Meshes([verts[:, [0, 2, 1]] * verts.new_tensor([1.0, 1.0, -1.0])], ring.faces_list())


FITS = {"vox": fit_voxels, "point": fit_points, "mesh": fit_mesh}


def voxels_of(target: Shape, seed: int) -> np.ndarray:
    """Cells (32, 32, 32) bool that a shape fills as binvox has it: middles inside, and those that the surface cuts."""
    dense, _ = target.sample_surface(SURFACE, np.random.default_rng(seed))
    return target.occupancy(RESOLUTION, 0.5) | cells_of(dense)


def visible(target: Shape, count: int, seed: int) -> Tensor:
    """Points (1, count, 3) of the surface that can be seen."""
    return torch.from_numpy(target.sample_surface(count, np.random.default_rng(seed))[0])[None]


def flipped_faces(mesh: Meshes) -> int:
    """How many faces look against the mean normal, by area, of the faces around their corners."""
    normals = mesh.faces_normals_packed() * mesh.faces_areas_packed()[:, None]
    faces = mesh.faces_packed()
    around = torch.zeros_like(mesh.verts_packed()).index_add(0, faces.flatten(), normals.repeat_interleave(3, 0))
    return int(((around[faces].sum(1) * normals).sum(1) < 0).sum())


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Fit, and leave a GIF of the fit under way beside what it is fitted to, and its scores."""
    started = time.time()
    args = parser().parse_args(argv)
    device = resolve_device(args.device)
    seed_everything(args.seed)
    name = f"fit_{args.type}" + (f"_{args.source}_to_{args.target}" if args.type == "mesh" else "")
    folder = make_folder(Path(args.output_dir) / name, "--output_dir")
    target = target_shape(args.target, args.seed, args.index)
    fit = FITS[args.type](args, target, device)
    num_steps, lr = args.max_iter or MAX_ITER[args.type], args.lr or LEARNING_RATE[args.type]
    shown = set(np.linspace(1, num_steps, args.num_frames).round().astype(int).tolist())
    frames = [pictures(fit.shape(), [30.0], two_sided=True)[0]]

    def after(steps) -> dict[str, float] | None:
        if steps.step in shown:
            with torch.no_grad():
                azimuth = 30.0 + 360.0 * steps.step / num_steps
                frames.append(pictures(fit.shape(), [azimuth], two_sided=True)[0])
        return None

    run = Optimisation(
        fit.module, torch.optim.Adam(fit.module.parameters(), lr), fit.losses, exponential(0.05), {}, args.seed
    )
    steps = optimise(run, num_steps, None, after=after, bar=f"fitting {args.type}")
    with torch.no_grad():
        scores = fit.scores()
    truth = pictures(fit.truth, [30.0, *(30.0 + 360.0 * step / num_steps for step in sorted(shown))])
    halves = [add_caption(part, words) for part, words in ((truth, "target"), (np.stack(frames), "fit"))]
    save_gif(folder / f"{name}.gif", np.concatenate(halves, 2), 10)
    save_png(folder / f"{name}.png", np.concatenate([part[-1] for part in halves], 1))
    write_metrics(folder, {**scores, "training_seconds": steps.seconds, "steps": steps.step})
    write_run(folder, vars(args), started, seed=args.seed, device=str(device), data=target.caption or target.family)
    print(", ".join(f"{key} {value:.6g}" for key, value in scores.items()) + f", {steps.seconds:.1f} s")
    print(folder / f"{name}.gif")


def parser() -> ArgumentParser:
    """The course's flags and ours."""
    p = ArgumentParser(
        "Fit a voxel grid, a point cloud or a mesh to a shape; less than a minute on two cores.",
        "python -m a2_single_view.fit_data --type mesh --source torus --target torus",
    )
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument("--type", choices=sorted(FITS), default="vox", help="what is fitted")
    p.add_argument("--target", choices=TARGETS, default="chair", help="what it is fitted to")
    p.add_argument("--index", type=non_negative_int, default=2, help="which shape of the target's family")
    p.add_argument("--source", choices=SOURCES, default="sphere", help="what a mesh begins as")
    p.add_argument("--max_iter", type=positive_int, default=None, help=f"steps (default: {listed(MAX_ITER)})")
    p.add_argument("--lr", type=positive_float, default=None, help=f"learning rate (default: {listed(LEARNING_RATE)})")
    p.add_argument("--n_points", type=positive_int, default=2500, help="points of clouds")
    p.add_argument("--w_chamfer", type=non_negative_float, default=1.0, help="weight of the Chamfer distance")
    p.add_argument("--w_smooth", type=non_negative_float, default=0.1, help="weight of a mesh's Laplacian")
    p.add_argument("--laplacian", choices=LAPLACIANS, default="uniform", help="how a mesh's Laplacian weighs edges")
    p.add_argument("--w_normal", type=non_negative_float, default=0.01, help="weight of a mesh's normals")
    p.add_argument("--num_frames", type=positive_int, default=24, help="frames of the GIF")
    return p


if __name__ == "__main__":
    raise SystemExit(main())
