"""COLMAP's models, text and binary: pixels where its own formula says."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image

from common.cli import UserError
from common.p3d import quaternion_to_matrix, random_quaternions
from common.scenes import load_scene
from common.scenes.colmap import colmap_scene
from tests.common.scenes.views import noise

SIZE = (6, 8)
LENSES = {1: ("PINHOLE", 16, 12, [20.0, 19.0, 7.5, 6.5]), 2: ("SIMPLE_PINHOLE", 8, 6, [9.0, 4.2, 2.7])}
NUMBERS = {"SIMPLE_PINHOLE": 0, "PINHOLE": 1, "OPENCV": 4}


def poses(count):
    """Unit quaternions (count, 4) and translations (count, 3) that leave the origin in front."""
    torch.manual_seed(0)
    return random_quaternions(count).numpy().astype(float), np.random.default_rng(0).normal(0, 0.3, (count, 3)) + [
        0,
        0,
        4,
    ]


def write(folder, binary, count=10, lenses=LENSES, folder_name="sparse/0"):
    """A model of ``count`` views, the later ones first in the file."""
    model = folder / folder_name
    model.mkdir(parents=True)
    (folder / "images").mkdir()
    q, t = poses(count)
    names = [f"view {number:03d}.png" for number in range(count)]
    for number, name in enumerate(names):
        Image.fromarray(noise(SIZE, 3, number)).save(folder / "images" / name)
    order = list(range(count))[::-1]
    points = np.random.default_rng(1).random((7, 3))
    if binary:
        data = struct.pack("<Q", len(lenses))
        for number, (kind, w, h, values) in lenses.items():
            data += struct.pack(f"<iiQQ{len(values)}d", number, NUMBERS[kind], w, h, *values)
        (model / "cameras.bin").write_bytes(data)
        data = struct.pack("<Q", count)
        for number in order:
            data += (
                struct.pack("<i7di", number, *q[number], *t[number], 1 + number % 2) + names[number].encode() + b"\0"
            )
            data += struct.pack("<Q", number % 3) + struct.pack("<ddq", 1.0, 2.0, -1) * (number % 3)
        (model / "images.bin").write_bytes(data)
        data = struct.pack("<Q", len(points))
        for number, point in enumerate(points):
            data += struct.pack("<Q3d3BdQ", number, *point, 255, 51, number, 0.5, number % 2) + b"\0" * 8 * (number % 2)
        (model / "points3D.bin").write_bytes(data)
    else:
        rows = [f"{n} {kind} {w} {h} {' '.join(map(str, v))}" for n, (kind, w, h, v) in lenses.items()]
        (model / "cameras.txt").write_text("\n".join(["# Camera list", *rows]) + "\n")
        rows = ["# Image list"]
        for number in order:
            values = " ".join(map(repr, map(float, (*q[number], *t[number]))))
            rows += [f"{number} {values} {1 + number % 2} {names[number]}", "1.0 2.0 -1" if number % 3 else ""]
        (model / "images.txt").write_text("\n".join(rows) + "\n")
        rows = [f"{n} {p[0]} {p[1]} {p[2]} 255 51 {n} 0.5 1 2" for n, p in enumerate(points)]
        (model / "points3D.txt").write_text("\n".join(rows) + "\n")
    return q, t, points


@pytest.mark.parametrize("binary", [False, True])
def test_pixels_are_where_colmap_projects_to(tmp_path, binary):
    """Two cameras, one calibrated at twice the pictures' size; in order of names; every eighth held out."""
    q, t, points = write(tmp_path, binary)
    scene = load_scene(str(tmp_path), None)
    assert scene.split["test"].tolist() == [0, 8]
    np.testing.assert_array_equal((scene.images * 255).round().byte(), np.stack([noise(SIZE, 3, n) for n in range(10)]))
    world = torch.from_numpy(np.random.default_rng(2).normal(0, 0.3, (5, 3)))
    for number in range(10):
        local = world @ quaternion_to_matrix(torch.from_numpy(q[number])).T + torch.from_numpy(t[number])
        fx, fy, cx, cy = (10.0, 9.5, 3.75, 3.25) if number % 2 == 0 else (9.0, 9.0, 4.2, 2.7)
        true = torch.stack((fx * local[:, 0] / local[:, 2] + cx, fy * local[:, 1] / local[:, 2] + cy), 1)
        camera = scene.cameras[[number]]
        seen = camera.transform_points_screen(world.float()[None], image_size=(SIZE,))[0, :, :2]
        torch.testing.assert_close(seen.double(), true, atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(scene.points[:, :3], points, atol=1e-6)
    np.testing.assert_allclose(scene.points[:, 3:], [[1.0, 0.2, n / 255] for n in range(7)], atol=1e-6)


def test_a_model_without_points_is_read(tmp_path):
    """And one that lies in ``sparse`` itself."""
    write(tmp_path, True, folder_name="sparse")
    (tmp_path / "sparse" / "points3D.bin").unlink()
    assert colmap_scene(tmp_path).points is None


def cut(name, keep):
    """What cuts a file off after a share of its bytes."""

    def apply(folder, ending):
        file = folder / f"sparse/0/{name}{ending}"
        file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])

    return apply


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda f, e: (f / "images" / "view 003.png").unlink(), "not there, but the model names it"),
        (lambda f, e: (f / f"sparse/0/images{e}").unlink(), "holds neither images.bin nor images.txt"),
        (lambda f, e: (f / f"sparse/0/cameras{e}").write_bytes(b"\1\0\0\0\0\0\0\0word"), "damaged, or not a file"),
        (cut("points3D", 0.93), "damaged"),
        (cut("images", 0.84), "damaged|not there"),
        (cut("cameras", 0.8), "damaged|wrong values|is not there"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, binary, break_it, words):
    """In one line."""
    write(tmp_path, binary)
    break_it(tmp_path, ".bin" if binary else ".txt")
    with pytest.raises(UserError, match=words):
        colmap_scene(tmp_path)


