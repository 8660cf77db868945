"""The elements of PLY files (Turk 1994, "The PLY Polygon File Format"): text, and binary of either byte order."""

import numpy as np

from .io_files import Rows

__all__ = ["TYPES", "read_elements"]

NAMES = "char uchar short ushort int uint float double int8 uint8 int16 uint16 int32 uint32 float32 float64".split()
TYPES = dict(zip(NAMES, "i1 u1 i2 u2 i4 u4 f4 f8".split() * 2, strict=True))


def read_elements(data: bytes, name: str):
    """A file's format, comments, {element: properties} and {element: {property: (R,) or (starts, sizes, items)}}.

    Properties are (name, type, type of a list's length or None).
    """
    form, comments, elements, counts, start = _read_header(data, name)
    values, row = {}, 0
    if form == "ascii":
        rows = Rows(data[start:], sum(counts.values()), name, data.count(b"\n", 0, start) + 1)
        for element, properties in elements.items():
            here = slice(row, row + counts[element])
            columns = rows.columns(here, [p[2] is not None for p in properties], element)
            row = here.stop
            if row > len(rows.sizes):
                raise ValueError(f"{name}: Not enough data for {element}.")
            values[element] = dict(zip([p[0] for p in properties], columns, strict=True))
        start += rows.end
    else:
        order = "<" if form == "binary_little_endian" else ">"
        for element, properties in elements.items():
            try:
                values[element], start = _read_binary(data, start, counts[element], properties, order)
            except ValueError:
                raise ValueError(f"{name}: Not enough data for {element}.") from None
    if data[start:].strip():
        raise ValueError(f"{name}: Extra data at end of file: {data[start:].strip()[:20]!r}")
    return form, comments, elements, values


def _read_header(data: bytes, name: str):
    """Format, comments, {element: properties}, {element: count}, and where the data begin."""
    end = max(data.find(b"end_header"), 0)
    lines = data[:end].decode("latin-1").splitlines() or [""]
    form, comments, elements, counts, element = lines[1].split()[1:2] if len(lines) > 1 else [], [], {}, {}, None
    if lines[0].strip() != "ply" or form not in (["ascii"], ["binary_little_endian"], ["binary_big_endian"]):
        raise ValueError(f"{name}: Invalid file header.")
    for number, line in enumerate(lines[2:], 3):
        match line.split():
            case ["comment" | "obj_info", *_]:
                comments.append(line)
                problem = None
            case ["element", element, count]:
                good = count.isascii() and count.isdigit()
                problem = None if good else f"Number of items for {element} was not a number."
                problem = f"a second {element}" if element in elements else problem
                elements[element], counts[element] = [], 0 if problem else int(count[:18])
            case ["property", _, _] if element is None:
                problem = "Encountered property before any element."
            case ["property", kind, title] | ["property", "list", _, kind, title] if element:
                sizes = line.split()[2] if len(line.split()) == 5 else None
                unknown = [k for k in (sizes or kind, kind) if k not in TYPES or k == sizes and TYPES[k][0] == "f"]
                problem = f"Invalid datatype: {unknown[0]}" if unknown else None
                if any(title == other for other, _, _ in elements[element]):
                    problem = f"Cannot have two properties called {title} in {element}."
                elements[element].append((title, TYPES.get(kind), TYPES.get(sizes)))
            case _:
                problem = f"Invalid line: {line[:40]!r}"
        if problem:
            raise ValueError(f"{name}, line {number}: {problem}")
    if not all(elements.values()):
        raise ValueError(f"{name}: Found an element with no properties.")
    stop = data.find(b"\n", end)
    return form[0], comments, elements, counts, len(data) if stop < 0 else stop + 1


def _read_binary(data: bytes, start: int, count: int, properties: list, order: str) -> tuple[dict, int]:
    """The columns of one element whose data begin at `start`, and where they end; ValueError if they do not.

    All rows at once if the lists of all are as long as those of the first, else one by one.
    """
    sizes = _row(data, start, properties, order)[0] if count else [0] * len(properties)
    fields = []
    for k, ((_, kind, list_type), size) in enumerate(zip(properties, sizes, strict=True)):
        fields += [(f"size{k}", order + list_type)] if list_type else []
        fields += [(f"{k}", order + kind, (size,) if list_type else ())]
    dtype = np.dtype(fields)
    even = count * dtype.itemsize <= len(data) - start
    rows = np.frombuffer(data, dtype, count if even else 0, start)
    lists = [k for k, p in enumerate(properties) if p[2]]
    if even and all((rows[f"size{k}"] == sizes[k]).all() for k in lists):
        each = {k: np.full(count, sizes[k], np.int64) for k in lists}
        items = [rows[f"{k}"].reshape(-1) for k in range(len(properties))]
        start += count * dtype.itemsize
    elif not lists or count > len(data) - start:
        raise ValueError
    else:
        parts, each = [[] for _ in properties], {k: np.zeros(count, np.int64) for k in lists}
        for row in range(count):
            sizes, places, start = _row(data, start, properties, order)
            for k, (size, place) in enumerate(zip(sizes, places, strict=True)):
                parts[k].append(np.frombuffer(data, order + properties[k][1], size, place))
                if k in each:
                    each[k][row] = size
        items = [np.concatenate(part) for part in parts]
    columns = [(each[k].cumsum() - each[k], each[k], item) if k in each else item for k, item in enumerate(items)]
    return dict(zip([p[0] for p in properties], columns, strict=True)), start


def _row(data: bytes, at: int, properties: list, order: str) -> tuple[list[int], list[int], int]:
    """Of one row: how many items each property has, where they begin, and where the next row begins."""
    sizes, places = [], []
    for _, kind, list_type in properties:
        size = 1
        if list_type:
            size = int(np.frombuffer(data, order + list_type, 1, at)[0])
            at += int(list_type[1])
        sizes.append(size)
        places.append(at)
        at += size * int(kind[1])
        if size < 0 or at > len(data):
            raise ValueError
    return sizes, places, at
