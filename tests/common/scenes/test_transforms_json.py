"""NeRF-synthetic and instant-ngp folders: pixels where their own formulas say, lenses undone, and damaged files."""

import json
import math
import random
import re

import numpy as np
import pytest
import torch
from PIL import Image

from common.cli import UserError
from common.p3d import random_rotations
from common.scenes import load_scene
from common.scenes.transforms_json import transforms_scene


def poses(count, seed=0):
    """Random rigid motions (count, 4, 4), camera to world."""
    torch.manual_seed(seed)
    matrix = torch.eye(4).repeat(count, 1, 1)
    matrix[:, :3, :3], matrix[:, :3, 3] = random_rotations(count), torch.randn(count, 3)
    return matrix


def noise(size, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)


def write(
    folder, size=(6, 8), count=17, name="transforms.json", suffix=".png", channels=3, start=0, frame=(), **shared
):
    """A file of ``count`` views with its pictures of noise; ``frame``: what every frame says besides."""
    folder.mkdir(parents=True, exist_ok=True)
    matrices = poses(count, start)
    frames = []
    for number, matrix in enumerate(matrices.tolist(), start):
        Image.fromarray(noise(size, channels, number)).save(folder / f"{number}.png")
        frames.append({"file_path": f"./{number}{suffix}", "transform_matrix": matrix, **dict(frame)})
    (folder / name).write_text(json.dumps({**shared, "frames": frames}))
    return matrices


def pixels_by_hand(points, matrix, fx, fy, cx, cy):
    """Of world points (P, 3): the camera looks along -z, x to the right, y up; rows grow downwards."""
    local = (points - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    return np.stack([cx + fx * local[:, 0] / -local[:, 2], cy - fy * local[:, 1] / -local[:, 2]], 1)


def in_front(matrix, count=20, seed=1):
    """World points before a camera."""
    generator = np.random.default_rng(seed)
    local = np.column_stack([generator.uniform(-1, 1, (count, 2)), generator.uniform(-5, -2, count)])
    return local @ matrix[:3, :3].T + matrix[:3, 3]


def check_pixels(scene, matrices, *lens):
    for view, matrix in enumerate(matrices.double().numpy()):
        points = in_front(matrix)
        camera = scene.cameras[view]
        got = camera.transform_points_screen(torch.from_numpy(points).float()).numpy()[:, :2]
        values = [value[view] if isinstance(value, list) else value for value in lens]
        np.testing.assert_allclose(got, pixels_by_hand(points, matrix, *values), atol=2e-4)
        depth = camera.get_world_to_view_transform().transform_points(torch.from_numpy(points).float())[:, 2]
        np.testing.assert_allclose(depth, -((points - matrix[:3, 3]) @ matrix[:3, 2]), atol=1e-5)


@pytest.mark.parametrize("size", [(6, 8), (9, 5)])
def test_nerf_synthetic(tmp_path, size):
    counts, angle, matrices, start = {"train": 4, "val": 2, "test": 3}, 0.69, [], 0
    for part, count in counts.items():
        name = f"transforms_{part}.json"
        matrices.append(write(tmp_path, size, count, name, "", 4, start, camera_angle_x=angle))
        start += count
    scene = load_scene(str(tmp_path), size)
    assert {k: v.tolist() for k, v in scene.split.items()} == {"train": [0, 1, 2, 3], "val": [4, 5], "test": [6, 7, 8]}
    raw = np.stack([noise(size, 4, number) for number in range(9)]) / 255.0
    np.testing.assert_allclose(scene.alpha, raw[..., 3], atol=1e-7)
    np.testing.assert_allclose(scene.images, raw[..., :3] * raw[..., 3:], atol=1e-7)
    focal = 0.5 * size[1] / math.tan(0.5 * angle)
    check_pixels(scene, torch.cat(matrices), focal, focal, size[1] / 2, size[0] / 2)
    assert scene.name == tmp_path.name and scene.source == str(tmp_path) and scene.surface is None


def test_one_file_holds_every_eighth_view_out(tmp_path):
    matrices = write(tmp_path, fl_x=9.0, fl_y=8.5, cx=4.2, cy=2.7)
    for given in (tmp_path, tmp_path / "transforms.json"):
        scene = load_scene(str(given), (6, 8))
        assert scene.split["test"].tolist() == [0, 8, 16] and scene.split["val"].tolist() == []
        assert sorted(scene.split["train"].tolist() + [0, 8, 16]) == list(range(17))
        assert scene.alpha is None
        wanted = np.stack([noise((6, 8), 3, number) for number in range(17)])
        np.testing.assert_array_equal((scene.images * 255).round().byte(), wanted)
        check_pixels(scene, matrices, 9.0, 8.5, 4.2, 2.7)


@pytest.mark.parametrize("size", [(6, 8), (12, 16), (24, 32), (8, 8)])
def test_pictures_of_another_size_than_the_calibrated_one(tmp_path, size):
    matrices = write(tmp_path, size, 3, w=16, h=12, fl_x=20.0, fl_y=19.0, cx=7.0, cy=6.5)
    across, down = size[1] / 16, size[0] / 12
    check_pixels(transforms_scene(tmp_path), matrices, 20 * across, 19 * down, 7 * across, 6.5 * down)
    matrices = write(tmp_path, size, 3, w=16, h=12, camera_angle_x=0.8)
    focal = 8 / math.tan(0.4)
    check_pixels(transforms_scene(tmp_path), matrices, focal * across, focal * down, size[1] / 2, size[0] / 2)


def test_frames_have_lenses_of_their_own(tmp_path):
    write(tmp_path, count=3, fl_x=10.0, cy=2.5, k1=None, camera_model="OPENCV", is_fisheye=False)
    file = tmp_path / "transforms.json"
    contents = json.loads(file.read_text())
    contents["frames"][1] |= {"fl_x": 14.0, "cx": 3.5}
    contents["frames"][2]["transform_matrix"].pop()  # 3 x 4 says as much
    file.write_text(json.dumps(contents))
    focal = [10.0, 14.0, 10.0]
    check_pixels(transforms_scene(file), poses(3), focal, focal, [4.0, 3.5, 4.0], [2.5] * 3)


def scenery(x, y):
    """Colours (..., 3) seen in the direction (x, y, 1)."""
    waves = [np.sin(5 * x + 2 * y), np.cos(4 * y - 3 * x), np.sin(6 * y + 1) * np.cos(3 * x)]
    return 0.5 + 0.4 * np.stack(waves, -1)


def undistorted_by_newton(u, v, k1, k2, k3, k4, p1, p2):
    """The directions (x, y) that OpenCV's formula takes to (u, v)."""
    x, y = u.copy(), v.copy()
    for _ in range(60):
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
        x -= x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) - u
        y -= y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y - v
    return x, y


