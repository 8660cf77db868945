"""The lines of Wavefront obj files, read a kind at a time, not a line at a time."""

import os
import re
import warnings

import numpy as np

from .io_files import BLANK, NO_SUCH, count_words, fan, parse_numbers, refuse, starts_of_runs

KINDS = {"v": 3, "vt": 2, "vn": 3}  # of lines with numbers, and how many of them count


def parse_obj(data: bytes, name: str, strict: bool):
    """Tables of v, vt and vn, indices (T, 3 of those, 3 corners) and materials (T,) of triangles, names, mtl files.

    Lines are told apart by their first letters in one pass; then the text of all lines of a kind, with the line breaks
    of the others left in to keep count, is read at once.
    """
    data = _logical_lines(data) + b"\n"
    text = np.frombuffer(data, np.uint8).copy()
    breaks = text == 10
    ends = np.flatnonzero(breaks)
    starts = np.append(0, ends[:-1] + 1)
    letters = [text[np.minimum(starts + k, len(text) - 1)] for k in range(3)]
    kinds, lines = np.zeros(len(starts), np.uint8), []
    for kind, word in enumerate((*KINDS, "f"), 1):
        matches = [column == ord(letter) for column, letter in zip(letters, word, strict=False)]
        here = np.flatnonzero(np.all([*matches, BLANK[letters[len(word)]]], 0))
        text[starts[here, None] + np.arange(len(word))] = ord(" ")
        kinds[here] = kind
        lines.append(here)
    kind_of_character = np.repeat(kinds, ends - starts + 1)
    texts = [text[(kind_of_character == kind) | breaks].tobytes() for kind in range(1, 5)]
    tables = [_table(*rest, name) for rest in zip(texts, lines, KINDS, strict=False)]
    indices, polygon = _faces(texts[3], lines, name, strict)
    names, libraries, lines_of_use, uses = {}, [], [], [-1]
    for line in np.flatnonzero((letters[0] == ord("u")) | (letters[0] == ord("m"))):
        keyword, *rest = os.fsdecode(data[starts[line] : ends[line]]).strip().split(None, 1)
        if keyword in ("mtllib", "usemtl") and not rest:
            raise ValueError(f"{name}, line {line + 1}: {keyword}: material file name or material is not specified")
        if keyword == "mtllib":
            libraries += rest
        elif keyword == "usemtl":
            lines_of_use.append(line)
            uses.append(names.setdefault(rest[0], len(names)))
    material = np.array(uses)[np.searchsorted(np.array(lines_of_use, np.int64), lines[3][polygon])]
    return tables, indices, material, list(names), libraries


def _logical_lines(data: bytes) -> bytes:
    """The text without comments, indentation and continuation marks; lines keep their numbers."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"#" in data:
        data = re.sub(rb"#.*", lambda m: m[0] if m.start() and m.string[m.start() - 1] not in b" \t\n" else b"", data)
    if b"\\\n" in data:
        pattern = rb"(?m)^.*\\\n(?:.*\\\n)*.*"
        data = re.sub(pattern, lambda m: m[0].replace(b"\\\n", b" ") + b"\n" * m[0].count(b"\\\n"), data)
    return re.sub(rb"\n[ \t]+", b"\n", data.lstrip(b" \t"))


def _table(text: bytes, lines: np.ndarray, kind: str, name: str) -> np.ndarray:
    """(R, width) float32: the first numbers on these lines of a text."""
    words, width = count_words(text)[0][lines], KINDS[kind]
    refuse(words < width, f"{kind} does not have {width} values", name, lines + 1)
    values = parse_numbers(text, int(words.sum()), name)
    return values[(np.cumsum(words) - words)[:, None] + np.arange(width)].astype(np.float32)


def _faces(text: bytes, lines: list[np.ndarray], name: str, strict: bool) -> tuple[np.ndarray, np.ndarray]:
    """Indices (T, 3 properties, 3 corners) of the triangles, from 0, -1 for none; and the polygon of each."""
    sizes, numbering = count_words(text)[0][lines[3]], lines[3] + 1
    characters = np.frombuffer(text, np.uint8)
    slash, blank = characters == ord("/"), BLANK[characters]
    words, slashes, numbers = starts_of_runs(~blank), np.flatnonzero(slash), starts_of_runs(~(blank | slash))
    values = parse_numbers(text.replace(b"/", b" "), len(numbers), name, np.int64)
    face, table = np.repeat(np.arange(len(sizes)), sizes), np.zeros((len(words), 3), np.int64)
    before = np.searchsorted(slashes, words)
    excess = np.diff(before, append=len(slashes)) > 2
    refuse(excess, "Face vertices can only have 3 properties", name, numbering[face])
    corner = np.searchsorted(words, numbers, side="right") - 1
    table[corner, np.searchsorted(slashes, numbers) - before[corner]] = values
    for k in range(3):  # counted from 1, or back from the last one defined so far
        given = table[:, k] != 0
        count = np.bincount(face, given, len(sizes))
        refuse((count > 0) & (count < sizes), "Vertex properties are inconsistent", name, numbering)
        defined = np.searchsorted(lines[k], lines[3])[face]
        index = np.where(table[:, k] < 0, table[:, k] + defined, table[:, k] - 1)
        bad = ((index < 0) | (index >= len(lines[k]))) & (given | (k == 0))
        needed = k == 0 or (k == 1 and len(lines[k]) > 0)  # by a mesh; exporters name vt and vn that they leave out
        refuse(bad, NO_SUCH, name, numbering[face], strict and needed)
        table[:, k] = index
    if (sizes < 3).any():
        warnings.warn(f"{name}: faces of fewer than 3 vertices are left out", stacklevel=5)
    triangles, polygon = fan(np.cumsum(sizes) - sizes, sizes)
    return table[triangles].transpose(0, 2, 1), polygon
