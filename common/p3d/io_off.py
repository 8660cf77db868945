"""OFF meshes (http://www.geomview.org/docs/html/OFF.html) in text, as ModelNet writes them too (`OFF490 518 0`)."""

import re
import warnings

import numpy as np
import torch

from .io_files import NO_SUCH, Rows, fan, format_rows, read_bytes, refuse, write_bytes
from .meshes import Meshes
from .textures import TexturesAtlas, TexturesVertex

HEADER = re.compile(rb"(?:C?OFF\s*)?(\d{1,15})\s+(\d{1,15})(?:[ \t]+\d+)?[ \t]*(?:\n|$)", re.IGNORECASE)


def read_off(f, include_textures: bool = True, device="cpu", **_) -> Meshes:
    """A mesh, textured by the colours of its vertices, or else of its faces; whole numbers are 255ths.

    Raises:
        ValueError: no such file; names it and the line.
    """
    data, name = read_bytes(f)
    data = re.sub(rb"#.*", b"", data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    header = HEADER.match(data, len(data) - len(data.lstrip()))
    if not header:
        raise ValueError(f"{name}: Invalid counts line: not OFF and its counts, but {data[:24]!r}")
    text, count, total = data[header.end() :], int(header[1]), int(header[1]) + int(header[2])
    above = data.count(b"\n", 0, header.end()) + 1
    rows = Rows(text, total, name, above)
    width, lines = int(rows.sizes[0]) if count and len(rows.sizes) else 3, rows.lines[count:]
    columns = rows.columns(slice(0, count), [False] * width, "vertex")
    if len(rows.sizes) < total:
        raise ValueError(f"{name}: Not enough {'vertex' if len(rows.sizes) < count else 'face'} data.")
    if text[rows.end :].strip():
        raise ValueError(f"{name}: Extra data at end of file: more lines than its counts say")
    refuse(np.array([width not in (3, 6, 7)]), "Bad vertex data.", name, rows.lines)
    starts, said = rows.starts[count:] + 1, rows.numbers[rows.starts[count:]]
    refuse(~(said >= 3), "Faces must have at least 3 vertices.", name, lines)
    refuse(said > rows.sizes[count:] - 1, "A line of face data did not have the specified length.", name, lines)
    after = int(rows.sizes[count] - said[0] - 1) if len(lines) else 0
    refuse(np.array([after not in (0, 3, 4)]), "Unexpected number of colors.", name, lines)
    (starts, corners, _), *colors = rows.columns(slice(count, total), [True] + [False] * after, "face")
    places, polygon = fan(starts, corners, grouped=True)
    faces, textures = rows.numbers[places], None
    refuse(~((faces >= 0) & (faces < count) & (faces % 1 == 0)).all(1), NO_SUCH, name, lines[polygon])
    if include_textures and width > 3:
        textures = TexturesVertex([_colors(columns[3:], text, rows.lines[0] - above, 3).to(device)])
    elif include_textures and after:
        colors = _colors(colors, text, lines[0] - above, int(corners[0]) + 1)[polygon]
        textures = TexturesAtlas([colors[:, None, None].to(device)])
    if width > 3 and after:
        warnings.warn("Faces colors ignored because vertex colors provided too.", stacklevel=3)
    verts = np.stack(columns[:3], 1).astype(np.float32)
    return Meshes([torch.from_numpy(verts).to(device)], [torch.from_numpy(faces.astype(np.int64)).to(device)], textures)


def _colors(columns: list[np.ndarray], text: bytes, line: int, skipped: int) -> torch.Tensor:
    """(R, C) float32 colours in [0, 1]; the words on one line of the text, after some, tell whether they are whole."""
    whole = all(word.isdigit() for word in text.split(b"\n", line + 1)[line].split()[skipped:])
    return torch.from_numpy((np.stack(columns, 1) / (255 if whole else 1)).astype(np.float32))


def write_off(meshes: Meshes, f, binary: bool | None = None, decimal_places: int | None = None, **_) -> None:
    """Writes a mesh, with the colours of its vertices, or with those of its faces if it has one texel for each."""
    verts, faces, textures = meshes.verts_list()[0], meshes.faces_list()[0].double(), meshes.textures
    number = "%f" if decimal_places is None else f"%.{decimal_places}f"
    if isinstance(textures, TexturesVertex):
        verts = torch.cat((verts, textures.verts_features_list()[0]), 1)
    elif isinstance(textures, TexturesAtlas) and textures.atlas_list()[0].shape[1] == 1:
        faces = torch.cat((faces, textures.atlas_list()[0][:, 0, 0].double()), 1)
    text = f"off\n{len(verts)} {len(faces)} 0\n".encode()
    text += format_rows(" ".join([number] * verts.shape[1]) + "\n", verts)
    write_bytes(f, text + format_rows("3 %d %d %d" + f" {number}" * (faces.shape[1] - 3) + "\n", faces))
