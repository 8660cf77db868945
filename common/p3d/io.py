"""Meshes and point clouds from and to files, the format chosen by the file's extension."""

from pathlib import Path

from .io_gltf import read_gltf, write_glb
from .io_obj import read_obj, write_obj
from .io_off import read_off, write_off
from .io_ply import read_ply_cloud, read_ply_mesh, write_ply_cloud, write_ply_mesh
from .meshes import Meshes
from .pointclouds import Pointclouds

__all__ = ["IO", "MeshFormatInterpreter", "MeshGlbFormat"]


class MeshFormatInterpreter:
    """A format. For one of your own override `read`, which gives None for other paths, and `save`, then False."""

    suffixes, reader, writer = (), None, None

    def __init__(self, suffixes=(), reader=None, writer=None):
        self.suffixes, self.reader, self.writer = suffixes, reader, writer

    def read(self, path, **options) -> Meshes | Pointclouds | None:
        return self.reader(path, **options) if _suffix(path) in self.suffixes else None

    def save(self, data: Meshes | Pointclouds, path, **options) -> bool:
        fits = self.writer is not None and _suffix(path) in self.suffixes
        if fits:
            self.writer(data, path, **options)
        return fits


class MeshGlbFormat(MeshFormatInterpreter):
    """glb files: PyTorch3D's IO knows them once this is registered, ours does anyway."""

    def __init__(self):
        super().__init__((".glb",), read_gltf, write_glb)


class IO:
    """Reads and writes obj, off, ply and glb meshes and ply clouds, and reads gltf; streams are taken to be ply.

    All methods take the options of the formats: `create_texture_atlas`, ... of `load_obj`, `decimal_places` in text,
    `colors_as_uint8` of ply; and raise ValueError for an unknown extension, or a file that is not what it says.
    """

    def __init__(self, include_default_formats: bool = True):
        formats = (((".obj",), read_obj, write_obj), ((".off",), read_off, write_off), ((".gltf",), read_gltf, None))
        formats += (((".glb",), read_gltf, write_glb), ((".ply", None), read_ply_mesh, write_ply_mesh))
        self.meshes = [MeshFormatInterpreter(*f) for f in formats] if include_default_formats else []
        self.clouds = [MeshFormatInterpreter((".ply", None), read_ply_cloud, write_ply_cloud)][: len(self.meshes)]

    def register_meshes_format(self, interpreter: MeshFormatInterpreter) -> None:
        """Tries this format before the others."""
        self.meshes.insert(0, interpreter)

    def load_mesh(self, path, include_textures: bool = True, device="cpu", **options) -> Meshes:
        """A batch of one mesh."""
        return _load(self.meshes, "mesh", path, include_textures=include_textures, device=device, **options)

    def load_pointcloud(self, path, device="cpu", **options) -> Pointclouds:
        """A batch of one cloud, with normals, and with colours as features, if it has any."""
        return _load(self.clouds, "point cloud", path, device=device, **options)

    def save_mesh(
        self, data: Meshes, path, binary: bool | None = None, include_textures: bool = True, **options
    ) -> None:
        """Writes a batch of one mesh; as text if `binary` is False and the format has both."""
        if isinstance(data, Meshes) and not include_textures:
            data = Meshes(data.verts_list(), data.faces_list())
        _save(self.meshes, "mesh", data, Meshes, path, binary=binary, **options)

    def save_pointcloud(self, data: Pointclouds, path, binary: bool | None = None, **options) -> None:
        """Writes a batch of one cloud, its features as colours; as text if `binary` is False."""
        _save(self.clouds, "point cloud", data, Pointclouds, path, binary=binary, **options)


def _suffix(path) -> str | None:
    return Path(path).suffix.lower() if isinstance(path, str | Path) else None


def _load(formats: list[MeshFormatInterpreter], what: str, path, **options):
    found = (interpreter.read(path, **options) for interpreter in formats)
    loaded = next((thing for thing in found if thing is not None), None)
    if loaded is None:
        raise ValueError(f"No {what} interpreter found to read {path}.")
    return loaded


def _save(formats: list[MeshFormatInterpreter], what: str, data, kind: type, path, **options) -> None:
    if not isinstance(data, kind) or len(data) != 1:
        raise ValueError(f"Can only save a single {what}: a {kind.__name__} object of one is expected.")
    if not any(interpreter.save(data, path, **options) for interpreter in formats):
        raise ValueError(f"No {what} interpreter found to write to {path}.")