@pytest.mark.parametrize(("lens", "words"), [([0.0, 4.0, 3.0], "focal lengths"), ([1e39, 4.0, 3.0], "not finite")])
def test_lenses_that_cannot_be(tmp_path, lens, words):
    """Are named; a principal point outside of the picture can be."""
    write(tmp_path / "bad", False, lenses={**LENSES, 2: ("SIMPLE_PINHOLE", 8, 6, lens)})
    with pytest.raises(UserError, match=words):
        colmap_scene(tmp_path / "bad")
    write(tmp_path / "good", False, lenses={**LENSES, 2: ("SIMPLE_PINHOLE", 8, 6, [9.0, -4.0, 3.0])})
    assert len(colmap_scene(tmp_path / "good").cameras) == 10


@pytest.mark.parametrize("binary", [False, True])
def test_distorted_lenses_are_refused(tmp_path, binary):
    """With what to do."""
    lenses = {**LENSES, 2: ("OPENCV", 8, 6, [9.0, 9.0, 4.0, 3.0, 0.1, 0.0, 0.0, 0.0])}
    write(tmp_path, binary, lenses=lenses)
    with pytest.raises(UserError, match="camera 2 is a OPENCV; undistort the images"):
        colmap_scene(tmp_path)


def test_a_camera_that_is_not_there(tmp_path):
    """Is named."""
    write(tmp_path, False, lenses={1: LENSES[1]})
    with pytest.raises(UserError, match="is of camera 2, which is not there"):
        colmap_scene(tmp_path)


def test_images_without_their_lines_of_points_are_refused(tmp_path):
    """Every second one would be lost without a word."""
    write(tmp_path, False)
    file = tmp_path / "sparse" / "0" / "images.txt"
    lines = [line for line in file.read_text().splitlines() if line.endswith((".png", ".jpg"))]
    assert len(lines) == 10
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="not the points of an image, three numbers each"):
        colmap_scene(tmp_path)
