"""Scenes of the procedural world: rendered once, kept under the data folder, with their true surfaces."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from common.cli import UserError
from common.data.npy import open_npy
from common.outputs import atomic_path, data_folder, make_folder
from common.p3d import PerspectiveCameras
from common.scenes import balls, bricks
from common.scenes.posed_images import PosedImages
from common.shapes.bulldozer import bulldozer

VERSION = 2  # counts up when pictures of a scene change
COUNTS = {"train": 100, "val": 20, "test": 20}


@dataclass(frozen=True)
class Recipe:
    """How a scene's pictures are made.

    Attributes:
        render: (cameras, pixels) -> premultiplied colours (N, H, W, 3) and coverage (N, H, W).
        elevations: the lowest and highest of its cameras, degrees.
        reach: of the scene from the origin along each axis, (3,).
        surface: (count, seed) -> points (count, 3).
        depth_range: of its cameras.
    """

    render: Callable[[PerspectiveCameras, int], tuple[Tensor, Tensor]]
    elevations: tuple[float, float]
    reach: tuple[float, float, float]
    surface: Callable[[int, int], np.ndarray]
    depth_range: tuple[float, float] = (2.0, 6.0)


def _brick_surface(count: int, seed: int) -> np.ndarray:
    return bulldozer().sample_surface(count, np.random.default_rng(seed))[0]


def _ball_surface(count: int, seed: int) -> np.ndarray:
    return balls.points_of_balls(count, torch.Generator().manual_seed(seed)).numpy()


RECIPES = {
    "lego": Recipe(bricks.render_bricks, (-40.0, 75.0), (1.2, 0.85, 0.75), _brick_surface),
    "materials": Recipe(balls.render_balls, (5.0, 75.0), (1.3, 1.0, 0.45), _ball_surface, (2.0, 6.0)),
}


def procedural_scene(name: str, image_size: tuple[int, int], data_dir: str | None) -> PosedImages:
    """A scene of the procedural world, 100 views to train on, 20 for validation, 20 to test.

    Args:
        name: "lego" or "materials".
        image_size: height and width, pixels; they must be equal.
        data_dir: where the pictures are kept, ``data_folder``'s argument.

    Raises:
        UserError: an image that is not square.
    """
    recipe = RECIPES[name]
    height, width = image_size
    if height != width:
        raise UserError(f"data.image_size: the pictures of {name} are square, not {width} x {height}")
    cameras, split, start = [], {}, 0
    for number, (part, count) in enumerate(COUNTS.items()):
        cameras.append(bricks.cameras_around(count, 1000 + number, *recipe.elevations))
        split[part] = torch.arange(start, start + count)
        start += count
    R, T = torch.cat([c.R for c in cameras]), torch.cat([c.T for c in cameras])
    everything = PerspectiveCameras(focal_length=bricks.FOCAL, R=R, T=T)
    path = make_folder(data_folder(data_dir) / "scenes", "--data_dir") / f"{name}-{height}-v{VERSION}.npy"
    if not path.exists():
        images, alpha = recipe.render(everything, height)
        pixels = torch.cat((images, alpha[..., None]), -1)
        with atomic_path(path) as temporary:
            np.save(temporary, (255 * pixels).round().byte().numpy())
    try:
        pixels = open_npy(path)
        if pixels.shape != (start, height, width, 4) or pixels.dtype != np.uint8:
            raise UserError(f"{path}: {pixels.dtype} {pixels.shape} is not what was kept")
    except UserError as error:
        raise UserError(f"{error}; this is a cache: delete the file to make it again") from None
    pixels = torch.from_numpy(np.array(pixels)).float() / 255
    reach = torch.tensor(recipe.reach)
    return PosedImages(
        name,
        pixels[..., :3],
        everything,
        split,
        pixels[..., 3],
        bounds=torch.stack((-reach, reach)),
        depth_range=recipe.depth_range,
        surface=recipe.surface,
    )
