"""The page in the browser, without one."""

import socket
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from a4_splatting_sds import view
from a4_splatting_sds.files import file_bytes, load_gaussians, save_gaussians
from a4_splatting_sds.view import Viewer, arrays_of
from tests.a4_splatting_sds.conftest import scene


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    """What a browser's side of the page takes."""

    def __init__(self):
        self.files = {}

    def send_file_download(self, name, data):
        self.files[name] = data


def test_a_page_is_served_and_follows_the_training(tmp_path):
    """Served; holds what was shown last; saves it; ends."""
    viewer = Viewer(free_port())
    try:
        with urllib.request.urlopen(viewer.address, timeout=20) as page:
            assert page.status == 200
            assert b"<html" in page.read().lower()
        viewer.show(scene(20, 1))
        assert viewer.handle.centers.shape == (20, 3)
        later = scene(33, 1, seed=5)
        viewer.show(later, "after 10 steps")
        np.testing.assert_array_equal(viewer.handle.centers, later.means.detach().numpy())
        assert viewer.count.content == "33 Gaussians after 10 steps"
        client = Client()
        assert len(viewer.buttons) == 2
        for ending in (".ply", ".splat"):
            viewer.buttons[ending]._impl.update_cb[0](SimpleNamespace(client=client))
            assert client.files[f"gaussians{ending}"] == file_bytes(later, ending)
        (tmp_path / "a.ply").write_bytes(client.files["gaussians.ply"])
        assert torch.equal(load_gaussians(tmp_path / "a.ply").means, later.means)
    finally:
        viewer.stop()


def test_what_is_shown():
    """Covariances are those of scales and rotations, colours and opacities as they are."""
    gaussians = scene(9, 0)
    parts = arrays_of(gaussians)
    assert {name: x.shape for name, x in parts.items()} == {
        "centers": (9, 3),
        "covariances": (9, 3, 3),
        "rgbs": (9, 3),
        "opacities": (9, 1),
    }
    np.testing.assert_allclose(
        np.linalg.eigvalsh(parts["covariances"]), np.sort(gaussians.scales.detach() ** 2, 1), rtol=2e-3
    )
    assert all(x.dtype == np.float32 for x in parts.values())


def test_the_command(tmp_path, capsys, monkeypatch):
    """Shows a file for a while; says where, and opens the page."""
    opened = []
    monkeypatch.setattr(view.webbrowser, "open", opened.append)
    path = save_gaussians(tmp_path / "a.ply", scene(9))
    port = free_port()
    assert view.main([str(path), "--port", str(port), "--seconds", "0.3"]) == 0
    assert opened == [f"http://127.0.0.1:{port}"]
    assert view.main([str(path), "--port", str(free_port()), "--seconds", "0.1", "--no_browser"]) == 0
    assert len(opened) == 1
    assert f"http://127.0.0.1:{port}" in capsys.readouterr().out


def test_what_cannot_be_shown_is_refused(tmp_path, capsys):
    """A port that is taken, a file that is not there; exit code 2."""
    path = save_gaussians(tmp_path / "a.ply", scene(9))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert view.main([str(path), "--port", str(taken.getsockname()[1]), "--seconds", "0.1"]) == 2
        assert "use another" in capsys.readouterr().err
    assert view.main([str(tmp_path / "none.ply")]) == 2
    assert "no such file" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        view.main([str(path), "--port", "no"])
    assert stop.value.code == 2
