"""Files that training is given: clouds of points and views of a box, good and bad."""

import numpy as np
import pytest

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
