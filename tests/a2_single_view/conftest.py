"""A tiny embedded set, made once, and commands called on it as from the shell."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from a2_single_view.data import embedded

COUNTS = {"train": 6, "val": 2, "test": 4}


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    """Where the tiny set is kept."""
    return tmp_path_factory.mktemp("a2_data")


@pytest.fixture(autouse=True)
def small_world(monkeypatch):
    """Few shapes of each class."""
    monkeypatch.setattr(embedded, "COUNTS", COUNTS)


@pytest.fixture
def run(data_dir, tmp_path):
    """Run a command in this process: its module and flags; files go to ``tmp_path``."""

    def call(module, *flags: object, data: Path = data_dir) -> Result:
        out, err = io.StringIO(), io.StringIO()
        argv = [str(flag) for flag in (*flags, "--output_dir", tmp_path, "--data_dir", data)]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = module.main(argv)
            except SystemExit as stop:
                code = stop.code
        return Result(code or 0, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def metrics(tmp_path):
    """The metrics.json of a folder below ``tmp_path``."""
    return lambda folder: json.loads((tmp_path / folder / "metrics.json").read_text())
