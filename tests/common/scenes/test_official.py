"""The course's own pairs of files, read to the last bit; and pairs that are damaged, hostile or do not fit."""

import pickle
import random
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from common.cli import UserError
from common.p3d import random_rotations
from common.scenes import load_scene
from common.scenes.official import official_scene

VIEWS, HEIGHT, WIDTH = 5, 6, 8


def contents():
    torch.manual_seed(0)
    cameras = {
        "R": random_rotations(VIEWS),
        "T": torch.randn(VIEWS, 3),
        "focal_length": 1.0 + torch.rand(VIEWS, 2),
        "principal_point": 0.1 * torch.randn(VIEWS, 2),
    }
    return {"cameras": cameras, "split": [[0, 2], [3], [4, 1]]}


def write(folder, name="lego", values=None, channels=3):
    """A pair of files; returns the .pth's path, its values and the pixels (VIEWS, HEIGHT, WIDTH, channels)."""
    folder.mkdir(exist_ok=True)
    values = contents() if values is None else values
    torch.save(values, folder / f"{name}.pth")
    pixels = np.random.default_rng(0).integers(0, 256, (VIEWS, HEIGHT, WIDTH, channels), dtype=np.uint8)
    Image.fromarray(pixels.reshape(VIEWS * HEIGHT, WIDTH, channels)).save(folder / f"{name}.png")
    return folder / f"{name}.pth", values, pixels


def test_a_pair_is_read_exactly(tmp_path):
    path, values, pixels = write(tmp_path)
    for scene in (
        official_scene(path),
        load_scene(str(path), (HEIGHT, WIDTH)),
        load_scene("lego", (6, 8), str(tmp_path)),
    ):
        assert torch.equal(scene.images, torch.from_numpy(pixels).float() / 255)
        for name, value in values["cameras"].items():
            assert torch.equal(getattr(scene.cameras, name), value)
        assert {k: v.tolist() for k, v in scene.split.items()} == {"train": [0, 2], "val": [3], "test": [4, 1]}
        assert all(views.dtype == torch.int64 for views in scene.split.values())
        assert scene.name == "lego" and scene.source == str(path) and scene.depth_range == (2.0, 6.0)
        assert scene.alpha is None and scene.surface is None
        assert scene.bounds.tolist() == [[-1.5] * 3, [1.5] * 3]


def test_a_folder_of_the_same_name_holds_the_pair(tmp_path):
    """As the course's materials are kept."""
    write(tmp_path / "materials", "materials")
    for name, data_dir in ((str(tmp_path / "materials"), None), ("materials", str(tmp_path))):
        scene = load_scene(name, (HEIGHT, WIDTH), data_dir)
        assert scene.name == "materials" and len(scene.images) == VIEWS


def test_pictures_are_brought_to_the_size_asked_for(tmp_path):
    path, _, pixels = write(tmp_path, "fern")
    small = load_scene("fern", (3, 4), str(tmp_path)).images
    wanted = pixels.reshape(VIEWS, 3, 2, 4, 2, 3).mean((2, 4)) / 255
    np.testing.assert_allclose(small, wanted, atol=1e-6)
    with pytest.raises(UserError, match="4 x 4 is not the shape of fern's pictures, 8 x 6"):
        load_scene(str(path), (4, 4))


def test_kinds_of_values_that_mean_the_same(tmp_path):
    values = contents()
    values["cameras"] = {name: value.double() for name, value in values["cameras"].items()}
    values["cameras"]["focal_length"] = torch.arange(1, VIEWS + 1)
    values["split"] = (torch.tensor([0, 2]), torch.tensor([[3]], dtype=torch.int32), [4, 1])
    path, _, pixels = write(tmp_path, "other", values, channels=4)
    scene = official_scene(path)
    assert torch.equal(scene.cameras.focal_length, torch.arange(1.0, VIEWS + 1)[:, None].expand(-1, 2))
    assert torch.equal(scene.images, torch.from_numpy(pixels[..., :3]).float() / 255) and scene.depth_range is None
    assert {k: v.tolist() for k, v in scene.split.items()} == {"train": [0, 2], "val": [3], "test": [4, 1]}


