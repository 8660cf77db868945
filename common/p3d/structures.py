"""What batches of clouds, meshes, textures and volumes share: they are indexed, split, repeated, copied and moved."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor

__all__ = ["Structure"]

Index = int | slice | Sequence[int] | Tensor
FORMS = ("_list", "_padded", "_packed", "_per_mesh", "_per_cloud", "_idx")


class Structure:
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

    def __getattr__(self, name: str):
        """PyTorch3D's private names of the forms, which some programs read: `_verts_list` is `verts_list()`."""
        if name.startswith("_compute_"):
            return lambda refresh=False: None  # forms are made when they are asked for
        form = name[1:] if name.startswith("_") and name.endswith(FORMS) else ""
        if not form or not hasattr(type(self), form):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self, form)()

    def __len__(self) -> int:
        return self._N

    def __getitem__(self, index: Index) -> Self:
        """The elements at a number, slice, list, or tensor of numbers or truth values, always as a batch.

        Raises:
            IndexError: out of range, or of another type.
        """
        if isinstance(index, str | tuple):
            raise IndexError(f"{type(self).__name__} cannot be indexed by {type(index).__name__}")
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
        """The batch in the main memory."""
        return self.to("cpu")

    def cuda(self) -> Self:
        """The batch on the current CUDA device."""
        return self.to("cuda")


def form(make: str, rows: str, doc: str) -> Callable:
    """A method of a structure that is documented by `doc` and answers `self.make(rows)`, `make` being a method."""

    def method(self):
        return getattr(self, make)(rows)

    method.__doc__ = doc
    return method
