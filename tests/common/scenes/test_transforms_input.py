"""Transforms that are damaged, lack something or mean nothing: one line that says what and where."""

import json
import math
import random
import re

import numpy as np
import pytest
from PIL import Image

from common.cli import UserError
from common.scenes import load_scene
from common.scenes.transforms_json import transforms_scene
from tests.common.scenes.views import check_pixels, noise, write


def changed(folder, frame=None, **shared):
    """Write two views, with values in their file replaced."""
    write(folder, count=2, fl_x=9.0)
    file = folder / "transforms.json"
    contents = json.loads(file.read_text()) | shared
    contents["frames"] = contents["frames"] and [*contents["frames"][:1], contents["frames"][1] | (frame or {})]
    file.write_text(json.dumps(contents))
    return folder


NUMBERS = [math.nan, math.inf, -math.inf, "9", True, [9], {}, 10**400, 1e300]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: str(value)[:6])
@pytest.mark.parametrize("key", ["fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "p2", "camera_angle_x"])
def test_what_is_no_number_is_named(tmp_path, key, value):
    with pytest.raises(UserError, match=rf"transforms.json: {key} must be a finite number, got .{{1,40}}$"):
        transforms_scene(changed(tmp_path, frame={key: value}))


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        ({"fl_x": None}, "needs fl_x, or camera_angle_x between 0 and pi"),
        ({"fl_x": None, "camera_angle_x": 0}, "needs fl_x, or camera_angle_x"),
        ({"fl_x": None, "camera_angle_x": 3.2}, "needs fl_x, or camera_angle_x"),
        ({"fl_x": 0}, "focal lengths must be above 0, got 0 and 0"),
        ({"fl_y": -2}, "focal lengths must be above 0, got 9 and -2"),
        ({"w": 0}, "w and h must be at least 1"),
        ({"h": -6}, "w and h must be at least 1, got 8 and -6"),
        ({"camera_model": "OPENCV_FISHEYE"}, "camera_model other than SIMPLE_PINHOLE, .* is not read"),
        ({"camera_model": ["OPENCV"]}, "camera_model other than"),
        ({"is_fisheye": True}, "camera_model other than"),
        ({"frames": []}, "holds no list of frames"),
        ({"frames": {}}, "holds no list of frames"),
        ({"frames": None}, "holds no list of frames"),
    ],
    ids=str,
)
def test_values_without_a_meaning(tmp_path, shared, said):
    with pytest.raises(UserError, match=f"transforms.json: .*{said}"):
        transforms_scene(changed(tmp_path, **shared))


EYE = np.eye(4).tolist()
WRONG = [[], 5, "x", None, [["a"] * 4] * 4, [[None] * 4] * 4, [[10**400] * 4] * 4, {"a": 1}, [[1, 2], [3]]]


@pytest.mark.parametrize("matrix", [*WRONG, [[1e10] * 4] * 4, [[math.nan] * 4] * 4, EYE[:2]], ids=lambda m: str(m)[:12])
def test_matrices_that_are_none(tmp_path, matrix):
    with pytest.raises(UserError, match="transforms.json: frame 1:? .*transform_matrix"):
        transforms_scene(changed(tmp_path, frame={"transform_matrix": matrix}))


@pytest.mark.parametrize("scale", [(2, 2, 2), (1, 1, -1), (1, 1, 0), (0, 0, 0)])
def test_matrices_that_are_no_rotation(tmp_path, scale):
    matrix = np.diag([*scale, 1]).tolist()
    with pytest.raises(UserError, match="the rotation of view 1 is not one"):
        transforms_scene(changed(tmp_path, frame={"transform_matrix": matrix}))


