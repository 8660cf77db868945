"""Scenes of the procedural world: made once and kept, pictures, cameras and true surfaces that fit each other."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from common.cli import UserError
from common.scenes import SCENES, balls, bricks, fern, load_scene, procedural
from common.scenes.procedural import RECIPES
from common.scenes.sky_light import SkyLight, visible_surface
from common.shapes.bulldozer import bulldozer

SIZES = {"lego": (16, 16), "materials": (16, 16), "fern": (12, 16)}
COUNTS = {"train": 3, "val": 1, "test": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with all scenes, small, and of few views under few lights."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(procedural, "COUNTS", COUNTS)
        patch.setitem(RECIPES, "fern", replace(RECIPES["fern"], counts=COUNTS))
        patch.setattr(balls, "SUBDIVISIONS", 3)
        for module in (bricks, fern):
            light = partial(SkyLight, count=3)
            patch.setattr(
                module, "SkyLight", lambda mesh, sun, reach, make=light, **_: make(mesh, sun, reach, pixels=96)
            )
        scenes = {name: load_scene(name, size, str(folder)) for name, size in SIZES.items()}
        yield folder, scenes


@pytest.fixture(params=SIZES)
def name(request):
    return request.param


@pytest.fixture
def scene(made, name):
    return made[1][name]


@pytest.fixture
def kept(made, name):
    """The file that holds a scene's pictures, put right again after a test."""
    (path,) = (made[0] / "scenes").glob(f"{name}-*.npy")
    whole = path.read_bytes()
    yield path
    path.write_bytes(whole)


def no_render(monkeypatch, name):
    """From now on rendering ends the test."""

    def fail(*_):
        raise AssertionError("rendered again")

    monkeypatch.setitem(RECIPES, name, replace(RECIPES[name], render=fail))


def test_pictures_are_kept(made, scene, name, monkeypatch):
    no_render(monkeypatch, name)
    again = load_scene(name, SIZES[name], str(made[0]))
    assert torch.equal(again.images, scene.images) and torch.equal(again.cameras.R, scene.cameras.R)
    assert (again.alpha is None) == (scene.alpha is None) == (name == "fern")
    assert again.alpha is None or torch.equal(again.alpha, scene.alpha)
    with pytest.raises(AssertionError, match="rendered again"):
        load_scene(name, (8, 8), str(made[0]))
    assert len(list((made[0] / "scenes").iterdir())) == len(SIZES)  # nothing half-made is left


def test_pictures_are_kept_to_half_a_step(tmp_path, monkeypatch):
    torch.manual_seed(0)
    colors, alpha = torch.rand(6, 4, 4, 3), torch.rand(6, 4, 4)
    asked = []
    render = lambda cameras, size: (asked.append((len(cameras), size)), (colors, alpha))[1]  # noqa: E731
    monkeypatch.setitem(RECIPES, "lego", replace(RECIPES["lego"], render=render, counts=COUNTS))
    for _ in range(2):
        scene = load_scene("lego", (4, 4), str(tmp_path))
        for got, wanted in ((scene.images, colors), (scene.alpha, alpha)):
            torch.testing.assert_close(got, wanted, atol=0.5 / 255 + 1e-6, rtol=0.0)
    assert asked == [(6, (4, 4))]


def test_a_damaged_file_says_delete_and_is_then_made_again(made, name, kept, monkeypatch):
    no_render(monkeypatch, name)
    whole, good = kept.read_bytes(), np.load(kept)
    for damage in (b"", b"\x93NUMPY", whole[:200], whole[:-1], b"x" * 300):
        kept.write_bytes(damage)
        with pytest.raises(UserError, match=f"{kept.name}: .*this is a cache: delete the file to make it again$"):
            load_scene(name, SIZES[name], str(made[0]))
    for wrong in (good[:-1], good[:, :-1], good[..., :2], good.astype(np.float32), good[..., 0], good.astype(object)):
        np.save(kept, wrong)
        with pytest.raises(UserError, match=f"{kept.name}: .*this is a cache: delete the file to make it again$"):
            load_scene(name, SIZES[name], str(made[0]))
    kept.unlink()
    with pytest.raises(AssertionError, match="rendered again"):
        load_scene(name, SIZES[name], str(made[0]))
    assert not kept.exists()


