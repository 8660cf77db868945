"""What the values of a configuration may be: kinds of single values, and sections of known keys."""

import difflib
import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

REQUIRED = object()  # the default of a key that must be given
# A check: it returns the value, or raises a ValueError that says what it must be.
Kind = Callable[[Any], Any]


def numbers(count: int | None = None):
    """A check for a list of numbers, ``count`` of them if that is given."""

    def check(value):
        if not isinstance(value, list) or not all(type(v) in (int, float) and math.isfinite(v) for v in value):
            raise ValueError("must be a list of finite numbers")
        if count is not None and len(value) != count:
            raise ValueError(f"must be {count} numbers")
        return [float(v) for v in value]

    return check


def parameter(count: int | None, kind: Kind | None = None):
    """``{val: ..., opt: bool}``: a start value and whether it is trained.

    Args:
        count: of its numbers; None for one.
        kind: of each of them, any number by default.
    """

    def check(value):
        if not isinstance(value, dict) or "val" not in value or set(value) - {"val", "opt", "rainbow"}:
            raise ValueError("must have val and opt")
        known = numbers(count)(value["val"]) if count else number(value["val"])
        for each in known if count else [known]:
            (kind or number)(each)
        return SimpleNamespace(val=known, opt=bool(value.get("opt", False)), rainbow=bool(value.get("rainbow", False)))

    return check


def number(value) -> float:
    """A finite or infinite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise ValueError("must be a number")
    return float(value)


def positive(value) -> float:
    """A finite number above 0."""
    if not 0 < number(value) < float("inf"):
        raise ValueError("must be above 0")
    return float(value)


def not_negative(value) -> float:
    """A finite number of at least 0."""
    if not 0 <= number(value) < float("inf"):
        raise ValueError("must not be negative")
    return float(value)


def count(value) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number of at least 1")
    return value


def whole(value) -> int:
    """A whole number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("must be a whole number of at least 0")
    return value


def size(value) -> tuple[int, int]:
    """Two whole numbers of at least 1: width and height."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("must be [width, height]")
    return count(value[0]), count(value[1])


def seed(value) -> int:
    """A whole number from 0 to 2^31 - 1."""
    if whole(value) >= 2**31:
        raise ValueError("must be below 2^31")
    return int(value)


def counts(value) -> tuple[int, ...]:
    """Whole numbers of at least 0, as a tuple."""
    if not isinstance(value, list):
        raise ValueError("must be a list of whole numbers")
    return tuple(whole(v) for v in value)


def levels(value) -> tuple[int, ...]:
    """At least one whole number of at least 1, as a tuple."""
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of at least one whole number")
    return tuple(count(v) for v in value)


def cells(value) -> int:
    """A whole number of at least 2."""
    if count(value) < 2:
        raise ValueError("must be a whole number of at least 2")
    return value


def bounds(value) -> list[list[float]]:
    """The lowest and the highest corner of a box, three numbers each."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("must be the lowest and the highest corner")
    low, high = (numbers(3)(corner) for corner in value)
    if not all(a < b for a, b in zip(low, high, strict=True)):
        raise ValueError("its lowest corner must lie below the highest")
    return [low, high]


def flag(value) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def text(value) -> str:
    """Text."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def one_of(*names: str):
    """A check for one of these names."""

    def check(value):
        if value not in names:
            near = difflib.get_close_matches(str(value), names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"must be one of {', '.join(names)}{hint}")
        return value

    return check


def optional(kind: Kind):
    """A check for null or what ``kind`` allows."""

    return lambda value: None if value is None else kind(value)


def section(values: dict, schema: dict, prefix: str) -> SimpleNamespace:
    """The values of a section, checked by ``schema`` (key -> (kind, default)), as a namespace with all keys.

    Raises:
        ValueError: an unknown or missing key, or a wrong value, named with ``prefix`` before it.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{prefix}: must hold keys and values")
    dot = f"{prefix}." if prefix else ""
    for key in values:
        if key not in schema:
            unknown(key, dot + str(key), tuple(schema))
    out = {}
    for key, (kind, default) in schema.items():
        if key not in values:
            if default is REQUIRED:
                raise ValueError(f"{dot}{key} is missing")
            out[key] = default
            continue
        try:
            out[key] = kind(values[key])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{dot}{key}: {error}, got {values[key]}") from None
    return SimpleNamespace(**out)


def typed(values: dict | None, schemas: dict, prefix: str) -> SimpleNamespace:
    """A section whose ``type`` says which keys it has."""
    if not isinstance(values, dict) or "type" not in values:
        raise ValueError(f"{prefix}.type is missing; it is one of {', '.join(schemas)}")
    kind = one_of(*schemas)
    try:
        name = kind(values["type"])
    except ValueError as error:
        raise ValueError(f"{prefix}.type: {error}, got {values['type']}") from None
    return section(values, {"type": (text, REQUIRED), **schemas[name]}, prefix)


def unknown(key: str, path: str, known: Sequence[str]):
    """Raise a ValueError that says ``path`` is no key and names the known one nearest to ``key``."""
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
    path = str(path)
    raise ValueError(f"unknown key {path}; the nearest known is {path[: len(path) - len(str(key))]}{near[0]}")
