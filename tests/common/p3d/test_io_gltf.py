"""Gltf and glb files: nodes, primitives, materials, round trips, bad files."""

import base64
import json
import struct

import numpy as np
import pytest
import torch

from common.p3d import IO, Meshes, TexturesUV, TexturesVertex

VERTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.25]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


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


def test_gltf_without_scenes_starts_at_nodes_that_are_no_children(write):
    nodes = [{"mesh": 0}, {"children": [0], "translation": [0, 0, 3]}]
    mesh = IO().load_mesh(write("m.gltf", gltf(FACES.numpy().astype("uint8"), nodes)))
    torch.testing.assert_close(mesh.verts_packed(), VERTS + torch.tensor([0.0, 0, 3]))


def test_gltf_mirrored_nodes_keep_their_outside(write):
    nodes = [{"mesh": 0}, {"mesh": 0, "scale": [1, 1, -1]}]
    mesh = IO().load_mesh(write("m.gltf", gltf(FACES.numpy().astype("uint8"), nodes)))
    plain, mirrored = mesh.faces_normals_packed().split(2)
    torch.testing.assert_close(mirrored, plain * torch.tensor([1.0, 1, -1]))


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
