"""Files that are whole or absent, and the JSON that a run leaves."""

import errno
import json
import os
import stat
import time

import numpy as np
import pytest
import torch

from common.cli import UserError, command
from common.outputs import (
    atomic_path,
    data_folder,
    make_folder,
    require_space,
    write_json,
    write_metrics,
    write_run,
)


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == tmp_path and temporary.suffix == ".txt"
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["a.txt"]


def test_who_reads_the_old_file_never_sees_half_of_the_new(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with open(path) as reader:
        with atomic_path(path) as temporary:
            temporary.write_text("newer")
        assert reader.read() == "old" and path.read_text() == "newer"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error if isinstance(error, type) else OSError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_files_have_the_rights_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
        assert os.umask(0o027) == 0o027  # the process keeps its mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


def test_json_takes_scalars_of_numpy_and_torch(tmp_path):
    values = {"a": np.float32(0.5), "b": torch.tensor(2), "c": np.arange(2), "d": tmp_path, "e": [1, "x"], "f": None}
    write_json(tmp_path / "a.json", values)
    expected = {"a": 0.5, "b": 2, "c": [0, 1], "d": str(tmp_path), "e": [1, "x"], "f": None}
    assert json.loads((tmp_path / "a.json").read_text()) == expected


def test_metrics_are_flat_finite_numbers(tmp_path):
    share = torch.tensor(0.5, dtype=torch.float64)
    write_metrics(tmp_path, {"test_accuracy": share, "psnr": np.float32(30), "epochs": 3})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"test_accuracy": 0.5, "psnr": 30.0, "epochs": 3}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), np.float32("nan"), torch.tensor(float("nan")), "0.5", {"a": 1}, [1], None]
)
def test_other_metrics_are_refused_by_name(tmp_path, value):
    write_metrics(tmp_path, {"right": 1})
    with pytest.raises(ValueError, match=r"not finite numbers: wrong$"):
        write_metrics(tmp_path, {"right": 2, "wrong": value})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"right": 1}


def test_the_run_is_described(tmp_path):
    write_run(tmp_path, {"seed": 3, "output_dir": tmp_path}, time.time() - 2, device="cpu", data={"source": "x"})
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["arguments"] == {"seed": 3, "output_dir": str(tmp_path)} and 2 <= run["wall_seconds"] < 60
    assert run["device"] == "cpu" and run["data"] == {"source": "x"}
    assert run["versions"]["torch"] == torch.__version__ and "python" in run["versions"] and run["command"]


def test_folders_are_made_with_their_parents(tmp_path):
    folder = make_folder(tmp_path / "a" / "b", "--output_dir")
    assert folder.is_dir() and list(folder.iterdir()) == []
    assert make_folder(folder, "--output_dir") == folder


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=f"^--output_dir {path}: cannot write there"):
            make_folder(path, "--output_dir")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("common.outputs.tempfile.TemporaryFile", refuse)
    with pytest.raises(UserError, match=os.strerror(number)):
        make_folder(tmp_path, "--output_dir")


def test_the_flag_comes_before_the_environment_and_that_before_the_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("L3D_DATA", str(tmp_path / "environment"))
    assert data_folder(str(tmp_path / "flag")) == tmp_path / "flag"
    assert data_folder(None) == tmp_path / "environment"
    monkeypatch.delenv("L3D_DATA")
    assert data_folder(None).resolve() == tmp_path / "data"
    assert sorted(os.listdir(tmp_path)) == ["data", "environment", "flag"]


def test_a_full_disk_ends_a_command_with_one_line(tmp_path, monkeypatch, capsys):
    write_metrics(tmp_path, {"a": 1})

    def full(self, text):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr("pathlib.Path.write_text", full)
    assert command(lambda argv: write_metrics(tmp_path, {"a": 2}))() == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("error: No space left on device")
    assert os.listdir(tmp_path) == ["metrics.json"]
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"a": 1}


def test_space_is_looked_for_before_it_is_used(tmp_path):
    require_space(tmp_path, 1000, "--data_dir")
    with pytest.raises(UserError, match=rf"^--data_dir {tmp_path}: 1000000\.00 GB are needed"):
        require_space(tmp_path, 10**15, "--data_dir")
