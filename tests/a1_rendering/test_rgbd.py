"""RGB-D views: points where the surface is, the course's pickle read, and pickles with anything else refused."""

import io
import os
import pickle
import sys
import types

import numpy as np
import pytest
import torch

from a1_rendering.rgbd import read_rgbd, rendered_views
from common.cli import UserError
from common.mesh_views import painted
from common.p3d import Meshes, PerspectiveCameras


def test_unprojected_points_lie_on_the_surface():
    """Two views of a tilted plane: every point is on it, and views of one place agree."""
    verts = torch.tensor([[-9.0, -1, -9], [9, -1, -9], [9, 2, 9], [-9, 2, 9]])
    plane = painted(Meshes([verts], [torch.tensor([[0, 2, 1], [0, 3, 2]])]), (0.2, 0.4, 0.6))
    for view in rendered_views(plane, 40):
        points, colors = view.points()
        assert len(points) == int(view.mask.sum()) > 300
        height = -1 + (points[:, 2] + 9) / 6
        assert (points[:, 1] - height).abs().max() < 1e-4
        torch.testing.assert_close(colors, torch.tensor([0.2, 0.4, 0.6]).expand_as(colors), atol=1e-5, rtol=0.0)
        ndc = view.camera.transform_points_ndc(points)
        assert (ndc[..., :2].abs() <= 1).all()


@pytest.fixture
def stand_in(monkeypatch):
    """A camera class under PyTorch3D's name, so that a pickle names it as the course's file does."""
    names = ("pytorch3d", "pytorch3d.renderer", "pytorch3d.renderer.cameras")
    modules = [types.ModuleType(name) for name in names]
    for name, module in zip(names, modules, strict=True):
        monkeypatch.setitem(sys.modules, name, module)

    class Camera(torch.nn.Module):
        pass

    Camera.__name__ = Camera.__qualname__ = "PerspectiveCameras"
    Camera.__module__ = names[-1]
    modules[-1].PerspectiveCameras = Camera
    return Camera


def course_data(kind, size=6):
    data = {}
    for number in (1, 2):
        camera = kind()
        camera.R, camera.T = torch.eye(3)[None], torch.tensor([[0.0, 0.0, float(number)]])
        camera.focal_length, camera.principal_point = torch.tensor([[2.0, 2.0]]), torch.zeros(1, 2)
        camera._in_ndc, camera.image_size, camera.K, camera._N = True, None, None, 1
        camera.device = torch.device("cpu")
        data[f"cameras{number}"] = camera
        data[f"rgb{number}"] = np.full((size, size, 3), 0.5, np.float32)
        data[f"depth{number}"] = torch.full((size, size), 3.0)
        data[f"mask{number}"] = np.ones((size, size))
    return data


def write(path, data):
    path.write_bytes(pickle.dumps(data))
    return path


def test_the_course_s_pickle_is_read(tmp_path, stand_in):
    first, second = read_rgbd(write(tmp_path / "rgbd_data.pkl", course_data(stand_in)))
    for number, view in ((1, first), (2, second)):
        camera = PerspectiveCameras(focal_length=2.0, T=torch.tensor([[0.0, 0.0, float(number)]]))
        points, colors = view.points()
        assert points.shape == colors.shape == (36, 3) and (colors == 0.5).all()
        depth = camera.get_world_to_view_transform().transform_points(points)[:, 2]
        torch.testing.assert_close(depth, torch.full((36,), 3.0))


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


class Greedy:
    def __reduce__(self):
        from numpy._core.multiarray import _reconstruct

        return _reconstruct, (np.ndarray, (10**13,), b"b")


class Wasteful:
    def __reduce__(self):
        return np.ndarray, ((1 << 20,),)


THINGS = [Evil(), [Evil()], {"rgb1": Evil()}, eval, Greedy(), Wasteful(), np.array([Evil()], object)]


@pytest.mark.parametrize("thing", THINGS)
def test_pickles_that_do_more_than_hold_arrays_are_refused(tmp_path, monkeypatch, thing):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not read"):
        read_rgbd(write(tmp_path / "wrong.pkl", thing))
    assert not (tmp_path / "evil").exists()


def test_tensors_with_pickles_inside_are_refused(tmp_path, monkeypatch):
    """torch keeps a tensor's bytes as a pickle of its own."""
    monkeypatch.chdir(tmp_path)
    inner = io.BytesIO()
    torch.save({"x": Evil()}, inner, _use_new_zipfile_serialization=False)

    class Nested:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (inner.getvalue(),)

    with pytest.raises(UserError, match="not read"):
        read_rgbd(write(tmp_path / "nested.pkl", Nested()))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rgb1": None}, "a dict with rgb1"),
        ({"depth2": np.ones((3, 3))}, "view 2 has shapes"),
        ({"mask1": "text"}, "mask1 is not an array"),
        ({"cameras2": 5}, "cameras2 is not a camera"),
    ],
)
def test_data_that_does_not_fit_is_named(tmp_path, stand_in, change, said):
    data = {k: v for k, v in {**course_data(stand_in), **change}.items() if v is not None}
    with pytest.raises(UserError, match=said):
        read_rgbd(write(tmp_path / "wrong.pkl", data))


def test_files_that_are_no_pickles(tmp_path, stand_in):
    whole = pickle.dumps(course_data(stand_in))
    (tmp_path / "cut.pkl").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pkl").write_text("no pickle at all")
    for name, said in (("cut.pkl", "not read"), ("text.pkl", "not read"), ("none.pkl", "no such file")):
        with pytest.raises(UserError, match=said):
            read_rgbd(tmp_path / name)
