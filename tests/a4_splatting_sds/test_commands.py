"""Commands: what they leave, that runs go on, and what they refuse."""

import errno
import json
import socket

import numpy as np
import pytest
import torch
from PIL import Image

from a4_splatting_sds import benchmark, render, train, train_harder_scene, view
from a4_splatting_sds.files import load_gaussians, save_gaussians
from a4_splatting_sds.scene import render as render_picture
from a4_splatting_sds.training import Trainer
from common.cli import UserError
from common.image_metrics import psnr
from tests.a4_splatting_sds.conftest import scene
from tests.common.scenes import test_colmap, test_official, views
from tests.common.scenes.test_posed_npy import write

SMALL = ("--num_itrs", "6", "--num_gaussians", "60", "--viz_freq", "3", "--device", "cpu")


@pytest.fixture
def folder(tmp_path):
    """Views of 24 x 32 pixels."""
    write(tmp_path / "scene", 8)
    for number, file in enumerate(sorted((tmp_path / "scene" / "imgs").iterdir())):
        picture = np.random.default_rng(number).integers(0, 255, (3, 4, 3), dtype=np.uint8)
        Image.fromarray(picture).resize((32, 24)).save(file)
    write(tmp_path / "tiny", 8)
    return tmp_path


def call(module, folder, *flags):
    return module.main([*flags, "--output_dir", str(folder / "out"), "--data_dir", str(folder)])


def test_training(folder, capsys):
    """Films, Gaussians and scores; the same command resumed does nothing more."""
    flags = ("--data_path", "scene", "--init", "points", *SMALL)
    assert call(train, folder, *flags, "--sh_degree", "1") == 0
    out = folder / "out" / "train_scene"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["steps"] == 6
    assert metrics["num_gaussians"] == len(load_gaussians(out / "gaussians.ply")) == 50
    assert 0 < metrics["ssim"] < 1
    assert f"PSNR {metrics['psnr']:.2f}" in capsys.readouterr().out
    film = Image.open(out / "training_progress.gif")
    assert (film.n_frames, film.size) == (2, (3 * 32, 48))
    small = ("--data_path", "scene", "--init", "points", *SMALL, "--image_size", "16", "--exp_name", "small")
    assert call(train, folder, *small) == 0
    assert Image.open(folder / "out" / "small" / "training_progress.gif").size == (3 * 21, 32)
    assert Image.open(out / "training_final_renders.gif").n_frames == 5
    before = load_gaussians(out / "gaussians.ply").means
    assert call(train, folder, *flags, "--sh_degree", "1", "--resume") == 0
    assert torch.equal(load_gaussians(out / "gaussians.ply").means, before)
    assert call(train, folder, *flags, "--sh_degree", "0", "--resume") == 2
    assert "other settings (sh_degree)" in capsys.readouterr().err
    assert call(train, folder, *flags, "--sh_degree", "1", "--num_itrs", "8", "--resume") == 0  # it may be longer
    assert json.loads((out / "metrics.json").read_text())["steps"] == 8


