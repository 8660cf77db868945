"""A scene in closed form that is small enough to train on in a second, the runs on it, and what they leave."""

import contextlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from a3_volume_surface import (
    grid_field,
    grid_surface,
    image_training,
    surface_rendering_main,
    train_images,
    train_points,
    volume_rendering_main,
)
from common.checkpoint import load_checkpoint
from common.p3d import PerspectiveCameras, look_at_view_transform
from common.scenes import PosedImages, load_scene

BALL, CENTRE = 0.6, (0.2, -0.1, 0.05)  # radius and middle of the ball that the tiny scene shows
# Small tables, cells and networks; what is left is as in the configurations.
GRID = (
    "training.batch_size=64",
    "training.render_interval=1",
    "sampler.resolution=16",
    "sampler.step=4",
    "implicit_function.resolutions=[4,8]",
    "implicit_function.features=2",
    "implicit_function.log2_table_size=10",
    "implicit_function.n_hidden_neurons=8",
)
NERF = (
    "training.batch_size=32",
    "training.render_interval=1",
    "sampler.n_pts_per_ray=8",
    "implicit_function.n_hidden_neurons_xyz=8",
    "implicit_function.n_hidden_neurons_dir=8",
)
SURFACE = (
    "training.batch_size=32",
    "training.render_interval=1",
    "implicit_function.n_hidden_neurons_distance=16",
    "implicit_function.n_hidden_neurons_color=8",
)
# The same network asked only where something may be.
PACKED = ("training.batch_size=64", "training.render_interval=1", "sampler.resolution=16", "sampler.step=4", *NERF[3:])
SIZES = {
    "grid": GRID,
    "nerf": NERF,
    "packed nerf": PACKED,
    "surface": SURFACE,
    "volsdf": (*SURFACE, "sampler.n_pts_per_ray=8"),
}
SMALL = "data.image_size=[16,16]"
EPOCHS = "training.num_epochs=2"
PRETRAIN = "training.pretrain_iters=3"
COURSE = ("--preset", "course", SMALL, EPOCHS)
VOLUME, SURFACES = volume_rendering_main, surface_rendering_main
FIT = (SMALL, "training.batch_size=64")
KINDS = ("volsdf", "neus", "naive")
# Name -> command, configuration, kind of the field, flags. All take 12 steps.
RUNS = {
    "box": (VOLUME, "train_box", None, (*FIT, "training.num_epochs=3")),
    "sphere": (VOLUME, "train_sphere", None, (*FIT, "training.num_epochs=4")),
    "nerf grid": (VOLUME, "nerf_lego", "grid", (SMALL, EPOCHS)),
    "materials grid": (VOLUME, "nerf_materials", "grid", (SMALL, EPOCHS)),
    "fern": (VOLUME, "nerf_fern", "grid", ("data.image_size=[24,16]", EPOCHS)),
    "nerf": (VOLUME, "nerf_lego", "nerf", COURSE),
    "packed nerf": (VOLUME, "nerf_lego_mlp", "packed nerf", (SMALL, EPOCHS)),
    "nerf coarse and fine": (VOLUME, "nerf_materials", "nerf", (*COURSE, "sampler.n_fine_per_ray=4")),
    "points": (SURFACES, "points_surface", "surface", (SMALL, "training.num_epochs=12", PRETRAIN)),
    **{f"{name} grid": (SURFACES, f"{name}_surface", "grid", (SMALL, EPOCHS)) for name in KINDS},
    **{name: (SURFACES, f"{name}_surface", "volsdf", (*COURSE, PRETRAIN)) for name in KINDS},
}


