"""Obj files and their materials: PyTorch3D's outputs, a plain parser as twin, round trips, bad files."""

import io
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.p3d import IO, TexturesAtlas, load_obj, load_objs_as_meshes, save_obj

VERTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.25]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


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


def test_obj_bytes_golden(golden, tmp_path):
    arrays, _ = golden("ply_roundtrip")
    save_obj(tmp_path / "m.obj", arrays["bumpy.in_verts"], arrays["bumpy.in_faces"], decimal_places=4)
    assert (tmp_path / "m.obj").read_bytes() == arrays["bumpy.obj_bytes"].numpy().tobytes()


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
