"""Folders of assignment 4: poses as arrays, PyTorch3D's conventions."""

import numpy as np
import pytest
import torch
from PIL import Image

from common.cli import UserError
from common.p3d import look_at_view_transform
from common.scenes import load_scene
from common.scenes.posed_npy import posed_npy_scene
from tests.common.scenes.views import noise


def write(folder, count=20, kind="truck", points=True, ending=".jpg"):
    """A folder of views, and its poses (count, 16)."""
    for name in ("imgs", "poses", "points"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    R, T = look_at_view_transform(3.0, 15.0, torch.arange(count) * 360.0 / count)
    lens = torch.tensor([5.0, 5.0, 0.0, 0.0] if kind == "cow" else [1.6, 1.7, 0.05, -0.02]).expand(count, 4)
    poses = torch.cat((R.reshape(count, 9), T, lens), 1).numpy()
    for number in range(count):
        stem = f"frame{number + 1:06d}"
        Image.fromarray(noise((6, 8), 3 if ending == ".jpg" else 4, number)).save(folder / "imgs" / f"{stem}{ending}")
        angles = np.float32([3.0, 15.0, number * 360.0 / count])
        np.save(folder / "poses" / f"{stem}.npy", angles if kind == "cow" else poses[number])
    if points:
        np.save(folder / "points" / "points_10000.npy", np.random.default_rng(0).random((50, 3)))
    return poses


@pytest.mark.parametrize("kind", ["truck", "cow"])
def test_views(tmp_path, kind):
    """Cameras as given, or made from a distance and two angles; the course's five views are held out."""
    poses = write(tmp_path / "scene", 20, kind)
    scene = load_scene(str(tmp_path / "scene"), None)
    assert scene.split["test"].tolist() == [3, 6, 10, 13, 16]
    assert sorted(scene.split["train"].tolist() + scene.split["test"].tolist()) == list(range(20))
    assert not len(scene.split["val"])
    cameras = scene.cameras
    own = torch.cat((cameras.R.reshape(20, 9), cameras.T, cameras.focal_length, cameras.principal_point), 1)
    np.testing.assert_allclose(own, poses, atol=1e-5)
    assert scene.points.shape == (50, 3)
    assert scene.images.shape == (20, 6, 8, 3)
    assert scene.alpha is None
    assert load_scene("scene", (3, 4), str(tmp_path)).images.shape == (20, 3, 4, 3)


def test_alpha_is_read_and_points_are_optional(tmp_path):
    """Premultiplied, as everywhere."""
    write(tmp_path, 8, points=False, ending=".png")
    scene = posed_npy_scene(tmp_path)
    raw = np.stack([noise((6, 8), 4, number) for number in range(8)]) / 255.0
    np.testing.assert_allclose(scene.images, raw[..., :3] * raw[..., 3:], atol=1e-7)
    assert scene.points is None


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda f: (f / "poses" / "frame000002.npy").unlink(), "8 images but 7 poses"),
        (lambda f: (f / "poses" / "frame000002.npy").rename(f / "poses" / "frame000099.npy"), "names must agree"),
        (lambda f: np.save(f / "poses" / "frame000002.npy", np.zeros(7)), "16 finite numbers"),
        (lambda f: np.save(f / "poses" / "frame000002.npy", np.full(16, np.nan)), "16 finite numbers"),
        (lambda f: np.save(f / "poses" / "frame000002.npy", np.zeros(16)), "focal lengths must be above 0"),
        (lambda f: np.save(f / "poses" / "frame000002.npy", np.ones(16)), "rotation of view 1"),
        (lambda f: (f / "poses" / "frame000002.npy").write_bytes(b"no"), "truncated or damaged"),
        (lambda f: (f / "poses" / "frame000002.npy").write_bytes(b"PK\3\4"), "truncated or damaged"),
        (lambda f: np.save(f / "points" / "more.npy", np.full((60, 6), 255.0)), "colours of points"),
        (lambda f: np.save(f / "poses" / "frame000002.npy", [{}], allow_pickle=True), "pickled"),
        (lambda f: np.save(f / "points" / "points_10000.npy", np.zeros((5, 2))), "points must be finite numbers"),
        (lambda f: (f / "imgs" / "frame000003.jpg").write_bytes(b"no"), "not a picture"),
        (lambda f: [p.unlink() for p in (f / "imgs").iterdir()], "holds no file that ends in"),
        (lambda f: Image.fromarray(noise((7, 8), 3, 0)).save(f / "imgs" / "frame000001.jpg"), "unequal sizes"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, break_it, words):
    """In one line."""
    write(tmp_path, 8)
    break_it(tmp_path)
    with pytest.raises(UserError, match=words):
        posed_npy_scene(tmp_path)