def pictures_of_ball(cameras, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Premultiplied colours (N, H, W, 3) and coverage (N, H, W) of a ball whose colour is its normal."""
    centre = torch.tensor(CENTRE)
    x, y = (size - 1.0 - 2 * torch.arange(size) for size in (width, height))
    y, x = torch.meshgrid(y / min(height, width), x / min(height, width), indexing="ij")
    plane = torch.stack((x, y, torch.ones_like(x)), -1).view(-1, 3)
    images, alphas = [], []
    for camera in cameras:
        origin = camera.get_camera_center()
        points = camera.unproject_points(plane, world_coordinates=True, from_ndc=True).view(-1, 3)
        direction = torch.nn.functional.normalize(points - origin, dim=1)
        along = ((centre - origin) * direction).sum(1)
        inside = BALL**2 - ((centre - origin).square().sum() - along**2)
        normal = (origin + (along - inside.clamp(min=0).sqrt())[:, None] * direction - centre) / BALL
        alpha = (inside > 0).float()
        images.append(((0.5 + 0.5 * normal).clamp(0, 1) * alpha[:, None]).view(height, width, 3))
        alphas.append(alpha.view(height, width))
    return torch.stack(images), torch.stack(alphas)


def points_of_ball(count: int, seed: int) -> np.ndarray:
    """Points (count, 3) of the ball."""
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return BALL * points / np.linalg.norm(points, axis=1, keepdims=True) + CENTRE


def load_tiny(name: str, image_size: tuple[int, int], data_dir: str | None = None) -> PosedImages:
    """As `load_scene`: the ball for the names of the procedural scenes, as "fern" before grey and without bounds."""
    if name not in ("lego", "materials", "fern"):
        return load_scene(name, image_size, data_dir)
    generator = torch.Generator().manual_seed(len(name))
    eye = torch.nn.functional.normalize(torch.randn(10, 3, generator=generator), dim=1) * 4
    R, T = look_at_view_transform(eye=eye, up=((0.0, 0.0, 1.0),))
    cameras = PerspectiveCameras(2.5, R=R, T=T)
    images, alpha = pictures_of_ball(cameras, *image_size)
    split = {"train": torch.arange(6), "val": torch.arange(6, 8), "test": torch.arange(8, 10)}
    if name == "fern":
        return PosedImages(name, images + 0.5 * (1 - alpha[..., None]), cameras, split)
    bounds = torch.tensor([[-1.0, -0.9, -0.8], [1.0, 0.9, 0.8]])
    known = {"bounds": bounds, "depth_range": (2.0, 6.0), "surface": points_of_ball}
    return PosedImages(name, images, cameras, split, alpha, **known)


@contextlib.contextmanager
def small_world():
    """The tiny scene, coarse meshes, and cells without weight dropped early; afterwards all is as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_training, "load_scene", load_tiny)
        for module in (train_images, train_points):
            patch.setattr(module, "RESOLUTION", 20)
        patch.setattr(train_images, "TRUE_POINTS", 400)
        for field in (grid_field.GridRadianceField, grid_surface.GridSurface):
            patch.setattr(field, "prune_first", 9)  # in the second half of a run that is stopped after 7 steps
        yield


@dataclass(frozen=True)
class Result:
    """How a command ended, and where its files are."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def complaint(self) -> str:
        """The only line on stderr of a command that refused its input."""
        assert self.code == 2 and self.err.count("\n") == 1 and "error: " in self.err, self
        return self.err

    @property
    def metrics(self) -> dict[str, float]:
        """What the run measured, without how long it took."""
        assert self.code == 0, self
        values = json.loads((self.folder / "metrics.json").read_text())
        assert all(math.isfinite(value) for value in values.values())
        return {name: value for name, value in values.items() if "second" not in name}

    @property
    def run(self) -> dict:
        """run.json."""
        return json.loads((self.folder / "run.json").read_text())

    @property
    def history(self) -> list[dict]:
        """What was noted on the way."""
        return json.loads((self.folder / "history.json").read_text())["steps"]

    @property
    def checkpoint(self) -> dict:
        """The only one of the run."""
        (path,) = self.folder.glob("*.pt")
        return load_checkpoint(path)

    def frames(self, name: str) -> np.ndarray:
        """(T, H, W, 3) int of a GIF."""
        with Image.open(self.folder / name) as image:
            out = []
            for number in range(image.n_frames):
                image.seek(number)
                out.append(np.asarray(image.convert("RGB")).astype(int))
        return np.stack(out)

    def picture(self, name: str) -> np.ndarray:
        """(H, W, 3) int of a PNG."""
        with Image.open(self.folder / name) as image:
            return np.asarray(image.convert("RGB")).astype(int)
