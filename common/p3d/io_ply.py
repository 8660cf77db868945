"""PLY meshes and point clouds, read and written."""

import os
import warnings

import numpy as np
import torch
from torch import Tensor

from .io_files import NO_SUCH, fan, format_rows, read_bytes, read_image, read_linked, refuse, write_bytes
from .io_ply_elements import TYPES, read_elements
from .meshes import Meshes
from .pointclouds import Pointclouds
from .textures import TexturesUV, TexturesVertex

__all__ = ["load_ply", "save_ply"]

VERTEX = {"xyz": "x y z", "normals": "nx ny nz", "colors": "red green blue", "uvs": "texture_u texture_v"}


def load_ply(f) -> tuple[Tensor, Tensor]:
    """Vertices (V, 3) float32 and triangles (F, 3) int64 of a path or stream; polygons become fans.

    A face that indexes missing vertices gives a warning.

    Raises:
        ValueError: no such file; names it and, in a text, the line.
    """
    return _load(f, strict=False)[:2]


def read_ply_mesh(f, include_textures: bool = True, device="cpu", **_) -> Meshes:
    """A mesh with its normals, and with its colours, or the image that the comment TextureFile names."""
    verts, faces, given, comments = _load(f, True, device)
    files, textures = [c.split()[-1] for c in comments if "TextureFile" in c], None
    if include_textures and "colors" in given:
        textures = TexturesVertex(given["colors"])
    elif include_textures and "uvs" in given and files:
        path = os.path.join(os.path.dirname(str(f)), files[-1])
        data = read_linked(path)
        textures = None if data is None else TexturesUV([read_image(data, path).to(device)], [faces], given["uvs"])
    return Meshes([verts], [faces], textures, verts_normals=given.get("normals"))


def read_ply_cloud(f, device="cpu", **_) -> Pointclouds:
    """A cloud with its normals, and its colours as features."""
    points, _, given, _ = _load(f, True, device)
    return Pointclouds([points], given.get("normals"), given.get("colors"))


def write_ply_mesh(meshes: Meshes, f, binary=None, decimal_places=None, colors_as_uint8=False, **_) -> None:
    """Writes a mesh, with the colours of its vertices, and normals that were given to it."""
    colors = meshes.textures.verts_features_list()[0] if isinstance(meshes.textures, TexturesVertex) else None
    if colors is not None and colors.shape[1] != 3:
        warnings.warn(f"Texture will not be saved as it has {colors.shape[1]} colors, not 3.", stacklevel=4)
        colors = None
    normals = meshes.verts_normals_list()[0] if meshes.has_verts_normals() else None
    verts, faces = meshes.verts_list()[0], meshes.faces_list()[0]
    write_bytes(f, _format(verts, faces, normals, colors, binary is False, decimal_places, colors_as_uint8))


def write_ply_cloud(clouds: Pointclouds, f, binary=None, decimal_places=None, colors_as_uint8=False, **_) -> None:
    """Writes a cloud with its normals, and its features as colours."""
    points, normals, colors = clouds.get_cloud(0)
    write_bytes(f, _format(points, None, normals, colors, binary is False, decimal_places, colors_as_uint8))


def save_ply(
    f,
    verts: Tensor,
    faces: Tensor | None = None,
    verts_normals: Tensor | None = None,
    ascii: bool = False,
    decimal_places: int | None = None,
) -> None:
    """Writes verts (V, 3), faces (F, 3) and normals (V, 3) to a path or stream; ValueError for other shapes."""
    write_bytes(f, _format(verts, faces, verts_normals, None, ascii, decimal_places, False))


