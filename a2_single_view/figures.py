"""Figures of scores, and pictures of predicted shapes beside the true ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from a2_single_view.data.packed import ShapeViews
from a2_single_view.scores import THRESHOLDS, occupancy_mesh
from common.gif import save_gif
from common.mesh_views import FIELD_OF_VIEW, painted, render_views
from common.outputs import atomic_path
from common.p3d import FoVPerspectiveCameras, Meshes, look_at_view_transform
from common.visualize import FIELD_OF_VIEW as POINTS_FIELD
from common.visualize import add_caption, render_points, save_png

SIZE = 160
BLUE = (0.45, 0.60, 0.85)


def f1_figure(path: Path, runs: dict[str, dict[str, float]]) -> None:
    """Write a plot of F1 against the threshold of each run: name -> its metrics."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axes = figure.subplots()
    for number, (name, metrics) in enumerate(runs.items()):  # dashes and marks tell lines apart that coincide
        style = {"marker": "osD^v"[number % 5], "linestyle": ("-", "--", "-.", ":")[number % 4], "markersize": 5}
        axes.plot(THRESHOLDS, [metrics[f"f1@{t:.2f}"] for t in THRESHOLDS], label=name, **style)
    axes.set_xlabel("threshold, share of the diagonal")
    axes.set_ylabel("F1 at 5,000 points, %")
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def spread(count: int, most: int, every: int = 1) -> list[int]:
    """Of the numbers 0, ``every``, 2 ``every``, ... below ``count`` at most so many, from the first to the last."""
    numbers = range(0, count, every)
    return [numbers[i] for i in np.linspace(0, len(numbers) - 1, min(len(numbers), most)).astype(int).tolist()]


def pictures(
    shape: Tensor | Meshes | None,
    azimuths: Sequence[float],
    size: int = SIZE,
    colors: Tensor | None = None,
    two_sided: bool = False,
) -> np.ndarray:
    """Pictures (N, size, size, 3) uint8 of one shape, as large in all of them, from N azimuths in degrees.

    Args:
        shape: points (M, 3), logits (R, R, R), a mesh, or None: white.
        colors: (M, 3) in [0, 1] of points.
        two_sided: light both sides of a mesh without colours: learnt without normals, it may be turned over in places.
    """
    azim = torch.tensor(azimuths, dtype=torch.float32)
    shape = shape if shape is None else shape.detach().cpu()
    if isinstance(shape, Tensor) and shape.dim() == 3:
        shape = painted(occupancy_mesh(shape), BLUE)
    if shape is None or isinstance(shape, Meshes) and shape.isempty():
        return np.full((len(azim), size, size, 3), 255, np.uint8)
    if isinstance(shape, Tensor):
        R, T = look_at_view_transform(0.56 / np.sin(np.radians(POINTS_FIELD / 2)), 25.0, azim)
        return render_points(shape, colors, size, R=R, T=T)
    R, T = look_at_view_transform(0.56 / np.sin(np.radians(FIELD_OF_VIEW / 2)), 25.0, azim)
    cameras = FoVPerspectiveCameras(R=R, T=T, fov=FIELD_OF_VIEW, znear=0.05)
    if not two_sided or shape.textures is not None:
        return render_views(painted(shape, BLUE) if shape.textures is None else shape, cameras, size)
    turned = [(facing(shape, camera.get_camera_center()), camera) for camera in (cameras[i] for i in range(len(azim)))]
    return np.concatenate([render_views(painted(mesh, BLUE), camera, size) for mesh, camera in turned])


def facing(mesh: Meshes, centre: Tensor) -> Meshes:
    """The triangles of a mesh, none of which share corners, each turned towards ``centre`` (1, 3)."""
    corner = mesh.verts_packed()[mesh.faces_packed()]
    normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    away = ((centre - corner[:, 0]) * normal).sum(1) < 0
    corner = torch.where(away[:, None, None], corner.flip(1), corner)
    return Meshes([corner.view(-1, 3)], [torch.arange(3 * len(corner)).view(-1, 3)])


def as_size(image: np.ndarray, size: int = SIZE) -> np.ndarray:
    """A picture (H, W, 3) uint8 as (size, size, 3)."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def beside_truth(image: np.ndarray, truth: Meshes, shapes: Sequence[Tensor | Meshes | None], azimuths) -> np.ndarray:
    """Frames (N, SIZE, columns * SIZE, 3): the image, the true mesh, predictions, from N azimuths."""
    still = np.repeat(as_size(image)[None], len(azimuths), 0)
    made = (pictures(shape, azimuths, two_sided=True) for shape in shapes)
    return np.concatenate((still, pictures(truth, azimuths), *made), 2)


def show(
    folder: Path, name: str, shapes: ShapeViews, chosen: Sequence[tuple[int, int]], predictions, captions: Sequence[str]
) -> None:
    """Write ``name.gif`` and ``name.png``: a row for each (shape, view), its image, true mesh and predictions.

    Args:
        predictions: for each row one shape or more.
        captions: of the columns.
    """
    azimuths = [30.0 + 360.0 * frame / 12 for frame in range(12)]
    rows = []
    for (index, view), made in zip(chosen, predictions, strict=True):
        image = shapes.images(np.array([index]), np.array([view]))[0].permute(1, 2, 0).numpy()
        rows.append(beside_truth(image, shapes.mesh(index), made, azimuths))
    frames = np.concatenate(rows, 1)
    top = np.concatenate(
        [add_caption(frames[:1, :1, SIZE * i : SIZE * (i + 1)], text)[:, :-1] for i, text in enumerate(captions)], 2
    )
    frames = np.concatenate((np.repeat(top, len(frames), 0), frames), 1)
    save_gif(folder / f"{name}.gif", frames, 6)
    save_png(folder / f"{name}.png", frames[0])
