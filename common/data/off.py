"""OFF meshes: a strict, fast reader, and area-uniform sampling of a surface.

Format: Geomview, "OFF files" (http://www.geomview.org/docs/html/OFF.html); and what ModelNet makes of it, whose
files often run the header and the counts together (``OFF490 518 0``).
"""

import os
import re
from pathlib import Path

import numpy as np

from common.cli import UserError

_HEADER = re.compile(r"\s*(?:ST)?C?N?OFF(.*)", re.IGNORECASE)
_COUNT = re.compile(r"[+-]?[0-9]{1,15}")
_MOST_SHOWN = 24


def read_off(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read an ASCII OFF mesh; polygons become fans of triangles.

    Comments, blank lines, odd white space and extra numbers behind a vertex or a face (normals, colours) are passed
    over. Memory is bounded by the file's size, whatever its counts promise.

    Returns:
        verts (V, 3) float64, file units, and faces (F, 3) int64, indices into verts; V >= 1, F >= 0.

    Raises:
        UserError: the file cannot be read or is not such a mesh; the message names file and line.
    """
    path = Path(path)
    numbers, rows = _content_rows(path)
    verts_count, faces_count, start = _read_counts(path, numbers, rows)
    end = start + verts_count + faces_count
    if len(rows) < end:
        raise UserError(
            f"{path}, line {numbers[-1]}: the file ends after {len(rows) - start} lines of data, but its header "
            f"promises {verts_count} vertices and {faces_count} faces; it is truncated or its counts are wrong"
        )
    if len(rows) > end:
        raise UserError(
            f"{path}, line {numbers[end]}: data after the {verts_count} vertices and {faces_count} faces that the "
            "header promises, one a line; correct the counts"
        )
    middle = start + verts_count
    verts = _read_verts(path, numbers[start:middle], rows[start:middle])
    return verts, _read_faces(path, numbers[middle:], rows[middle:], verts_count)


def sample_surface(verts: np.ndarray, faces: np.ndarray, n: int, generator: np.random.Generator) -> np.ndarray:
    """Sample points uniformly by area: a triangle with probability proportional to its area, then a point in it by
    the square-root rule (Osada et al. 2002, "Shape Distributions", eq. 1).

    Args:
        verts: (V, 3) float, finite.
        faces: (F, 3) int, indices into verts.
        n: number of points.

    Returns:
        (n, 3) float64, in the units of ``verts``.

    Raises:
        UserError: the surface has no area.
    """
    scale = np.abs(verts).max(initial=0.0)
    if scale > 0:
        corners = (verts / scale)[faces]  # (F, 3 corners, 3); scaled so that no area over- or underflows
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        cumulative = np.cumsum(areas)
    if scale == 0 or len(faces) == 0 or cumulative[-1] == 0:
        raise UserError(f"the surface has no area ({len(verts)} vertices, {len(faces)} faces); give a mesh with area")
    chosen = np.searchsorted(cumulative, generator.random(n) * cumulative[-1], side="right")
    a, b, c = corners[np.minimum(chosen, np.flatnonzero(areas)[-1])].transpose(1, 0, 2)
    root, along = np.sqrt(generator.random((n, 1))), generator.random((n, 1))
    return scale * ((1 - root) * a + root * (1 - along) * b + root * along * c)


def _content_rows(path: Path) -> tuple[list[int], list[str]]:
    """Line numbers (from 1) and text of the lines that hold anything but comments and white space."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    rows = text.split("\n")
    if "#" in text:
        rows = [row.split("#", 1)[0] for row in rows]
    numbers = [number for number, row in enumerate(rows, start=1) if row and not row.isspace()]
    return numbers, [rows[number - 1] for number in numbers]


def _read_counts(path: Path, numbers: list[int], rows: list[str]) -> tuple[int, int, int]:
    """The header's counts of vertices and faces, and the position of the first row behind it."""
    if not rows:
        raise UserError(f"{path}: holds no data; an OFF file starts with the word OFF")
    header = _HEADER.fullmatch(rows[0])
    if not header:
        raise UserError(f"{path}, line {numbers[0]}: an OFF file starts with the word OFF, not {_shown(rows[0])}")
    if header[1].split()[:1] == ["BINARY"]:
        raise UserError(f"{path}, line {numbers[0]}: binary OFF is not read; convert the mesh to ASCII OFF")
    at = 0 if header[1].strip() else 1
    if at == len(rows):
        raise UserError(f"{path}, line {numbers[0]}: the file ends before its counts of vertices and faces")
    tokens = (header[1] if at == 0 else rows[1]).split()
    if len(tokens) not in (2, 3) or not all(_COUNT.fullmatch(token) for token in tokens):
        raise UserError(
            f"{path}, line {numbers[at]}: expected the counts 'vertices faces edges', not {_shown(' '.join(tokens))}"
        )
    if min(counts := [int(token) for token in tokens]) < 0:
        raise UserError(f"{path}, line {numbers[at]}: a count is negative: {_shown(' '.join(tokens))}")
    if counts[0] == 0:
        raise UserError(f"{path}, line {numbers[at]}: the mesh has no vertices")
    return counts[0], counts[1], at + 1


def _table(rows: list[str]) -> np.ndarray | None:
    """Rows of equally many numbers as (R, C) float64; None where they are not that."""
    try:
        table = np.loadtxt(rows, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        return None
    return table if len(table) == len(rows) else None


def _floats(path: Path, number: int, row: str) -> list[float]:
    """The numbers of one line."""
    try:
        if "_" in row:  # float() reads 1_0 as ten
            raise ValueError
        return [float(token) for token in row.split()]
    except ValueError:
        raise UserError(f"{path}, line {number}: not a row of numbers: {_shown(row)}") from None


def _read_verts(path: Path, numbers: list[int], rows: list[str]) -> np.ndarray:
    """(V, 3) float64 of the vertex lines ``x y z [more numbers]``."""
    table = _table(rows)
    if table is None or table.shape[1] < 3:
        columns, parsed = len(rows[0].split()), []
        for number, row in zip(numbers, rows, strict=True):
            parsed.append(_floats(path, number, row))
            found = len(parsed[-1])
            if found < 3:
                raise UserError(f"{path}, line {number}: a vertex needs three numbers x y z, not {found}")
            if found != columns:  # often a face, because the counts are wrong
                raise UserError(f"{path}, line {number}: {found} numbers, but the vertices above have {columns}")
        table = np.array(parsed)
    verts = np.ascontiguousarray(table[:, :3])
    wrong = np.flatnonzero(~np.isfinite(verts).all(axis=1))
    if len(wrong):
        raise UserError(f"{path}, line {numbers[wrong[0]]}: vertex {wrong[0]} is not finite; repair or remove the mesh")
    return verts


def _read_faces(path: Path, numbers: list[int], rows: list[str], verts_count: int) -> np.ndarray:
    """(F, 3) int64 of the face lines ``k i_1 ... i_k [more numbers]``, fanned into triangles."""
    if not rows:
        return np.zeros((0, 3), dtype=np.int64)
    table = _table(rows)
    sides = 0 if table is None else table[0, 0]
    if table is not None and (table[:, 0] == sides).all() and _is_polygon(sides, table.shape[1] - 1):
        polygons = table[:, 1 : int(sides) + 1]
        fans = [polygons[:, [0, j, j + 1]] for j in range(1, int(sides) - 1)]
        triangles = np.stack(fans, axis=1).reshape(-1, 3)
        lines = np.repeat(numbers, len(fans))
    else:
        triangles, lines = _mixed_polygons(path, numbers, rows)
    valid = (triangles >= 0) & (triangles < verts_count) & (triangles == np.floor(triangles))
    wrong = np.flatnonzero(~valid.all(axis=1))
    if len(wrong):
        index = triangles[wrong[0]][~valid[wrong[0]]][0]
        raise UserError(
            f"{path}, line {lines[wrong[0]]}: face index {index:g} is none of the vertices 0..{verts_count - 1}"
        )
    return triangles.astype(np.int64)


def _mixed_polygons(path: Path, numbers: list[int], rows: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Fans of faces that differ in their number of corners or columns: (T, 3) float64, and (T,) line numbers."""
    triangles, lines = [], []
    for number, row in zip(numbers, rows, strict=True):
        sides, *values = _floats(path, number, row)
        if not _is_polygon(sides, len(values)):
            raise UserError(
                f"{path}, line {number}: a face needs its number of corners, at least 3, and as many indices; this "
                f"line says {sides:g} and has {len(values)} more numbers"
            )
        fan = [(values[0], values[j], values[j + 1]) for j in range(1, int(sides) - 1)]
        triangles += fan
        lines += [number] * len(fan)
    return np.array(triangles), np.array(lines)


def _is_polygon(sides: float, available: int) -> bool:
    return 3 <= sides <= available and float(sides).is_integer()


def _shown(text: str) -> str:
    """The beginning of a line from the file, printable, for a message."""
    text = text.strip()
    return ascii(text[:_MOST_SHOWN]) + ("..." if len(text) > _MOST_SHOWN else "")
