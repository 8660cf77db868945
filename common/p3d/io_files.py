"""What the readers of meshes share: bytes of files and streams, lines of numbers, polygons as triangles, images.

Memory is bounded by the bytes that a file has, whatever its counts promise.
"""

import contextlib
import io
import os
import re
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TGA", "TIFF", "GIF", "PPM")
BLANK = np.isin(np.arange(256), list(b" \t\n\v\f\r"))  # which characters are white space
NUMBERS = {np.int64: rb"[-+]?\d+", np.float64: rb"[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|nan|inf(?:inity)?)"}
NO_SUCH = "Faces have invalid indices: no such vertex, texture coordinate or normal"
MOST_PIXELS, MOST_PIXELS_PER_BYTE = 2**26, 8256  # the latter is deflate's limit at one bit a pixel


def read_bytes(f) -> tuple[bytes, str]:
    """All bytes of a path or of a stream, binary or text, and its name for messages."""
    if isinstance(f, str | Path):
        return Path(f).read_bytes(), str(f)
    data = f.read()
    return data.encode() if isinstance(data, str) else data, str(getattr(f, "name", "stream"))


def read_linked(path: str) -> bytes | None:
    """The bytes of a file that another one names; None, with a warning, if it is no regular file."""
    if os.path.isfile(path):
        return Path(path).read_bytes()
    kind = "Mtl" if path.endswith(".mtl") else "Texture"
    warnings.warn(f"{kind} file does not exist: {path}", stacklevel=5)
    return None


def write_bytes(f, data: bytes) -> None:
    """To a stream, or to a path: then all or, if the disk is full, no file."""
    if not isinstance(f, str | Path):
        f.write(data.decode() if isinstance(f, io.TextIOBase) else data)
        return
    try:
        Path(f).write_bytes(data)
    except OSError:
        if os.path.isfile(f):
            os.unlink(f)
        raise


def refuse(wrong: np.ndarray, problem: str, name: str, lines: np.ndarray | None = None, strict: bool = True) -> None:
    """ValueError, or a warning if not strict, that names the line (of no `lines`: the number) of the first `wrong`."""
    if wrong.any():
        place = f"face {wrong.argmax()}" if lines is None else f"line {lines[wrong.argmax()]}"
        if strict:
            raise ValueError(f"{name}, {place}: {problem}")
        warnings.warn(f"{name}, {place}: {problem}", stacklevel=5)


def starts_of_runs(inside: np.ndarray) -> np.ndarray:
    """Where runs of True in (N,) begin."""
    return np.flatnonzero(inside & ~np.append(False, inside[:-1]))


def parse_numbers(text: bytes, count: int, name: str, dtype=np.float64, first_line: int = 1) -> np.ndarray:
    """The (count,) words of a text as numbers; ValueError names the line of one that is not."""
    with contextlib.suppress(ValueError):
        values = np.fromstring(text, dtype, sep=" ") if count else np.zeros(0, dtype)
        if len(values) == count:
            return values
    word = re.search(rb"(?i)(?<!\S)(?!(?:%s)(?!\S))\S+" % NUMBERS[dtype], text)
    if not word:
        raise ValueError(f"{name}: its numbers cannot be read")
    line = first_line + text.count(b"\n", 0, word.start())
    raise ValueError(f"{name}, line {line}: not a number: {word[0][:24]!r}")


def count_words(text: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Number of words on each line (L,), and where each line ends (L,)."""
    characters = np.frombuffer(text, np.uint8)
    ends = np.append(np.flatnonzero(characters == 10), len(characters))
    return np.diff(np.searchsorted(starts_of_runs(~BLANK[characters]), ends), prepend=0), ends


class Rows:
    """The `numbers` on the first `limit` lines of a text that are not empty: `sizes` (R,) from `starts` (R,) on."""

    def __init__(self, text: bytes, limit: int, name: str, first_line: int):
        words, ends = count_words(text)
        filled = np.flatnonzero(words)[:limit]
        self.name, self.sizes, self.lines = name, words[filled], filled + first_line
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.end = ends[filled[-1]] if len(filled) else 0
        self.numbers = parse_numbers(text[: self.end], int(self.sizes.sum()), name, first_line=first_line)

    def columns(self, rows: slice, lists: list[bool], what: str) -> list:
        """The columns of some rows: (R,) numbers, or of a list (starts, sizes, items); ValueError for other lengths."""
        columns, at, lines = [], self.starts[rows], self.lines[rows]
        stop = at + self.sizes[rows]
        length = f"A line of {what} data did not have the specified length."
        other = length if any(lists) else f"Inconsistent data for {what}. The number of columns differs."
        for is_list in lists:
            refuse(at >= stop, other, self.name, lines)
            value, at = self.numbers[at], at + 1
            if is_list:
                refuse(~((value >= 0) & (value <= stop - at) & (value % 1 == 0)), length, self.name, lines)
                sizes = value.astype(np.int64)
                value, at = (at, sizes, self.numbers), at + sizes
            columns.append(value)
        refuse(at != stop, other, self.name, lines)
        return columns


def fan(starts: np.ndarray, sizes: np.ndarray, grouped: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Polygons of `sizes` (F,) corners, `starts` (F,) on in a list of corners, as triangles (first, j, j + 1).

    Returns:
        (T, 3) places in the list, and (T,) the polygon of each triangle. In the order of the polygons; if `grouped` and
        all are of one size, first the first triangles of all.
    """
    count = np.maximum(sizes - 2, 0)
    polygon = np.repeat(np.arange(len(sizes)), count)
    step = np.arange(len(polygon)) - np.repeat(np.cumsum(count) - count, count)
    if grouped and (sizes == sizes[:1]).all():
        order = np.argsort(step, kind="stable")
        polygon, step = polygon[order], step[order]
    return starts[polygon][:, None] + np.stack((0 * step, step + 1, step + 2), 1), polygon


def format_rows(row: str, rows: Tensor) -> bytes:
    """Rows (N, C) as text: `row` is the format of one."""
    return (row * len(rows) % tuple(rows.detach().cpu().flatten().tolist())).encode()


def read_image(data: bytes, name: str) -> Tensor:
    """(H, W, 3) float32 in [0, 1] of an image file's bytes, without alpha; ValueError if they are none, or too few."""
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            if image.width * image.height > min(MOST_PIXELS, MOST_PIXELS_PER_BYTE * len(data)):
                raise ValueError(f"{image.width} x {image.height} pixels in {len(data)} bytes are too many")
            pixels = np.array(image.convert("RGB"))
    except Exception as error:  # decoders raise whatever they stumble over
        reason = "of no known format" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"{name}: not a readable image: {reason}") from None
    return torch.from_numpy(pixels).float().div_(255.0)


def png_bytes(image: Tensor) -> bytes:
    """A png file's bytes of an image (H, W, 3) in [0, 1]."""
    stream = io.BytesIO()
    Image.fromarray((image.detach().cpu().clamp(0, 1) * 255).round().byte().numpy()).save(stream, format="PNG")
    return stream.getvalue()
