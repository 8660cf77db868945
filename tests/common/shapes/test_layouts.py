"""Layouts of chairs: what is measured, the mending of stored twins, distances, and the coverage command."""

import json

import numpy as np
import pytest
from scipy.stats import ks_2samp

from common.cli import UserError
from common.shapes import coverage, sample_shape
from common.shapes.layouts import (
    PENALTY,
    Chair,
    Layouts,
    Repairs,
    chair_of_shape,
    ks_statistic,
    layouts,
    mend_twins,
    nearest_distances,
    read_layouts,
)

BACK, SEAT, LEG, ARM = range(4)


def box(low, high):
    """A stored row of an axis-aligned box."""
    low, high = np.array(low, float), np.array(high, float)
    return np.concatenate([(low + high) / 2, high - low, (1, 0, 0), (0, 1, 0)])


# a plain chair 1 wide and deep and 2 tall, its seat's top at 1
PARTS = [
    (SEAT, box((-0.5, 0.9, -0.5), (0.5, 1.0, 0.5))),
    (BACK, box((-0.4, 1.0, -0.5), (0.4, 2.0, -0.4))),
    *[(LEG, box((x - 0.05, 0, z - 0.05), (x + 0.05, 0.9, z + 0.05))) for x in (-0.45, 0.45) for z in (-0.45, 0.45)],
    *[(ARM, box((x - 0.05, 1.2, -0.3), (x + 0.05, 1.3, 0.5))) for x in (-0.45, 0.45)],
]


def stored(parts=PARTS):
    return np.stack([row for _, row in parts]), np.array([label for label, _ in parts])


def write(path, *chairs):
    size = max(len(labels) for _, labels in chairs)
    boxes, labels = np.zeros((len(chairs), size, 12), np.float32), np.full((len(chairs), size), -1, np.int64)
    for row, (own, kinds) in enumerate(chairs):
        boxes[row, : len(own)], labels[row, : len(own)] = own, kinds
    np.savez(path, boxes=boxes, box_labels=labels, n_boxes=np.array([len(kinds) for _, kinds in chairs]))
    return path


def test_what_is_measured(tmp_path):
    chairs, repairs = read_layouts(write(tmp_path / "one.npz", stored()))
    assert (repairs.moved, repairs.added, repairs.chairs, repairs.dropped) == (0, 0, 0, [])
    described = layouts(chairs)
    wanted = {
        "back_parts": 1, "seat_parts": 1, "leg_parts": 4, "arm_parts": 2, "height_to_width": 2, "depth_to_width": 1,
        "seat_height": 0.5, "seat_depth_to_width": 1, "seat_thickness": 0.05, "back_height": 0.5, "back_width": 0.8,
        "leg_thickness": 0.1, "leg_spread": 1, "arm_height": 0.15, "arm_length": 0.8,
    }  # fmt: skip
    assert {name: pytest.approx(value[0], abs=1e-6) for name, value in described.quantities.items()} == wanted
    assert described.present.tolist() == [[True] * 4]
    np.testing.assert_allclose(described.boxes[0, SEAT], np.array([-0.5, -0.1, -0.5, 0.5, 0, 0.5]) / 6**0.5, atol=1e-6)


def test_turned_boxes_are_boxed_in(tmp_path):
    """A seat turned by 45 degrees about the vertical is sqrt 2 as wide, and as thin as before."""
    c = 0.5**0.5
    seat = np.array([0, 1, 0, 1, 0.1, 1, c, 0, c, 0, 1, 0])
    (chair,), _ = read_layouts(write(tmp_path / "one.npz", (seat[None], np.array([SEAT]))))
    np.testing.assert_allclose(
        [chair.lows[0], chair.highs[0]],
        [(-2 * c, 0.95, -2 * c), (2 * c, 1.05, 2 * c)] * np.array([0.5, 1, 0.5]),
        atol=1e-6,
    )
    assert chair.thickness[0] == pytest.approx(0.1)


def test_twins_are_mended():
    boxes, labels = stored()
    kept, same = mend_twins(boxes, labels, Repairs())
    assert np.array_equal(kept, boxes) and np.array_equal(same, labels)  # a symmetric chair needs none
    moved = boxes.copy()
    moved[-1, 0] = moved[-2, 0] + 1  # the right arm stored as the left one moved by (1, 0, 0)
    repairs = Repairs()
    mended, _ = mend_twins(moved, labels, repairs)
    np.testing.assert_allclose(mended[:, :6], boxes[:, :6], atol=1e-12)
    assert (repairs.moved, repairs.added, repairs.chairs) == (1, 0, 1)
    repairs = Repairs()
    mended, kinds = mend_twins(boxes[:-1], labels[:-1], repairs)  # the right arm dropped
    np.testing.assert_allclose(mended[:, :6], boxes[:, :6], atol=1e-12)
    assert np.array_equal(kinds, labels) and (repairs.moved, repairs.added) == (0, 1)


