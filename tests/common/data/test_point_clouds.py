"""What is asked of the folder and the arguments, and which reader answers."""

import sys
import types

import numpy as np
import pytest

from common.data.point_clouds import Splits, load_point_clouds, point_cloud_set


def test_folders_that_are_no_data_set(tmp_path, refused):
    assert "no such folder" in refused("cls", str(tmp_path / "absent"), None)
    (tmp_path / "file").write_text("")
    assert "not a folder" in refused("cls", str(tmp_path / "file"), None)
    message = refused("cls", str(tmp_path), None)
    assert all(layout in message for layout in ("data_{train,test}.npy", "ModelNet", "ShapeNetPart")), message
    (tmp_path / "empty").mkdir()
    assert "an empty folder" in refused("seg", str(tmp_path / "empty"), None)


@pytest.mark.parametrize(
    ("named", "flag"),
    [
        ({"task": "classify"}, "--task classify"),
        ({"seed": -1}, "--seed -1"),
        ({"num_seg_class": 0}, "--num_seg_class 0"),
        ({"val_fraction": 0.0}, "--val_fraction 0.0"),
        ({"val_fraction": 1.0}, "--val_fraction 1.0"),
        ({"val_fraction": float("nan")}, "--val_fraction nan"),
    ],
)
def test_arguments_out_of_range(tmp_path, named, flag, refused):
    assert flag in refused(**{"task": "cls", "main_dir": str(tmp_path), "data_dir": None, **named})


def test_without_a_folder_the_embedded_data_is_used(monkeypatch, refused):
    asked = []
    split = point_cloud_set(np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), np.int64), ("back", "seat"), "fake")

    def load_embedded(task, data_dir, seed):
        asked.append((task, data_dir, seed))
        return Splits(split, split, split)

    monkeypatch.setitem(sys.modules, "common.data.embedded", types.SimpleNamespace(load_embedded=load_embedded))
    assert load_point_clouds("cls", None, "somewhere", seed=3) == Splits(split, split, split)
    assert load_point_clouds("seg", None, None, num_seg_class=3).val.class_names == ("back", "seat", "part 2")
    assert asked == [("cls", "somewhere", 3), ("seg", None, 0)]
    assert "--num_seg_class 1" in refused("seg", None, None, num_seg_class=1)
