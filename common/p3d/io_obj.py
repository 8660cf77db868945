"""Wavefront obj meshes with their materials, read and written."""

import os
import warnings
from collections import namedtuple
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .io_files import format_rows, png_bytes, read_bytes, write_bytes
from .io_mtl import load_materials, make_atlas
from .io_obj_text import parse_obj
from .meshes import Meshes, join_meshes_as_batch
from .textures import TexturesAtlas, TexturesUV

__all__ = ["load_obj", "load_objs_as_meshes", "save_obj"]

Faces = namedtuple("Faces", "verts_idx normals_idx textures_idx materials_idx")
Properties = namedtuple("Properties", "normals verts_uvs material_colors texture_images texture_atlas")


def load_obj(
    f,
    load_textures: bool = True,
    create_texture_atlas: bool = False,
    texture_atlas_size: int = 4,
    texture_wrap: str | None = "repeat",
    device="cpu",
) -> tuple[Tensor, Faces, Properties]:
    """A mesh with its normals, texture coordinates and materials. Polygons become fans of triangles.

    Args:
        f: path, or stream (then its materials are looked for in the working folder).
        create_texture_atlas: make `texture_atlas` of squares of `texture_atlas_size` texels a side.
        texture_wrap: of texture coordinates outside [0, 1] there: "repeat", "clamp", or None (black).

    Returns:
        verts (V, 3) float32; Faces: int64 verts_idx, normals_idx, textures_idx (F, 3) and materials_idx (F,), -1 for
        none; Properties, each None if there are none: normals (N, 3), verts_uvs (T, 2), material_colors {name:
        {ambient_color, diffuse_color, specular_color, shininess}}, texture_images {name: (H, W, 3) in [0, 1]},
        texture_atlas (F, R, R, 3). Missing mtl and image files give warnings, and so do indices of missing vertices.

    Raises:
        ValueError: a line that is not what its first word says; names file and line.
    """
    return _load(f, load_textures, create_texture_atlas, texture_atlas_size, texture_wrap, device, strict=False)


def load_objs_as_meshes(
    files: list,
    device=None,
    load_textures: bool = True,
    create_texture_atlas: bool = False,
    texture_atlas_size: int = 4,
    texture_wrap: str | None = "repeat",
) -> Meshes:
    """A batch of the meshes of several files, textured by the first image of each or by an atlas; see `load_obj`.

    Raises:
        ValueError: as `load_obj`, and for faces that index missing vertices, or texture coordinates if it has any.
    """
    meshes, options = [], (load_textures, create_texture_atlas, texture_atlas_size, texture_wrap, device or "cpu")
    for f in files:
        verts, faces, aux = _load(f, *options, strict=True)
        textures = None if aux.texture_atlas is None else TexturesAtlas([aux.texture_atlas])
        if textures is None and aux.texture_images and aux.verts_uvs is not None:
            image, *others = aux.texture_images.values()
            textures = TexturesUV([image], [faces.textures_idx], [aux.verts_uvs])
            if others:
                warnings.warn("Only the first of several images is used; create_texture_atlas keeps all", stacklevel=2)
        meshes.append(Meshes([verts], [faces.verts_idx], textures))
    return meshes[0] if len(meshes) == 1 else join_meshes_as_batch(meshes)


def read_obj(f, include_textures: bool = True, device="cpu", **options) -> Meshes:
    """The mesh of one file, as `load_objs_as_meshes` reads it."""
    known = ("create_texture_atlas", "texture_atlas_size", "texture_wrap")
    return load_objs_as_meshes([f], device, include_textures, **{k: v for k, v in options.items() if k in known})


def write_obj(meshes: Meshes, f, binary: bool | None = None, decimal_places: int | None = None, **_) -> None:
    """Writes a mesh, with its image if it has one."""
    given, textures = {}, meshes.textures
    if isinstance(textures, TexturesUV):
        given = {"verts_uvs": textures.verts_uvs_list()[0], "faces_uvs": textures.faces_uvs_list()[0]}
        given["texture_map"] = textures.maps_list()[0]
    save_obj(f, meshes.verts_list()[0], meshes.faces_list()[0], decimal_places, **given)