@pytest.mark.parametrize("density", ["adaptive", "mcmc"])
def test_a_run_that_was_stopped_goes_on_to_the_same_gaussians(folder, density, monkeypatch):
    """With Gaussians added on the way."""
    flags = ("--data_path", "scene", *SMALL[2:], "--num_itrs", "210", "--viz_freq", "70", "--density", density)
    assert call(train, folder, *flags, "--exp_name", "whole") == 0
    after = Trainer.after

    def stop(trainer, steps):
        after(trainer, steps)
        steps.seconds = 100.0 if steps.step == 130 else 0.0

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "after", stop)
        assert call(train, folder, *flags, "--exp_name", "part", "--max_minutes", "1") == 0
    metrics = json.loads((folder / "out" / "part" / "metrics.json").read_text())
    assert metrics["steps"] == 130 and metrics["num_gaussians"] != 60
    assert call(train, folder, *flags, "--exp_name", "part", "--resume") == 0
    films = {file.name for file in (folder / "out" / "part").glob("training_progress*")}
    assert films == {"training_progress.gif", "training_progress_resumed.gif"}
    one, two = (load_gaussians(folder / "out" / name / "gaussians.ply").tensors() for name in ("whole", "part"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_rendering(folder):
    """Films of colour, depth, silhouette, and with and without colours by direction; other files."""
    path = save_gaussians(folder / "a.ply", scene(40, 2))
    flags = ("--data_path", str(path), "--num_frames", "4", "--image_size", "32", "--device", "cpu")
    assert call(render, folder, *flags, "--save_as", str(folder / "b.splat")) == 0
    out = folder / "out" / "render"
    for name, size in (("render", (32, 32)), ("depth", (32, 32)), ("mask", (32, 32)), ("degrees", (64, 54))):
        film = Image.open(out / f"{name}.gif")
        assert (film.n_frames, film.size) == (4, size), name
    assert json.loads((out / "metrics.json").read_text())["num_gaussians"] == 40
    assert len(load_gaussians(folder / "b.splat")) == 40
    assert (
        call(render, folder, *flags, "--rasterizer", "reference", "--exp_name", "slow", "--gaussians_per_splat", "7")
        == 0
    )
    fast, slow = (np.array(Image.open(folder / "out" / n / "render.gif").convert("RGB")) for n in ("render", "slow"))
    assert psnr(torch.from_numpy(fast) / 255, torch.from_numpy(slow) / 255) > 45
    plain, directed = np.split(np.array(Image.open(out / "degrees.gif").convert("RGB")).astype(int), 2, axis=1)
    assert np.abs(plain - directed)[22:].mean() > 2  # below the captions the colours differ
    assert call(render, folder, *flags, "--sh_degree", "0") == 0
    assert not (out / "degrees.gif").exists()
    # The course's spelling; nearer, from below, on white.
    flags = ("--data_path", str(path), "--num_frames", "1", "--img_dim", "20", "--gaussians_per_splat", "-1")
    ways = {
        "other": ("--rasterizer", "reference"),
        "near": ("--zoom", "3"),
        "low": ("--elevation", "-60", "--up", "x"),
    }
    for name, more in ways.items():
        assert call(render, folder, *flags, *more, "--background", "white", "--exp_name", name) == 0
    films = {name: np.array(Image.open(folder / "out" / name / "render.gif").convert("RGB")) for name in ways}
    covered = {name: (film < 250).any(-1).mean() for name, film in films.items()}
    assert films["other"].shape == (20, 20, 3) and covered["near"] > covered["other"] > 0.05
    assert (films["other"] != films["low"]).any()


def test_the_scene_that_ships_is_rendered_at_once(folder):
    """With no flag but how small."""
    assert call(render, folder, "--num_frames", "2", "--image_size", "32") == 0
    film = Image.open(folder / "out" / "render" / "render.gif")
    assert np.array(film.convert("RGB")).max() > 150
    assert json.loads((folder / "out" / "render" / "metrics.json").read_text())["num_gaussians"] > 5000
    assert render.PRETRAINED.stat().st_size < 5e6


def test_a_full_disk_ends_with_one_line(folder, monkeypatch, capsys):
    """And leaves the file that was there."""
    path = save_gaussians(folder / "a.ply", scene(9))
    before = path.read_bytes()

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    flags = ("--data_path", str(path), "--num_frames", "1", "--image_size", "16", "--save_as", str(path))
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        assert call(render, folder, *flags) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert path.read_bytes() == before and list(folder.glob("*.ply*")) == [path]


@pytest.mark.parametrize("kind", ["nerf_synthetic", "nerfstudio", "colmap", "official"])
def test_other_formats_are_trained_on(folder, kind):
    """From the folder to scores on the views that it holds out."""
    if kind == "nerf_synthetic":
        for start, part in enumerate(("train", "val", "test")):
            views.write(folder / kind, (12, 16), 3, f"transforms_{part}.json", "", 4, 3 * start, camera_angle_x=0.7)
    elif kind == "nerfstudio":
        views.write(folder / kind, (12, 16), 9, fl_x=20.0)
    elif kind == "colmap":
        test_colmap.write(folder / kind, binary=True)
    else:
        test_official.write(folder / kind, kind)
    init = "points" if kind == "colmap" else "random"
    flags = ("--data_path", kind, *SMALL, "--init", init, "--num_itrs", "3", "--image_size", "12")
    assert call(train, folder, *flags) == 0
    metrics = json.loads((folder / "out" / f"train_{kind}" / "metrics.json").read_text())
    assert metrics["steps"] == 3 and 0 < metrics["psnr"] < 60
    # Of the course's own files the one view for validation, not the two for tests.
    film = Image.open(folder / "out" / f"train_{kind}" / "training_final_renders.gif")
    assert film.n_frames == {"nerf_synthetic": 3, "nerfstudio": 2, "colmap": 2, "official": 1}[kind]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--data_path", "nowhere"), "no such scene"),
        (("--data_path", "scene", "--num_itrs", "0"), "--num_itrs"),
        (("--data_path", "lego", "--image_size", "8"), "--image_size 8: pictures must be at least 11 pixels"),
        (("--data_path", "scene", "--gaussians_per_splat", "0"), "0 is neither a whole number above 0 nor -1"),
        (("--data_path", "scene/imgs"), "holds none of transforms.json, transforms_train.json, sparse/0, imgs"),
        (("--data_path", "scene", "--sh_degree", "4"), "--sh_degree"),
        (("--data_path", "scene", "--rasterizer", "gsplat", "--device", "cpu"), "--rasterizer gsplat: gsplat "),
        (("--data_path", "scene", "--resume"), "no such file"),
        (("--data_path", "scene", "--num_gaussians", "1"), "at least two"),
        (("--data_path", "tiny", "--init", "points"), "at least 11 pixels"),
    ],
)
def test_bad_flags_of_training(folder, flags, words, capsys):
    """One line, exit code 2."""
    try:
        code = call(train, folder, *flags)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert words in capsys.readouterr().err


