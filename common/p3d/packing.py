"""A batch of tensors of unequal length in three forms, as in `pytorch3d.structures.utils`.

list: N tensors (L_n, ...); packed: their concatenation (sum L_n, ...); padded: one tensor (N, max L_n, ...).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["list_to_packed", "list_to_padded", "packed_to_list", "packed_to_padded"]
__all__ += ["padded_to_list", "padded_to_packed"]


def list_to_padded(
    x: Sequence[Tensor], pad_size: Sequence[int] | None = None, pad_value: float = 0.0, equisized: bool = False
) -> Tensor:
    """One tensor (N, *pad_size) of N tensors with equally many dimensions, each padded at its ends.

    Args:
        x: the tensors; 1-D empty ones count as empty in every dimension.
        pad_size: sizes to pad to; by default the largest of each dimension.
        pad_value: the filling.
        equisized: the caller knows that all have one shape: they are only stacked.

    Raises:
        ValueError: tensors of unlike dimension count, or larger than `pad_size`.
    """
    if equisized:
        return torch.stack(list(x))
    dimensions = max((t.dim() for t in x), default=1)
    if any(t.dim() != dimensions and t.numel() for t in x):
        raise ValueError("all tensors need the same number of dimensions")
    shapes = {row: tuple(t.shape) for row, t in enumerate(x) if t.dim() == dimensions}
    if pad_size is None:
        pad_size = [max(sizes) for sizes in zip(*shapes.values(), strict=True)]
    if len(pad_size) != dimensions and shapes:
        raise ValueError(f"Pad size must have a number for each of {dimensions} dimensions, got {tuple(pad_size)}")
    out = x[0].new_full((len(x), *pad_size), pad_value)
    for row, shape in shapes.items():
        if any(have > room for have, room in zip(shape, pad_size, strict=True)):
            raise ValueError(f"a tensor of shape {shape} does not fit into {tuple(pad_size)}")
        out[(row, *map(slice, shape))] = x[row]
    return out


def padded_to_list(x: Tensor, split_size: Sequence[int] | Sequence[tuple] | None = None) -> list[Tensor]:
    """The leading parts of the rows of a padded tensor (N, M, ...): `split_size` gives their lengths or shapes."""
    if split_size is None:
        return list(x.unbind(0))
    if len(split_size) != len(x):
        raise ValueError(f"{len(split_size)} sizes for a batch of {len(x)}")
    sizes = [(s,) if isinstance(s, int) else tuple(s) for s in split_size]
    return [row[tuple(map(slice, size))] for row, size in zip(x, sizes, strict=True)]


def list_to_packed(x: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Concatenation of N tensors (L_n, ...).

    Returns:
        packed (sum L_n, ...); and int64: lengths (N,), first packed row of each (N,), element of each row (sum L_n,).
    """
    packed = torch.cat(list(x))
    lengths = torch.tensor([len(t) for t in x], device=packed.device)
    element = torch.arange(len(x), device=packed.device).repeat_interleave(lengths)
    return packed, lengths, lengths.cumsum(0) - lengths, element


def packed_to_list(x: Tensor, split_size: int | Sequence[int]) -> list[Tensor]:
    """The parts of a packed tensor (sum L_n, ...) of lengths `split_size`."""
    return list(x.split(split_size if isinstance(split_size, int) else list(split_size)))


def _places(first_idxs: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Of `count` packed rows the element of each, n starting at first_idxs[n], and the number in it."""
    rows = torch.arange(count, device=first_idxs.device)
    element = torch.searchsorted(first_idxs.contiguous(), rows, right=True) - 1
    return element, rows - first_idxs[element]


def packed_to_padded(inputs: Tensor, first_idxs: Tensor, max_size: int) -> Tensor:
    """Padded form (N, max_size, ...), zero past the ends, of packed rows (L, ...); n starts at first_idxs[n]."""
    element, number = _places(first_idxs, len(inputs))
    out = inputs.new_zeros(len(first_idxs) * max_size, *inputs.shape[1:])
    return out.index_copy(0, element * max_size + number, inputs).view(len(first_idxs), max_size, *inputs.shape[1:])


def padded_to_packed(
    inputs: Tensor, first_idxs: Tensor | Sequence[int] | None = None, num_inputs: int | None = None,
    max_size_dim: int = 1, *, split_size: Sequence[int] | None = None, pad_value: float | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of `packed_to_padded`: (num_inputs, ...) of rows (N, M, ...), M at dimension `max_size_dim`.

    PyTorch3D has two functions of this name. That of `structures.utils` takes, in place of indices, the lengths
    `split_size` of the N elements, or the `pad_value` of which rows that are left out consist, or nothing: all rows.
    """
    if isinstance(first_idxs, list | tuple):  # the second argument there
        first_idxs, split_size = None, first_idxs
    if first_idxs is not None:
        return inputs.movedim(max_size_dim, 1)[_places(first_idxs, num_inputs)]
    if split_size is None:
        packed = inputs.reshape(-1, *inputs.shape[2:])
        return packed if pad_value is None else packed[(packed != pad_value).reshape(len(packed), -1).any(1)]
    if pad_value is not None:
        raise ValueError("Only one of split_size or pad_value should be provided.")
    if not all(isinstance(size, int) for size in split_size):
        raise ValueError("split_size must be 1-dimensional: an integer for each element")
    if len(split_size) != len(inputs):
        wrong = f"{len(split_size)} and {len(inputs)}"
        raise ValueError(f"split_size must have the same length as inputs first dimension, got {wrong}")
    return torch.cat([row[:size] for row, size in zip(inputs, split_size, strict=True)])
