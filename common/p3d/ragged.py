"""Batches of elements that have unequally many rows: clouds of points, meshes of vertices and faces.

Rows are stored once, packed: those of all elements one after the other. The padded form is made from that on demand,
as a view where all elements have equally many; lists are the tensors that were given, or views.
"""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

from .structures import Structure

__all__: list[str] = []

Rows = Sequence[Tensor] | Tensor


class Ragged(Structure):
    """N elements with rows of several kinds.

    `_rows` holds the packed rows (sum L_n, C) of each kind, or None; `_sizes` how many each element has; `_lists` the
    tensors that were given for each element, since gradients are looked for there.
    """

    _kinds: dict[str, int]  # the kinds, places in space (sum L_n, 3) first, and which of `_sizes` is theirs
    _fillings: dict[str, int] = {}  # what pads a kind, if not 0

    @classmethod
    def _of(cls, sizes: Sequence[list[int]], rows: dict[str, Tensor | None]) -> Self:
        batch = cls.__new__(cls)
        batch._set(sizes, rows)
        return batch

    def _set(self, sizes: Sequence[list[int]], rows: dict[str, Tensor | None]) -> None:
        self._sizes, self._rows, self._lists = sizes, rows, {}
        self._N = len(sizes[0])
        self._filled = [all(counts) for counts in zip(*sizes, strict=True)]
        self.equisized = all(len(set(counts)) <= 1 for counts in sizes)

    def _remember(self, **given: Rows | None) -> None:
        """Have the tensors that were given in lists answered where the lists are asked for."""
        for name, rows in given.items():
            if isinstance(rows, list | tuple) and all(isinstance(part, Tensor) for part in rows):
                shape = self._rows[name].shape[1:]
                if all(part.shape[1:] == shape for part in rows):
                    self._lists[name] = list(rows)

    def _select(self, chosen: list[int]) -> Self:
        lists = {name: self._list(name) for name in self._rows}
        lists = {name: [parts[i] for i in chosen] for name, parts in lists.items() if parts is not None}
        rows = {name: concatenate(lists[name], old) if name in lists else None for name, old in self._rows.items()}
        batch = self._of([[counts[i] for i in chosen] for counts in self._sizes], rows)
        batch._lists = lists
        return batch

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        rows = {name: None if rows is None else function(rows) for name, rows in self._rows.items()}
        return self._of(self._sizes, rows)

    @property
    def _main(self) -> str:
        return next(iter(self._kinds))

    @property
    def device(self) -> torch.device:
        return self._rows[self._main].device

    @property
    def valid(self) -> Tensor:
        """(N,) bool: which elements have rows of every kind."""
        return torch.tensor(self._filled, dtype=torch.bool, device=self.device)

    def isempty(self) -> bool:
        """No element has rows of every kind."""
        return not any(self._filled)

    # --- the forms of one kind of rows

    def _lengths(self, name: str) -> list[int]:
        return self._sizes[self._kinds[name]]

    def _packed(self, name: str) -> Tensor | None:
        return self._rows[name]

    def _list(self, name: str) -> list[Tensor] | None:
        if name in self._lists:
            return self._lists[name]
        rows = self._packed(name)
        parts = None if rows is None else list(rows.split(self._lengths(name)))
        if name in self._rows:  # what is computed is not kept: it may be asked for with gradients later
            self._lists[name] = parts
        return parts

    def _padded(self, name: str) -> Tensor | None:
        rows, sizes = self._packed(name), self._lengths(name)
        if rows is None:
            return None
        shape = self._N, max(sizes, default=0), rows.shape[1]
        if len(set(sizes)) <= 1:
            return rows.reshape(shape)
        padded = rows.new_full((shape[0] * shape[1], shape[2]), self._fillings.get(name, 0))
        return padded.index_copy(0, self._places(name), rows).view(shape)

    def _unpadded(self, name: str, padded: Tensor) -> Tensor:
        flat = padded.flatten(0, 1)
        return flat if len(set(self._lengths(name))) <= 1 else flat[self._places(name)]

    def _counts(self, name: str) -> Tensor:
        return torch.tensor(self._lengths(name), dtype=torch.int64, device=self.device)

    def _starts(self, name: str) -> Tensor:
        counts = self._counts(name)
        return counts.cumsum(0) - counts

    def _elements(self, name: str) -> Tensor:
        return torch.arange(self._N, device=self.device).repeat_interleave(self._counts(name))

    def _places(self, name: str) -> Tensor:
        sizes, counts = self._lengths(name), self._counts(name)
        shift = torch.arange(self._N, device=self.device) * max(sizes, default=0) - self._starts(name)
        return torch.arange(sum(sizes), device=self.device) + shift.repeat_interleave(counts)

    # --- places in space

    def get_bounding_boxes(self) -> Tensor:
        """(N, 3, 2): least and greatest coordinate of each element on each axis; (inf, -inf) of an empty one."""
        rows, owner = self._rows[self._main], self._elements(self._main)[:, None].expand(-1, 3)
        sides = ((torch.inf, "amin"), (-torch.inf, "amax"))
        return torch.stack([rows.new_full((self._N, 3), x).scatter_reduce(0, owner, rows, of) for x, of in sides], 2)

    def _offset(self, offsets: Tensor) -> Self:
        """Adds (sum L_n, 3) or (3,) to the places of this object, and returns it."""
        rows = self._rows[self._main]
        if tuple(offsets.shape) not in ((3,), tuple(rows.shape)):
            raise ValueError(f"offsets must be (3,) or {tuple(rows.shape)}, got {tuple(offsets.shape)}")
        return self._put(self._main, rows + offsets)

    def _scale_(self, scale: float | Tensor) -> Self:
        """Multiplies the points or vertices of this object by a number or by one per element (N,), and returns it.

        Raises:
            ValueError: another shape.
        """
        if isinstance(scale, Tensor) and scale.dim() > 0:
            if len(scale) != self._N or scale.numel() != self._N:
                raise ValueError(f"scale must be a number or ({self._N},), got {tuple(scale.shape)}")
            scale = scale.view(-1, 1)[self._elements(self._main)]
        return self._put(self._main, self._rows[self._main] * scale)

    def _scale(self, scale: float | Tensor) -> Self:
        """A copy with the points or vertices multiplied by a number or by one per element (N,)."""
        return self._copy()._scale_(scale)

    def _copy(self) -> Self:
        """Another object with these rows."""
        return self._of(self._sizes, self._rows)

    def _put(self, name: str, rows: Tensor) -> Self:
        self._rows = {**self._rows, name: rows}
        self._lists.pop(name, None)
        return self


