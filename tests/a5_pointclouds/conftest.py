"""A tiny data set in the course's layout, commands called as from the shell, and runs that several tests look at."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import common.visualize
from a5_pointclouds import cross_validate, eval_cls, eval_seg, figures, robustness, train
from common.data.cloud_set import PointCloudSet
from common.data.point_clouds import load_point_clouds

POINTS = 128
SHAPES = np.array([[1.0, 1.0, 1.0], [0.15, 1.0, 0.15], [1.0, 0.15, 1.0]])  # half axes of a ball, a rod and a disc
TINY = ("--num_seg_class", "3", "--device", "cpu")
QUICK = ("--num_epochs", "2", "--num_points", "64", "--batch_size", "9", "--lr", "0.005")  # flags of a short training


def tiny_arrays(task: str, clouds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Balls, rods and discs in turn: points (clouds, 128, 3); their kind, or low, middle or high for each point."""
    generator = np.random.default_rng(seed)
    points = generator.standard_normal((clouds, POINTS, 3))
    points *= SHAPES[np.arange(clouds) % 3, None] / np.linalg.norm(points, axis=2, keepdims=True)
    points = points.astype(np.float32)
    return points, np.arange(clouds) % 3 if task == "cls" else np.digitize(points[..., 1], [-0.1, 0.1])


def write_tiny(folder: Path, train: int = 30, test: int = 6) -> Path:
    """Both tasks in the course's layout: so many clouds to train and to test on."""
    for task in ("cls", "seg"):
        (folder / task).mkdir(parents=True)
        for split, clouds, seed in (("train", train, 0), ("test", test, 1)):
            points, labels = tiny_arrays(task, clouds, seed)
            np.save(folder / task / f"data_{split}.npy", points)
            np.save(folder / task / f"label_{split}.npy", labels)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The tiny data set; not to be changed."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def own_tiny(tmp_path) -> Path:
    """A copy of it that a test may damage."""
    return write_tiny(tmp_path / "data")


@pytest.fixture(scope="session")
def splits(tiny):
    """task -> its train, val and test clouds."""
    return {task: load_point_clouds(task, str(tiny), None, num_seg_class=3) for task in ("cls", "seg")}


@pytest.fixture(scope="session")
def tiniest(tmp_path_factory) -> Path:
    """The tiny data set with a single test cloud, for runs whose pictures are drawn in full size."""
    return write_tiny(tmp_path_factory.mktemp("tiniest"), test=1)


@pytest.fixture
def make_clouds():
    """A PointCloudSet of arrays."""

    def make(points: np.ndarray, labels: np.ndarray, indices: np.ndarray | None = None) -> PointCloudSet:
        names = tuple(f"class {i}" for i in range(int(labels.max()) + 1))
        return PointCloudSet(points.astype(np.float32), labels, names, "made", "0", indices)

    return make


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The only line on stderr of a command that refused its input."""
        assert self.code == 2 and self.err.count("\n") == 1 and "error: " in self.err, self
        assert self.err.startswith("error: ") or ": error: " in self.err
        return self.err


def call(module: ModuleType, *flags: object) -> Result:
    """Run a command in this process, as ``python -m module flags``."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = module.main([str(flag) for flag in flags])
        except SystemExit as stop:
            code = stop.code
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def small_pictures():
    """Turntables of three frames of 64 pixels: what is drawn is tested elsewhere."""
    turntable = common.visualize.turntable

    def small(points, colors=None, num_frames=30, image_size=256, *arguments, **named):
        return turntable(points, colors, 3, 64, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common.visualize, "turntable", small)
        patch.setattr(figures, "turntable", small)
        yield


@pytest.fixture(scope="session")
def run(tiny, small_pictures):
    """Run a command on the tiny data set."""

    def run_tiny(module: ModuleType, output_dir: Path, *flags: object) -> Result:
        return call(module, "--main_dir", tiny, "--output_dir", output_dir, *TINY, *flags)

    return run_tiny


@pytest.fixture(scope="session")
def trained(tmp_path_factory, run) -> tuple[Path, dict[str, Result]]:
    """The output folder after training both tasks, and how the commands ended; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    results = {task: run(train, folder, "--task", task, *QUICK, "--augment", "so2") for task in ("cls", "seg")}
    assert all(result.code == 0 for result in results.values()), results
    return folder, results


@pytest.fixture(scope="session")
def studied(trained, run) -> tuple[Path, dict[str, Result]]:
    """The same folder after evaluation, the robustness study and cross-validation."""
    folder, _ = trained
    results = {"eval_cls": run(eval_cls, folder, "--num_points", 128, "--i", 2)}
    results["eval_seg"] = run(eval_seg, folder, "--num_points", 128, "--i", 2)
    for task in ("cls", "seg"):
        flags = ("--task", task, "--num_points", 64)
        results[f"robustness_{task}"] = run(robustness, folder, *flags)
        short = ("--folds", 3, "--num_epochs", 1, "--train_points", 32, "--members", 1, "--batch_size", 8)
        results[f"cross_validate_{task}_exp"] = run(cross_validate, folder, *flags, *short)
    assert all(result.code == 0 for result in results.values()), results
    return folder, results


@pytest.fixture(scope="session")
def read_json():
    """A JSON file's content."""
    return lambda path: json.loads(Path(path).read_text())


@pytest.fixture(scope="session")
def check_pictures():
    """Check that a folder holds these pictures, that no others were left half-written, and that its GIFs move."""

    def check(folder: Path, stills: set[str], gifs: int) -> None:
        assert {path.name for path in folder.glob("*.png")} == stills
        for name in stills:
            with Image.open(folder / name) as picture:
                picture.verify()
        animations = list(folder.glob("*.gif"))
        assert len(animations) == gifs and not list(folder.glob(".*"))
        for path in animations:
            with Image.open(path) as animation:
                assert animation.is_animated and animation.n_frames == 3 and animation.info["loop"] == 0, path

    return check