def test_pictures_beyond_pillow_s_own_limit_are_read(tmp_path, monkeypatch):
    """All of the course's views below each other are more pixels than Pillow takes for harmless."""
    path, _, pixels = write(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", VIEWS * HEIGHT * WIDTH // 3)
    assert torch.equal(official_scene(path).images, torch.from_numpy(pixels).float() / 255)
    assert Image.MAX_IMAGE_PIXELS == VIEWS * HEIGHT * WIDTH // 3
    data = bytearray(path.with_suffix(".png").read_bytes())
    data[16:24] = struct.pack(">II", 2**15 + 1, 2**15)  # the header's width and height, and its checksum
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.with_suffix(".png").write_bytes(data)
    with pytest.raises(UserError, match="lego.png: 32769 x 32768 pixels are more than are read"):
        official_scene(path)
    assert Image.MAX_IMAGE_PIXELS == VIEWS * HEIGHT * WIDTH // 3


def damaged(**changes):
    """What the .pth holds, with values of the cameras replaced; those that are None are left out."""
    values = contents()
    values["split"] = changes.pop("split", values["split"])
    values["cameras"] = {name: v for name, v in (values["cameras"] | changes).items() if v is not None}
    return values


SHAPES = [{"R": torch.eye(3)}, {"R": torch.zeros(5, 4, 4)}, {"T": torch.zeros(5, 4)}, {"T": torch.zeros(5)}]
SHAPES += [{"focal_length": torch.ones(5, 3)}, {"principal_point": torch.zeros(5)}, {"focal_length": torch.ones(())}]
SHAPES += [{"T": torch.zeros(4, 3)}, {"focal_length": torch.ones(1, 2)}]


@pytest.mark.parametrize("wrong", SHAPES, ids=lambda w: "".join(f"{k} {tuple(v.shape)}" for k, v in w.items()))
def test_values_of_other_shapes(tmp_path, wrong):
    path, *_ = write(tmp_path, values=damaged(**wrong))
    with pytest.raises(UserError, match="lego.pth: not the values of one number of cameras"):
        official_scene(path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (damaged(R=None), "not a file of cameras and splits .KeyError 'R'"),
        (damaged(T=[[0.0] * 3] * 5), "not a file of cameras and splits .AttributeError"),
        (damaged(T=torch.full((5, 3), torch.nan)), "values that are not finite"),
        (damaged(focal_length=-torch.ones(5, 2)), "focal lengths not above 0"),
        (damaged(R=2 * torch.eye(3).repeat(5, 1, 1)), "the rotation of view 0 is not one"),
        (damaged(split=[[0, 5], [1], [2]]), "split train names view 5 of 5"),
        (damaged(split=[[0, 1], [2], [-1]]), "split test names view -1 of 5"),
        (damaged(split=[[], [2], [1]]), "no view to train on"),
        (damaged(split=[[0, 1], [2], []]), "its split must name views to train on"),
        (damaged(split=[[0, 1], [2]]), "its split must name views to train on"),
        (damaged(split=[["a"], [2], [1]]), "not a file of cameras and splits"),
        (damaged(split=7), "not a file of cameras and splits .TypeError"),
        (
            damaged(**{name: torch.zeros(0, *shape) for name, shape in zip(("R", "T"), ((3, 3), (3,)), strict=True)}),
            "not",
        ),
        ({"cameras": contents()["cameras"]}, "not a file of cameras and splits .KeyError 'split'"),
        ({"cameras": 3, "split": []}, "not a file of cameras and splits .TypeError"),
        ([1, 2], "not a file of cameras and splits"),
        (torch.zeros(3), "not a file of cameras and splits"),
    ],
    ids=range(17),
)
def test_values_that_mean_nothing(tmp_path, values, said):
    path, *_ = write(tmp_path, values=values)
    with pytest.raises(UserError, match=f"lego(.pth)?: .*{said}"):
        official_scene(path)


def test_a_file_of_no_views(tmp_path):
    empty = {name: value[:0] for name, value in contents()["cameras"].items()}
    path, *_ = write(tmp_path, values={"cameras": empty, "split": [[], [], []]})
    with pytest.raises(UserError, match="lego.pth: holds no camera"):
        official_scene(path)


class Trap:
    """Something whose unpickling would leave a trace."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return open, (str(self.place), "w")


def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path):
    path, *_ = write(tmp_path)
    trap = tmp_path / "trap"
    torch.save({**contents(), "more": Trap(trap)}, path)
    with pytest.raises(UserError, match="lego.pth: not a file of cameras and splits .UnpicklingError.$"):
        official_scene(path)
    path.write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(UserError, match="lego.pth: not a file of cameras and splits"):
        official_scene(path)
    assert not trap.exists()


def test_files_that_are_not_there(tmp_path):
    path, *_ = write(tmp_path)
    path.with_suffix(".png").unlink()
    with pytest.raises(UserError, match="lego.png: not there; lego.pth and lego.png belong together"):
        load_scene("lego", (HEIGHT, WIDTH), str(tmp_path))
    with pytest.raises(UserError, match="none.pth: no such file"):
        load_scene(str(tmp_path / "none.pth"), (HEIGHT, WIDTH))


def test_rows_that_are_not_pictures_of_one_height(tmp_path):
    path, *_ = write(tmp_path)
    for rows in (VIEWS * HEIGHT + 1, VIEWS - 1, 1):
        Image.fromarray(np.zeros((rows, WIDTH, 3), np.uint8)).save(path.with_suffix(".png"))
        with pytest.raises(UserError, match=f"lego.png: {rows} rows are not 5 pictures of one height"):
            official_scene(path)


@pytest.mark.parametrize("suffix", [".pth", ".png"])
def test_damaged_files_are_never_more_than_an_error(tmp_path, suffix):
    path, *_ = write(tmp_path)
    file, draw = path.with_suffix(suffix), random.Random(0)
    whole, refused = file.read_bytes(), 0
    pieces = [whole[:stop] for stop in (0, 1, 4, 100, len(whole) // 2, len(whole) - 30)]
    pieces += [draw.randbytes(size) for size in (1, 10, 1000)]
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        pieces.append(bytes(data))
    for number, data in enumerate(pieces):
        file.write_bytes(data)
        try:
            scene = official_scene(path)
        except UserError as error:
            assert file.name in str(error) or "view" in str(error)
            refused += 1
        else:
            assert number >= 9 and scene.images.isfinite().all() and scene.cameras.T.isfinite().all()
    assert 9 < refused <= len(pieces)