@pytest.mark.parametrize("square", ["lego", "materials"])
def test_pictures_that_must_be_square(tmp_path, square):
    with pytest.raises(UserError, match=f"image_size: the pictures of {square} are square, not 20 x 16$"):
        load_scene(square, (16, 20), str(tmp_path))


def test_names_of_no_scene(tmp_path):
    for name in ("Lego", "drums", "lego.npy", "lego/", "lego\n"):
        with pytest.raises(UserError, match="no such scene; it is one of lego, materials.*, or a .pth file$"):
            load_scene(name, (16, 16), str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--data_dir .*file: cannot write there"):
        load_scene("lego", (16, 16), str(tmp_path / "file"))
    assert set(SCENES) == set(RECIPES)


def test_splits_share_no_view(scene):
    views = {part: views.tolist() for part, views in scene.split.items()}
    assert {part: len(list_) for part, list_ in views.items()} == COUNTS
    assert sorted(sum(views.values(), [])) == list(range(6)) and len(scene.images) == len(scene.cameras) == 6
    eyes = scene.cameras.get_camera_center()
    assert torch.pdist(eyes).min() > 0.05
    assert scene.source == "procedural"


def test_cameras_come_from_their_seed(name):
    one, again = (RECIPES[name].cameras(4, 7) for _ in range(2))
    assert torch.equal(one.R, again.R) and torch.equal(one.T, again.T)
    assert not torch.equal(one.T, RECIPES[name].cameras(4, 8).T)


@pytest.mark.parametrize(("name", "lowest"), [("lego", -40.0), ("materials", 5.0)])
def test_cameras_stand_around_and_look_at_the_middle(name, lowest):
    cameras = RECIPES[name].cameras(4000, 1)
    eyes = cameras.get_camera_center()
    torch.testing.assert_close(eyes.norm(dim=1), torch.full((4000,), bricks.DISTANCE))
    middle = cameras.transform_points_ndc(torch.zeros(1, 3))[:, 0, :2]
    torch.testing.assert_close(middle, torch.zeros(4000, 2), atol=1e-5, rtol=0.0)
    up = cameras.transform_points_ndc(torch.tensor([[0.0, 0.0, 0.1]]))[:, 0]
    assert up[:, 0].abs().max() < 1e-5 and (up[:, 1] > 0).all()
    height = eyes[:, 2] / bricks.DISTANCE  # by Archimedes even between the two elevations
    low, high = np.sin(np.radians((lowest, 75.0)))
    share = ((height - low) / (high - low)).sort().values
    assert (share - (torch.arange(4000) + 0.5) / 4000).abs().max() < 1.63 / 4000**0.5  # Kolmogorov, 1 %
    assert eyes[:, :2].mean(0).abs().max() < 0.2


def test_colours_are_premultiplied(scene):
    assert scene.images.min() >= 0 and scene.images.max() <= 1 and scene.images.std() > 0.05
    assert torch.equal((scene.images * 255).round() / 255, scene.images)
    if scene.alpha is None:
        return
    assert (scene.images <= scene.alpha[..., None] + 1 / 255).all()
    assert (scene.images[scene.alpha == 0] == 0).all()
    assert 0.05 < (scene.alpha == 1).float().mean() and 0.3 < (scene.alpha == 0).float().mean()
    over = scene.over(1.0)
    assert over.max() <= 1 + 1.5 / 255 and (over[scene.alpha == 0] == 1).all()


def seen_by(name, eyes=16):
    """Points (P, 3) of what cameras see and their distances (P,): of the true surface where that is known."""
    cameras = RECIPES[name].cameras(eyes, 5)
    if RECIPES[name].surface is not None:
        points = torch.from_numpy(RECIPES[name].surface(4000, 0))
        return points, torch.cdist(cameras.get_camera_center(), points).flatten()
    mesh = fern.fern_mesh()
    seen = [visible_surface(mesh, camera, SIZES[name])[1] for camera in cameras]
    far = [(points - eye).norm(dim=1) for points, eye in zip(seen, cameras.get_camera_center(), strict=True)]
    return torch.cat(seen), torch.cat(far)


def test_the_scene_lies_within_its_box_and_its_range_of_depths(scene, name):
    points, depth = seen_by(name)
    low, high = scene.bounds
    assert (points >= low).all() and (points <= high).all()
    assert ((points.amax(0) - points.amin(0)) > 0.65 * (high - low)).all()
    nearest, farthest = scene.depth_range
    assert nearest <= depth.min() and depth.max() <= farthest
    assert depth.max() - depth.min() > 0.5 * (farthest - nearest)


@pytest.mark.parametrize("name", ["lego", "materials"])
def test_true_points_lie_on_the_true_surface(made, name):
    scene = made[1][name]
    points = scene.surface(4000, 0)
    assert points.shape == (4000, 3) and points.dtype == np.float32
    assert np.array_equal(points, scene.surface(4000, 0)) and not np.array_equal(points, scene.surface(4000, 1))
    points = torch.from_numpy(points).double()
    if name == "lego":
        assert bulldozer().sdf(points).abs().max() < 1.5e-3  # facets cut that much off curved parts
        return
    gap = (points[:, None] - balls.balls().centres.double()).norm(dim=2) - balls.RADIUS
    assert gap.amin(1).abs().max() < 1e-6


@pytest.mark.parametrize("name", ["lego", "materials"])
def test_true_points_are_where_pictures_show_something(made, name):
    """And pictures show nothing where there are none: silhouettes and points agree to a pixel."""
    scene = made[1][name]
    height, width = scene.image_size
    points = torch.from_numpy(scene.surface(20_000, 3))
    for view in range(6):
        screen = scene.cameras[view].transform_points_screen(points, image_size=[(height, width)])[:, :2]
        column, row = screen.floor().long().T
        assert column.min() >= 0 and column.max() < width and row.min() >= 0 and row.max() < height
        hits = torch.zeros(height, width).index_put_((row, column), torch.ones(()), accumulate=True)
        assert (hits[scene.alpha[view] > 0.5] > 0).all()
        assert hits[scene.alpha[view] == 0].sum() < 0.01 * len(points)  # of parts thinner than a pixel's samples


def test_the_fern_fills_its_pictures(made):
    """Rays through the edges of 4 x 3 pictures end at the floor or the wall, from wherever the plant is seen."""
    mesh = fern.fern_mesh()
    assert all(visible_surface(mesh, camera, SIZES["fern"])[0].all() for camera in made[1]["fern"].cameras)
    assert (made[1]["fern"].images.std((1, 2)) > 0.03).all()
    cameras = fern.forward_cameras(3000, 1)
    edge = torch.linspace(-1, 1, 9)
    xy = torch.cat([torch.stack((a * torch.ones(9), b * edge), 1) for a, b in ((4 / 3, 1), (-4 / 3, 1))])
    xy = torch.cat((xy, torch.stack((4 / 3 * edge, torch.ones(9)), 1), torch.stack((4 / 3 * edge, -torch.ones(9)), 1)))
    ahead = torch.cat((xy / cameras.focal_length[0], torch.ones(36, 1)), 1)
    eyes = cameras.get_camera_center()[:, None]
    directions = torch.nn.functional.normalize(ahead @ cameras.R.transpose(1, 2), dim=2)
    to_wall = (fern.WALL - eyes[..., 1]) / directions[..., 1]
    to_floor = (fern.FLOOR - eyes[..., 2]) / directions[..., 2]
    length = torch.where(to_floor > 0, torch.minimum(to_floor, to_wall), to_wall)
    ends = eyes + length[..., None] * directions
    assert (ends > torch.tensor(fern.LOW) - 1e-4).all() and (ends < torch.tensor(fern.HIGH) + 1e-4).all()
    nearest, farthest = RECIPES["fern"].depth_range
    assert nearest < length.min() and length.max() < farthest
    low, high = RECIPES["fern"].bounds
    assert all(a < b for a, b in zip((*low, *fern.HIGH), (*fern.LOW, *high), strict=True))
