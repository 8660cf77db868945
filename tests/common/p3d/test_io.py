"""Reading and writing meshes and clouds: PyTorch3D's outputs, plain parsers as twins, round trips, bad files."""

import base64
import io
import json
import re
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.p3d import (
    IO,
    Meshes,
    MeshFormatInterpreter,
    MeshGlbFormat,
    Pointclouds,
    TexturesAtlas,
    TexturesUV,
    TexturesVertex,
    load_obj,
    load_objs_as_meshes,
    load_ply,
    save_obj,
    save_ply,
)

VERTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.25]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


@pytest.fixture
def write(tmp_path):
    """Writes a file into the test's folder and gives its path."""

    def make(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


# --- obj


def test_obj_golden(golden):
    arrays, meta = golden("load_obj_text")
    for variant, parts in meta["variants"].items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one variant indexes a missing vertex
            verts, faces, aux = load_obj(io.StringIO(parts["text"]), load_textures=False)
        ours = {"verts": verts, **{f"faces_{k}": v for k, v in faces._asdict().items()}}
        ours |= {"normals": aux.normals, "verts_uvs": aux.verts_uvs}
        expected = {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(variant + ".")}
        assert expected
        for key, value in expected.items():
            assert ours[key].flatten().tolist() == value.flatten().tolist(), (variant, key)


def plain_obj(text: str):
    """The twin: vertices, faces, texture and normal indices, line by line."""
    counts, verts, out = {"v": 0, "vt": 0, "vn": 0}, [], []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] in counts:
            counts[words[0]] += 1
            verts += [[float(w) for w in words[1:4]]] if words[0] == "v" else []
        if words[0] == "f":
            corners = []
            for word in words[1:]:
                numbers = [int(n) if n else 0 for n in word.split("/")] + [0, 0]
                pairs = zip(numbers, counts.values(), strict=False)
                corners.append([n + count if n < 0 else n - 1 for n, count in pairs])
            out += [[corners[0], corners[j], corners[j + 1]] for j in range(1, len(corners) - 1)]
    return torch.tensor(verts), torch.tensor(out)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_obj_equals_plain_parser(data):
    draw = data.draw
    lines, counts = ["v 0 0 0", "v 1 0 0", "v 0 1 0", "vt 0 1", "vn 0 0 1"], [3, 1, 1]
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["v", "vt", "vn", "f", "f", "# f 1 2 3", "", "g part", "s off"]))
        if kind in ("v", "vt", "vn"):
            extra = draw(st.sampled_from(["", " 0.5", "  # end"]))
            lines.append(f"{kind}\t{draw(st.floats(-9, 9, width=16))} 2 .5{extra}")
            counts[("v", "vt", "vn").index(kind)] += 1
        elif kind == "f":
            form = draw(st.sampled_from(["{0}", "{0}/{1}", "{0}//{2}", "{0}/{1}/{2}"]))

            def index(k):
                n = draw(st.integers(1, counts[k]))
                return n - counts[k] - 1 if draw(st.booleans()) else n

            lines.append(
                "f " + " ".join(form.format(*(index(k) for k in range(3))) for _ in range(draw(st.integers(3, 6))))
            )
        else:
            lines.append(kind)
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines)
    verts, faces, aux = load_obj(io.BytesIO(text.encode()))
    expected_verts, expected = plain_obj(text)
    assert torch.equal(verts, expected_verts)
    ours = torch.stack((faces.verts_idx, faces.textures_idx, faces.normals_idx), 2)
    assert torch.equal(ours, expected.reshape(ours.shape))


def test_obj_continued_lines_keep_their_numbers(write):
    path = write("a.obj", "v 0 0 \\\n 0\nv 1 0 0\nv 0 1 0\nf 1 \\\n2 \\\n3\nf 1 2 9\n")
    with pytest.raises(ValueError, match=r"a\.obj, line 8: Faces have invalid indices"):
        IO().load_mesh(path)
    with pytest.warns(UserWarning, match="line 8"):
        _, faces, _ = load_obj(path)
    assert faces.verts_idx.tolist() == [[0, 1, 2], [0, 1, 8]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 1 2", "line 1: v does not have 3 values"),
        ("v 1 2 3\nv\nf 1 1 1", "line 2: v does not have"),
        ("v 1 2 x", "line 1: not a number: b'x'"),
        ("v 1 2 3_0", "line 1: not a number"),
        ("v 0 0 0\nf 1 1 1.5", "line 2: not a number"),
        ("v 0 0 0\nvt 0 0\nf 1/1 1 1", "line 3: Vertex properties are inconsistent"),
        ("v 0 0 0\nf 1/1/1/1 1 1", "line 2: Face vertices can only have 3"),
        ("v 0 0 0\nf 0 0 0", "line 2: Faces have invalid indices"),
        ("v 0 0 0\nf -2 1 1", "line 2: Faces have invalid indices"),
        ("v 0 0 0\nvt 0 0\nf 1/2 1/1 1/1", "line 3: Faces have invalid indices"),
        ("v 0 0 0\nusemtl\n", "line 2: usemtl"),
    ],
)
def test_obj_errors(write, text, message):
    with pytest.raises(ValueError, match="bad.obj, " + re.escape(message)):
        IO().load_mesh(write("bad.obj", text))


