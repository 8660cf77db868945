"""Scenes of the procedural world: rendered once, kept under the data folder, with their true surfaces."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.cli import UserError
from common.data.npy import open_npy
from common.outputs import atomic_path, data_folder, make_folder
from common.p3d import PerspectiveCameras
from common.scenes import balls, bricks, fern
from common.scenes.posed_images import PosedImages
from common.shapes.bulldozer import bulldozer

VERSION = 4  # counts up when pictures of a scene change
COUNTS = {"train": 100, "val": 20, "test": 20}


Size = tuple[int, int]  # height and width, pixels


@dataclass(frozen=True)
class Recipe:
    """How a scene's pictures are made.

    Attributes:
        render: (cameras, size) -> premultiplied colours (N, H, W, 3), and coverage (N, H, W) or None.
        cameras: (count, seed) -> cameras.
        bounds: lowest and highest corner of the box that holds the scene.
        surface: (count, seed) -> points (count, 3) of the true surface, or None.
        depth_range: of its cameras.
        square: whether its pictures must be.
        counts: of views, by split; ``COUNTS`` if None.
    """

    render: Callable[[PerspectiveCameras, Size], tuple[Tensor, Tensor | None]]
    cameras: Callable[[int, int], PerspectiveCameras]
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    surface: Callable[[int, int], np.ndarray] | None
    depth_range: tuple[float, float] = (2.0, 6.0)
    square: bool = True
    counts: dict[str, int] | None = None


def _brick_surface(count: int, seed: int) -> np.ndarray:
    return bulldozer().sample_surface(count, np.random.default_rng(seed))[0]


def _ball_surface(count: int, seed: int) -> np.ndarray:
    return balls.points_of_balls(count, torch.Generator().manual_seed(seed)).numpy()


RECIPES = {
    "lego": Recipe(
        lambda cameras, size: bricks.render_bricks(cameras, size[0]),
        lambda count, seed: bricks.cameras_around(count, seed, -40.0, 75.0),
        ((-1.2, -0.85, -0.75), (1.2, 0.85, 0.75)),
        _brick_surface,
    ),
    "materials": Recipe(
        lambda cameras, size: balls.render_balls(cameras, size[0]),
        lambda count, seed: bricks.cameras_around(count, seed, 5.0, 75.0),
        ((-1.3, -1.0, -0.45), (1.3, 1.0, 0.45)),
        _ball_surface,
    ),
    "fern": Recipe(
        fern.render_fern,
        fern.forward_cameras,
        ((-3.2, -1.6, -1.0), (3.2, 1.15, 2.3)),
        None,
        (1.2, 6.28),
        square=False,
        counts={"train": 30, "val": 5, "test": 6},
    ),
}


def procedural_scene(name: str, image_size: Size, data_dir: str | None) -> PosedImages:
    """A scene of the procedural world, rendered on first use: "lego", "materials" or "fern".

    Args:
        image_size: height and width, pixels; equal but for "fern".
        data_dir: where the pictures are kept, ``data_folder``'s argument.

    Raises:
        UserError: an image that is not square though it must be; kept pictures that were damaged since.
    """
    recipe = RECIPES[name]
    height, width = image_size
    if recipe.square and height != width:
        raise UserError(f"image_size: the pictures of {name} are square, not {width} x {height}")
    cameras, split, start = [], {}, 0
    for number, (part, count) in enumerate((recipe.counts or COUNTS).items()):
        cameras.append(recipe.cameras(count, 1000 + number))
        split[part] = torch.arange(start, start + count)
        start += count
    R, T = torch.cat([c.R for c in cameras]), torch.cat([c.T for c in cameras])
    everything = PerspectiveCameras(focal_length=float(cameras[0].focal_length.flatten()[0]), R=R, T=T)
    path = make_folder(data_folder(data_dir) / "scenes", "--data_dir") / f"{name}-{width}x{height}-v{VERSION}.npy"
    if not path.exists():
        _make(path, recipe, everything, image_size)
    pixels = _kept(path, (start, height, width))
    covered = pixels.shape[-1] == 4
    return PosedImages(
        name,
        pixels[..., :3],
        everything,
        split,
        pixels[..., 3] if covered else None,
        bounds=torch.tensor(recipe.bounds),
        depth_range=recipe.depth_range,
        surface=recipe.surface,
    )


def _make(path: Path, recipe: Recipe, cameras: PerspectiveCameras, size: Size) -> None:
    """Render the pictures and keep them as bytes (N, H, W, 3), or 4 with coverage."""
    images, alpha = recipe.render(cameras, size)
    pixels = images if alpha is None else torch.cat((images, alpha[..., None]), -1)
    with atomic_path(path) as temporary:
        np.save(temporary, (255 * pixels).round().byte().numpy())


def _kept(path: Path, shape: tuple[int, int, int]) -> Tensor:
    """The pictures of a file (N, H, W, 3 or 4), in [0, 1].

    Raises:
        UserError: the file holds something else.
    """
    try:
        pixels = open_npy(path)
        if pixels.shape[:3] != shape or pixels.ndim != 4 or pixels.shape[3] not in (3, 4) or pixels.dtype != np.uint8:
            raise UserError(f"{path}: {pixels.dtype} {pixels.shape} is not what was kept")
    except UserError as error:
        raise UserError(f"{error}; this is a cache: delete the file to make it again") from None
    return torch.from_numpy(np.array(pixels)).float() / 255
