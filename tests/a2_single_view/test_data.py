"""Packed shapes: what goes in comes out; pictures, voxels and places agree; mirrored batches are mirrored shapes."""

import numpy as np
import pytest
import torch

from a2_single_view.data.batches import Batches, recoloured
from a2_single_view.data.binvox import read_binvox, write_binvox
from a2_single_view.data.cells import fine_cells
from a2_single_view.data.embedded import embedded_shape, load_embedded, make_item
from a2_single_view.data.places import draw_places
from a2_single_view.data.rendering import cameras_of, draw_views, render_shape
from common.cli import UserError
from tests.a2_single_view.conftest import COUNTS


@pytest.fixture
def sets(data_dir):
    return load_embedded(("chair",), str(data_dir))


def test_splits_hold_what_was_made(sets):
    assert {split: len(shapes) for split, shapes in sets.items()} == COUNTS
    item, test = make_item(("chair", 0, 9)), sets["test"]
    index = np.array([1])
    assert test.name(1) == item.name == "chair_00009"
    assert torch.equal(test.voxels(index)[0], torch.from_numpy(item.voxels))
    assert torch.equal(test.fine(index)[0], torch.from_numpy(item.fine))
    np.testing.assert_array_equal(test.views(index)[0], item.views)
    points = test.points(index, len(item.points), np.random.default_rng(0))[0].numpy()
    np.testing.assert_array_equal(np.sort(points, 0), np.sort(item.points, 0))
    assert test.images(index, np.array([23])).shape == (1, 3, 137, 137)
    assert "4 procedural chairs" in test.source and test.num_views == 24


def test_shapes_are_centred_with_a_diagonal_of_1(sets):
    for family in ("chair", "car", "airplane"):
        low, high = embedded_shape(family, 0, 3).bounds()
        np.testing.assert_allclose(low + high, 0, atol=1e-9)
        assert np.linalg.norm(high - low) == pytest.approx(1.0)


def test_points_and_voxels_agree(sets):
    train, ticks = sets["train"], (torch.arange(32) + 0.5) / 32 - 0.5
    middles = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).double()
    for number in range(6):
        filled, shape = train.voxels(np.array([number]))[0], embedded_shape("chair", 0, number)
        far = shape.sdf(middles.view(-1, 3)).view(32, 32, 32) > 3**0.5 / 64  # no part of such a cell is inside
        assert not filled[far].any() and far.any()
        assert filled[shape.contains(middles.view(-1, 3).float()).view(32, 32, 32)].all()
        points = train.points(np.array([number]), 500, np.random.default_rng(2))[0]
        assert shape.sdf(points.double()).abs().max() < 0.02
        cell = ((points + 0.5) * 32).floor().long().clamp(0, 31)
        assert filled[tuple(cell.T)].float().mean() > 0.99  # cells that the surface cuts are filled


def test_fine_cells_are_those_of_the_shape(sets):
    """Made from the surface alone, as of meshes, they are those that the shape itself gives, but for few."""
    train = sets["train"]
    for number in range(4):
        fine, voxels = (filled(np.array([number]))[0].numpy() for filled in (train.fine, train.voxels))
        dense, _ = embedded_shape("chair", 0, number).sample_surface(100_000, np.random.default_rng(3))
        for given, least in ((voxels, 0.97), (np.roll(voxels, 1, 2), 0.9)):  # official voxels lie by part of one wrong
            made = fine_cells(dense, given)
            assert (fine & made).sum() > least * (fine | made).sum()
        coarse = fine.reshape(32, 2, 32, 2, 32, 2).any((1, 3, 5))
        assert (coarse & ~voxels).sum() <= 0.002 * coarse.sum()
        assert 0.3 < fine.mean() / voxels.mean() < 1.0  # thin parts fill whole voxels, but not whole of them


