"""ShapeNetPart's tree: read, numbered, and broken."""

import json
import os

import numpy as np
import pytest

from common.data import shapenetpart
from common.data.cloud_cache import normalise
from common.data.point_clouds import choose_columns, load_point_clouds


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    """Fewer points per cached cloud, so that the tests are quick."""
    monkeypatch.setattr(shapenetpart, "NUM_POINTS", 64)


def write_shapenetpart(root, val=2, rows=100):
    """Three categories in the table, two present: chairs with raw labels 12..14 and lamps with 24, 25."""
    rng = np.random.default_rng(1)
    synsets = {"Airplane": ("02691156", [0, 1]), "Chair": ("03001627", [12, 13, 14]), "Lamp": ("03636649", [24, 25])}
    root.mkdir(parents=True, exist_ok=True)
    (root / "synsetoffset2category.txt").write_text("".join(f"{name}\t{s}\n" for name, (s, _) in synsets.items()))
    (root / "train_test_split").mkdir()
    lists = {"train": [], "val": [], "test": []}
    for name, (synset, raw) in synsets.items():
        for split, count in (("train", 5), ("val", val), ("test", 2)):
            for i in range(count):
                lists[split].append(f"shape_data/{synset}/{split}{i}")
                if name == "Airplane":
                    continue
                (root / synset).mkdir(exist_ok=True)
                cloud = np.column_stack([rng.normal(size=(rows, 6)), np.resize(raw, rows)])
                np.savetxt(root / synset / f"{split}{i}.txt", cloud, fmt="%.6f")
    for split, entries in lists.items():
        if entries:
            (root / "train_test_split" / f"shuffled_{split}_file_list.json").write_text(json.dumps(entries))
    return root


def test_shapenetpart_classification(tmp_path):
    root = write_shapenetpart(tmp_path / "tree")
    splits = load_point_clouds("cls", str(root), str(tmp_path / "data"))
    assert splits.train.class_names == ("Chair", "Lamp")
    assert [len(split) for split in splits] == [10, 4, 4]
    assert splits.test.labels.tolist() == [0, 0, 1, 1]
    assert isinstance(splits.train.points, np.memmap) and splits.train.points.shape == (10, 64, 3)


@pytest.mark.parametrize("rows", [100, 30])
def test_shapenetpart_segmentation(tmp_path, rows, refused):
    """Points keep their labels through drawing (with replacement where there are few) and numbering."""
    root = write_shapenetpart(tmp_path / "tree", rows=rows)
    splits = load_point_clouds("seg", str(root), str(tmp_path / "data"), num_seg_class=5)
    assert splits.train.class_names == ("Chair part 0", "Chair part 1", "Chair part 2", "Lamp part 0", "Lamp part 1")
    table = np.loadtxt(root / "03001627" / "test0.txt")
    points, labels = splits.test.cloud(0)
    assert set(labels) == {0, 1, 2} and set(splits.test.cloud(3)[1]) == {3, 4}
    assert len(np.unique(points, axis=0)) == 64 if rows == 100 else len(np.unique(points, axis=0)) <= 30
    chosen = choose_columns(64, rows, np.random.default_rng(0))  # the first cloud of its split
    np.testing.assert_allclose(points, normalise(table[chosen, :3]), atol=1e-6)
    np.testing.assert_array_equal(labels, table[chosen, 6] - 12)
    assert "--num_seg_class 5" in refused("seg", str(root), str(tmp_path / "data"), num_seg_class=4)


def test_shapenetpart_without_a_validation_list(tmp_path):
    root = write_shapenetpart(tmp_path / "tree", val=0)
    splits = load_point_clouds("cls", str(root), str(tmp_path / "data"), val_fraction=0.2)
    assert [len(split) for split in splits] == [8, 2, 4]


def test_another_division_of_the_same_files_is_cached_anew(tmp_path):
    root = write_shapenetpart(tmp_path / "tree")
    load_point_clouds("cls", str(root), str(tmp_path / "data"))
    train, val = (root / "train_test_split" / f"shuffled_{split}_file_list.json" for split in ("train", "val"))
    names = json.loads(train.read_text())
    train.write_text(json.dumps(names[:-1]))
    val.write_text(json.dumps([names[-1], *json.loads(val.read_text())]))
    assert [len(split) for split in load_point_clouds("cls", str(root), str(tmp_path / "data"))] == [9, 5, 4]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("synsetoffset2category.txt", "Chair\n", "line 1"),
        ("synsetoffset2category.txt", "Boat\t123\n", "none of its synsets"),
        ("train_test_split/shuffled_train_file_list.json", "{", "not a readable JSON list"),
        ("train_test_split/shuffled_train_file_list.json", "[3]", "not a JSON list of names"),
        ("train_test_split/shuffled_train_file_list.json", '["shape_data/02691156/train0"]', "names no cloud"),
        ("train_test_split/shuffled_test_file_list.json", '["shape_data/03001627/none"]', "none.txt: no such file"),
        ("train_test_split/shuffled_test_file_list.json", '["shape_data/03001627/train0"]', "listed more than once"),
        ("03001627/train1.txt", "", "0 rows"),
        ("03001627/train1.txt", "1 2 3 4 5 6\n", "1 rows of 6 numbers"),
        ("03001627/train1.txt", "1 2 3 4 5 6 12\n1 2 3\n", "not a table of numbers"),
        ("03001627/train1.txt", "1 2 3 4 5 6 wing\n", "not a table of numbers"),
        ("03001627/train1.txt", b"\xff\xfe\0\0\x93", "not a table of numbers"),
        ("03001627/train1.txt", "0 0 0 0 0 0 12\n1 nan 3 4 5 6 12\n", "point 1 is NaN"),
        ("03001627/train1.txt", "0 0 0 0 0 0 12\n1 2 3 4 5 6 12.5\n", "label 12.5 of point 1"),
        ("03001627/train1.txt", "0 0 0 0 0 0 12\n1 2 3 4 5 6 -1\n", "label -1 of point 1"),
        ("03001627/train1.txt", "0 0 0 0 0 0 12\n1 2 3 4 5 6 1e9\n", "label 1e+09 of point 1"),
        ("03001627/train1.txt", "1 2 3 0 0 0 12\n1 2 3 4 5 6 12\n", "coincide"),
    ],
)
def test_broken_shapenetpart_trees(tmp_path, file, content, said, refused):
    root = write_shapenetpart(tmp_path / "tree")
    (root / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused("seg", str(root), str(tmp_path / "data"))
    assert said in message and str(root) in message, message


def test_a_missing_list_is_named(tmp_path, refused):
    root = write_shapenetpart(tmp_path / "tree")
    os.remove(root / "train_test_split" / "shuffled_test_file_list.json")
    assert "shuffled_test_file_list.json" in refused("cls", str(root), str(tmp_path / "data"))
