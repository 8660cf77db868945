"""Off files: their description, round trips, bad files."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import IO, Meshes, TexturesAtlas, TexturesVertex

VERTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.25]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["OFF\n", "OFF", "off ", "", "COFF\n"]),
    st.lists(st.integers(3, 5), max_size=5),
    st.sampled_from(["", " 255 0 51", " 1.0 0.0 0.2"]),
)
def test_off_equals_its_description(tmp_path_factory, header, sizes, color):
    path = tmp_path_factory.mktemp("off") / "m.off"
    polygons = [[(2 * i + j) % 6 for j in range(n)] for i, n in enumerate(sizes)]
    points = np.random.default_rng(0).normal(size=(6, 3)).round(3)
    lines = [f"{header}6 {len(sizes)} 0"] + ["# points"] + ["{} {} {}".format(*p) for p in points] + ["", " "]
    lines += [" ".join(map(str, [len(p), *p])) + color for p in polygons]
    path.write_text("\n".join(lines))
    mesh = IO().load_mesh(path)
    np.testing.assert_array_equal(mesh.verts_packed().numpy(), points.astype(np.float32))
    fans = [[p[0], p[j], p[j + 1]] for p in polygons for j in range(1, len(p) - 1)]
    assert sorted(mesh.faces_packed().tolist()) == sorted(fans)
    assert (mesh.textures is None) == (not color or not sizes)
    if mesh.textures is not None:
        atlas = mesh.textures.atlas_packed()
        torch.testing.assert_close(atlas, torch.tensor([1.0, 0, 0.2]).expand(len(fans), 1, 1, 3))


@pytest.mark.parametrize("texture", [TexturesVertex([torch.ones(4, 4)]), TexturesAtlas([torch.rand(2, 1, 1, 3)]), None])
def test_off_round_trip(tmp_path, texture):
    IO().save_mesh(Meshes([VERTS], [FACES], texture), tmp_path / "m.off", decimal_places=9)
    mesh = IO().load_mesh(tmp_path / "m.off")
    assert torch.equal(mesh.verts_packed(), VERTS) and torch.equal(mesh.faces_packed(), FACES)
    assert type(mesh.textures) is type(texture)
    if texture is not None:
        kind = "verts_features_packed" if isinstance(texture, TexturesVertex) else "atlas_packed"
        torch.testing.assert_close(getattr(mesh.textures, kind)(), getattr(texture, kind)(), atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": Invalid counts line"),
        (" " * 100000, ": Invalid counts line"),
        ("OFF BINARY\n", ": Invalid counts line"),
        ("OFF\n999999999999 999999999999 0\n0 0 0\n", ": Not enough vertex data"),
        ("OFF\n1 1 0\n0 0 0\n", ": Not enough face data"),
        ("OFF\n2 0 0\n0 0 0\n0 0\n", ", line 4: Inconsistent data for vertex"),
        ("OFF\n1 1 0\n0 0 0\n3 0 0 1\n", ", line 4: Faces have invalid indices"),
        ("OFF\n1 1 0\n0 0 0\n3 0 0 0.5\n", ", line 4: Faces have invalid indices"),
        ("OFF\n1 1 0\n0 0 0\nnan 0 0 0\n", ", line 4: Faces must have at least 3"),
        ("OFF\n1 1 0\n0 0 0\n1e300 0 0 0\n", ", line 4: A line of face data"),
    ],
)
def test_off_errors(write, text, message):
    with pytest.raises(ValueError, match="bad.off" + re.escape(message)):
        IO().load_mesh(write("bad.off", text))