def test_bad_files_of_rendering(folder, capsys):
    """One line, exit code 2, nothing left."""
    (folder / "bad.ply").write_bytes(b"ply\nformat ascii 1.0\n")
    for name, words in (("bad.ply", "PLY file of Gaussians"), ("none.ply", "no such file")):
        assert call(render, folder, "--data_path", str(folder / name)) == 2
        assert words in capsys.readouterr().err
    path = save_gaussians(folder / "good.ply", scene(9))
    assert call(render, folder, "--data_path", str(path), "--save_as", str(folder)) == 2
    assert "a folder; name a .ply or .splat file" in capsys.readouterr().err
    assert not (folder / "out" / "render").exists()


def test_a_harder_scene(folder, capsys):
    """Both ways, with train's own flags; a table and their views."""
    flags = ("--data_path", "scene", "--num_gaussians", "60", "--viz_freq", "3", "--device", "cpu")
    assert call(train_harder_scene, folder, *flags, "--num_itrs", "6") == 0
    out = folder / "out" / "harder"
    rows = json.loads((out / "results.json").read_text())
    assert set(rows) == {"plain", "improved"}
    assert f"{rows['plain']['psnr']:.2f}" in (out / "table.md").read_text()
    assert Image.open(out / "harder.png").size[0] == 64
    assert load_gaussians(out / "improved" / "gaussians.ply").degree == 3
    before = load_gaussians(out / "improved" / "gaussians.ply").means
    (out / "improved" / "checkpoint.pt").unlink()  # as if it was stopped during the first
    assert call(train_harder_scene, folder, *flags, "--num_itrs", "6", "--resume") == 0
    assert torch.equal(load_gaussians(out / "improved" / "gaussians.ply").means, before)
    assert call(train_harder_scene, folder, *flags, "--isotropic") == 2
    assert "--isotropic differs between the two ways" in capsys.readouterr().err
    assert call(train_harder_scene, folder, *flags, "--fixed_background") == 2
    assert "--fixed_background differs between the two ways" in capsys.readouterr().err


def test_a_run_of_other_pictures_is_not_gone_on_with(folder, capsys):
    """Though its folder has the same name and as many views."""
    flags = ("--init", "points", *SMALL, "--exp_name", "one")
    assert call(train, folder, "--data_path", "scene", *flags) == 0
    picture = sorted((folder / "scene" / "imgs").iterdir())[3]
    Image.new("RGB", (32, 24), (9, 9, 9)).save(picture)
    assert call(train, folder, "--data_path", "scene", *flags, "--resume") == 2
    assert "other settings" in capsys.readouterr().err


def test_a_training_can_be_watched(folder, capsys, monkeypatch):
    """On a page, while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    flags = ("--data_path", "scene", "--init", "points", *SMALL, "--view_port", port, "--up", "minus_y")
    shown = []
    monkeypatch.setattr(view.Viewer, "show", lambda self, gaussians, note: shown.append((len(gaussians), note)))
    assert call(train, folder, *flags) == 0
    assert shown == [(50, "after 3 steps"), (50, "after 6 steps")]
    assert f"watch at http://127.0.0.1:{port}" in capsys.readouterr().out


def test_measuring(capsys):
    """Both rasterisers, with and without gradients, in this process and in one of its own."""
    device = torch.device("cpu")
    for name in ("fast", "reference"):
        assert set(benchmark.measure(name, 100, 32, 1, device)) == {"seconds", "megabytes"}
    # The plain form holds alphas of all Gaussians at all pixels, and more than ten times that for their gradients.
    plain, fast = (benchmark.measure_alone(name, 1000, 64, 1, "cpu") for name in ("reference", "fast"))
    assert 10 * 4e-6 * 1000 * 64**2 < plain["megabytes"] < 100 * 4e-6 * 1000 * 64**2
    assert fast["megabytes"] < plain["megabytes"] / 4
    with pytest.raises(UserError, match="nothing, 100 Gaussians, 32 pixels: .*is there memory enough"):
        benchmark.measure_alone("nothing", 100, 32, 1, "cpu")
    gaussians, cam = benchmark.cloud(500, 64)
    covered = render_picture(gaussians, cam).mask
    assert 0.3 < covered.mean() < 1.0  # the ball fills most of the picture