def save_obj(
    f,
    verts: Tensor,
    faces: Tensor,
    decimal_places: int | None = None,
    *,
    normals: Tensor | None = None,
    faces_normals_idx: Tensor | None = None,
    verts_uvs: Tensor | None = None,
    faces_uvs: Tensor | None = None,
    texture_map: Tensor | None = None,
) -> None:
    """Writes verts (V, 3) and faces (F, 3); normals (N, 3) with faces_normals_idx (F, 3); and, if all three are given,
    verts_uvs (T, 2), faces_uvs (F, 3) and texture_map (H, W, 3) in [0, 1], as .mtl and .png files beside it.

    Raises:
        ValueError: other shapes, or normals without their indices.
    """
    _check_shapes(verts, faces, normals, faces_normals_idx, verts_uvs, faces_uvs, texture_map)
    if not len(verts) and not len(faces):
        warnings.warn("Empty 'verts' and 'faces' arguments provided", stacklevel=2)
    if bool(((faces < 0) | (faces >= len(verts))).any()):
        warnings.warn("Faces have invalid indices", stacklevel=2)
    if not isinstance(f, str | Path) or any(t is None for t in (verts_uvs, faces_uvs, texture_map)):
        verts_uvs = faces_uvs = texture_map = None
    text, number = b"", f"%.{6 if decimal_places is None else decimal_places}f"
    if texture_map is not None:
        path = Path(f)
        text = f"\nmtllib {path.stem}.mtl\nusemtl mesh\n\n".encode()
    for kind, rows in (("v", verts), ("vn", normals), ("vt", verts_uvs)):
        if rows is not None:
            text += format_rows(f"{kind}{f' {number}' * rows.shape[-1]}\n", rows)
    if len(faces):
        columns = (faces, faces_uvs, faces_normals_idx)
        corner = "/".join("" if indices is None else "%d" for indices in columns).rstrip("/")
        table = torch.stack([indices.cpu() for indices in columns if indices is not None], 2)
        text += format_rows(f"f {corner} {corner} {corner}\n", table.flatten(1) + 1)[:-1]
    write_bytes(f, text)
    if texture_map is not None:
        write_bytes(path.with_suffix(".png"), png_bytes(texture_map))
        write_bytes(path.with_suffix(".mtl"), f"newmtl mesh\nmap_Kd {path.stem}.png\n".encode())


def _check_shapes(verts, faces, normals, faces_normals_idx, verts_uvs, faces_uvs, texture_map) -> None:
    given = dict(locals())
    for name, t in given.items():
        dimensions, width = 3 if name == "texture_map" else 2, 2 if name == "verts_uvs" else 3
        if t is not None and len(t) and (t.dim() != dimensions or t.shape[-1] != width):
            raise ValueError(f"'{name}' should be empty or have {dimensions} axes, the last of {width}: {[*t.shape]}")
    if (normals is None) != (faces_normals_idx is None):
        raise ValueError("'normals' and 'faces_normals_idx' must both be None or neither.")


def _load(f, load_textures: bool, create_atlas: bool, atlas_size: int, wrap: str | None, device, strict: bool):
    """What `load_obj` gives; if strict, missing vertices and texture coordinates are errors."""
    if wrap not in ("repeat", "clamp", None):
        raise ValueError(f"texture_wrap must be 'repeat', 'clamp' or None, got {wrap!r}")
    data, name = read_bytes(f)
    tables, indices, material, names, libraries = parse_obj(data, name, strict)
    verts, uvs, normals = map(torch.from_numpy, tables)
    vert, texture, normal = torch.from_numpy(indices).unbind(1)
    material, colors, images, atlas = torch.from_numpy(material), None, None, None
    if load_textures and libraries:
        folder = os.path.dirname(f) if isinstance(f, str | Path) else ""
        colors, images = load_materials([os.path.join(folder, library) for library in libraries], names)
        if not names and colors:
            names, material = list(colors), material * 0
    elif load_textures and names:
        warnings.warn("No mtl file provided", stacklevel=3)
    if create_atlas:
        has = (texture >= 0) & (texture < len(uvs))
        corners = F.pad(uvs, (0, 0, 0, 1), value=torch.nan)[torch.where(has, texture, -1)]
        if wrap == "repeat" and bool(((corners < 0) | (corners > 1)).any()):
            corners = corners % 1
        corners = corners.clamp(0, 1) if wrap == "clamp" else corners
        atlas = make_atlas(colors or {}, images or {}, names, material, corners, atlas_size)
    normals, uvs = (rows if len(rows) else None for rows in (normals, uvs))
    faces = Faces(*(index.contiguous().to(device) for index in (vert, normal, texture, material)))
    properties = (_to(thing, device) for thing in (normals, uvs, colors, images, atlas))
    return verts.to(device), faces, Properties(*properties)


def _to(thing: Tensor | dict | None, device):
    """A tensor, or all in a dictionary, on a device."""
    if isinstance(thing, dict):
        return {key: _to(value, device) for key, value in thing.items()}
    return None if thing is None else thing.to(device)