def random_layouts(count, seed):
    generator = np.random.default_rng(seed)
    return Layouts(generator.uniform(-0.5, 0.5, (count, 4, 6)), generator.random((count, 4)) < 0.7, {})


def test_distances_are_those_of_a_plain_loop():
    one, two = random_layouts(70, 0), random_layouts(90, 1)
    wanted = np.full((70, 90), np.inf)
    for i in range(70):
        for j in range(90):
            both = [k for k in range(4) if one.present[i, k] and two.present[j, k]]
            apart = [np.abs(one.boxes[i, k] - two.boxes[j, k]).mean() for k in both]
            wanted[i, j] = (sum(apart) / len(both) if both else 0) + PENALTY * (one.present[i] != two.present[j]).sum()
    np.testing.assert_allclose(nearest_distances(one, two), wanted.min(1), atol=1e-6)
    same = np.where(np.arange(70) % 3, -1, np.arange(70))
    wanted[np.flatnonzero(same >= 0), same[same >= 0]] = np.inf
    np.testing.assert_allclose(nearest_distances(one, two, same=same), wanted.min(1), atol=1e-6)
    assert np.abs(nearest_distances(one, one)).max() < 1e-6


def test_ks_statistic_is_that_of_scipy():
    one, two = (np.random.default_rng(0).integers(0, 9, n).astype(float) for n in (50, 80))
    assert ks_statistic(one, two) == pytest.approx(ks_2samp(one, two).statistic)


def test_boxes_of_the_family():
    shape = sample_shape("chair", 0, 0)
    chair = chair_of_shape(shape)
    assert isinstance(chair, Chair) and len(chair.labels) == len(shape.parts)
    np.testing.assert_allclose([chair.lows.min(0), chair.highs.max(0)], shape.bounds(), atol=1e-12)
    assert (chair.thickness <= (chair.highs - chair.lows).max(1) + 1e-9).all() and (chair.labels == SEAT).any()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"boxes": np.zeros((1, 2, 11), np.float32)}, r"shapes \(1, 2, 11\)"),
        ({"boxes": np.zeros((1, 2, 12), np.int64)}, "boxes must be float"),
        ({"box_labels": np.zeros((1, 3), np.int64)}, "shapes"),
        ({"box_labels": np.array([[1, 4]])}, "row 0: n_boxes, a label or a box is out of range"),
        ({"n_boxes": np.array([3])}, "row 0"),
        ({"n_boxes": np.array([0])}, "row 0"),
        ({"boxes": np.full((1, 2, 12), np.nan, np.float32)}, "row 0"),
        ({"box_labels": np.array([[0, 0]])}, r"no layout with a seat \(label 1\)"),
        ({"boxes": np.array([None, "text"], object)}, "pickled Python objects"),
        ({"boxes": np.zeros((0, 2, 12)), "box_labels": np.zeros((0, 2), int), "n_boxes": np.zeros(0, int)}, "holds no"),
        ({"boxes": None}, "has no array boxes"),
    ],
)  # fmt: skip
def test_files_that_hold_no_layouts_are_refused(tmp_path, change, said):
    arrays = {"boxes": np.ones((1, 2, 12), np.float32), "box_labels": np.array([[1, 0]]), "n_boxes": np.array([2])}
    arrays = {name: value for name, value in {**arrays, **change}.items() if value is not None}
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(UserError, match=said):
        read_layouts(tmp_path / "wrong.npz")


def test_files_that_are_no_archives_are_refused(tmp_path):
    np.save(tmp_path / "single.npy", np.ones(3))
    (tmp_path / "text.npz").write_text("nothing of the kind")
    whole = write(tmp_path / "whole.npz", stored()).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-200])
    said = {"single.npy": "not an .npz", "text.npz": "not an .npz", "cut.npz": "damaged", "none.npz": "no such file"}
    for name, words in said.items():
        with pytest.raises(UserError, match=words):
            read_layouts(tmp_path / name)


def test_the_coverage_command(tmp_path, capsys):
    """Stored chairs of the family itself are covered by as many of the family, each by itself."""
    rows = []
    for index in range(12):
        chair = chair_of_shape(sample_shape("chair", 0, index))
        rows.append((np.stack([box(*ends) for ends in zip(chair.lows, chair.highs, strict=True)]), chair.labels))
    path = write(tmp_path / "family.npz", *rows)
    command = ["--layouts", str(path), "--count", "12", "--seed", "0", "--output_dir", str(tmp_path / "out")]
    assert coverage.main(command) in (0, None)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["coverage@0.03"] > 0.7 and metrics["real_layouts"] == 12 == metrics["generated_layouts"]
    assert metrics["share_with_arm_real"] == metrics["share_with_arm_generated"]
    assert (tmp_path / "out" / "coverage.png").stat().st_size > 10_000
    assert "coverage@0.05" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(coverage.main(["--layouts", str(tmp_path / "none.npz")]))
    assert stopped.value.code == 2