def test_places_are_weighted_as_if_drawn_everywhere_alike():
    voxels = torch.zeros(2, 32, 32, 32, dtype=torch.bool)
    voxels[0, 4:9, 20:24, 3] = True
    voxels[1, 10:14, 5:9, 16:] = True
    count = 200_000
    fine = voxels.repeat_interleave(2, 1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    fine[:, ::3] = False
    places, inside, weights = draw_places(voxels, fine, count, np.random.default_rng(1))
    cell = ((places + 0.5) * 64).floor().long()
    cell = cell.clamp(max=63)
    assert torch.equal(inside, fine[torch.arange(2)[:, None], cell[..., 0], cell[..., 1], cell[..., 2]])
    filled = fine.flatten(1).float().mean(1)
    assert (inside.float().mean(1) > 10 * filled).all()  # places where the shape is are many, and weigh little
    means = ((torch.ones(count), 1.0), (inside, filled), (places[..., 1], 0.0), (places[..., 0] > 0.2, 0.3))
    for values, truth in means:
        weighted = values * weights
        error = 5 * weighted.std(1) / count**0.5
        assert ((weighted.mean(1) - truth).abs() < error + 0.01 * 0.3).all()
    nothing = torch.zeros(1, 32, 32, 32, dtype=torch.bool)
    empty = draw_places(nothing, nothing, 100, np.random.default_rng(2))
    assert not empty[1].any() and torch.equal(empty[2], torch.full((1, 100), 2.0))


def test_pictures_show_the_shape_where_its_points_are(sets):
    train = sets["train"]
    for view in (0, 5):
        index = np.array([2])
        image = train.images(index, np.array([view]))[0]
        covered = (image < 250).any(0)
        points = train.points(index, 3000, np.random.default_rng(0))[0]
        ndc = cameras_of(train.views(index)[0][view : view + 1]).transform_points_ndc(points)
        column, row = ((1 - ndc[:, axis]) * 137 / 2 for axis in (0, 1))
        hit = covered[row.long().clamp(0, 136), column.long().clamp(0, 136)]
        assert hit.float().mean() > 0.97
        around = torch.nn.functional.max_pool2d(covered[None].float(), 9, 1, 4)[0]
        shown = torch.zeros(137, 137)
        shown[row.long().clamp(0, 136), column.long().clamp(0, 136)] = 1
        assert around[shown > 0].all()


def test_views_are_r2n2s():
    views = draw_views(np.random.default_rng(0), 500)
    low, high = views.min(0), views.max(0)
    assert (low >= [0, 25, 0.65]).all() and (high <= [360, 30, 0.95]).all()
    assert np.ptp(views[:, 0]) > 350 and np.ptp(views[:, 1]) > 4.5
    centre = cameras_of(np.float32([[0.0, 0.0, 0.8]])).get_camera_center()
    torch.testing.assert_close(centre, torch.tensor([[0.0, 0.0, 1.4]]), atol=1e-5, rtol=0)


def test_faces_are_lit_and_what_is_empty_is_white():
    square = torch.tensor([[-0.2, -0.2, 0], [0.2, -0.2, 0], [0.2, 0.2, 0], [-0.2, 0.2, 0.0]])
    faces, colors = torch.tensor([[0, 1, 2], [0, 2, 3]]), torch.tensor([[0.5, 0.25, 0.0]] * 2)
    image = render_shape(square, faces, colors, np.float32([[0, 0, 0.8], [180, 0, 0.8]]), 45)
    assert (image[:, 0, 0] == 255).all() and (image[0] == image[1]).all()  # a face has two sides
    np.testing.assert_allclose(image[0, 22, 22] / image[0, 22, 22, 0], [1.0, 0.5, 0.0], atol=0.02)


def test_mirrored_batches_are_mirrored_shapes(sets):
    both = [Batches(sets["train"], kind, 16, 7, workers=0) for kind in ("vox", "point", "implicit")]
    plain = [Batches(sets["train"], kind, 16, 7, workers=0, mirror=False) for kind in ("vox", "point", "implicit")]
    (vox, point, places), (vox_, point_, places_) = ([b.make(3) for b in kind] for kind in (both, plain))
    flip = (vox["inputs"] != vox_["inputs"]).flatten(1).any(1)
    assert 0 < flip.sum() < 16
    for number in range(16):
        if not flip[number]:
            assert all(
                torch.equal(batch[k][number], batch_[k][number])
                for batch, batch_ in ((vox, vox_), (point, point_), (places, places_))
                for k in batch
            )
            continue
        assert torch.equal(vox["inputs"][number], vox_["inputs"][number].flip(2))
        assert torch.equal(vox["voxels"][number], vox_["voxels"][number].flip(0))
        sign = torch.tensor([-1.0, 1.0, 1.0])
        assert torch.equal(point["points"][number], point_["points"][number] * sign)
        assert torch.equal(places["places"][number], places_["places"][number] * sign)
        assert torch.equal(places["voxels"][number], places_["voxels"][number].flip(0))
        assert all(torch.equal(places[name][number], places_[name][number]) for name in ("inside", "weights"))


def test_colours_change_and_white_stays(sets):
    images = sets["train"].images(np.arange(4), np.arange(4))
    made = recoloured(images, np.random.default_rng(0))
    empty = (images == 255).all(1)
    assert (made.permute(0, 2, 3, 1)[empty] == 255).all() and 0.2 < empty.float().mean() < 0.95
    ink, was = (255.0 - x.permute(0, 2, 3, 1).flatten(1, 2).double() for x in (made, images))
    for one, other in zip(ink, was, strict=True):  # a linear map of the ink, but for rounding and what is cut off
        whole = ((one > 0) & (one < 254)).all(1)
        mixed = torch.linalg.lstsq(other[whole], one[whole]).solution
        assert (other[whole] @ mixed - one[whole]).abs().max() < 1.01
        assert (one - other).abs().max() > 10
    one, two = (Batches(sets["train"], "vox", 4, 0, workers=0, mirror=False, recolour=r).make(0) for r in (True, False))
    assert torch.equal(one["voxels"], two["voxels"]) and not torch.equal(one["inputs"], two["inputs"])


def test_batches_are_the_same_however_they_are_read(sets):
    ahead, now = (Batches(sets["train"], "point", 4, 1, workers=w) for w in (2, 0))
    for step in (5, 6, 7):  # begun in the middle, as a resumed run does
        one, two = ahead(step), now(step)
        assert set(one) == {"inputs", "points"} and all(torch.equal(one[name], two[name]) for name in two)
    ahead.close()


def test_binvox_comes_back(tmp_path):
    voxels = np.random.default_rng(0).random((32, 32, 32)) < 0.1
    voxels[:12] = True  # longer than a run may be
    write_binvox(tmp_path / "a.binvox", voxels)
    np.testing.assert_array_equal(read_binvox(tmp_path / "a.binvox"), voxels)


def test_binvox_counts_x_then_z_then_y(tmp_path):
    cells = np.zeros(8, np.uint8)
    cells[1] = 1  # x 0, z 0, y 1
    runs = np.stack((cells, np.ones(8, np.uint8)), 1)
    (tmp_path / "a.binvox").write_bytes(b"#binvox 1\ndim 2 2 2\ndata\n" + runs.tobytes())
    assert np.argwhere(read_binvox(tmp_path / "a.binvox")).tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("damage", ["none", "cut", "odd", "header", "dim", "huge", "value"])
def test_damaged_binvox_is_refused(tmp_path, damage):
    path = tmp_path / "a.binvox"
    write_binvox(path, np.zeros((8, 8, 8), bool))
    data = path.read_bytes()
    path.write_bytes(
        {
            "none": data,
            "cut": data[:-4],
            "odd": data[:-1],
            "header": data.replace(b"#binvox", b"#voxbin"),
            "dim": data.replace(b"8 8 8", b"8 8 9"),
            "huge": data.replace(b"8 8 8", b"4096 4096 4096"),
            "value": data[:-2] + b"\x07" + data[-1:],
        }[damage]
    )
    if damage == "none":
        path = tmp_path / "missing.binvox"
    with pytest.raises(UserError, match=path.name):
        read_binvox(path)
