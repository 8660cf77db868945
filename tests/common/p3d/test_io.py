"""The choice of a format by the file's extension, and formats of one's own."""

import pytest
import torch

from common.p3d import IO, Meshes, MeshFormatInterpreter, MeshGlbFormat, TexturesVertex

VERTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.25]])
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


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