MOST = {"k1": 0.1, "k2": 0.08, "k3": 0.05, "k4": 0.04, "p1": 0.015, "p2": 0.015}
BENT = [{name: sign * value} for name, value in MOST.items() for sign in (1, -1)]


@pytest.mark.parametrize("bent", [*BENT, {"k1": -0.1, "k2": 0.05, "p1": 0.01, "p2": -0.01}], ids=str)
def test_a_lens_is_undone(tmp_path, bent):
    fx, fy, cx, cy, (height, width) = 54.0, 58.0, 49.5, 34.5, (72, 96)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    u, v = (columns - cx) / fx, (rows - cy) / fy
    taken = scenery(*undistorted_by_newton(u, v, *(bent.get(name, 0.0) for name in MOST)))
    write(tmp_path, (height, width), 2, fl_x=fx, fl_y=fy, cx=cx, cy=cy, **bent)
    Image.fromarray((255 * taken).round().astype(np.uint8)).save(tmp_path / "1.png")
    got, wanted = transforms_scene(tmp_path).images[1].numpy(), scenery(u, v)
    inside = np.s_[6:-6, 6:-6]  # what the lens saw, whichever way it bends
    error = np.abs(got - wanted)[inside].max()
    assert error < 0.005 and np.abs(taken - wanted)[inside].max() > 5 * error


def test_a_transparent_picture_is_undistorted_with_its_alpha(tmp_path):
    write(tmp_path, (20, 24), 2, channels=4, fl_x=30.0)
    straight = transforms_scene(tmp_path)
    write(tmp_path, (20, 24), 2, channels=4, fl_x=30.0, k1=1e-12)
    scene = transforms_scene(tmp_path)
    torch.testing.assert_close(scene.images, straight.images, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(scene.alpha, straight.alpha, atol=1e-5, rtol=0.0)
    write(tmp_path, (20, 24), 2, channels=4, fl_x=30.0, k1=0.3)
    bent = transforms_scene(tmp_path)
    assert (bent.alpha - straight.alpha).abs().max() > 0.1 and 0 <= bent.images.min() <= bent.images.max() <= 1


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
    for missing, said in ((tmp_path, "holds neither transforms.json nor"), (tmp_path / "a.json", "no such file")):
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
    monkeypatch.setattr("common.scenes.transforms_json.MOST_PIXELS", 95)
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
