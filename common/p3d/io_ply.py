"""PLY meshes and point clouds, read and written."""

import os
import warnings

import numpy as np
import torch
from torch import Tensor

from .io_files import check_faces, fan, format_rows, read_bytes, read_image, read_linked, write_bytes
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
    verts, faces, normals, colors, uvs, comments = _load(f, True, device)
    files, textures = [c.split()[-1] for c in comments if "TextureFile" in c], None
    if include_textures and colors is not None:
        textures = TexturesVertex([colors])
    elif include_textures and uvs is not None and files:
        path = os.path.join(os.path.dirname(str(f)), files[-1])
        data = read_linked(path)
        textures = None if data is None else TexturesUV([read_image(data, path).to(device)], [faces], [uvs])
    return Meshes([verts], [faces], textures, verts_normals=None if normals is None else [normals])


def read_ply_cloud(f, device="cpu", **_) -> Pointclouds:
    """A cloud with its normals, and its colours as features."""
    points, _, normals, colors, _, _ = _load(f, True, device)
    return Pointclouds([points], *(None if rows is None else [rows] for rows in (normals, colors)))


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
    names, kinds, table = _columns({"xyz": verts, "normals": normals, "colors": colors}, whole_colors)
    header = ["ply", f"format {'ascii' if ascii else 'binary_little_endian'} 1.0", f"element vertex {len(verts)}"]
    header += [f"property {kind} {name}" for kind, name in zip(kinds, names, strict=True)]
    if not len(verts):
        warnings.warn("Empty 'verts' provided", stacklevel=4)
        return "\n".join([*header, "end_header\n"]).encode()
    if faces is not None:
        if len(faces) and (faces.dim() != 2 or faces.shape[1] != 3):
            raise ValueError(f"faces should be empty or (F, 3), got {tuple(faces.shape)}")
        if bool(((faces < 0) | (faces >= len(verts))).any()):
            warnings.warn("Faces have invalid indices", stacklevel=4)
        header += [f"element face {len(faces)}", "property list uchar int vertex_index"]
    text = "\n".join([*header, "end_header\n"]).encode()
    if ascii:
        number = "%f" if decimal_places is None else f"%.{decimal_places}f"
        text += format_rows(" ".join("%d" if kind == "uchar" else number for kind in kinds) + "\n", table)
        return text + (b"" if faces is None else format_rows("3 %d %d %d\n", faces))
    rows = np.zeros(len(verts), [(name, "<" + TYPES[kind]) for name, kind in zip(names, kinds, strict=True)])
    for k, name in enumerate(names):
        rows[name] = table[:, k].numpy()
    polygons = np.zeros(0 if faces is None else len(faces), [("size", "u1"), ("index", "<i4", 3)])
    if len(polygons):
        polygons["size"], polygons["index"] = 3, faces.detach().cpu().numpy()
    return text + rows.tobytes() + polygons.tobytes()


def _columns(given: dict[str, Tensor | None], whole_colors: bool) -> tuple[list[str], list[str], Tensor]:
    """Names and types of the vertices' properties, and their values (V, C)."""
    count, given = len(given["xyz"]), {k: t for k, t in given.items() if t is not None and (len(t) or k == "xyz")}
    for key, rows in given.items():
        if len(rows) and tuple(rows.shape) != (count, 3):
            raise ValueError(f"{key} should be empty or ({count}, 3), got {tuple(rows.shape)}")
    kinds = ["uchar" if key == "colors" and whole_colors else "float" for key in given for _ in range(3)]
    if "colors" in given and whole_colors:
        given["colors"] = (given["colors"] * 255).round().clamp(0, 255)
    names = [name for key in given for name in VERTEX[key].split()]
    return names, kinds, torch.cat([rows.reshape(-1, 3) for rows in given.values()], 1).detach().cpu()


def _load(f, strict: bool, device="cpu"):
    """Vertices (V, 3), triangles (F, 3), normals, colours (V, 3) and texture coordinates (V, 2) or None, comments."""
    data, name = read_bytes(f)
    _, comments, elements, values = read_elements(data, name)
    columns, vertices = values.get("vertex", {}), {}
    if not {"x", "y", "z"} <= columns.keys() or any(isinstance(column, tuple) for column in columns.values()):
        raise ValueError(f"{name}: Invalid vertices in file.: no x, y, z, or lists")
    for key, parts in VERTEX.items():
        if columns.keys() >= set(parts.split()):
            rows = np.stack([columns[part].astype(np.float32) for part in parts.split()], 1)
            bytewise = all(kind[1] == "1" for title, kind, _ in elements["vertex"] if title in parts.split())
            rows = rows / np.float32(255) if key == "colors" and bytewise else rows
            vertices[key] = torch.from_numpy(rows).to(device)
    lists = {title: column for title, column in values.get("face", {}).items() if isinstance(column, tuple)}
    title = next((t for t in ("vertex_index", "vertex_indices", *lists) if t in lists), None)
    if "face" in values and title is None:
        raise ValueError(f"{name}: Unexpected form of faces data.")
    starts, sizes, items = lists.get(title, [np.zeros(0, np.int64)] * 3)
    if (sizes < 3).any():
        raise ValueError(f"{name}, face {(sizes < 3).argmax()}: Faces must have at least 3 vertices.")
    places, polygon = fan(starts, sizes, grouped=True)
    faces = items[places]
    wrong = np.zeros(len(sizes), bool)
    wrong[polygon] = ~((faces >= 0) & (faces < len(vertices["xyz"])) & (faces % 1 == 0)).all(1)
    check_faces(wrong, name, None, strict)
    faces = torch.from_numpy(faces.astype(np.int64)).to(device)
    return vertices["xyz"], faces, *(vertices.get(key) for key in ("normals", "colors", "uvs")), comments
