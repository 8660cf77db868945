"""The elements of PLY files (Turk 1994, "The PLY Polygon File Format"): text, and binary of either byte order."""

import re

import numpy as np

from .io_files import Rows

NAMES = "char uchar short ushort int uint float double int8 uint8 int16 uint16 int32 uint32 float32 float64".split()
TYPES = dict(zip(NAMES, "i1 u1 i2 u2 i4 u4 f4 f8".split() * 2, strict=True))
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


def read_elements(data: bytes, name: str):
    """A file's comments, {element: properties} and {element: {property: (R,) or (starts, sizes, items)}}.

    Properties are (name, type, type of a list's length or None).
    """
    order, comments, elements, counts, start = _read_header(data, name)
    values, row = {}, 0
    if not order:
        rows = Rows(data[start:], sum(counts.values()), name, data.count(b"\n", 0, start) + 1)
        start += rows.end
    for element, properties in elements.items():
        try:
            if order:
                columns, start = _read_binary(data, start, counts[element], properties, order)
            else:
                here = slice(row, row + counts[element])
                columns, row = rows.columns(here, [p[2] is not None for p in properties], element), here.stop
                if row > len(rows.sizes):
                    raise EOFError
        except EOFError:
            raise ValueError(f"{name}: Not enough data for {element}.") from None
        values[element] = dict(zip([p[0] for p in properties], columns, strict=True))
    if data[start:].strip():
        raise ValueError(f"{name}: Extra data at end of file: {data[start:].strip()[:20]!r}")
    return comments, elements, values


def _read_header(data: bytes, name: str):
    """Byte order, "" of text, comments, {element: properties}, {element: count}, and where the data begin."""
    last = re.search(rb"[\r\n]end_header", data)  # a comment may hold the word
    end = last.start() + 1 if last else 0
    lines = data[:end].decode("latin-1").splitlines() or [""]
    form, comments, elements, counts, element = lines[1].split()[1:2] if len(lines) > 1 else [], [], {}, {}, None
    if lines[0].strip() != "ply" or not form or form[0] not in ORDERS:
        raise ValueError(f"{name}: Invalid file header.")
    for number, line in enumerate(lines[2:], 3):
        problem = None
        match line.split():
            case ["comment" | "obj_info", *_]:
                comments.append(line)
            case ["element", element, count]:
                if element in elements:
                    problem = f"a second {element}"
                elif not (count.isascii() and count.isdigit()):
                    problem = f"Number of items for {element} was not a number."
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
    return ORDERS[form[0]], comments, elements, counts, data.find(b"\n", end) + 1 or len(data)


def _read_binary(data: bytes, start: int, count: int, properties: list, order: str) -> tuple[list, int]:
    """The columns of one element whose data begin at `start`, and where they end; EOFError if they do not.

    All rows at once if the lists of all are as long as those of the first, else one by one.
    """
    if count * sum(int((list_type or kind)[1]) for _, kind, list_type in properties) > len(data) - start:
        raise EOFError
    sizes = _row(data, start, properties, order)[0] if count else [1] * len(properties)
    fields = []
    for k, (_, kind, list_type) in enumerate(properties):
        fields += [(f"size{k}", order + (list_type or "V0")), (f"{k}", order + kind, (sizes[k],))]
    dtype = np.dtype(fields)
    even = count * dtype.itemsize <= len(data) - start
    rows = np.frombuffer(data, dtype, count if even else 0, start)
    if even and all((rows[f"size{k}"] == sizes[k]).all() for k, p in enumerate(properties) if p[2]):
        items = [rows[f"{k}"].reshape(-1) for k in range(len(properties))]
        sizes = [np.broadcast_to(size, count) for size in sizes]
        start += count * dtype.itemsize
    else:
        parts = [[] for _ in properties]
        for _ in range(count):
            sizes, places, start = _row(data, start, properties, order)
            for part, (_, kind, _), size, place in zip(parts, properties, sizes, places, strict=True):
                part.append(np.frombuffer(data, order + kind, size, place))
        items = [np.concatenate(part) for part in parts]
        sizes = [np.array([len(row) for row in part]) for part in parts]
    columns = zip(properties, sizes, items, strict=True)
    return [(size.cumsum() - size, size, item) if p[2] else item for p, size, item in columns], start


def _row(data: bytes, at: int, properties: list, order: str) -> tuple[list[int], list[int], int]:
    """Of one row: how many items each property has, where they begin, and where the next row begins."""
    sizes, places = [], []
    for _, kind, list_type in properties:
        size = 1
        if list_type:
            length, at = data[at : at + int(list_type[1])], at + int(list_type[1])
            size = int.from_bytes(length, "little" if order == "<" else "big", signed=list_type[0] == "i")
        sizes.append(size)
        places.append(at)
        at += size * int(kind[1])
        if size < 0 or at > len(data):
            raise EOFError
    return sizes, places, at