def pack(name: str, rows: Sequence[Tensor | None] | Tensor, sizes: list[int], width: int | None) -> Tensor:
    """(sum L_n, C) of N tensors (L_n, C), where an element without rows may have any or None, or of one (N, L, C).

    Raises:
        ValueError: other lengths than `sizes`, another width than `width`, unequal widths, several devices.
    """
    whole = isinstance(rows, Tensor)
    if whole and rows.dim() == 3 and [rows.shape[1]] * len(rows) == sizes and width in (None, rows.shape[2]):
        return rows.flatten(0, 1)
    parts = [part for part in rows if part is not None]
    shapes = [tuple(part.shape) for part in parts]
    if width is None:
        widths = [shape[1] for shape in sorted(shapes, key=lambda shape: not shape[0]) if len(shape) == 2]
        width = widths[0] if widths else 0
    fits = all(shape[1:] == (width,) or not shape[0] for shape in shapes)
    if whole or not fits or [0 if part is None else len(part) for part in rows] != sizes:
        raise ValueError(f"{name} must be (N, L, {width}) or {len(sizes)} tensors {sizes} x {width}, got {shapes}")
    if any(part.device != parts[0].device for part in parts):
        raise ValueError(f"all {name} must be on the same device, got {[str(part.device) for part in parts]}")
    fitting = [part for part, shape in zip(parts, shapes, strict=True) if shape[1:] == (width,)]
    return concatenate(fitting, parts[0].new_zeros(0, width) if parts else torch.zeros(0, width))


def concatenate(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """The parts one after the other: one part itself, and of no parts an empty tensor like `like`."""
    return parts[0] if len(parts) == 1 else torch.cat(parts) if parts else like[:0]
