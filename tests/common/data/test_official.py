"""The course's own files, whole and broken."""

import os
import pickle

import numpy as np
import pytest

from common.cli import UserError
from common.data import npy
from common.data.point_clouds import PointCloudSet, Splits, load_point_clouds


def write_official(folder, task="cls", train=30, test=9, points=50, dtype=np.float32, label_dtype=np.float64, **arrays):
    """An official file set of random clouds, labels 0, 1, 2, 0, ...; an array in ``arrays`` replaces a file's."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    files = {}
    for split, count in (("train", train), ("test", test)):
        files[f"data_{split}"] = rng.normal(size=(count, points, 3)).astype(dtype)
        shape = (count,) if task == "cls" else (count, points)
        files[f"label_{split}"] = (np.arange(np.prod(shape)) % 3).reshape(shape).astype(label_dtype)
    files.update(arrays)
    for name, array in files.items():
        np.save(folder / f"{name}.npy", array)
    return files


@pytest.mark.parametrize("inside", ["cls", "."])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_official_classification(tmp_path, inside, dtype):
    files = write_official(tmp_path / inside, dtype=dtype)
    splits = load_point_clouds("cls", str(tmp_path), None)
    assert isinstance(splits, Splits)
    assert [len(split) for split in splits] == [27, 3, 9]
    assert splits.train.class_names == ("chair", "vase", "lamp")
    for split in splits:
        assert isinstance(split, PointCloudSet) and isinstance(split.points, np.memmap)
        assert split.labels.dtype == np.int64 and str(tmp_path) in split.source and "\n" not in split.source
    assert splits.train.points is splits.val.points
    for i in range(9):
        points, label = splits.test.cloud(i)
        assert points.dtype == np.float32 and points.shape == (50, 3)
        np.testing.assert_array_equal(points, files["data_test"][i].astype(np.float32))
        assert label == i % 3


def test_official_segmentation(tmp_path):
    files = write_official(tmp_path / "seg", task="seg", label_dtype=np.int64)
    write_official(tmp_path / "cls")
    splits = load_point_clouds("seg", str(tmp_path), None, num_seg_class=4)
    assert splits.train.class_names == ("part 0", "part 1", "part 2", "part 3")
    assert isinstance(splits.train.labels, np.memmap) and splits.train.labels.shape == (30, 50)
    points, labels = splits.test.batch([4, 0], np.array([[3, 3, 7], [0, 49, 1]]))
    np.testing.assert_array_equal(points, [files["data_test"][4][[3, 3, 7]], files["data_test"][0][[0, 49, 1]]])
    np.testing.assert_array_equal(labels, [files["label_test"][4][[3, 3, 7]], files["label_test"][0][[0, 49, 1]]])
    assert labels.dtype == np.int64


def test_official_float_part_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(npy, "_CHUNK_BYTES", 4 * 50 * 8)
    files = write_official(tmp_path, task="seg", label_dtype=np.float64)
    splits = load_point_clouds("seg", str(tmp_path), None)
    assert splits.test.labels.dtype.kind == "i"
    np.testing.assert_array_equal(splits.test.cloud(3)[1], files["label_test"][3])


def test_names_beside_the_files(tmp_path, refused):
    write_official(tmp_path / "cls")
    write_official(tmp_path / "seg", task="seg")
    (tmp_path / "cls" / "class_names.json").write_text('["a", "b", "c", "d"]')
    (tmp_path / "seg" / "part_names.json").write_text('["back", "seat", "leg"]')
    assert load_point_clouds("cls", str(tmp_path), None).test.class_names == ("a", "b", "c", "d")
    names = load_point_clouds("seg", str(tmp_path), None, num_seg_class=4).test.class_names
    assert names == ("back", "seat", "leg", "part 3")
    assert "--num_seg_class 3" in refused("seg", str(tmp_path), None, num_seg_class=2)
    (tmp_path / "cls" / "class_names.json").write_text('["a", "b"]')
    assert "label 2" in refused("cls", str(tmp_path), None)


@pytest.mark.parametrize("content", ["{", '{"a": 1}', "[]", "[1, 2, 3]", '["a", ""]', "[" * 100_000, b"\xff\xfe"])
def test_damaged_names(tmp_path, content, refused):
    write_official(tmp_path)
    (tmp_path / "class_names.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "class_names.json: not a JSON list" in refused("cls", str(tmp_path), None)


def test_other_numbers_of_classes_and_points(tmp_path):
    write_official(tmp_path, label_train=np.arange(30) % 5, data_test=np.ones((9, 7, 3)))
    splits = load_point_clouds("cls", str(tmp_path), None)
    assert splits.train.class_names == ("class 0", "class 1", "class 2", "class 3", "class 4")
    assert splits.test.points.shape == (9, 7, 3)


def test_own_validation_files_are_used(tmp_path, refused):
    files = write_official(tmp_path, data_val=np.full((2, 50, 3), 7.0), label_val=np.array([1, 0]))
    splits = load_point_clouds("cls", str(tmp_path), None)
    assert [len(split) for split in splits] == [len(files["data_train"]), 2, 9]
    assert splits.val.cloud(0)[0].max() == 7 and splits.val.cloud(0)[1] == 1
    os.remove(tmp_path / "label_val.npy")
    assert "label_val.npy is missing" in refused("cls", str(tmp_path), None)


@pytest.mark.parametrize(
    ("task", "arrays", "said"),
    [
        ("cls", {"data_train": np.zeros((30, 150))}, ["data_train.npy", "(30, 150)", "(clouds, points, 3)"]),
        ("cls", {"data_test": np.zeros((9, 50, 4))}, ["data_test.npy", "(9, 50, 4)"]),
        ("cls", {"data_train": np.zeros((30, 50, 3), dtype="U3")}, ["data_train.npy", "<U3", "not numbers"]),
        ("cls", {"data_train": np.zeros((30, 50, 3), dtype=complex)}, ["data_train.npy", "complex"]),
        ("cls", {"data_train": np.zeros((30, 50, 3), dtype=bool)}, ["data_train.npy", "bool"]),
        ("cls", {"data_train": np.zeros((30, 50), dtype=[("x", "f4")])}, ["data_train.npy", "not numbers"]),
        ("cls", {"data_train": np.zeros((0, 50, 3))}, ["data_train.npy", "empty"]),
        ("cls", {"data_test": np.zeros((9, 0, 3))}, ["data_test.npy", "empty"]),
        ("cls", {"data_train": np.float32(3)}, ["data_train.npy", "()"]),
        ("cls", {"label_train": np.zeros(29)}, ["label_train.npy", "(29,)", "(30,)"]),
        ("cls", {"label_test": np.zeros(10)}, ["label_test.npy", "(10,)", "(9,)"]),
        ("cls", {"label_test": np.zeros(0)}, ["label_test.npy", "empty"]),
        ("cls", {"label_train": np.zeros((30, 50))}, ["label_train.npy", "--task seg"]),
        ("cls", {"label_train": np.array(["chair"] * 30)}, ["label_train.npy", "not numbers"]),
        ("cls", {"label_train": np.r_[np.zeros(7), 0.5, np.zeros(22)]}, ["label_train.npy", "0.5", "cloud 7"]),
        ("cls", {"label_train": np.r_[np.zeros(7), np.nan, np.zeros(22)]}, ["label_train.npy", "nan", "cloud 7"]),
        ("cls", {"label_train": np.r_[np.zeros(7), -1, np.zeros(22)]}, ["label_train.npy", "-1", "cloud 7"]),
        ("cls", {"label_train": np.r_[np.zeros(7), 30, np.zeros(22)]}, ["label_train.npy", "30", "30 training clouds"]),
        ("cls", {"label_train": np.full(30, 2**64 - 1, np.uint64)}, ["label_train.npy", "cloud 0"]),
        ("cls", {"label_test": np.r_[np.zeros(8), 3]}, ["label_test.npy", "label 3", "cloud 8", "0..2"]),
        ("seg", {"label_train": np.zeros(30)}, ["label_train.npy", "--task cls"]),
        ("seg", {"label_train": np.zeros((30, 49))}, ["label_train.npy", "(30, 49)", "(30, 50)"]),
        ("seg", {"label_test": np.full((9, 50), 6)}, ["label_test.npy", "cloud 0, point 0", "--num_seg_class 6"]),
        ("seg", {"label_test": np.eye(9, 50) * -1}, ["label_test.npy", "cloud 0, point 0", "-1"]),
        ("seg", {"label_test": np.eye(9, 50, 30) * 1.5}, ["label_test.npy", "cloud 0, point 30", "1.5"]),
    ],
)
def test_wrong_arrays(tmp_path, task, arrays, said, refused):
    write_official(tmp_path / task, task=task, **arrays)
    message = refused(task, str(tmp_path), None)
    assert all(part in message for part in said), message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("split", ["train", "test"])
def test_points_that_are_not_finite(tmp_path, monkeypatch, value, split, refused):
    """Also where the scan takes several chunks; 1e300 is infinite as float32."""
    monkeypatch.setattr(npy, "_CHUNK_BYTES", 4 * 50 * 3 * 8)
    files = write_official(tmp_path, dtype=np.float64)
    files[f"data_{split}"][6, 13, 2] = value
    np.save(tmp_path / f"data_{split}.npy", files[f"data_{split}"])
    message = refused("cls", str(tmp_path), None)
    assert f"data_{split}.npy: cloud 6, point 13" in message


def test_labels_in_a_later_chunk(tmp_path, monkeypatch, refused):
    monkeypatch.setattr(npy, "_CHUNK_BYTES", 4 * 50 * 8)
    labels = np.zeros((30, 50))
    labels[17, 3] = 9
    write_official(tmp_path, task="seg", label_train=labels)
    assert "label 9.0 of cloud 17, point 3" in refused("seg", str(tmp_path), None)


def test_fewer_training_clouds_than_classes(tmp_path, refused):
    write_official(tmp_path, train=2, label_train=np.array([0, 1]))
    (tmp_path / "class_names.json").write_text('["a", "b", "c"]')
    assert "3 classes, but only 2 training clouds" in refused("cls", str(tmp_path), None)


def test_pickles_are_never_loaded(tmp_path, refused):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    write_official(tmp_path)
    bomb = np.empty(30, dtype=object)
    bomb[:] = [Bomb()] * 30
    np.save(tmp_path / "label_train.npy", bomb, allow_pickle=True)
    assert "pickled Python objects" in refused("cls", str(tmp_path), None)
    (tmp_path / "label_train.npy").write_bytes(pickle.dumps(Bomb()))
    assert "not an .npy file" in refused("cls", str(tmp_path), None)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["data_train.npy", "label_test.npy"])
def test_damaged_files(tmp_path, name, refused):
    write_official(tmp_path)
    whole = (tmp_path / name).read_bytes()
    for content, said in (
        (whole[:-1], "truncated"),
        (whole[:60], "truncated"),
        (b"", "truncated"),
        (b"PK\3\4" + whole, "not an .npy file"),
        (b"hello, world", "not an .npy file"),
        (whole[:10] + b"(" * 118 + whole[128:], "not an .npy file"),
        (whole.replace(b"'shape': (", b"'shape': (-"), "damaged"),
        (whole.replace(b"'descr': '<f", b"'descr': '<x"), "not an .npy file"),
    ):
        (tmp_path / name).write_bytes(content)
        message = refused("cls", str(tmp_path), None)
        assert name in message and said in message


@pytest.mark.parametrize("name", ["data_train.npy", "label_train.npy", "data_test.npy", "label_test.npy"])
def test_a_missing_file_is_named(tmp_path, name, refused):
    write_official(tmp_path / "cls")
    os.remove(tmp_path / "cls" / name)
    assert f"{name} is missing" in refused("cls", str(tmp_path), None)


def test_mutated_headers_are_refused_or_read(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 3), dtype=np.float32))
    whole = (tmp_path / "a.npy").read_bytes()
    for _ in range(1500):
        mutant = bytearray(whole)
        for at in rng.integers(0, 128, rng.integers(1, 4)):
            mutant[at] = rng.integers(256)
        (tmp_path / "a.npy").write_bytes(mutant)
        try:
            assert npy.open_npy(tmp_path / "a.npy").nbytes <= len(whole)
        except UserError:
            pass


def test_validation_is_stratified_disjoint_and_reproducible(tmp_path):
    labels = np.repeat([0, 1, 2, 3], [60, 30, 9, 1])
    write_official(tmp_path, train=100, label_train=labels)
    splits = load_point_clouds("cls", str(tmp_path), None, seed=1)
    assert np.bincount(labels[splits.val.indices], minlength=4).tolist() == [6, 3, 1, 0]
    both = np.concatenate([splits.train.indices, splits.val.indices])
    np.testing.assert_array_equal(np.sort(both), np.arange(100))
    again = load_point_clouds("cls", str(tmp_path), None, seed=1)
    np.testing.assert_array_equal(again.val.indices, splits.val.indices)
    assert [split.fingerprint for split in again] == [split.fingerprint for split in splits]
    other = load_point_clouds("cls", str(tmp_path), None, seed=2)
    assert set(other.val.indices) != set(splits.val.indices)
    assert other.test.fingerprint == splits.test.fingerprint
    half = load_point_clouds("cls", str(tmp_path), None, val_fraction=0.999)
    assert np.bincount(labels[half.train.indices]).tolist() == [1, 1, 1, 1]


def test_validation_rows_are_those_of_the_training_file(tmp_path):
    files = write_official(tmp_path)
    splits = load_point_clouds("cls", str(tmp_path), None)
    for split in (splits.train, splits.val):
        for i, row in enumerate(split.indices):
            points, label = split.cloud(i)
            np.testing.assert_array_equal(points, files["data_train"][row])
            assert label == files["label_train"][row]


def test_too_few_clouds_to_hold_any_out(tmp_path, refused):
    write_official(tmp_path, train=3)
    assert "too few" in refused("cls", str(tmp_path), None)
    write_official(tmp_path, task="seg", train=1)
    assert "too few" in refused("seg", str(tmp_path), None)