def test_frames_that_lack_something(tmp_path):
    folder = changed(tmp_path)
    file = folder / "transforms.json"
    whole = json.loads(file.read_text())
    for key in ("file_path", "transform_matrix"):
        contents = json.loads(json.dumps(whole))
        del contents["frames"][1][key]
        file.write_text(json.dumps(contents))
        with pytest.raises(UserError, match=f"transforms.json: frame 1 has no {key}"):
            transforms_scene(folder)
    for frames in ([1], [whole["frames"][0], None], ["a"], [[]]):
        file.write_text(json.dumps({**whole, "frames": frames}))
        with pytest.raises(UserError, match="holds no list of frames"):
            transforms_scene(folder)
    file.write_text(json.dumps({**whole, "frames": whole["frames"][:1]}))
    with pytest.raises(UserError, match="no view to train on"):
        transforms_scene(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe\x00", b"nan", b"9" * 9999])
def test_text_that_is_no_json(tmp_path, text):
    (tmp_path / "transforms.json").write_bytes(text)
    with pytest.raises(UserError, match="transforms.json: (not a JSON file|holds no list)"):
        transforms_scene(tmp_path)


@pytest.mark.parametrize("deep", [60, 900])
def test_a_deeply_nested_matrix(tmp_path, deep):
    matrix = 1.0
    for _ in range(deep):
        matrix = [matrix]
    with pytest.raises(UserError, match="frame 1:? .*transform_matrix"):
        transforms_scene(changed(tmp_path, frame={"transform_matrix": matrix}))


def test_what_is_not_there(tmp_path):
    for missing, said in ((tmp_path, "holds none of transforms.json"), (tmp_path / "a.json", "no such file")):
        with pytest.raises(UserError, match=said):
            load_scene(str(missing), (6, 8))
    write(tmp_path, count=2, name="transforms_train.json", fl_x=9.0)
    write(tmp_path, count=2, name="transforms_val.json", fl_x=9.0)
    with pytest.raises(UserError, match="transforms_test.json is not there"):
        transforms_scene(tmp_path)
    (tmp_path / "transforms_train.json").rename(tmp_path / "transforms_test.json")
    with pytest.raises(UserError, match="no view to train on"):
        transforms_scene(tmp_path)


def test_splits_without_views_to_validate_with(tmp_path):
    for name in ("train", "test"):
        write(tmp_path, count=2, name=f"transforms_{name}.json", fl_x=9.0)
    split = transforms_scene(tmp_path).split
    assert {k: v.tolist() for k, v in split.items()} == {"train": [0, 1], "val": [], "test": [2, 3]}


def test_frames_without_their_picture_are_left_out(tmp_path, capsys):
    """As in instant-ngp's own example, whose blurred photographs were deleted."""
    matrices = write(tmp_path, count=11, fl_x=9.0)
    for number in (0, 3, 7):
        (tmp_path / f"{number}.png").unlink()
    scene = transforms_scene(tmp_path)
    kept = [1, 2, 4, 5, 6, 8, 9, 10]
    assert scene.split["test"].tolist() == [0] and len(scene.images) == 8
    np.testing.assert_array_equal((scene.images[3] * 255).round().byte(), noise((6, 8), 3, 5))
    check_pixels(scene, matrices[kept], 9.0, 9.0, 4.0, 3.0)
    assert "3 of 11 frames have no picture and are left out" in capsys.readouterr().err
    for number in (1, 2, 4):
        (tmp_path / f"{number}.png").unlink()
    with pytest.raises(UserError, match="6 of 11 pictures are not there, first ./0.png"):
        transforms_scene(tmp_path)


@pytest.mark.parametrize("name", ["gone", "a" * 5000, "a/b\0c", "\ud800", ".", ""], ids=repr)
def test_names_of_no_picture(tmp_path, name):
    with pytest.raises(UserError, match="1 of 2 pictures are not there|frame 1 has no file_path"):
        transforms_scene(changed(tmp_path, frame={"file_path": name}))


def test_pictures_that_do_not_fit(tmp_path, monkeypatch):
    folder = changed(tmp_path)
    broken, whole = folder / "1.png", (folder / "1.png").read_bytes()
    grey = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    for image, said in (
        (noise((6, 9)), "pictures of unequal sizes: 8 x 6, 9 x 6"),
        (noise((6, 8), 4), "some pictures have an alpha channel and some have none"),
        (grey, "1.png: a picture of more than 8 bits per channel"),
    ):
        Image.fromarray(image).save(broken)
        with pytest.raises(UserError, match=said):
            transforms_scene(folder)
    for data in (b"", b"GIF89a", whole[:40], whole[:-30], noise((300,), 1).tobytes()):
        broken.write_bytes(data)
        with pytest.raises(UserError, match="1.png: not a picture that can be read"):
            transforms_scene(folder)
    broken.write_bytes(whole)
    monkeypatch.setattr("common.scenes.pictures.MOST_PIXELS", 95)
    with pytest.raises(UserError, match="more pixels than are read; make them smaller"):
        transforms_scene(folder)


def test_a_grey_picture_has_three_equal_channels(tmp_path):
    folder = changed(tmp_path)
    Image.fromarray(noise((6, 8), 1)[..., 0]).save(folder / "1.png")
    image = transforms_scene(folder).images[1]
    np.testing.assert_array_equal((image * 255).round().byte(), noise((6, 8), 1).repeat(3, -1))


def attempt(folder):
    """Read what may be damaged: it is an error of the user's, or a scene of finite numbers."""
    try:
        scene = transforms_scene(folder)
    except UserError as error:
        assert str(error)
        return 0
    values = (
        scene.images,
        scene.cameras.get_camera_center(),
        scene.cameras.focal_length,
        scene.cameras.principal_point,
    )
    assert all(value.isfinite().all() for value in values)
    return 1


def test_damaged_json_is_never_more_than_an_error(tmp_path):
    write(tmp_path, count=3, fl_x=9.0, cx=4.0, w=8, h=6, k1=0.01, p2=0.001)
    file, draw = tmp_path / "transforms.json", random.Random(0)
    whole = file.read_bytes()
    tokens = [match.span() for match in re.finditer(rb'[-\d.e]+|"[^"]*"|[][{}]|true', whole)]
    values = [b"null", b"true", b"1e999", b"NaN", b"-1", b"0", b"[]", b"{}", b'"x"', b"1e39", b"9" * 400, b"1e-320"]
    read = 0
    for _ in range(400):
        data = bytearray(whole)
        if draw.random() < 0.5:
            start, stop = draw.choice(tokens)
            data[start:stop] = draw.choice(values)
        else:
            for _ in range(draw.randint(1, 3)):
                data[draw.randrange(len(data))] = draw.choice(b'0123456789-+eE.,:[]{}"ntf\xff\\ ')
        file.write_bytes(data)
        read += attempt(tmp_path)
    assert 10 < read < 300


def test_damaged_pictures_are_never_more_than_an_error(tmp_path):
    write(tmp_path, count=2, fl_x=9.0)
    draw, read = random.Random(0), 0
    for kind in ("png", "jpeg", "bmp"):
        Image.fromarray(noise((6, 8))).save(tmp_path / "1.png", kind)
        whole = (tmp_path / "1.png").read_bytes()
        for _ in range(120):
            data = bytearray(whole if draw.random() < 0.8 else whole[: draw.randrange(len(whole))])
            for _ in range(draw.randint(1, 4) if data else 0):
                data[draw.randrange(len(data))] = draw.randrange(256)
            (tmp_path / "1.png").write_bytes(data)
            read += attempt(tmp_path)
    assert 50 < read < 300
