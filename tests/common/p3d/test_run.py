"""`python -m common.p3d run`: programs that import pytorch3d get our engine under that name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.p3d.__main__ import main

ROOT = Path(__file__).parents[3]
SCRIPT = """
import multiprocessing, sys
from importlib import import_module
import pytorch3d, pytorch3d.renderer.implicit as implicit
from pytorch3d.renderer import look_at_view_transform, FoVPerspectiveCameras, TexturesVertex, ray_bundle_to_ray_points
from pytorch3d.renderer.mesh.rasterizer import MeshRasterizer
from pytorch3d.structures import Meshes, Pointclouds, Volumes
from pytorch3d.structures.meshes import Meshes as same
from pytorch3d.common.datatypes import Device, make_device
from pytorch3d.ops import utils, add_pointclouds_to_volumes
from common.p3d import PYTORCH3D_MODULES
from beside import SIX

def child(x):
    from pytorch3d.transforms import Translate
    return Translate(x, 0, 0).get_matrix()[0, 3, 0].item()

def complaint(line):
    try:
        exec(line)
    except NotImplementedError as error:
        return str(error)

if __name__ == "__main__":
    assert same is Meshes and implicit.RayBundle is implicit.utils.RayBundle and utils.eyes(3, 2).shape == (2, 3, 3)
    assert make_device("cpu").type == "cpu" and not hasattr(pytorch3d, "__nothing__")
    from pytorch3d.renderer import Nothing
    from pytorch3d.implicitron.models import Model
    from pytorch3d import _C
    assert "engine has no pytorch3d.renderer.Nothing" in complaint("Nothing(3)")
    assert "engine has no pytorch3d._C.knn" in complaint("_C.knn(3)")
    assert "engine has no pytorch3d.implicitron.models.Model" in complaint("type('Own', (Model,), {})()")
    from pytorch3d.ops.interp_face_attrs import interpolate_face_attributes_python, interpolate_face_attributes
    assert interpolate_face_attributes_python is interpolate_face_attributes
    for name, places in PYTORCH3D_MODULES.items():
        ours = import_module(f"common.p3d.{name}")
        for place in places:
            while place:
                theirs = import_module(f"pytorch3d.{place}")
                assert all(getattr(theirs, n) is getattr(ours, n) for n in ours.__all__), (place, name)
                place = place.rpartition(".")[0]
    print(sys.argv[1:], multiprocessing.get_context("spawn").Pool(1).map(child, [2.0]))
    sys.exit(7)
"""


def run(*arguments, cwd):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "common.p3d", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_script_written_for_pytorch3d(tmp_path):
    """Also in processes that it starts; its arguments, the modules beside it and its exit code are as with python."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "beside.py").write_text("import pytorch3d.transforms as t\nSIX = t.axis_angle_to_matrix\n")
    (tmp_path / "there" / "script.py").write_text(SCRIPT)
    done = run("run", "there/script.py", "-m", "--flag", "x", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (7, "['-m', '--flag', 'x'] [2.0]"), done.stderr


def test_module_written_for_pytorch3d(tmp_path):
    (tmp_path / "tool.py").write_text("import sys, pytorch3d.ops\nprint(__name__, sys.argv[1:])\nraise SystemExit(3)\n")
    done = run("run", "-m", "tool", "a", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (3, "__main__ ['a']"), done.stderr


@pytest.fixture(autouse=True)
def unchanged(monkeypatch):
    """What `main` changes of this process is set back."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.parametrize("arguments", [["run", "nothing.py"], ["run", "-m", "no.such"], ["run", "-m", "no_such"]])
def test_missing_program_is_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and not out and len(err.splitlines()) == 1 and arguments[-1] in err


@pytest.mark.parametrize("arguments", [[], ["run"], ["run", "-m"], ["run", "--help"], ["walk", "script.py"]])
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "run script.py [args...]" in capsys.readouterr().err
