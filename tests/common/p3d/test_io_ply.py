"""Ply meshes and clouds: PyTorch3D's outputs, text against binary, round trips, bad files."""

import io
import re
import struct
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import IO, Meshes, Pointclouds, TexturesVertex, load_ply, save_ply

VERTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.25]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


@pytest.mark.parametrize("mesh", ["tri", "bumpy"])
@pytest.mark.parametrize("form", ["ascii", "bin"])
def test_ply_golden(golden, mesh, form):
    arrays, _ = golden("ply_roundtrip")
    stored = arrays[f"{mesh}_{form}.bytes"].numpy().tobytes()
    verts, faces = load_ply(io.BytesIO(stored))
    assert torch.equal(verts, arrays[f"{mesh}_{form}.verts"]) and torch.equal(
        faces, arrays[f"{mesh}_{form}.faces"].long()
    )
    stream, given = io.BytesIO(), [arrays.get(f"{mesh}.in_{part}") for part in ("verts", "faces", "normals")]
    save_ply(stream, *given, ascii=form == "ascii")
    assert stream.getvalue() == stored


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(3, 6), min_size=0, max_size=6), st.booleans(), st.sampled_from("<>"))
def test_ply_binary_equals_text(sizes, flags, order):
    """The same polygons, with and without flags beside them, as text and as binary of either byte order."""
    form = f"binary_{'little' if order == '<' else 'big'}_endian"
    polygons = [[(i + j) % 7 for j in range(n)] for i, n in enumerate(sizes)]
    points = np.random.default_rng(len(sizes)).normal(size=(7, 3)).astype(np.float32)
    header = "ply\nformat {} 1.0\nelement vertex 7\nproperty float x\nproperty float y\nproperty float z\n"
    header += f"element face {len(sizes)}\n" + "property short flag\n" * flags
    header += "property list ushort int vertex_index\nend_header\n"
    text = header.format("ascii") + "".join("{!r} {!r} {!r}\n".format(*p.tolist()) for p in points)
    text += "".join(("-3 " if flags else "") + " ".join(map(str, [len(p), *p])) + "\n" for p in polygons)
    data = header.format(form).encode() + points.astype(f"{order}f4").tobytes()
    for p in polygons:
        data += struct.pack(order + "h" * flags, *[-3] * flags) + struct.pack(f"{order}H{len(p)}i", len(p), *p)
    verts, faces = load_ply(io.StringIO(text))
    assert torch.equal(verts, torch.from_numpy(points))
    assert all(torch.equal(a, b) for a, b in zip(load_ply(io.BytesIO(data)), (verts, faces), strict=True))
    fans = [[p[0], p[j], p[j + 1]] for p in polygons for j in range(1, len(p) - 1)]
    assert sorted(faces.tolist()) == sorted(fans)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_ply_colors_and_normals(tmp_path, binary, whole):
    colors = torch.randint(256, (4, 3), generator=torch.Generator().manual_seed(1)) / 255
    normals = torch.eye(3)[[0, 1, 2, 0]]
    mesh = Meshes([VERTS], [FACES], TexturesVertex([colors]), verts_normals=[normals])
    options = {"binary": binary, "decimal_places": 9, "colors_as_uint8": whole}
    IO().save_mesh(mesh, tmp_path / "m.ply", **options)
    read = IO().load_mesh(str(tmp_path / "m.ply"))
    assert torch.equal(read.verts_packed(), VERTS) and torch.equal(read.faces_packed(), FACES)
    assert torch.equal(read.verts_normals_packed(), normals)
    torch.testing.assert_close(read.textures.verts_features_packed(), colors, atol=1e-7, rtol=0)
    cloud = Pointclouds([VERTS], [normals], [colors])
    IO().save_pointcloud(cloud, tmp_path / "c.ply", **options)
    read = IO().load_pointcloud(tmp_path / "c.ply")
    torch.testing.assert_close(read.features_packed(), colors, atol=1e-7, rtol=0)
    assert torch.equal(read.points_packed(), VERTS) and torch.equal(read.normals_packed(), normals)


def test_ply_empty():
    stream = io.BytesIO()
    with pytest.warns(UserWarning, match="Empty 'verts'"):
        save_ply(stream, torch.zeros(0, 3), FACES)
    verts, faces = load_ply(io.BytesIO(stream.getvalue()))
    assert verts.shape == (0, 3) and faces.shape == (0, 3)


HEADER = "ply\nformat {} 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\n"


def test_the_header_may_say_end_header_in_a_comment():
    """Only a line that begins with it ends the header."""
    text = "ply\nformat ascii 1.0\ncomment no end_header yet\nelement vertex 1\n"
    text += "property float x\nproperty float y\nproperty float z\nend_header\n1 2 3\n"
    assert load_ply(io.BytesIO(text.encode()))[0].tolist() == [[1.0, 2.0, 3.0]]


LISTS = "element face {}\nproperty list {} int vertex_index\nend_header\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("plyx", "Invalid file header"),
        (HEADER.format("ascii", 10**15) + "end_header\n0 0 0\n", "Not enough data for vertex"),
        (HEADER.format("binary_little_endian", 10**15) + "end_header\n000000000000", "Not enough data for vertex"),
        (HEADER.format("ascii", 1) + "end_header\n0 0\n", "line 8: Inconsistent data for vertex"),
        (HEADER.format("ascii", 1) + "end_header\n0 0 z\n", "line 8: not a number"),
        (HEADER.format("ascii", 0) + LISTS.format(1, "uchar") + "3 0 1 2\n", "Faces have invalid indices"),
        (
            HEADER.format("ascii", 0) + LISTS.format(1, "uchar") + "4 0 1 2\n",
            "line 10: A line of face data",
        ),
        (
            HEADER.format("ascii", 0) + LISTS.format(1, "float") + "3 0 1 2\n",
            "line 8: Invalid datatype: float",
        ),
        (HEADER.format("ascii", 1) + "end_header\n0 0 0\n1\n", "Extra data at end of file"),
        (
            HEADER.format("binary_big_endian", 0) + LISTS.format(1, "int") + "\x7fabcdefgh",
            "Not enough data",
        ),
        (
            HEADER.format("binary_big_endian", 0) + LISTS.format(10**12, "uchar") + "\0\0\0",
            "Not enough data",
        ),
    ],
)
def test_ply_errors(write, content, message):
    with pytest.raises(ValueError, match="bad.ply.*" + re.escape(message)):
        IO().load_mesh(write("bad.ply", content))


def test_ply_polygon_with_one_missing_vertex_warns():
    """Also when the last of its triangles has them all."""
    text = HEADER.format("ascii", 4) + LISTS.format(1, "uchar") + "0 0 0\n" * 4 + "4 0 99 2 3\n"
    with pytest.warns(UserWarning, match="face 0: Faces have invalid indices"):
        assert load_ply(io.StringIO(text))[1].tolist() == [[0, 99, 2], [0, 2, 3]]


def test_ply_of_more_lists_than_its_data_can_hold():
    """Memory is bounded by rows times lists, not by either."""
    lists = "".join(f"property list uchar int l{k}\n" for k in range(2000))
    header = HEADER.format("binary_little_endian", 2000).replace("property float x\n", lists + "property float x\n")
    tracemalloc.start()
    with pytest.raises(ValueError, match="Not enough data for vertex"):
        load_ply(io.BytesIO(header.encode() + b"end_header\n" + b"\0" * 2011 + b"\1" + b"\0" * 5000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6
