"""Configurations: the course's structure, presets, overrides, and what is wrong with a wrong one."""

import pytest

from a3_volume_surface.config import FOLDER, check_config, load_config
from common.cli import UserError

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["laptop", "course"])
def test_every_configuration_loads(name, preset):
    assert load_config(name, [], preset).type in ("render", "train", "train_nerf", "train_points", "train_images")


def test_names_of_the_course_are_there():
    course = (
        "box sphere train_box train_sphere nerf_lego nerf_lego_highres nerf_materials nerf_materials_highres nerf_fern"
    )
    assert set(f"{course} torus_surface sphere_surface points_surface volsdf_surface".split()) <= set(NAMES)


def test_the_course_preset_has_the_course_numbers():
    cfg = load_config("nerf_lego", [], "course")
    training, field, sampler = cfg.training, cfg.implicit_function, cfg.sampler
    assert (training.num_epochs, training.batch_size, training.lr) == (250, 1024, 5e-4)
    assert (field.type, field.n_layers_xyz, field.n_hidden_neurons_xyz, field.append_xyz) == ("nerf", 6, 128, (3,))
    assert (sampler.n_pts_per_ray, sampler.min_depth, sampler.max_depth) == (128, 2.0, 6.0)
    laptop = load_config("nerf_lego", [], "laptop")
    assert laptop.implicit_function.type == "nerf_grid" and laptop.training.num_epochs < 250


def test_overrides_come_last():
    cfg = load_config(
        "nerf_lego", ["training.lr=1e-3", "data.num_views=20", "renderer.white_background=true"], "laptop"
    )
    assert (cfg.training.lr, cfg.data.num_views, cfg.renderer.white_background) == (1e-3, 20, True)
    other = load_config("nerf_lego", ["implicit_function.type=nerf", "sampler.type=stratified"], "laptop")
    assert other.implicit_function.n_layers_xyz == 6  # a section of another type starts from that type's defaults


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text((FOLDER / "box.yaml").read_text())
    assert load_config("mine", [], "laptop", str(tmp_path)) == load_config("box", [], "laptop")
    assert load_config(str(tmp_path / "mine.yaml"), [], "laptop") == load_config("box", [], "course")


WRONG = {
    "training.learning_rat=1": "unknown key training.learning_rat; the nearest known is training.",
    "trainin.lr=1": "unknown key trainin; the nearest known is training",
    "training.lr=fast": "training.lr: must be a number",
    "training.lr=0": "training.lr: must be above 0",
    "training.batch_size=0": "training.batch_size: must be a whole number of at least 1",
    "sampler.n_pts_per_ray=0": "sampler.n_pts_per_ray: must be a whole number of at least 1",
    "sampler.min_depth=6": "sampler.min_depth 6.0 must be below sampler.max_depth 6.0",
    "renderer.type=volum": "did you mean volume?",
    "data.image_size=[128]": "data.image_size: must be [width, height]",
    "renderer.white_background=maybe": "must be true or false",
    "training.bounds=[[1,1,1],[0,0,0]]": "its lowest corner must lie below the highest",
    "implicit_function.append_xyz=3": "must be a list of whole numbers",
    "nothing": "an override is written key=value",
}


@pytest.mark.parametrize("override", WRONG)
def test_what_is_wrong_is_named(override):
    with pytest.raises(UserError) as error:
        load_config("nerf_lego", [override], "course")
    assert WRONG[override] in str(error.value)


def test_near_must_be_below_far():
    with pytest.raises(UserError, match="renderer.near 7.0 must be below renderer.far 5.0"):
        load_config("torus_surface", ["renderer.near=7"], "course")


def test_no_such_configuration():
    with pytest.raises(UserError, match="did you mean nerf_lego"):
        load_config("nerf_legos", [], "course")


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "\x00", "type: render\n", "a: ${b}\n", "", "[]"])
def test_files_that_are_no_configuration(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(UserError, match="bad.yaml"):
        load_config(str(tmp_path / "bad.yaml"), [], "laptop")


def test_missing_values_are_named():
    with pytest.raises(UserError, match="here: implicit_function.type is missing"):
        check_config({"type": "render", "renderer": {"type": "volume"}}, "here")
    with pytest.raises(UserError, match="type is missing"):
        check_config({"renderer": {"type": "volume"}}, "here")
