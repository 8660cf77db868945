"""Gaussians trained on posed pictures."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from pytorch_msssim import ssim
from torch import Tensor, nn

from a4_splatting_sds.density import DensityControl, SeenGradients, densify, reset_opacities
from a4_splatting_sds.gaussians import Gaussians, gaussians_at, random_gaussians
from a4_splatting_sds.mcmc import MonteCarlo, jitter, relocate, sparseness
from a4_splatting_sds.projection import NEAR, Pinhole, compute_means_2D, pinhole, to_camera
from a4_splatting_sds.scene import Picture, render
from a4_splatting_sds.tiles import composite_tiles
from common.cli import UserError
from common.optimisation import Optimisation, Steps, exponential
from common.scenes.posed_images import PosedImages

SMALLEST = 11  # pixels: the window of structural similarity
DENSITY = ("none", "adaptive", "mcmc")


@dataclass(frozen=True)
class Settings:
    """How Gaussians are trained.

    Attributes:
        lr_means: in the scene's extents a step; the other rates are of the parameters themselves.
        last: share of the rates at the end. ssim: weight of 1 - SSIM beside the mean absolute error.
        background: colour (3,) behind the Gaussians.
        random_background: train with another one each step, where the pictures say what they cover, so that nothing of
            the background's colour hangs in the air.
        density: one of ``DENSITY``. degree_every: steps after which one more degree of the harmonics joins; fewer
            in a run so short that the last would not be trained as long.
    """

    num_itrs: int = 1000
    batch_size: int = 1
    lr_means: float = 2e-4
    lr_log_scales: float = 0.01
    lr_quats: float = 0.005
    lr_opacity_logits: float = 0.05
    lr_sh_dc: float = 0.01
    lr_sh_rest: float = 0.001
    last: float = 0.05
    ssim: float = 0.2
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    random_background: bool = True
    density: str = "none"
    degree_every: int = 200
    adaptive: DensityControl = field(default_factory=DensityControl)
    mcmc: MonteCarlo = field(default_factory=MonteCarlo)


class Model(nn.Module):
    """Gaussians, and what was seen of their gradients: all that a checkpoint holds."""

    def __init__(self, gaussians: Gaussians):
        super().__init__()
        self.gaussians, self.gradients = gaussians, SeenGradients(len(gaussians))


def model_of_checkpoint(weights: dict[str, Tensor]) -> Model:
    """The model of weights; their number decides how many Gaussians there are."""
    try:
        return Model(Gaussians(**{name: weights[f"gaussians.{name}"] for name in Gaussians.NAMES}))
    except (KeyError, ValueError):
        raise UserError("the checkpoint holds no Gaussians") from None


def extent_of(scene: PosedImages) -> float:
    """How far the training cameras stand from their middle, world units."""
    places = scene.cameras.get_camera_center()[scene.split["train"]]
    extent = 1.1 * float((places - places.mean(0)).norm(dim=1).max())
    return extent if extent > 1e-6 else 1.0


def pinholes(scene: PosedImages, device: torch.device) -> list[Pinhole]:
    """The cameras of all views."""
    near = min(NEAR, 0.01 * extent_of(scene))  # a scene in other units may be small as a whole
    return [pinhole(scene.cameras[[view]].to(device), scene.image_size, near) for view in range(len(scene.cameras))]


def colours_of_points(points: Tensor, scene: PosedImages, views: int = 32) -> Tensor:
    """Colours (N, 3) of places (N, 3): the median of what some training views show there."""
    train = scene.split["train"]
    chosen = train[torch.linspace(0, len(train) - 1, min(views, len(train))).long()]
    H, W = scene.image_size
    shown = []
    for view in chosen.tolist():
        local = to_camera(points, camera := pinhole(scene.cameras[[view]], scene.image_size))
        x, y = compute_means_2D(local, camera).floor().long().unbind(1)
        seen = (local[:, 2] > 0) & (x >= 0) & (x < W) & (y >= 0) & (y < H)
        colours = scene.images[view, y.clamp(0, H - 1), x.clamp(0, W - 1)]
        shown.append(torch.where(seen[:, None], colours, math.nan))
    return torch.stack(shown).nanmedian(0).values.nan_to_num(0.5)


def first_gaussians(
    scene: PosedImages, init: str, count: int | None, isotropic: bool, degree: int, seed: int
) -> Gaussians:
    """Gaussians to begin with.

    Args:
        init: "points", those that came with the scene, or "random", all over its box.
        count: how many; by default all points, or 10,000.

    Raises:
        UserError: no points came with the scene, or fewer than two are asked for.
    """
    if count is not None and count < 2:
        raise UserError(f"--num_gaussians {count}: at least two are needed")
    generator = torch.Generator().manual_seed(seed)
    if init == "random":
        return random_gaussians(count or 10_000, box_of(scene), isotropic, degree, generator)
    if scene.points is None:
        raise UserError(f"{scene.name}: no points came with it; use --init random")
    points = scene.points
    if len(points) < 2:
        raise UserError(f"{scene.name}: a single point came with it; use --init random")
    if count is not None and count < len(points):
        points = points[torch.randperm(len(points), generator=generator)[:count]]
    colours = points[:, 3:] if points.shape[1] == 6 else colours_of_points(points, scene)
    return gaussians_at(points[:, :3], colours, isotropic, degree)


def box_of(scene: PosedImages) -> Tensor:
    """The box (2, 3) that holds the scene, or, where that is not known, one around what all cameras look at."""
    if scene.bounds is not None:
        return scene.bounds
    if scene.points is not None:
        # Some points of photographs lie far away from all others: they do not count.
        low, high = scene.points[:, :3].quantile(torch.tensor([0.01, 0.99]), 0)
        return torch.stack((low - 0.05 * (high - low), high + 0.05 * (high - low)))
    places = scene.cameras.get_camera_center()
    ahead = scene.cameras.R[:, :, 2]
    # The point nearest to all lines of sight.
    away = torch.eye(3) - ahead[:, :, None] * ahead[:, None]
    middle = torch.linalg.lstsq(away.sum(0), (away @ places[:, :, None]).sum(0)).solution[:, 0]
    half = 0.5 * (places - middle).norm(dim=1).median()
    return torch.stack((middle - half, middle + half))


def optimizer_of(gaussians: Gaussians, settings: Settings, extent: float) -> torch.optim.Adam:
    """Adam with a rate for each parameter."""
    groups = []
    for name in Gaussians.NAMES:
        rate = getattr(settings, f"lr_{name}") * (extent if name == "means" else 1.0)
        groups.append({"params": [getattr(gaussians, name)], "lr": rate, "name": name})
    return torch.optim.Adam(groups, eps=1e-15)


class Trainer:
    """The losses of a step, and what happens to the Gaussians after it."""

    def __init__(
        self,
        model: Model,
        scene: PosedImages,
        settings: Settings,
        seed: int,
        description: dict,
        rasterizer: Callable[..., tuple[Tensor, Tensor]] = composite_tiles,
    ):
        if min(scene.image_size) < SMALLEST:
            raise UserError(f"{scene.name}: pictures must be at least {SMALLEST} pixels along each side")
        self.model, self.settings, self.extent, self.rasterizer = model, settings, extent_of(scene), rasterizer
        device = model.gaussians.means.device
        self.background = torch.tensor(settings.background, device=device)
        self.images, self.train = scene.over(self.background.cpu()).to(device), scene.split["train"]
        self.bare = None if scene.alpha is None else 1 - scene.alpha.to(device)
        self.cameras = pinholes(scene, device)
        self.shown: list[tuple[Picture, Pinhole]] = []
        optimizer = optimizer_of(model.gaussians, settings, self.extent)
        self.run = Optimisation(model, optimizer, self.losses, exponential(settings.last), description, seed)

    def losses(self, step: int) -> dict[str, Tensor]:
        """Named terms of pictures that come in a new order each time all have been seen."""
        number = step * self.settings.batch_size + torch.arange(self.settings.batch_size)
        rounds = (number // len(self.train)).tolist()
        orders = {r: torch.randperm(len(self.train), generator=_generator(self.run.seed, r)) for r in set(rounds)}
        views = [int(self.train[orders[r][n % len(self.train)]]) for r, n in zip(rounds, number.tolist(), strict=True)]
        degree = self.degree_at(step)
        truth, background = self.images[views], self.background
        if self.settings.random_background and self.bare is not None:
            background = torch.rand(3).to(truth.device)
            truth = truth + self.bare[views, ..., None] * (background - self.background)
        self.shown = [(self._picture(view, degree, background), self.cameras[view]) for view in views]
        made = torch.stack([picture.image for picture, _ in self.shown])
        terms = {"colour": (1 - self.settings.ssim) * (made - truth).abs().mean()}
        if self.settings.ssim:
            alike = ssim(made.permute(0, 3, 1, 2), truth.permute(0, 3, 1, 2), data_range=1.0)
            terms["structure"] = self.settings.ssim * (1 - alike)
        if self.settings.density == "mcmc":
            terms["sparseness"] = sparseness(self.model.gaussians, self.settings.mcmc)
        return terms

    def degree_at(self, step: int) -> int:
        """Of the harmonics that are trained at a step."""
        most = self.model.gaussians.degree
        return min(most, step // max(1, min(self.settings.degree_every, self.settings.num_itrs // (most + 1))))

    def _picture(self, view: int, degree: int, background: Tensor) -> Picture:
        gaussians, camera = self.model.gaussians, self.cameras[view]
        picture = render(gaussians, camera, background, self.rasterizer, depth=False, degree=degree)
        if self.settings.density == "adaptive":
            picture.splats.means_2D.retain_grad()
        return picture

    def after(self, steps: Steps) -> None:
        """Count gradients; add, remove and move Gaussians where the settings say so."""
        share = steps.step / self.settings.num_itrs
        gaussians, optimizer = self.model.gaussians, self.run.optimizer
        if self.settings.density == "adaptive":
            control = self.settings.adaptive
            if share > control.stop:
                return
            for picture, camera in self.shown:
                self.model.gradients.add(picture.splats, camera, len(self.shown))
            if share >= control.start and steps.step % control.every == 0:
                densify(gaussians, optimizer, self.model.gradients, control, self.extent)
            if steps.step % max(1, round(control.reset_every * self.settings.num_itrs)) == 0:
                reset_opacities(gaussians, optimizer, control.reset_to)
        elif self.settings.density == "mcmc":
            control = self.settings.mcmc
            if control.start <= share <= control.stop and steps.step % control.every == 0:
                relocate(gaussians, optimizer, control)
                self.model.gradients.clear(len(gaussians), gaussians.means.device)
            jitter(gaussians, control, self.extent, self.run.schedule(share))


def _generator(seed: int, number: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed + 1) * 1_000_003 + number)
