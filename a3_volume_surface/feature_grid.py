"""Features on grids of several resolutions, the fine ones hashed (Mueller et al., Instant Neural Graphics Primitives,
SIGGRAPH 2022), interpolated trilinearly.
"""

import math

import scipy.sparse
import torch
from torch import Tensor, nn
from torch.nn import functional

# In a hashed table neighbours along x, y and z lie these many rows apart, modulo its size: odd numbers far from powers
# of two, so that corners which share a row lie far apart in space.
STRIDES = (1, 40_503, 1_858_547)


class _Lookup(torch.autograd.Function):
    """Weighted sums of table rows: (N, C) of a table (T, C), rows (N, 8) int32 and weights (N, 8)."""

    @staticmethod
    def forward(ctx, table, rows, weights):
        ctx.save_for_backward(table, rows, weights)
        return functional.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx, grad):
        table, rows, weights = ctx.saved_tensors
        grad_table = grad_weights = None
        if ctx.needs_input_grad[0]:
            grad_table = scatter_rows(rows, weights, grad, len(table))
        if ctx.needs_input_grad[2]:
            grad_weights = (functional.embedding(rows, table) * grad[:, None]).sum(-1)
        return grad_table, None, grad_weights


def scatter_rows(rows: Tensor, weights: Tensor, values: Tensor, count: int) -> Tensor:
    """(count, C) whose row r is the sum of weights (N, K) times values (N, C) over all places with rows (N, K) = r.

    On a CPU the transposed product of a sparse matrix, several times as fast as adding one row at a time.
    """
    if values.device.type == "cpu" and values.dtype == torch.float32:
        N, K = rows.shape
        starts = torch.arange(0, N * K + 1, K, dtype=torch.int32).numpy()
        matrix = scipy.sparse.csr_array((weights.reshape(-1).numpy(), rows.reshape(-1).numpy(), starts), (N, count))
        return torch.from_numpy(matrix.T @ values.contiguous().numpy())
    spread = (weights[..., None] * values[:, None]).flatten(0, 1)
    return values.new_zeros(count, values.shape[1]).index_add_(0, rows.flatten(), spread)


class FeatureGrid(nn.Module):
    """L levels of C features; coordinates are in [0, 1]^3.

    Args:
        resolutions: cells along each side, of each level.
        features: C.
        table_size: most rows of a level; levels with more corners share rows by hashing. A power of two.
        scale: features start uniform in [-scale, scale].
    """

    def __init__(self, resolutions: tuple[int, ...], features: int = 4, table_size: int = 2**17, scale: float = 1e-2):
        super().__init__()
        if table_size & (table_size - 1):
            raise ValueError(f"table_size must be a power of two, got {table_size}")
        self.resolutions, self.features, self.table_size = tuple(resolutions), features, table_size
        sizes = [min((r + 1) ** 3, table_size) for r in resolutions]
        self.tables = nn.ParameterList(nn.Parameter(scale * (2 * torch.rand(size, features) - 1)) for size in sizes)
        corners = torch.tensor([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], dtype=torch.int32)
        self.register_buffer("corners", corners, persistent=False)

    @property
    def output_dim(self) -> int:
        """Features of all levels together."""
        return len(self.resolutions) * self.features

    def forward(self, x: Tensor) -> Tensor:
        """(N, L * C) at x (N, 3)."""
        parts = []
        for resolution, table in zip(self.resolutions, self.tables, strict=True):
            scaled = x * resolution
            low = scaled.detach().floor().clamp_(0, resolution - 1)
            rows = self._rows(low.int(), resolution)
            parts.append(_Lookup.apply(table, rows, self._weights(scaled - low)))
        return torch.cat(parts, 1)

    def _rows(self, low: Tensor, resolution: int) -> Tensor:
        """(N, 8) int32 rows of the corners of the cells with lowest corner (N, 3) int32."""
        side = resolution + 1
        hashed = side**3 > self.table_size
        _, along_y, along_z = STRIDES if hashed else (1, side, side * side)
        first = low[:, 0] + along_y * low[:, 1] + along_z * low[:, 2]
        steps = self.corners[:, 0] + along_y * self.corners[:, 1] + along_z * self.corners[:, 2]
        rows = first[:, None] + steps
        return rows.bitwise_and_(self.table_size - 1) if hashed else rows

    def _weights(self, t: Tensor) -> Tensor:
        """Trilinear weights (N, 8) of a cell's corners, x fastest, at places t (N, 3) in it."""
        sign, base = (2 * self.corners - 1).to(t.dtype), (1 - self.corners).to(t.dtype)
        one, two, three = (torch.addcmul(base[:, axis], t[:, axis : axis + 1], sign[:, axis]) for axis in range(3))
        return one * two * three


def resolutions_between(coarsest: int, finest: int, levels: int) -> tuple[int, ...]:
    """Cells of levels in geometric progression."""
    growth = math.exp(math.log(finest / coarsest) / max(levels - 1, 1))
    return tuple(round(coarsest * growth**level) for level in range(levels))
