"""The choice of the engine by P3D_BACKEND, in fresh interpreters."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PRINT = "import common.p3d as p; print(p.BACKEND); print(p.Pointclouds)"


def run(choice: str | None, *path: Path, code: str = PRINT) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "P3D_BACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (*path, ROOT)))
    if choice is not None:
        environment["P3D_BACKEND"] = choice
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def stand_in(folder: Path) -> Path:
    """A package named pytorch3d in which every module has every name."""
    sys.path.insert(0, str(ROOT))
    from common.p3d import PYTORCH3D_MODULES

    text = "def __getattr__(name):\n    if name.startswith('__'):\n        raise AttributeError(name)\n"
    text += "    return __name__ + '.' + name\n"
    for place in {p for places in PYTORCH3D_MODULES.values() for p in places}:
        file = folder.joinpath("pytorch3d", *place.split("."), "__init__.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for package in folder.joinpath("pytorch3d").rglob("**/"):
        package.joinpath("__init__.py").touch()
    return folder


def test_ours_is_chosen_by_name_and_by_default_without_pytorch3d():
    for choice in ("torch", None, "auto"):
        result = run(choice)
        assert result.returncode == 0, result.stderr
        assert result.stdout.split("\n")[:2] == ["torch", "<class 'common.p3d.pointclouds.Pointclouds'>"]


def test_an_unknown_choice_is_an_import_error():
    result = run("tensorflow")
    assert result.returncode == 1
    assert "ImportError: P3D_BACKEND must be auto, torch or pytorch3d, got 'tensorflow'" in result.stderr


def test_pytorch3d_must_be_installed_to_be_chosen():
    code = "import sys; sys.modules['pytorch3d'] = None\n" + PRINT
    result = run("pytorch3d", code=code)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(
        "ImportError: P3D_BACKEND=pytorch3d, but pytorch3d is not installed"
    )


def test_names_come_from_an_installed_pytorch3d(tmp_path):
    stand_in(tmp_path)
    result = run("pytorch3d", tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["pytorch3d", "pytorch3d.structures.pointclouds.Pointclouds"]
    assert run("torch", tmp_path).stdout.startswith("torch\n")


def test_auto_needs_a_gpu_for_pytorch3d(tmp_path):
    stand_in(tmp_path)
    for present, expected in (("True", "pytorch3d"), ("False", "torch")):
        code = f"import torch; torch.cuda.is_available = lambda: {present}\n" + PRINT
        assert run("auto", tmp_path, code=code).stdout.startswith(expected + "\n")


def test_a_name_that_pytorch3d_lacks_is_an_import_error(tmp_path):
    stand_in(tmp_path)
    for module in (tmp_path / "pytorch3d" / "transforms").glob("*/__init__.py"):
        module.write_text("")
    result = run("pytorch3d", tmp_path)
    assert result.returncode == 1 and "the installed pytorch3d has no" in result.stderr


def test_public_names_exist():
    import common.p3d

    assert len(common.p3d.__all__) == len(set(common.p3d.__all__))
    assert all(hasattr(common.p3d, name) for name in common.p3d.__all__)
