"""Commands called as from the shell on a tiny scene, and the runs that several tests look at."""

import contextlib
import io
from pathlib import Path
from types import ModuleType

import pytest

from tests.a3_volume_surface.tiny import RUNS, SIZES, Result, small_world


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    """Where the tiny scene is kept; it holds nothing of the course's."""
    return tmp_path_factory.mktemp("scenes")


@pytest.fixture(scope="session")
def run(data_dir):
    """Run a command in this process: its module, the folder for its output, the configuration, and further flags."""

    def call(module: ModuleType, output: Path, config: str, *flags: object) -> Result:
        argv = [f"--config-name={config}", "--output_dir", output, "--data_dir", data_dir, "--device", "cpu"]
        argv = [str(flag) for flag in (*argv, "--num_frames", 2, *flags)]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), small_world():
            try:
                code = module.main(argv)
            except SystemExit as stop:
                code = stop.code
        return Result(code, out.getvalue(), err.getvalue(), Path(output) / Path(config).stem)

    return call


@pytest.fixture(scope="session")
def train(run):
    """Run one of RUNS in a folder."""

    def call(name, output, *flags):
        module, config, kind, more = RUNS[name]
        return run(module, output, config, *SIZES.get(kind, ()), *more, *flags)

    return call


@pytest.fixture(scope="session")
def whole(train, tmp_path_factory):
    """The unbroken run of a name, made once; not to be changed."""
    kept = {}

    def get(name):
        if name not in kept:
            kept[name] = train(name, tmp_path_factory.mktemp("whole"))
        return kept[name]

    return get
