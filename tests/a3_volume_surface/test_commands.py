"""Both commands on the configurations that only render; and what bad input gets from either."""

import math

import numpy as np
import pytest
import torch

from a3_volume_surface import surface_rendering_main as surface
from a3_volume_surface import transmittance
from a3_volume_surface import volume_rendering_main as volume
from a3_volume_surface.config import FOLDER
from a3_volume_surface.sphere_tracing import sphere_trace
from common.camera_poses import create_surround_cameras
from common.p3d import look_at_view_transform

SMALL = "data.image_size=[24,24]"
VOLUME_FILES = {"grid.png", "rays.png", "sample_points.png", "depth.png", "part_1.gif", "part_1_depth.gif"}
SURFACE_FILES = {"part_5.gif", "part_5_normals.gif", "part_5_depth.gif"}


def files(result, *suffixes: str) -> set[str]:
    """Names of a run's files of these kinds; all must have been finished."""
    assert not list(result.folder.glob(".*"))
    return {path.name for path in result.folder.iterdir() if path.suffix in suffixes}


def disc(distance: float, focal: float = 1.0) -> float:
    """Share of a square picture that a ball of radius 1 covers, seen from a distance."""
    return math.pi * focal**2 / (distance**2 - 1) / 4


@pytest.mark.parametrize("config", ["box", "sphere"])
@pytest.mark.parametrize(("width", "height"), [(24, 24), (30, 18)])
def test_volumes(run, tmp_path, config, width, height):
    result = run(volume, tmp_path, config, f"data.image_size=[{width},{height}]", "--fps", 50)
    assert set(result.metrics) == {"mean_opacity", "greatest_depth"}
    assert files(result, ".png", ".gif") == VOLUME_FILES
    for name in ("part_1.gif", "part_1_depth.gif"):
        frames = result.frames(name)
        assert frames.shape == (2, height, width, 3)
        assert (frames[:, [0, -1]] == 0).all() and frames[:, height // 2, width // 2].max() > 20
    for name in ("grid.png", "rays.png", "depth.png"):
        assert result.picture(name).shape == (height, width, 3)
    grid = result.picture("grid.png")  # x to the left in red, y up in green
    assert (np.diff(grid[0, :, 0]) <= 0).all() and (np.diff(grid[:, 0, 1]) <= 0).all() and grid[0, 0, :2].min() > 240
    shown = result.picture("sample_points.png")
    assert shown.shape == (512, 512, 3) and 0.01 < (shown < 250).any(-1).mean() < 0.9


def test_run_json_names_what_was_run(run, tmp_path):
    result = run(volume, tmp_path, "sphere", SMALL, "sampler.n_pts_per_ray=8")
    kept = result.run
    assert kept["seed"] == 1 and kept["device"] == "cpu"  # the configuration's seed
    arguments = kept["arguments"]
    assert arguments["preset"] == "laptop" and arguments["config_name"] == "sphere"
    config = arguments["config"]
    assert config["sampler"]["n_pts_per_ray"] == 8 and config["data"]["image_size"] == [24, 24]
    assert config["implicit_function"]["sdf"]["radius"]["val"] == 1.0
    other = run(volume, tmp_path, "sphere", SMALL, "--seed", 5, "--preset", "course", "--exp_name", "other")
    assert other.code == 0 and not (tmp_path / "other" / "part_2.gif").exists()
    kept = type(other)(0, "", "", tmp_path / "other").run
    assert kept["seed"] == 5 and kept["arguments"]["preset"] == "course"


SHARP = ("implicit_function.beta.val=0.002", "data.image_size=[32,32]")


def test_a_sharp_sphere_covers_its_disc_at_its_depth(run, tmp_path):
    metrics = run(volume, tmp_path, "sphere", *SHARP, "sampler.n_pts_per_ray=500").metrics
    middle = (np.arange(32) + 0.5) / 16 - 1
    square = middle[:, None] ** 2 + middle**2
    cosine, sine = 1 / np.sqrt(1 + square), np.sqrt(square / (1 + square))
    hit = 3 * sine < 1
    entry = 3 * cosine[hit] - np.sqrt(1 - 9 * sine[hit] ** 2)
    assert metrics["mean_opacity"] == pytest.approx(hit.mean(), rel=0.04)
    assert metrics["greatest_depth"] == pytest.approx(entry.max(), abs=0.02)  # two samples lie so far apart


def test_a_second_pass_sees_nearly_the_same(run, tmp_path):
    one = run(volume, tmp_path, "sphere", *SHARP, "sampler.n_pts_per_ray=100").metrics
    fine = run(volume, tmp_path, "sphere", *SHARP, "sampler.n_pts_per_ray=100", "sampler.n_fine_per_ray=50").metrics
    assert fine["mean_opacity"] == pytest.approx(one["mean_opacity"], abs=0.01)
    assert 0 < abs(fine["greatest_depth"] - one["greatest_depth"]) < 0.05  # as far as samples of the first lie apart


@pytest.mark.parametrize("config", ["torus_surface", "sphere_surface", "box_surface", "combination_surface"])
def test_surfaces(run, tmp_path, config):
    result = run(surface, tmp_path, config, "data.image_size=[40,24]")
    assert set(result.metrics) == {"hit_share"} and files(result, ".png", ".gif") == SURFACE_FILES
    for name in SURFACE_FILES:
        assert result.frames(name).shape == (2, 24, 40, 3)
    hit = (result.frames("part_5.gif") > 0).any(-1)
    assert result.metrics["hit_share"] == pytest.approx(hit.mean(), abs=0.005)
    assert (result.frames("part_5_normals.gif")[~hit] > 250).all()
    assert (result.frames("part_5_depth.gif")[~hit] == 0).all()


def test_a_sphere_is_hit_by_the_rays_of_its_disc(run, tmp_path):
    metrics = run(surface, tmp_path, "sphere_surface", "data.image_size=[80,80]").metrics
    assert metrics["hit_share"] == pytest.approx(disc(math.sqrt(13)), rel=0.02)  # from 3 away and 2 above


def test_many_primitives_with_and_without_culling(run, tmp_path):
    few = (SMALL, "implicit_function.sdf.count=20")
    culled = run(surface, tmp_path, "many_primitives", *few)
    frames, metrics = [culled.frames(name) for name in sorted(SURFACE_FILES)], culled.metrics
    every = run(surface, tmp_path, "many_primitives", *few, "renderer.culling=false")
    assert metrics == every.metrics and 0.05 < metrics["hit_share"] < 0.5
    for one, name in zip(frames, sorted(SURFACE_FILES), strict=True):
        assert np.abs(one - every.frames(name)).max() <= 1
    other = run(surface, tmp_path, "many_primitives", *few, "implicit_function.sdf.seed=7")
    assert other.metrics != metrics


def test_the_surround_of_surfaces_is_what_the_pictures_show(run, tmp_path):
    """One pixel of a frame, traced by hand: the colour is how far the surface is from the middle along each axis."""
    frame = run(surface, tmp_path, "torus_surface", SMALL).frames("part_5.gif")[0]
    R, T = look_at_view_transform(eye=((0.0, 3.0, 2.0),), up=((0.0, 0.0, 1.0),))
    camera = create_surround_cameras(3.0, 2, (0.0, 0.0, 1.0))[0]
    torch.testing.assert_close(camera.T, T, atol=1e-6, rtol=0.0)
    row, column = np.argwhere((frame > 0).any(-1))[7].tolist()
    local = torch.tensor([[(23 - 2.0 * column) / 24, (23 - 2.0 * row) / 24, 1.0]])
    origin = -(R[0] @ T[0])[None]
    direction = torch.nn.functional.normalize(local @ R[0].T)
    lengths, hit = sphere_trace(torus, origin, direction)
    assert hit.all()
    expected = (origin + lengths[:, None] * direction).abs().clamp(0.02, 0.98)[0]
    assert np.abs(frame[row, column] - 255 * expected.numpy()).max() <= 6  # a GIF has 255 colours


def torus(points):
    return (torch.hypot(points[:, :2].norm(dim=1) - 1.0, points[:, 2]) - 0.25)[:, None]


def test_transmittance(tmp_path, capsys):
    assert transmittance.main(["--output_dir", str(tmp_path), "--device", "cpu", "--samples", "8"]) == 0
    assert "T(x,y4) = 7.68120" in capsys.readouterr().out  # exp(-32.5) = 7.6812e-15
    assert {path.name for path in (tmp_path / "transmittance").iterdir()} == {
        "transmittance.png",
        "metrics.json",
        "run.json",
    }


# Command, configuration, flags, and what the line says.
WRONG = [
    (volume, "boxes", [], "no such configuration; did you mean box?"),
    (volume, "zzz", ["--config-path", "nowhere"], "no such configuration. Known: none"),
    (volume, "box", ["data.image_sise=[8,8]"], "unknown key data.image_sise; the nearest known is data.image_size"),
    (volume, "box", ["sampler.min_depth=5.0"], "sampler.min_depth 5.0 must be below sampler.max_depth 5.0"),
    (volume, "box", ["sampler.n_pts_per_ray=0"], "sampler.n_pts_per_ray: must be a whole number of at least 1"),
    (volume, "box", ["sampler.n_pts_per_ray=null"], "n_pts_per_ray, min_depth and max_depth are needed"),
    (volume, "box", ["sampler.n_pts_per_ray=2", "sampler.n_fine_per_ray=8"], "at least 3 are needed"),
    (volume, "box", ["implicit_function.alpha.val=-1"], "implicit_function.alpha: must be above 0"),
    (volume, "box", ["implicit_function.sdf.side_lengths.val=[1,0,1]"], "sdf.side_lengths: must be above 0"),
    (volume, "box", ["renderer.type=volume_sdf"], "renderer.type volume_sdf does not render sdf_volume; take volume"),
    (volume, "box", ["implicit_function.type=neural_surface"], "type render takes implicit_function.type"),
    (volume, "box", ["sampler.type=occupancy"], "sampler.type occupancy does not go with"),
    (volume, "box", ["type=train"], "names no views to train on"),
    (volume, "torus_surface", [], "run it with python -m a3_volume_surface.surface_rendering_main"),
    (volume, "points_surface", [], "run it with python -m a3_volume_surface.surface_rendering_main"),
    (surface, "box", [], "run it with python -m a3_volume_surface.volume_rendering_main"),
    (surface, "nerf_lego", [], "run it with python -m a3_volume_surface.volume_rendering_main"),
    (surface, "torus_surface", ["renderer.near=5"], "renderer.near 5.0 must be below renderer.far 5.0"),
    (surface, "torus_surface", ["implicit_function.type=neural_surface"], "type render takes implicit_function.type"),
    (surface, "torus_surface", ["type=train_points"], "type train_points takes implicit_function.type neural_surface"),
    (surface, "points_surface", ["type=train_images"], "type train_images takes renderer.type volume_sdf"),
    (volume, "train_box", ["implicit_function.type=nerf"], "type train takes implicit_function.type sdf_volume"),
    (
        volume,
        "train_box",
        ["implicit_function.sdf.center.opt=false", "implicit_function.sdf.side_lengths.opt=false"],
        "nothing to train",
    ),
    (
        volume,
        "train_sphere",
        ["data.cameras.cam1.eye=[0,0,0]"],
        "eye and scene_center of a camera must not be",
    ),
    (volume, "train_sphere", ["data.cameras.cam1.eye=[0,0]"], "must be 3 numbers"),
    (volume, "nerf_lego", ["data.dataset_name=none"], "none: no such scene"),
    (volume, "box", ["training=3"], "training: must hold keys and values"),
    (volume, "box", ["[=1"], "not a configuration"),
    (volume, "box", ["data.image_size=[24,24]", "renderer=[1]"], "renderer: must hold keys and values"),
    (surface, "volsdf_surface", ["renderer.learn=true"], "renderer.learn and a schedule"),
    (surface, "volsdf_surface", ["--preset", "course", "sampler.n_fine_per_ray=1"], "at least 2 are needed here"),
    (surface, "torus_surface", ["implicit_function.sdf.center.val=[.nan,0,0]"], "must be a list of finite numbers"),
    (surface, "combination_surface", ["implicit_function.sdf.operation=xor"], "must be one of"),
    (surface, "combination_surface", ["implicit_function.sdf.parts=[]"], "must be a list of at least two shapes"),
    (volume, "nerf_photos", [], "photos: no such scene"),
    (volume, "box", ["data.image_size=null"], "data.image_size: needed, as there are no pictures whose size to take"),
    (surface, "volsdf_surface", ["renderer.relighting_function.type=phong"], "must be {type: none}"),
    (volume, "nerf_lego", ["data.image_size=[10,10]"], "at least 11 pixels"),
    (volume, "nerf_lego", ["data.num_views=7", SMALL], "data.num_views: 7, but lego has 6 training views"),
    (volume, "nerf_lego", ["sampler.min_depth=7", SMALL], "sampler.min_depth 7.0 must be below sampler.max_depth 6.0"),
    (volume, "nerf_lego", ["implicit_function.resolutions=[]"], "implicit_function.resolutions: must be a list"),
    (
        volume,
        "nerf_lego",
        ["implicit_function.resolutions=[0]"],
        "resolutions: must be a whole number",
    ),
    (surface, "volsdf_surface", ["sampler.resolution=1"], "sampler.resolution: must be a whole number of at least 2"),
    (surface, "volsdf_surface", ["--preset", "course", "sampler.n_pts_per_ray=1"], "at least 2 are needed"),
    (volume, "box", [SMALL, "--seed", "3", "sampler.n_pts_per_ray=8", "--sede", "5"], "did you mean --seed?"),
    (volume, "box", ["--fps", "51"], "argument --fps: 51 is more than 50"),
    (volume, "box", ["--fps", "0"], "argument --fps: 0 is not a finite number above 0"),
    (surface, "box_surface", ["--device", "cuda:99"], "device"),
]


@pytest.mark.parametrize(("module", "config", "flags", "said"), WRONG)
def test_bad_input_is_one_line_and_code_2(run, tmp_path, module, config, flags, said):
    assert said in run(module, tmp_path, config, *flags).complaint


@pytest.mark.parametrize("config", ["nerf_lego", "volsdf_surface"])
def test_pictures_with_alpha_need_a_choice_of_what_is_behind_them(run, tmp_path, config):
    text = (FOLDER / f"{config}.yaml").read_text()
    own = tmp_path / f"{config}.yaml"
    own.write_text("".join(line for line in text.splitlines(True) if "white_background" not in line))
    assert own.read_text() != text
    module = volume if config == "nerf_lego" else surface
    line = run(module, tmp_path, own, SMALL, "--preset", "course").complaint
    assert "lego: its pictures have an alpha channel; choose" in line and "renderer.white_background=true or" in line


def test_true_views_of_other_shapes_are_not_known(run, tmp_path):
    text = (FOLDER / "train_sphere.yaml").read_text()
    shape = "sphere\n    radius:\n      val: 1.0"
    assert shape in text
    (tmp_path / "ring.yaml").write_text(text.replace(shape, "torus\n    radii:\n      val: [1.0, 0.2]"))
    assert "of a box or a sphere alone" in run(volume, tmp_path, tmp_path / "ring.yaml", SMALL).complaint
