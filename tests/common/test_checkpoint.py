"""Checkpoints are whole or refused, and never run code."""

import errno
import os
import pickle
import random
import subprocess
import sys

import pytest
import torch

from common.checkpoint import FORMAT, VERSION, load_checkpoint, load_weights, save_checkpoint
from common.cli import UserError

SAVE_IN_A_SMALL_DISK = """
import resource, sys
import torch
from common.checkpoint import save_checkpoint
from common.cli import command
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
weights = {"weight": torch.full((30, 20), 2.0), "bias": torch.arange(30.0)}
contents = {"model": {"arch": "linear"}, "classes": ["a", "b"], "weights": weights}
sys.exit(command(lambda argv: save_checkpoint(sys.argv[1], contents))())
"""


def contents(value: float = 1.0) -> dict:
    weights = {"weight": torch.full((30, 20), value), "bias": torch.arange(30.0)}
    return {"model": {"arch": "linear"}, "classes": ["a", "b"], "weights": weights}


@pytest.fixture
def path(tmp_path):
    """A checkpoint whose weights are 1, alone in its folder."""
    save_checkpoint(tmp_path / "last.pt", contents())
    return tmp_path / "last.pt"


@pytest.fixture
def refused(path):
    """The one-line message with which the checkpoint is refused once it holds these bytes."""

    def load(raw: bytes | None = None) -> str:
        if raw is not None:
            path.write_bytes(raw)
        with pytest.raises(UserError) as raised:
            load_checkpoint(path)
        assert "\n" not in str(raised.value) and str(raised.value).startswith(f"checkpoint {path}: ")
        return str(raised.value)

    return load


def value_of(path) -> float:
    return load_checkpoint(path)["weights"]["weight"][0, 0].item()


def test_what_is_saved_is_read(path):
    read = load_checkpoint(str(path))
    assert read["format"] == FORMAT and read["version"] == VERSION
    assert read["model"] == {"arch": "linear"} and read["classes"] == ["a", "b"]
    assert all(torch.equal(read["weights"][name], value) for name, value in contents()["weights"].items())


@pytest.mark.parametrize("where", ["torch.save", "os.fsync", "os.replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_keeps_the_old_checkpoint(path, monkeypatch, where, error):
    def fail(*_):
        raise error

    with monkeypatch.context() as patch, pytest.raises(type(error)):
        patch.setattr(where, fail)
        save_checkpoint(path, contents(2.0))
    assert value_of(path) == 1 and os.listdir(path.parent) == ["last.pt"]
    save_checkpoint(path, contents(2.0))
    assert value_of(path) == 2


def test_no_room_for_the_file_is_a_users_error(path):
    """In a process of its own, whose files may be 3 KB at most, as on a disk that is nearly full."""
    result = subprocess.run([sys.executable, "-c", SAVE_IN_A_SMALL_DISK, str(path)], capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.startswith("error: File too large")
    assert value_of(path) == 1 and os.listdir(path.parent) == ["last.pt"]


def test_truncated_files_are_refused(path, refused):
    whole = path.read_bytes()
    for length in [*range(0, 200, 13), *range(200, len(whole), 97), len(whole) - 1]:
        assert "damaged or not a checkpoint" in refused(whole[:length])


def test_flipped_bits_are_refused_or_harmless(path):
    whole, generator, refusals = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        place = generator.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << generator.randrange(8)]) + whole[place + 1 :])
        try:
            assert all(torch.equal(load_checkpoint(path)["weights"][k], v) for k, v in contents()["weights"].items())
        except UserError:
            refusals += 1
    assert refusals > 150


@pytest.mark.parametrize("raw", [b"", b"text\n", bytes(5000), random.Random(0).randbytes(5000), b"PK\x03\x04" * 99])
def test_other_bytes_are_refused(refused, raw):
    assert "damaged or not a checkpoint" in refused(raw)


class Malice:
    """A pickle that makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_pickled_code_is_not_run(path, refused, write):
    target = path.parent / "made"
    with open(path, "wb") as file:
        write({**contents(), "format": FORMAT, "version": VERSION, "extra": Malice(target)}, file)
    assert "damaged or not a checkpoint" in refused()
    assert not target.exists()


@pytest.mark.parametrize(
    "other",
    [{"state_dict": {"w": torch.ones(2)}}, [1, 2], torch.ones(3), {"format": "another", "version": 1, "weights": {}}],
)
def test_checkpoints_of_other_projects(path, refused, other):
    torch.save(other, path)
    assert "not written by this project" in refused()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"version": VERSION + 1}, f"version {VERSION + 1} is newer than {VERSION}"),
        ({"version": "new"}, "no version or no weights"),
        ({"weights": None}, "no version or no weights"),
    ],
)
def test_checkpoints_of_other_versions(path, refused, more, said):
    save_checkpoint(path, {**contents(), **more})
    assert said in refused()


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "absent.pt", tmp_path):
        with pytest.raises(UserError, match="no such file; train first"):
            load_checkpoint(path)


def test_weights_that_fit(path):
    model = torch.nn.Linear(20, 30)
    load_weights(model, load_checkpoint(path), path)
    assert torch.equal(model.weight, contents()["weights"]["weight"])


@pytest.mark.parametrize(
    ("change", "first"),
    [({"bias": None}, "bias"), ({"more": torch.ones(1)}, "more"), ({"weight": torch.ones(30, 21)}, "weight")],
)
def test_weights_that_do_not_fit_leave_the_model_alone(change, first):
    model = torch.nn.Linear(20, 30)
    before = model.weight.clone()
    weights = {name: value for name, value in (contents()["weights"] | change).items() if value is not None}
    with pytest.raises(UserError, match=rf"^checkpoint x\.pt: its weights do not fit this model \(first: {first}\)"):
        load_weights(model, {"weights": weights}, "x.pt")
    assert torch.equal(model.weight, before)