def test_obj_loads_without_the_normals_and_texture_coordinates_that_its_faces_name(write):
    path = write("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1/1/1 2/2/2 3/3/3\n")
    with pytest.warns(UserWarning, match="line 4: Faces have invalid indices"):
        mesh = IO().load_mesh(path)
    assert mesh.faces_packed().tolist() == [[0, 1, 2]]


def test_obj_leaves_out_lines_between_two_points():
    with pytest.warns(UserWarning, match="fewer than 3"):
        _, faces, _ = load_obj(io.StringIO("v 0 0 0\nv 1 0 0\nf 1 2\nf 1 2 1\n"))
    assert faces.verts_idx.tolist() == [[0, 1, 0]]


@pytest.fixture
def textured_obj(write):
    """Three triangles: one with an image, one with a diffuse colour, one with no material."""
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2], pixels[2:] = (255, 0, 0), (0, 0, 255)  # red above blue
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    write("wood grain.png", stream.getvalue())
    write("a.mtl", "newmtl wood\nmap_Kd wood grain.png\nNs 3\n\nnewmtl green\nKd 0 1 0 # leaf\n")
    text = "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 1\nvt 1 1\nvt 0.5 0.9\nf 1 2 3\nusemtl wood\n"
    return write("a.obj", text + "f 1/1 2/2 3/3\nusemtl green\nf 1/1 2/2 3/3\n")


def test_obj_materials(textured_obj):
    verts, faces, aux = load_obj(textured_obj, create_texture_atlas=True, texture_atlas_size=3)
    assert faces.materials_idx.tolist() == [-1, 0, 1]
    assert {k: v.tolist() for k, v in aux.material_colors["wood"].items()} == {"shininess": [3.0]}
    assert aux.material_colors["green"]["diffuse_color"].tolist() == [0, 1, 0]
    assert aux.texture_images["wood"].shape == (4, 4, 3)
    colors = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 1, 0]])  # near v = 1 the image is red
    torch.testing.assert_close(aux.texture_atlas, colors[:, None, None].expand(3, 3, 3, 3))
    mesh = load_objs_as_meshes([textured_obj, textured_obj])
    assert len(mesh) == 2 and mesh.textures.maps_padded().shape == (2, 4, 4, 3)
    assert isinstance(IO().load_mesh(textured_obj, create_texture_atlas=True).textures, TexturesAtlas)
    assert IO().load_mesh(textured_obj, include_textures=False).textures is None


def test_atlas_samples_where_its_texture_says(write):
    """A smooth image: the atlas' texels equal the image at the barycentric centres that TexturesAtlas looks up."""
    ramp = np.stack([*np.meshgrid(np.arange(64), np.arange(64), indexing="xy"), np.zeros((64, 64))], 2) * 4
    Image.fromarray(ramp.astype(np.uint8)).save(write("m.png", "x"))
    write("m.mtl", "newmtl m\nmap_Kd m.png\n")
    uv = np.array([[0.1, 0.2], [0.9, 0.3], [0.4, 0.8]])
    text = "mtllib m.mtl\nusemtl m\nv 0 0 0\nv 1 0 0\nv 0 1 0\n" + "".join("vt {} {}\n".format(*c) for c in uv)
    mesh = IO().load_mesh(write("m.obj", text + "f 1/1 2/2 3/3\n"), create_texture_atlas=True, texture_atlas_size=4)
    bary = torch.tensor([[1, 1, 10], [7, 1, 4], [2, 8, 2], [5, 5, 2]]) / 12  # centres of small triangles
    colors = mesh.textures.sample(torch.zeros(4, dtype=torch.int64), bary, FACES[:1])
    u, v = (bary.double().numpy() @ uv).T
    expected = np.stack((u * 63 * 4, (1 - v) * 63 * 4, 0 * u), 1) / 255
    np.testing.assert_allclose(colors.numpy(), expected, atol=1e-5)


