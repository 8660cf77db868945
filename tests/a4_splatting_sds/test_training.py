"""Training: gradients reach what they should, runs resume to the bit, colours begin as the pictures show."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from a4_splatting_sds import training
from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.pictures import render_all
from a4_splatting_sds.training import (
    DENSITY,
    Model,
    Settings,
    Trainer,
    box_of,
    colours_of_points,
    extent_of,
    first_gaussians,
    model_of_checkpoint,
    pinholes,
)
from common.checkpoint import load_checkpoint
from common.cli import UserError
from common.optimisation import optimise
from common.p3d import PerspectiveCameras, look_at_view_transform
from common.scenes.posed_images import PosedImages
from common.training import seed_everything
from tests.a4_splatting_sds.conftest import scene

SIZE = (24, 32)


@pytest.fixture(scope="module")
def pictures():
    """Twelve views of some Gaussians, two of them held out."""
    R, T = look_at_view_transform(4.0, 20.0, torch.arange(12) * 30.0)
    cameras = PerspectiveCameras(focal_length=2.0, R=R, T=T)
    empty = PosedImages("some", torch.zeros(12, *SIZE, 3), cameras, {"train": torch.arange(12)})
    seen = render_all(scene(50, 0), pinholes(empty, torch.device("cpu")))
    split = {"train": torch.arange(10), "val": torch.arange(0), "test": torch.arange(10, 12)}
    bounds = torch.tensor([[-1.5] * 3, [1.5] * 3])
    return PosedImages("some", torch.from_numpy(seen["image"]), cameras, split, bounds=bounds)


def run(pictures, folder, steps, settings, resume=False, stop=None):
    seed_everything(0)
    path = folder / "checkpoint.pt"
    if resume:
        model = model_of_checkpoint(load_checkpoint(path)["weights"])
    else:
        model = Model(first_gaussians(pictures, "random", 300, False, 1, 0))
    trainer = Trainer(model, pictures, replace(settings, num_itrs=steps), 0, {"a": 1})

    def after(done):
        trainer.after(done)
        if done.step == stop:
            os.kill(os.getpid(), signal.SIGINT)

    try:
        optimise(trainer.run, steps, path, resume=resume, after=after)
    except KeyboardInterrupt:
        assert stop
    return model, trainer


@pytest.mark.parametrize(("steps", "joins"), [(2, [1, 2]), (8, [2, 4]), (200, [66, 132]), (3000, [200, 400])])
def test_all_degrees_join_however_short_the_run(pictures, steps, joins):
    """And in a long one after 200 steps each."""
    model = Model(first_gaussians(pictures, "random", 50, False, 2, 0))
    trainer = Trainer(model, pictures, Settings(num_itrs=steps), 0, {})
    degrees = [trainer.degree_at(step) for step in range(steps + 1)]
    assert degrees == sorted(degrees) and [degrees.index(1), degrees.index(2)] == joins and degrees[-1] == 2


def test_opacities_are_reset_in_a_run_of_any_length(pictures, tmp_path, monkeypatch):
    """At three and six tenths of it."""
    steps = []
    monkeypatch.setattr(training, "reset_opacities", lambda gaussians, *rest: steps.append(len(steps)))
    after = Trainer.after
    seen = []
    monkeypatch.setattr(Trainer, "after", lambda self, done: (after(self, done), seen.append((done.step, len(steps)))))
    run(pictures, tmp_path, 10, Settings(density="adaptive"))
    assert [step for step, resets in seen if resets >= 1][0] == 3
    assert [step for step, resets in seen if resets >= 2][0] == 6 and len(steps) == 2


@pytest.mark.parametrize("density", DENSITY)
def test_pictures_are_learnt(pictures, tmp_path, density):
    """Held-out views become alike; with density control the number changes."""
    settings = Settings(density=density, degree_every=20, lr_means=1e-3, lr_sh_dc=0.03)
    adaptive = replace(settings.adaptive, every=50, reset_every=4.0, most=600)
    settings = replace(settings, adaptive=adaptive, mcmc=replace(settings.mcmc, every=20, most=600))
    model, trainer = run(pictures, tmp_path, 250, settings)
    views = [trainer.cameras[v] for v in (10, 11)]
    error = np.abs(render_all(model.gaussians, views)["image"] - pictures.images[10:].numpy()).mean()
    assert error < 0.35 * pictures.images[10:].mean()
    assert (len(model.gaussians) == 300) == (density == "none")


@pytest.mark.parametrize("density", DENSITY)
def test_a_resumed_run_repeats_the_unbroken_one(pictures, tmp_path, density):
    """To the bit, over the addition of Gaussians."""
    settings = Settings(density=density)
    adaptive = replace(settings.adaptive, every=5, reset_every=0.2, stop=1.0)
    settings = replace(settings, adaptive=adaptive, mcmc=replace(settings.mcmc, every=5, stop=1.0))
    whole, _ = run(pictures, tmp_path, 24, settings)
    half, _ = run(pictures, tmp_path, 24, settings, stop=13)
    assert (len(half.gaussians) != len(whole.gaussians)) == (density != "none")  # some join after it
    resumed, _ = run(pictures, tmp_path, 24, settings, resume=True)
    for name, values in whole.gaussians.tensors().items():
        assert torch.equal(values, resumed.gaussians.tensors()[name]), name


def test_what_pictures_do_not_cover_may_be_of_any_colour(pictures, tmp_path):
    """The truth of a step is over the same colour as the Gaussians; without alpha it stays as it is."""
    alpha = (pictures.images.sum(3) > 0).float()
    for given, random in (
        (replace(pictures, alpha=alpha), True),
        (replace(pictures, alpha=alpha), False),
        (pictures, True),
    ):
        _, trainer = run(given, tmp_path, 1, Settings(ssim=0.0, random_background=random))
        trainer.rasterizer = lambda m, c, o, v, size: (torch.zeros(*size, v.shape[1]), torch.ones(size))
        torch.manual_seed(3)
        colour = torch.rand(3) if random and given.alpha is not None else torch.zeros(3)
        torch.manual_seed(3)
        error = trainer.losses(0)["colour"]
        picture, camera = trainer.shown[0]
        view = next(v for v in range(12) if trainer.cameras[v] is camera)
        assert torch.equal(picture.image, colour.expand(*SIZE, 3))
        truth = pictures.images[view] + (1 - alpha[view, ..., None]) * colour
        torch.testing.assert_close(error, (truth - colour).abs().mean())


def test_every_view_comes_before_any_comes_twice(pictures, tmp_path):
    """In batches too; only training views come."""
    _, trainer = run(pictures, tmp_path, 1, Settings(batch_size=3))
    shown = []
    for step in range(10):
        trainer.losses(step)
        shown += [next(v for v in range(12) if trainer.cameras[v] is camera) for _, camera in trainer.shown]
    for start in (0, 10, 20):
        assert sorted(shown[start : start + 10]) == list(range(10))
    assert shown[:10] != shown[10:20]


def test_colours_begin_as_the_pictures_show(pictures):
    """The median over views of a wall of one colour is that colour; what no view shows is grey."""
    images = torch.zeros_like(pictures.images) + torch.tensor([0.2, 0.6, 0.4])
    points = torch.tensor([[0.0, 0.0, 0.0], [0.3, -0.2, 0.1], [0.0, 500.0, 0.0]])
    colours = colours_of_points(points, replace(pictures, images=images))
    torch.testing.assert_close(colours, torch.tensor([[0.2, 0.6, 0.4], [0.2, 0.6, 0.4], [0.5, 0.5, 0.5]]))


def test_where_the_scene_is(pictures):
    """Its box as given, or around what all cameras look at; its extent that of the cameras."""
    assert torch.equal(box_of(pictures), pictures.bounds)
    box = box_of(replace(pictures, bounds=None))
    torch.testing.assert_close(box, torch.tensor([[-2.0] * 3, [2.0] * 3]), atol=1e-3, rtol=0)
    points = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    points[7] = torch.tensor([500.0, 0.5, 0.5])  # far from all others: it does not count
    box = box_of(replace(pictures, bounds=None, points=points))
    torch.testing.assert_close(box, torch.tensor([[0.0] * 3, [1.0] * 3]), atol=0.1, rtol=0)
    places = pictures.cameras.get_camera_center()[:10]
    assert extent_of(pictures) == pytest.approx(1.1 * float((places - places.mean(0)).norm(dim=1).max()))


def test_points_are_needed_where_asked_for(pictures):
    """And fewer are drawn where fewer are asked for; their own colours count."""
    with pytest.raises(UserError, match="no points came with it"):
        first_gaussians(pictures, "points", None, False, 0, 0)
    points = torch.rand(40, 6, generator=torch.Generator().manual_seed(0))
    made = first_gaussians(replace(pictures, points=points), "points", 15, False, 0, 0)
    where = torch.cdist(made.means, points[:, :3]).argmin(1)
    assert torch.equal(made.means, points[where, :3])
    assert len(set(where.tolist())) == 15
    torch.testing.assert_close(0.5 + 0.28209479 * made.sh_dc[:, 0], points[where, 3:])


def test_checkpoints_of_other_things_are_refused():
    """In one line."""
    with pytest.raises(UserError, match="holds no Gaussians"):
        model_of_checkpoint({"weights": torch.zeros(3)})
    with pytest.raises(UserError, match="holds no Gaussians"):
        model_of_checkpoint({f"gaussians.{name}": torch.zeros(3) for name in Gaussians.NAMES})
