"""Both commands on the configurations that train: what they leave, and that they learn."""

import numpy as np
import pytest

from a3_volume_surface import surface_rendering_main as surface
from a3_volume_surface import train_box
from a3_volume_surface import volume_rendering_main as volume
from tests.a3_volume_surface.tiny import RUNS, SIZES, SMALL

SCENE_RUNS = [name for name in RUNS if name not in ("box", "sphere", "points")]


@pytest.mark.parametrize("name", ["box", "sphere"])
def test_fitting_a_volume(whole, name):
    result = whole(name)
    metrics, data = result.metrics, result.run["data"]
    assert data == {"source": "procedural"} and metrics["steps"] == 12
    views = 4 if name == "box" else 3
    assert result.picture("before_after.png").shape == (3 * 18 - 2, 18 * views - 2, 3)  # truth, before, after
    assert result.frames("part_2.gif").shape == (2, 16, 16, 3)
    axes = {"center_x", "center_y", "center_z", "train_psnr", "steps"}
    assert set(metrics) == axes | ({f"side_lengths_{a}" for a in "xyz"} if name == "box" else {"radius_x"})


def test_the_box_is_found(run, tmp_path):
    flags = ("training.num_epochs=40", "training.lr=0.05", "training.batch_size=256")
    metrics = run(volume, tmp_path, "train_box", "data.image_size=[24,24]", *flags).metrics
    truth = {"center": train_box.TRUE_BOX["center"], "side_lengths": train_box.TRUE_BOX["side_lengths"]}
    for part, values in truth.items():
        assert [metrics[f"{part}_{axis}"] for axis in "xyz"] == pytest.approx(values, abs=0.05)
    assert metrics["train_psnr"] > 30


@pytest.mark.parametrize("name", SCENE_RUNS)
def test_training_on_a_scene(whole, name):
    result = whole(name)
    metrics, field = result.metrics, RUNS[name][0] is volume
    part = "part_3" if field else "part_7"
    gifs = {f"{part}.gif", f"{part}_depth.gif"} | (set() if field else {"part_7_geometry.gif"})
    assert {path.name for path in result.folder.glob("*.gif")} == gifs and not list(result.folder.glob(".*"))
    width = 24 if name == "fern" else 16
    assert result.frames(f"{part}.gif").shape == result.frames(f"{part}_depth.gif").shape == (2, 16, width, 3)
    shown = result.picture("test_views.png")  # two views, above what was rendered of them
    assert shown.shape == (34, 2 * width + 2, 3)
    assert result.picture("training.png").std() > 5
    steps = sorted(path.name for path in (result.folder / "progress").iterdir())
    assert steps == ["epoch_0001.png", "epoch_0002.png"]
    assert result.picture("progress/epoch_0002.png").shape == (16, width, 3)
    assert metrics["steps"] == 12 and 0 < metrics["test_psnr"] < 40
    data = result.run["data"]
    assert data["views"] == {"train": 6, "val": 2, "test": 2} and data["source"] == "procedural"
    rows = result.history
    assert [row["step"] for row in rows] == list(range(1, 13)) and all("val_psnr" in row for row in rows)
    if field:
        assert metrics["parameters"] == sum(
            value.numel()
            for key, value in result.checkpoint["weights"].items()
            if not any(part in key for part in ("occupancy", "embed", "samples_per_ray"))
        )
    else:
        assert result.frames("part_7_geometry.gif").shape == (2, 256, 256, 3)
        assert metrics["mesh_faces"] > 100 and 0 < metrics["chamfer"] < 0.5
        assert metrics["train_loss"] == rows[-1]["loss"]
        assert ("beta" in metrics) == ("volsdf" in name) != ("s" in metrics)


def test_two_passes_have_twice_the_parameters(whole):
    assert whole("nerf coarse and fine").metrics["parameters"] == 2 * whole("nerf").metrics["parameters"]


def test_training_on_points(whole):
    result = whole("points")
    assert result.run["data"] == {"source": "procedural cow", "points": 10_000}
    assert result.frames("part_6_input.gif").shape == result.frames("part_6.gif").shape == (2, 16, 16, 3)
    metrics = result.metrics
    assert set(metrics) == {"mean_point_distance", "greatest_point_distance", "gradient_error", "steps"}
    assert metrics["mean_point_distance"] < metrics["greatest_point_distance"]


def test_a_scene_is_learnt(run, tmp_path):
    flags = (*SIZES["grid"], SMALL, "training.num_epochs=40", "training.batch_size=256", "training.lr=0.1")
    field = ("implicit_function.resolutions=[8,16]", "implicit_function.n_hidden_neurons=32", "sampler.step=2")
    result = run(volume, tmp_path, "nerf_lego", *flags, *field, "implicit_function.view_dependence=false")
    rows = result.history
    assert len(rows) == 12 and rows[-1]["val_psnr"] > rows[0]["val_psnr"] + 2
    assert result.metrics["test_psnr"] > 20  # pictures of nothing have 15


@pytest.fixture
def cloud(tmp_path):
    """A file of points of a ball, off the origin."""
    points = np.random.default_rng(0).normal(size=(400, 3))
    points /= 2 * np.linalg.norm(points, axis=1, keepdims=True)
    np.savez(tmp_path / "cloud.npz", verts=points + 3.0)
    return tmp_path / "cloud.npz"


def test_points_of_a_file_are_learnt(run, tmp_path, cloud):
    flags = (*SIZES["surface"], SMALL, "training.num_epochs=150", "training.lr=0.01", "training.batch_size=256")
    wide = ("implicit_function.n_layers_distance=3", "implicit_function.n_hidden_neurons_distance=32")
    result = run(surface, tmp_path, "points_surface", *flags, *wide, f"data.point_cloud_path={cloud}")
    assert result.run["data"] == {"source": str(cloud), "points": 400}
    for name in ("part_6_input.gif", "part_6.gif"):
        frames = result.frames(name)  # the ball's middle is the origin, at which the cameras look
        assert (frames[:, 7:9, 7:9] < 250).all() and (frames[:, ::15, ::15] == 255).all()
    assert result.metrics["mean_point_distance"] < 0.02 and result.metrics["gradient_error"] < 0.3


@pytest.mark.parametrize("name", ["nerf grid", "points"])
def test_minutes_end_a_run(train, tmp_path, name):
    assert train(name, tmp_path, "training.max_minutes=1e-9").metrics["steps"] == 1


def test_other_sizes_and_fewer_views(train, tmp_path):
    result = train(
        "nerf grid", tmp_path, "data.image_size=[20,20]", "data.num_views=3", "renderer.white_background=true"
    )
    assert result.metrics["steps"] == 6 and result.run["data"]["views"]["train"] == 3
    frames = result.frames("part_3.gif")
    assert frames.shape == (2, 20, 20, 3) and (frames[:, 0] > 250).all()
