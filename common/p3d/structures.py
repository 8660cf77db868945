"""What batches of clouds and of meshes share: they can be indexed, split, repeated, copied and moved."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

__all__ = ["Structure"]

Index = int | slice | Sequence[int] | Tensor
FORMS = ("_list", "_padded", "_packed", "_per_mesh", "_per_cloud", "_idx")


class Forms:
    """The forms that PyTorch3D's objects hold under private names, as some programs read them: `_verts_list`, ..."""

    def __getattr__(self, name: str):
        if name.startswith("_compute_"):
            return lambda refresh=False: None  # forms are made when they are asked for
        form = name[1:] if name.startswith("_") and name.endswith(FORMS) else ""
        if not form or not hasattr(type(self), form):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self, form)()


class Structure(Forms):
    """A batch of N elements. Subclasses say how to pick elements (`_select`) and how to map their tensors (`_map`)."""

    _N: int

    def _select(self, chosen: list[int]) -> Self:
        """A batch of the elements at these places, which may repeat."""
        raise NotImplementedError

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A batch with `function` applied to each tensor."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        raise NotImplementedError

    def __len__(self) -> int:
        return self._N

    def __getitem__(self, index: Index) -> Self:
        """The elements at a number, slice, list, or tensor of numbers or truth values, always as a batch.

        Raises:
            IndexError: out of range.
        """
        if isinstance(index, int):
            if not -self._N <= index < self._N:
                raise IndexError(f"index {index} is out of bounds for a batch of {self._N}")
            index = [index]
        return self._select(torch.arange(self._N)[index.cpu() if isinstance(index, Tensor) else index].tolist())

    def split(self, split_sizes: Sequence[int]) -> list[Self]:
        """Batches of `split_sizes` consecutive elements each.

        Raises:
            ValueError: sizes that are not whole or do not sum to the number of elements.
        """
        if not all(isinstance(size, int) for size in split_sizes):
            raise ValueError(f"split sizes must be integers, got {list(split_sizes)}")
        if sum(split_sizes) != self._N:
            raise ValueError(f"split sizes {list(split_sizes)} do not sum to {self._N}")
        return [self._select(part.tolist()) for part in torch.arange(self._N).split(list(split_sizes))]

    def extend(self, N: int) -> Self:
        """Each element N times in a row: one batch for N cameras per element.

        Raises:
            ValueError: N is not a positive integer.
        """
        if not isinstance(N, int) or N < 1:
            raise ValueError(f"N must be a positive integer, got {N!r}")
        return self._select([i for i in range(self._N) for _ in range(N)])

    def clone(self) -> Self:
        """A copy that shares no memory."""
        return self._map(torch.clone)

    def detach(self) -> Self:
        """A copy without gradient history."""
        return self._map(torch.detach)

    def to(self, device: torch.device | str, copy: bool = False) -> Self:
        """The batch on a device; this object itself when it is there already and `copy` is False."""
        device = torch.empty(0, device=device).device
        if device == self.device and not copy:
            return self
        return self._map(lambda tensor: tensor.to(device, copy=copy))

    def cpu(self) -> Self:
        return self.to("cpu")

    def cuda(self) -> Self:
        return self.to("cuda")


def shifted(rows: Tensor, offsets: Tensor) -> Tensor:
    """Packed rows (M, 3) plus (M, 3) or (3,), or ValueError."""
    if tuple(offsets.shape) not in ((3,), tuple(rows.shape)):
        raise ValueError(f"offsets must be (3,) or {tuple(rows.shape)}, got {tuple(offsets.shape)}")
    return rows + offsets


def scaled(rows: Tensor, scale: float | Tensor, element: Tensor, count: int) -> Tensor:
    """Packed rows (M, 3) of `count` elements, `element` (M,) says whose, times a number or one each, or ValueError."""
    if isinstance(scale, Tensor) and scale.dim() > 0:
        if len(scale) != count or scale.numel() != count:
            raise ValueError(f"scale must be a number or ({count},), got {tuple(scale.shape)}")
        scale = scale.view(-1, 1)[element]
    return rows * scale


def bounding_boxes(rows: Tensor, element: Tensor, count: int) -> Tensor:
    """(count, 3, 2): least and greatest coordinates of the packed rows (M, 3) of each element; (inf, -inf) of none."""
    owner = element[:, None].expand(-1, 3)
    bounds = ((torch.inf, "amin"), (-torch.inf, "amax"))
    return torch.stack([rows.new_full((count, 3), x).scatter_reduce(0, owner, rows, name) for x, name in bounds], 2)
