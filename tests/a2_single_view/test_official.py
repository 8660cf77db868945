"""The course's layout: what is read is what was written, and what is damaged is named."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from a2_single_view.data import load_shapes
from a2_single_view.data.embedded import embedded_shape, make_item
from a2_single_view.data.official import SYNSETS, voxels_of
from common.cli import UserError
from tests.a2_single_view.tree import make_tree, picture, write_obj

CHAIR = SYNSETS["chair"]


@pytest.fixture
def root(tmp_path):
    return make_tree(tmp_path / "data")


def test_the_official_shapes_are_taken_where_they_are(root):
    sets = load_shapes(("chair",), str(root))
    assert {split: len(shapes) for split, shapes in sets.items()} == {"train": 2, "val": 1, "test": 2}
    test = sets["test"]
    assert [test.name(i) for i in range(2)] == ["dd", "ee"] and "official" in test.source
    expected = picture(10 * 3 + 1).astype(float)
    alpha = expected[..., 3:] / 255
    image = test.images(np.array([0]), np.array([1]))[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(image, expected[..., :3] * alpha + 255 * (1 - alpha), atol=1)  # on white
    np.testing.assert_array_equal(
        test.images(np.array([0]), np.array([4]))[0], test.images(np.array([0]), np.array([1]))[0]
    )
    np.testing.assert_allclose(test.views(np.array([0]))[0, 2], [23.0, 27.5, 0.9])
    on = embedded_shape("chair", 0, 3).sdf(test.points(np.array([0]), 500, np.random.default_rng(0))[0].double())
    assert float((on.abs() < 1e-3).float().mean()) > 0.5 and on.max() < 0.01  # some lie inside other parts
    fine, own = test.fine(np.array([0]))[0].numpy(), make_item(("chair", 0, 3)).fine
    assert (fine & own).sum() > 0.9 * (fine | own).sum()
    assert len(test.mesh(1).verts_packed()) == len(embedded_shape("chair", 0, 4).mesh[0])


def test_voxels_come_into_the_meshs_frame(root):
    shape = embedded_shape("chair", 0, 0)
    path = root / "r2n2" / "ShapeNetVox32" / CHAIR / "aa" / "model.binvox"
    truth = shape.occupancy(32, 0.5)
    middles = (np.argwhere(truth) + 0.5) / 32 - 0.5
    assert abs(np.ptp(middles, axis=0)[0] - np.ptp(middles, axis=0)[2]) > 0.02  # not as wide as it is deep
    assert np.array_equal(voxels_of(path, middles), truth)
    moved = voxels_of(path, middles + [0.0, 3 / 32, 0.0])
    assert np.array_equal(moved[:, 3:], truth[:, :-3])


def test_three_classes(tmp_path):
    make_tree(tmp_path, ("chair", "car", "airplane"))
    sets = load_shapes(("chair", "car", "airplane"), str(tmp_path))
    assert len(sets["train"]) == 6 and sets["train"].classes == ("chair", "car", "airplane")
    cars = sets["test"].of_class("car")
    assert len(cars) == 2
    expected = load_shapes(("chair", "car", "airplane"), str(tmp_path))["test"]
    assert torch.equal(cars.voxels(np.arange(2)), expected.voxels(np.array([2, 3])))


def test_chairs_of_the_split_of_three_classes_and_voxels_of_the_other_name(tmp_path):
    make_tree(tmp_path, ("chair", "car", "airplane"))
    (tmp_path / "r2n2" / "ShapeNetVox32").rename(tmp_path / "r2n2" / "ShapeNetVoxels")
    sets = load_shapes(("chair",), str(tmp_path))
    assert len(sets["train"]) == 2 and "official" in sets["train"].source and sets["train"].voxels(np.arange(2)).any()
    (tmp_path / "split_3c.json").unlink()
    with pytest.raises(UserError, match="holds official shapes, but not split_3c.json"):
        load_shapes(("chair",), str(tmp_path))


def damage(root, what):
    views = root / "r2n2" / "ShapeNetRendering" / CHAIR / "bb" / "rendering"
    binvox = root / "r2n2" / "ShapeNetVox32" / CHAIR / "bb" / "model.binvox"
    mesh = root / "shapenet" / CHAIR / "bb" / "models" / "model_normalized.obj"
    split = root / "split_03001627.json"
    if what == "view":
        (views / "01.png").unlink()
    elif what == "picture":
        (views / "01.png").write_bytes(b"\x89PNG nothing")
    elif what == "size":
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(views / "01.png")
    elif what == "metadata":
        (views / "rendering_metadata.txt").write_text("1 2\n")
    elif what == "binvox":
        binvox.write_bytes(binvox.read_bytes()[:-5])
    elif what == "empty":
        mesh.write_text("v 0 0 0\n")
    elif what == "model":
        mesh.parent.rename(mesh.parent.parent.parent / "elsewhere")
        mesh.parent.parent.rmdir()
    elif what == "number":
        contents = json.loads(split.read_text())
        contents["train"][CHAIR]["bb"] = [7]
        split.write_text(json.dumps(contents))


WRONG = {
    "view": "01.png: not a picture that can be read",
    "picture": "01.png: not a picture that can be read",
    "size": "64 x 64 pixels, R2N2's have 137 x 137",
    "metadata": "not R2N2's metadata",
    "binvox": "model.binvox: its runs do not make",
    "empty": "model_normalized.obj: holds no face",
    "model": "1 of 5 shapes of the splits are not there, first bb",
    "number": r"the split names views \[7\] of 3",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_damaged_is_named_or_left_out(root, what, capsys):
    damage(root, what)
    with pytest.raises(UserError, match=WRONG[what]):
        load_shapes(("chair",), str(root))
    assert not list(root.glob("single_view_official*"))  # nothing half made is left
    sets = load_shapes(("chair",), str(root), skip_bad=True)
    assert [sets["train"].name(i) for i in range(len(sets["train"]))] == ["aa"] and len(sets["test"]) == 2
    assert "1 of 5 chairs are left out" in capsys.readouterr().err
    with pytest.raises(UserError, match="skip_bad leaves"):  # what was packed stays
        load_shapes(("chair",), str(root))
    assert len(load_shapes(("chair",), str(root), skip_bad=True)["train"]) == 1


def test_a_split_that_is_none(root):
    (root / "split_03001627.json").write_text("[1, 2]")
    with pytest.raises(UserError, match="not a split"):
        load_shapes(("chair",), str(root))
    (root / "split_03001627.json").write_text('{"train": {}}')
    with pytest.raises(UserError, match="hold no chair"):
        load_shapes(("chair",), str(root))


def test_files_are_written_as_they_are_read(tmp_path):
    write_obj(tmp_path / "a.obj", np.eye(3), np.array([[0, 1, 2]]))
    assert (tmp_path / "a.obj").read_text().splitlines()[-1] == "f 1 2 3"