def _format(verts, faces, normals, colors, ascii: bool, decimal_places: int | None, whole_colors: bool) -> bytes:
    """The file's bytes."""
    table, kinds = _columns({"xyz": verts, "normals": normals, "colors": colors}, whole_colors)
    header = ["ply", f"format {'ascii' if ascii else 'binary_little_endian'} 1.0", f"element vertex {len(verts)}"]
    header += [f"property {kind} {name}" for name, kind in kinds.items()]
    if not len(verts):
        warnings.warn("Empty 'verts' provided", stacklevel=4)
    elif faces is not None:
        if len(faces) and (faces.dim() != 2 or faces.shape[1] != 3):
            raise ValueError(f"faces should be empty or (F, 3), got {tuple(faces.shape)}")
        if bool(((faces < 0) | (faces >= len(verts))).any()):
            warnings.warn("Faces have invalid indices", stacklevel=4)
        header += [f"element face {len(faces)}", "property list uchar int vertex_index"]
    faces = torch.zeros(0, 3) if faces is None or not len(verts) else faces.detach().cpu().reshape(-1, 3)
    text = "\n".join([*header, "end_header\n"]).encode()
    if ascii:
        number = "%f" if decimal_places is None else f"%.{decimal_places}f"
        row = " ".join("%d" if kind == "uchar" else number for kind in kinds.values())
        return text + format_rows(row + "\n", table) + format_rows("3 %d %d %d\n", faces)
    rows = np.zeros(len(verts), [(name, "<" + TYPES[kind]) for name, kind in kinds.items()])
    for name, column in zip(kinds, table.T, strict=True):
        rows[name] = column.numpy()
    polygons = np.zeros(len(faces), [("size", "u1"), ("index", "<i4", 3)])
    polygons["size"], polygons["index"] = 3, faces.numpy()
    return text + rows.tobytes() + polygons.tobytes()


def _columns(given: dict[str, Tensor | None], whole_colors: bool) -> tuple[Tensor, dict[str, str]]:
    """The values (V, C) of the vertices' properties, and the names and types of these."""
    count, tables, kinds = len(given["xyz"]), [], {}
    for key, rows in given.items():
        if rows is not None and (len(rows) or key == "xyz"):
            if len(rows) and tuple(rows.shape) != (count, 3):
                raise ValueError(f"{key} should be empty or ({count}, 3), got {tuple(rows.shape)}")
            whole = whole_colors and key == "colors"
            tables.append((rows * 255).round().clamp(0, 255) if whole else rows.reshape(-1, 3))
            kinds |= dict.fromkeys(VERTEX[key].split(), "uchar" if whole else "float")
    return torch.cat(tables, 1).detach().cpu(), kinds


def _load(f, strict: bool, device="cpu") -> tuple[Tensor, Tensor, dict[str, list[Tensor]], list[str]]:
    """Vertices (V, 3), triangles (F, 3), what else of VERTEX the file has, each as a list of one, and comments."""
    data, name = read_bytes(f)
    comments, elements, values = read_elements(data, name)
    columns, given = values.get("vertex", {}), {}
    if not {"x", "y", "z"} <= columns.keys() or any(isinstance(column, tuple) for column in columns.values()):
        raise ValueError(f"{name}: Invalid vertices in file.: no x, y, z, or lists")
    for key, parts in VERTEX.items():
        if columns.keys() >= set(parts.split()):
            rows = np.stack([columns[part].astype(np.float32) for part in parts.split()], 1)
            bytewise = all(kind[1] == "1" for title, kind, _ in elements["vertex"] if title in parts.split())
            rows = rows / np.float32(255) if key == "colors" and bytewise else rows
            given[key] = [torch.from_numpy(rows).to(device)]
    lists = {title: column for title, column in values.get("face", {}).items() if isinstance(column, tuple)}
    title = next((t for t in ("vertex_index", "vertex_indices", *lists) if t in lists), None)
    if "face" in values and title is None:
        raise ValueError(f"{name}: Unexpected form of faces data.")
    starts, sizes, items = lists.get(title, [np.zeros(0, np.int64)] * 3)
    refuse(sizes < 3, "Faces must have at least 3 vertices.", name)
    places, polygon = fan(starts, sizes, grouped=True)
    faces = items[places]
    wrong = ~((faces >= 0) & (faces < len(columns["x"])) & (faces % 1 == 0)).all(1)
    refuse(np.bincount(polygon, wrong) > 0, NO_SUCH, name, strict=strict)
    return given.pop("xyz")[0], torch.from_numpy(faces.astype(np.int64)).to(device), given, comments
