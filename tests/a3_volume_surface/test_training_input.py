"""Files that training is given: clouds of points and views of a box, good and bad."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from common.p3d import PerspectiveCameras, look_at_view_transform
from tests.a3_volume_surface.tiny import pictures_of_ball

GOOD = np.random.default_rng(0).normal(size=(50, 3))
# What a file's verts are, and what is said of them.
CLOUDS = {
    "wide": (np.ones((50, 6)), "verts are float64 (50, 6)"),
    "flat": (np.ones(60), "verts are float64 (60,)"),
    "objects": (np.array([{}] * 20), "Object arrays cannot be loaded"),
    "text": (np.full((20, 3), "a"), "verts are <U1"),
    "complex": (GOOD + 1j, "verts are complex128"),
    "few": (GOOD[:9], "at least ten points"),
    "nan": (GOOD * np.nan, "all finite"),
    "too large": (GOOD * 1e300, "all finite"),
    "in one place": (np.ones((50, 3)), "not all in one place"),
}


def refused(train, path):
    return train("points", path.parent, f"data.point_cloud_path={path}").complaint


@pytest.mark.parametrize("kind", CLOUDS)
def test_clouds_that_are_none(train, tmp_path, kind):
    verts, said = CLOUDS[kind]
    np.savez(tmp_path / "cloud.npz", verts=verts)
    line = refused(train, tmp_path / "cloud.npz")
    assert said in line and "cloud.npz" in line


@pytest.mark.parametrize("damage", ["cut", "overwritten", "text", "empty", "array", "no verts", "folder", "missing"])
def test_damaged_cloud_files(train, tmp_path, damage):
    path = tmp_path / "cloud.npz"
    np.savez_compressed(path, verts=GOOD) if damage != "no verts" else np.savez(path, points=GOOD)
    contents = path.read_bytes()
    if damage == "array":
        with open(path, "wb") as file:
            np.save(file, GOOD)
    elif damage in ("folder", "missing"):
        path.unlink()
        path.mkdir() if damage == "folder" else None
    else:
        middle = len(contents) // 2
        broken = {
            "cut": contents[:middle],
            "overwritten": contents[: middle - 99] + b"x" * 99 + contents[middle:],
            "text": b"verts: 1 2 3",
            "empty": b"",
        }
        path.write_bytes(broken.get(damage, contents))
    said = "no such file" if damage in ("folder", "missing") else "not a cloud with verts (N, 3)"
    assert said in refused(train, path)


@pytest.fixture
def views(tmp_path):
    """A folder with the four pictures that train_box names."""
    for number in range(4):
        np.save(tmp_path / f"box_{number}.npy", np.full((16, 16, 3), 0.25 * number, np.float32))
    return tmp_path


def test_views_of_files(train, views):
    result = train("box", views / "out", "--data_dir", views)
    assert result.metrics["train_psnr"] < 20 and result.run["data"] == {"source": str(views)}
    top = result.picture("before_after.png")[:16]
    for number in range(4):
        assert (top[:, 18 * number : 18 * number + 16] == round(255 * 0.25 * number)).all()


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (None, "box_2.npy: not there, but other views of data.cameras are"),
        (np.zeros((16, 17, 3), np.float32), "box_2.npy: float32 (16, 17, 3) is not a picture of 16 x 16 floats"),
        (np.zeros((16, 16, 3), np.uint8), "box_2.npy: uint8 (16, 16, 3) is not a picture"),
        (np.full((16, 16, 3), None), "box_2.npy"),
        (b"no array but a text", "box_2.npy: not an .npy file"),
    ],
)
def test_views_that_are_wrong(train, views, picture, said):
    path = views / "box_2.npy"
    path.unlink()
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    elif picture is not None:
        np.save(path, picture, allow_pickle=True)
    assert said in train("box", views / "out", "--data_dir", views).complaint


def test_views_that_are_not_numbers(train, views):
    np.save(views / "box_1.npy", np.full((16, 16, 3), np.nan, np.float32))
    result = train("box", views / "out", "--data_dir", views)
    assert result.code == 2 and "not finite in step 2: color is nan" in result.err.splitlines()[-1]


def write_folder(folder, split: dict[str, int], alpha: bool) -> None:
    """Views of the tiny ball as files of NeRF-synthetic (``split`` names parts) or of nerfstudio (one part, "")."""
    start = 0
    for part, count in split.items():
        eye = torch.nn.functional.normalize(
            torch.randn(count, 3, generator=torch.Generator().manual_seed(start)), dim=1
        )
        R, T = look_at_view_transform(eye=4 * eye, up=((0.0, 0.0, 1.0),))
        cameras = PerspectiveCameras(2.5, R=R, T=T)
        images, covered = pictures_of_ball(cameras, 16, 16)
        frames = []
        for number, (image, cover) in enumerate(zip(images, covered, strict=True), start):
            pixels = torch.cat((image, cover[..., None]), 2) if alpha else image + 1 - cover[..., None]
            save_png_rgba(folder / f"{number}.png", pixels)
            matrix = torch.eye(4)
            matrix[:3, :3] = R[number - start] * torch.tensor([-1.0, 1.0, -1.0])
            matrix[:3, 3] = 4 * eye[number - start]
            frames.append({"file_path": f"./{number}", "transform_matrix": matrix.tolist()})
        name = f"transforms_{part}.json" if part else "transforms.json"
        contents = {"camera_angle_x": 2 * math.atan(1 / 2.5), "frames": frames}
        (folder / name).write_text(json.dumps(contents))
        start += count


def save_png_rgba(path, pixels):
    Image.fromarray((255 * pixels).round().byte().numpy()).save(path)


@pytest.mark.parametrize("kind", ["synthetic", "photographs", "photographs with alpha"])
def test_folders_of_views(train, tmp_path, kind):
    folder = tmp_path / "views"
    folder.mkdir()
    split = {"train": 9, "val": 2, "test": 3} if kind == "synthetic" else {"": 17}
    write_folder(folder, split, alpha=kind != "photographs")
    result = train("nerf grid", tmp_path / "out", f"data.dataset_name={folder}", "renderer.white_background=true")
    assert result.code == 0 and result.run["data"]["source"] == str(folder)
    assert result.run["data"]["views"] == (split if kind == "synthetic" else {"train": 14, "val": 0, "test": 3})
    assert 0 < result.metrics["test_psnr"] < 40
    grid = result.checkpoint["weights"]
    carved = "implicit_fn.occupancy.possible" in grid and not grid["implicit_fn.occupancy.possible"].all()
    assert carved == (kind == "synthetic")  # what lies beside the ball is known to be empty where the box is known


def test_official_pictures(train, tmp_path):
    poses = torch.nn.functional.normalize(torch.randn(8, 3, generator=torch.Generator().manual_seed(3)), dim=1)
    R, T = look_at_view_transform(eye=4 * poses, up=((0.0, 0.0, 1.0),))
    cameras = PerspectiveCameras(2.5, R=R, T=T)
    images, _ = pictures_of_ball(cameras, 16, 16)
    values = {"R": R, "T": T, "focal_length": torch.full((8, 2), 2.5), "principal_point": torch.zeros(8, 2)}
    torch.save({"cameras": values, "split": [list(range(5)), [5], [6, 7]]}, tmp_path / "lego.pth")
    save_png_rgba(tmp_path / "lego.png", images.view(-1, 16, 3))
    for name in ("nerf grid", "volsdf grid"):
        result = train(name, tmp_path / "out", f"data.dataset_name={tmp_path / 'lego.pth'}")
        assert result.code == 0 and result.run["data"]["source"] == str(tmp_path / "lego.pth")
        assert result.run["data"]["views"] == {"train": 5, "val": 1, "test": 2}