def test_obj_of_very_many_materials(write):
    count = 60_000
    lines = "".join(f"usemtl m{i}\nf 1 1 1\n" for i in range(count))
    write("m.mtl", "".join(f"newmtl m{i}\nKa 1 1 1\n" for i in range(count)))
    _, faces, aux = load_obj(write("m.obj", "mtllib m.mtl\nv 0 0 0\n" + lines))
    assert torch.equal(faces.materials_idx, torch.arange(count)) and len(aux.material_colors) == count


def test_obj_missing_files_give_warnings(write):
    path = write("a.obj", "mtllib none.mtl\nv 0 0 0\nf 1 1 1\n")
    with pytest.warns(UserWarning, match="Mtl file does not exist.*none.mtl"):
        assert IO().load_mesh(path).textures is None
    write("none.mtl", "newmtl a\nmap_Kd /dev/zero\n")  # no regular file: would never end
    with pytest.warns(UserWarning, match="Texture file does not exist"):
        assert IO().load_mesh(path).textures is None
    write("none.mtl", "newmtl a\nmap_Kd a.obj\n")
    with pytest.raises(ValueError, match="a.obj: not a readable image"):
        IO().load_mesh(path)


def test_image_of_more_pixels_than_its_bytes_can_hold(write):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    write("a.png", png)
    write("a.mtl", "newmtl a\nmap_Kd a.png\n")
    with pytest.raises(ValueError, match="a.png: not a readable image"):
        load_obj(write("a.obj", "mtllib a.mtl\nv 0 0 0\nf 1 1 1\n"))


@pytest.mark.parametrize("with_normals", [False, True])
@pytest.mark.parametrize("with_texture", [False, True])
def test_obj_round_trip(tmp_path, with_normals, with_texture):
    options, generator = {}, torch.Generator().manual_seed(0)
    if with_normals:
        options |= {"normals": torch.eye(3), "faces_normals_idx": torch.tensor([[2, 1, 0], [0, 0, 2]])}
    if with_texture:
        image = torch.randint(256, (3, 5, 3), generator=generator) / 255
        options |= {
            "verts_uvs": torch.rand(5, 2, generator=generator),
            "faces_uvs": torch.tensor([[4, 3, 2], [0, 1, 2]]),
        }
        options["texture_map"] = image
    save_obj(tmp_path / "m.obj", VERTS, FACES, decimal_places=8, **options)
    verts, faces, aux = load_obj(tmp_path / "m.obj")
    assert torch.equal(verts, VERTS) and torch.equal(faces.verts_idx, FACES)
    if with_normals:
        assert torch.equal(aux.normals, torch.eye(3))
        assert torch.equal(faces.normals_idx, options["faces_normals_idx"])
    if with_texture:
        torch.testing.assert_close(aux.verts_uvs, options["verts_uvs"], atol=1e-7, rtol=0)
        assert torch.equal(faces.textures_idx, options["faces_uvs"])
        torch.testing.assert_close(aux.texture_images["mesh"], image, atol=1.01 / 255, rtol=0)


def test_save_obj_refuses(tmp_path):
    for bad in ({"verts": VERTS[:, :2]}, {"normals": VERTS}, {"verts_uvs": VERTS}, {"texture_map": VERTS}):
        with pytest.raises(ValueError):
            save_obj(tmp_path / "m.obj", **{"verts": VERTS, "faces": FACES, **bad})
    assert not (tmp_path / "m.obj").exists()


# --- ply


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


def test_obj_bytes_golden(golden, tmp_path):
    arrays, _ = golden("ply_roundtrip")
    save_obj(tmp_path / "m.obj", arrays["bumpy.in_verts"], arrays["bumpy.in_faces"], decimal_places=4)
    assert (tmp_path / "m.obj").read_bytes() == arrays["bumpy.obj_bytes"].numpy().tobytes()


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


# --- off


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


# --- gltf


