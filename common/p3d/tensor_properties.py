"""Base of objects that hold a batch of tensors of equal length: cameras, lights, materials."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn

__all__ = ["TensorProperties"]

Index = int | slice | Sequence[int] | Tensor


class TensorProperties(nn.Module):
    """Named tensors with a common batch dimension.

    Numbers become tensors (1,), nested lists tensors; each tensor's first dimension is 1 or N and is expanded to N.
    None, bools and strings are kept as they are. A tensor's gradient flows through to what was given. Lengths that do
    not broadcast and values of other types are a ValueError.

    Args:
        dtype: of the tensors made from numbers and lists.
        device: where all the tensors go.
        **properties: the named values.
    """

    def __init__(self, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu", **properties):
        super().__init__()
        self.device = torch.device(device)
        self._names = tuple(properties)
        tensors = {
            name: as_batched_tensor(name, value, dtype, self.device)
            for name, value in properties.items()
            if not (value is None or isinstance(value, bool | str))
        }
        lengths = {len(t) for t in tensors.values()} - {1}
        if len(lengths) > 1:
            sizes = {name: tuple(t.shape) for name, t in tensors.items()}
            raise ValueError(f"{type(self).__name__}: batch sizes must be 1 or N, got {sizes}")
        self._N = lengths.pop() if lengths else 1
        for name, value in (properties | tensors).items():
            setattr(self, name, value.expand(self._N, *value.shape[1:]) if name in tensors else value)

    def __len__(self) -> int:
        return self._N

    def isempty(self) -> bool:
        return self._N == 0

    def __getitem__(self, index: Index) -> Self:
        """The elements at `index`, or IndexError, as a batch; setting its values sets those elements here, too."""
        if isinstance(index, int) and not -self._N <= index < self._N:
            raise IndexError(f"index {index} is out of bounds for a batch of {self._N}")
        index = [index] if isinstance(index, int) else index
        part = self._map(lambda tensor: tensor[index])
        part.__dict__["_source"] = (self, index)
        return part

    def __setattr__(self, name: str, value) -> None:
        if "_source" in self.__dict__ and name in self._names and not isinstance(value, nn.Parameter):
            source, index = self.__dict__["_source"]
            if isinstance(getattr(source, name), nn.Parameter):
                raise ValueError(f"{name} is a Parameter: set it as a whole, or change its data")
            rows = getattr(source, name).clone()  # it may be one value for all
            rows[index] = torch.as_tensor(value).to(rows)
            setattr(source, name, rows)
            value = rows[index]
        super().__setattr__(name, value)

    def clone(self, other: Self | None = None) -> Self:
        """A copy whose tensors share no memory with this object's; `other`, which PyTorch3D fills, is left as it is."""
        return self._map(torch.clone)

    def to(self, device: torch.device | str = "cpu") -> Self:
        """A copy on the device (this object itself stays where it is)."""
        return self._map(lambda tensor: tensor.to(device))

    def cpu(self) -> Self:
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> Self:
        return self.to("cuda" if device is None else f"cuda:{device}")

    def gather_props(self, batch_idx: Tensor) -> Self:
        """A copy whose element i is this object's element `batch_idx[i]`."""
        return self._map(lambda tensor: tensor[batch_idx])

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A copy with `function` applied to each tensor; the other attributes are shared."""
        copy = type(self).__new__(type(self))
        nn.Module.__init__(copy)
        for name, value in vars(self).items():
            if name not in vars(copy) and name != "_source":
                setattr(copy, name, value)
        for name in self._names:
            value = getattr(self, name)
            if isinstance(value, Tensor):
                value = function(value)
                copy._N, copy.device = len(value), value.device
            setattr(copy, name, value)
        return copy


def as_batched_tensor(name: str, value, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A property's value as a tensor with a batch dimension; `dtype` if it was no tensor."""
    try:
        tensor = torch.as_tensor(value, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: neither a number nor a tensor nor nested numbers: {value!r}") from error
    if not isinstance(value, Tensor):
        tensor = tensor.to(dtype)
    return tensor if tensor.dim() else tensor[None]
