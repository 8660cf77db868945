"""ModelNet's tree: read, cached, and broken."""

import os
import types

import numpy as np
import pytest

from common.data import modelnet
from common.data.off import read_off
from common.data.point_clouds import load_point_clouds

CUBE = """OFF8 6 12
0 0 0\n1 0 0\n1 1 0\n0 1 0\n0 0 1\n1 0 1\n1 1 1\n0 1 1
4 0 1 2 3\n4 4 5 6 7\n4 0 1 5 4\n4 2 3 7 6\n4 0 3 7 4\n4 1 2 6 5
"""


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    """Fewer points per cached cloud, so that the tests are quick."""
    monkeypatch.setattr(modelnet, "NUM_POINTS", 200)


def write_modelnet(root, train=4, test=2, classes=("bathtub", "chair", "night_stand")):
    for c, name in enumerate(classes):
        for split, count in (("train", train), ("test", test)):
            (root / name / split).mkdir(parents=True)
            for i in range(count):
                stretched = CUBE.replace("1 0 0\n", f"{1 + c}.5 {i} 0\n")
                (root / name / split / f"{name}_{i:04}.off").write_text(stretched)
    return root


def test_modelnet_tree(tmp_path, refused):
    write_modelnet(tmp_path / "tree")
    (tmp_path / "tree" / "chair" / "train" / "._chair_0000.off").write_bytes(b"litter")
    splits = load_point_clouds("cls", str(tmp_path / "tree"), str(tmp_path / "data"), val_fraction=0.25)
    assert splits.train.class_names == ("bathtub", "chair", "night_stand")
    assert [len(split) for split in splits] == [9, 3, 6]
    assert isinstance(splits.test.points, np.memmap) and splits.test.points.shape == (6, 200, 3)
    assert splits.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    for i in range(6):
        points, _ = splits.test.cloud(i)
        assert abs(points.mean(axis=0)).max() < 1e-6
        assert np.linalg.norm(points, axis=1).max() == pytest.approx(1, abs=1e-6)
    assert "no part labels" in refused("seg", str(tmp_path / "tree"), str(tmp_path / "data"))


def test_caches_are_reused_until_a_file_changes(tmp_path, monkeypatch):
    root, data = write_modelnet(tmp_path / "tree"), str(tmp_path / "data")
    first = load_point_clouds("cls", str(root), data, seed=0)
    reads = []
    monkeypatch.setattr(modelnet, "read_off", lambda path: (reads.append(path), read_off(path))[1])
    again = load_point_clouds("cls", str(root), data, seed=0)
    assert not reads and [split.fingerprint for split in again] == [split.fingerprint for split in first]
    other = load_point_clouds("cls", str(root), data, seed=9)
    assert not reads and other.test.fingerprint == first.test.fingerprint
    root.rename(tmp_path / "moved")
    load_point_clouds("cls", str(tmp_path / "moved"), data)
    assert not reads, "a moved tree keeps its cache"
    changed = tmp_path / "moved" / "chair" / "test" / "chair_0001.off"
    changed.write_text(CUBE.replace("1 1 1\n", "1 1 9\n"))
    fresh = load_point_clouds("cls", str(tmp_path / "moved"), data)
    assert changed in reads and fresh.test.fingerprint != first.test.fingerprint
    reads.clear()
    os.utime(changed, ns=(1, 1))
    load_point_clouds("cls", str(tmp_path / "moved"), data)
    assert changed in reads
    reads.clear()
    changed.write_text(CUBE.replace("1 1 1\n", "1 1 123\n"))
    os.utime(changed, ns=(1, 1))
    load_point_clouds("cls", str(tmp_path / "moved"), data)
    assert changed in reads


def test_sampling_is_reproducible(tmp_path):
    root = write_modelnet(tmp_path / "tree")
    one, two = (load_point_clouds("cls", str(root), str(tmp_path / name)) for name in ("one", "two"))
    assert [split.fingerprint for split in one] == [split.fingerprint for split in two]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_interrupted_sampling_leaves_no_cache(tmp_path, monkeypatch, stop):
    root, data = write_modelnet(tmp_path / "tree"), tmp_path / "data"
    reads = []

    def interrupted(path):
        reads.append(path)
        if len(reads) == 8:
            raise stop
        return read_off(path)

    monkeypatch.setattr(modelnet, "read_off", interrupted)
    with pytest.raises(stop):
        load_point_clouds("cls", str(root), str(data))
    assert not [path for path in data.rglob("*") if path.is_file()]
    assert [len(split) for split in load_point_clouds("cls", str(root), str(data))] == [9, 3, 6]


def test_a_damaged_cache_is_named(tmp_path, refused):
    root, data = write_modelnet(tmp_path / "tree"), tmp_path / "data"
    load_point_clouds("cls", str(root), str(data))
    (cache,) = data.rglob("test.npy")
    cache.write_bytes(cache.read_bytes()[:-5])
    assert "test.npy" in (message := refused("cls", str(root), str(data))) and "delete" in message
    np.save(cache, np.zeros((1, 2, 3)))
    assert "delete" in refused("cls", str(root), str(data))


def test_a_full_disk_is_noticed_before_writing(tmp_path, monkeypatch, refused):
    root = write_modelnet(tmp_path / "tree")
    monkeypatch.setattr("shutil.disk_usage", lambda path: types.SimpleNamespace(free=1000))
    message = refused("cls", str(root), str(tmp_path / "data"))
    assert "--data_dir" in message and "GB" in message


def test_broken_modelnet_trees(tmp_path, refused):
    root, data = write_modelnet(tmp_path / "tree"), str(tmp_path / "data")
    mesh = root / "chair" / "train" / "chair_0002.off"
    mesh.write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n")
    assert f"{mesh}, line 6" in refused("cls", str(root), data)
    mesh.write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n2 0 0\n3 0 1 2\n")
    assert f"{mesh}: the surface has no area" in refused("cls", str(root), data)
    for path in (root / "chair" / "train").iterdir():
        path.unlink()
    assert str(root / "chair" / "train") in refused("cls", str(root), data)
    for path in root.rglob("test/*.off"):
        path.unlink()
    for path in (root / "chair").iterdir():
        path.rmdir()
    assert "no test mesh" in refused("cls", str(root), data)