def gltf(indices: np.ndarray, nodes: list[dict], primitive: dict | None = None, **extra) -> bytes:
    """A gltf file of the four vertices, by data URI."""
    data = VERTS.numpy().tobytes() + indices.tobytes()
    code = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125}[str(indices.dtype)]
    scene = {
        "asset": {"version": "2.0"},
        "nodes": nodes,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, **(primitive or {})}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": code, "count": indices.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": indices.nbytes},
        ],
        "buffers": [{"byteLength": len(data), "uri": "data:;base64," + base64.b64encode(data).decode()}],
        **extra,
    }
    return json.dumps(scene).encode()


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "uint32"])
def test_gltf_nodes_and_index_types(write, kind):
    half = np.sqrt(0.5)  # of a quarter turn about z
    nodes = [
        {"children": [1, 2], "translation": [10, 0, 0]},
        {
            "mesh": 0,
            "rotation": [0, 0, half, half],
            "scale": [2, 1, 1],
            "translation": [0, 0, 5],
        },
        {"mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 7, 8, 9, 1]},
    ]
    path = write("m.gltf", gltf(FACES.numpy().astype(kind), nodes, scenes=[{"nodes": [0]}]))
    mesh = IO().load_mesh(path)
    x, y, z = VERTS.T
    turned = torch.stack((10 - y, 2 * x, z + 5), 1)
    moved = VERTS + torch.tensor([17.0, 8, 9])
    torch.testing.assert_close(mesh.verts_packed(), torch.cat((turned, moved)))
    assert torch.equal(mesh.faces_packed(), torch.cat((FACES, FACES + 4)))
    assert mesh.textures is None


def test_gltf_strips_fans_and_no_indices(write):
    order = np.array([0, 1, 3, 2], np.uint8)
    strip = IO().load_mesh(write("s.gltf", gltf(order, [{"mesh": 0}], {"mode": 5})))
    assert strip.faces_packed().tolist() == [[0, 1, 3], [1, 2, 3]]
    fan = IO().load_mesh(write("f.gltf", gltf(order, [{"mesh": 0}], {"mode": 6})))
    assert fan.faces_packed().tolist() == [[0, 1, 3], [0, 3, 2]]


def test_gltf_materials(write):
    materials = [{"pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.25, 1, 1]}}]
    path = write("m.gltf", gltf(FACES.numpy().astype("uint8"), [{"mesh": 0}], {"material": 0}, materials=materials))
    color = IO().load_mesh(path).textures.sample(torch.tensor([1]), torch.full((1, 3), 1 / 3), FACES)
    torch.testing.assert_close(color, torch.tensor([[0.5, 0.25, 1.0]]))
    materials[0]["pbrMetallicRoughness"] = {"baseColorTexture": {"index": 0}}
    images = {"textures": [{"source": 0}], "images": [{"uri": "none.png"}]}
    path = write(
        "n.gltf", gltf(FACES.numpy().astype("uint8"), [{"mesh": 0}], {"material": 0}, materials=materials, **images)
    )
    with pytest.warns(UserWarning, match="Texture file does not exist"):
        assert (IO().load_mesh(path).textures.maps_padded() == 0.5).all()


@pytest.mark.parametrize("seams", [False, True])
def test_glb_round_trip_with_image(tmp_path, seams):
    image = torch.randint(256, (4, 6, 3), generator=torch.Generator().manual_seed(0)) / 255
    faces_uvs = torch.tensor([[4, 1, 2], [0, 3, 1]]) if seams else FACES
    uvs = torch.rand(5 if seams else 4, 2, generator=torch.Generator().manual_seed(1))
    mesh = Meshes([VERTS], [FACES], TexturesUV([image], [faces_uvs], [uvs]))
    IO().save_mesh(mesh, tmp_path / "m.glb")
    read = IO().load_mesh(tmp_path / "m.glb")
    assert torch.equal(read.verts_packed()[read.faces_packed()], VERTS[FACES])
    textures = read.textures
    corners = textures.verts_uvs_list()[0][textures.faces_uvs_list()[0]]
    torch.testing.assert_close(corners, uvs[faces_uvs], atol=1e-7, rtol=0)
    assert torch.equal(textures.maps_padded()[0], image)
    assert len(read.verts_packed()) == (6 if seams else 4)
    assert len((tmp_path / "m.glb").read_bytes()) % 4 == 0


def test_glb_round_trip_with_vertex_colors(tmp_path):
    colors = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    IO().save_mesh(Meshes([VERTS], [FACES], TexturesVertex([colors])), tmp_path / "m.glb")
    read = IO().load_mesh(tmp_path / "m.glb")
    assert torch.equal(read.textures.verts_features_packed(), colors) and torch.equal(read.verts_packed(), VERTS)
    assert IO().load_mesh(tmp_path / "m.glb", include_textures=False).textures is None


def test_gltf_errors(write):
    indices = FACES.numpy().astype("uint8")
    loop = [{"children": [1], "mesh": 0}, {"children": [0]}]
    huge = json.loads(gltf(indices, [{"mesh": 0}]))
    huge["accessors"][1]["count"] = 10**12
    cases = {
        "reached twice": gltf(indices, loop, scenes=[{"nodes": [0]}]),
        "Faces have invalid indices": gltf(indices + np.uint8(9), [{"mesh": 0}]),
        "extensions that are not read": gltf(indices, [{"mesh": 0}], extensionsRequired=["KHR_draco_mesh_compression"]),
        "not a glTF file: .*buffer": json.dumps(huge).encode(),
        "RecursionError": b"[" * 100000,
        "no mesh": b'{"asset": {}}',
        "Expecting value": b"solid cube",
    }
    for message, content in cases.items():
        with pytest.raises(ValueError, match=f"bad.gltf.*{message}"):
            IO().load_mesh(write("bad.gltf", content))
    primitives = json.loads(gltf(indices, [{"mesh": 0}]))
    mesh = primitives["meshes"][0]["primitives"]
    points = np.zeros((20000, 3), np.float32)
    primitives["buffers"][0]["uri"] = "data:;base64," + base64.b64encode(points.tobytes() + indices.tobytes()).decode()
    primitives["accessors"][0]["count"], primitives["bufferViews"][0]["byteLength"] = 20000, points.nbytes
    primitives["bufferViews"][1]["byteOffset"] = points.nbytes
    primitives["meshes"][0]["primitives"] = mesh * 3000
    with pytest.raises(ValueError, match="repeated too often"):
        IO().load_mesh(write("bad.gltf", json.dumps(primitives)))
    with pytest.raises(ValueError, match="truncated"):
        IO().load_mesh(write("bad.glb", struct.pack("<4sIII4s", b"glTF", 2, 999, 2**32 - 1, b"JSON")))


# --- the choice of a format


def test_io_formats(tmp_path, write):
    mesh = Meshes([VERTS], [FACES])
    with pytest.raises(ValueError, match="No mesh interpreter found to read"):
        IO().load_mesh(tmp_path / "m.stl")
    with pytest.raises(ValueError, match="No mesh interpreter found to write"):
        IO().save_mesh(mesh, tmp_path / "m.gltf")
    with pytest.raises(ValueError, match="No point cloud interpreter"):
        IO().load_pointcloud(tmp_path / "m.obj")
    with pytest.raises(ValueError, match="single mesh"):
        IO().save_mesh(mesh.extend(2), tmp_path / "m.ply")
    with pytest.raises(ValueError, match="single point cloud"):
        IO().save_pointcloud(mesh, tmp_path / "m.ply")
    with pytest.raises(ValueError):
        IO(include_default_formats=False).load_mesh(write("m.off", "OFF 0 0 0\n"))
    only_glb = IO(include_default_formats=False)
    only_glb.register_meshes_format(MeshGlbFormat())
    only_glb.save_mesh(mesh, tmp_path / "m.GLB")
    assert torch.equal(only_glb.load_mesh(tmp_path / "m.GLB").verts_packed(), VERTS)
    assert not (tmp_path / "m.ply").exists()


def test_io_takes_formats_of_ones_own(tmp_path):
    class Triangle(MeshFormatInterpreter):
        def __init__(self):
            pass

        def read(self, path, **options):
            return Meshes([VERTS[:3]], [FACES[:1]]) if str(path) == "triangle" else None

    reader = IO()
    reader.register_meshes_format(Triangle())
    assert len(reader.load_mesh("triangle").verts_packed()) == 3
    reader.save_mesh(Meshes([VERTS], [FACES]), tmp_path / "m.obj")
    assert torch.equal(reader.load_mesh(str(tmp_path / "m.obj")).verts_packed(), VERTS)


def test_colors_can_be_left_out(tmp_path):
    mesh = Meshes([VERTS], [FACES], TexturesVertex([VERTS]))
    IO().save_mesh(mesh, tmp_path / "m.ply", include_textures=False)
    assert IO().load_mesh(tmp_path / "m.ply").textures is None
    with pytest.warns(UserWarning, match="2 colors, not 3"):
        IO().save_mesh(Meshes([VERTS], [FACES], TexturesVertex([VERTS[:, :2]])), tmp_path / "m.ply")
