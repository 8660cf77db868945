"""Convolution on the vertices of a graph, as in `pytorch3d.ops.graph_conv` (Morris et al., AAAI 2019)."""

import torch
from torch import Tensor, nn

__all__ = ["GraphConv", "gather_scatter"]


class GraphConv(nn.Module):
    """w0(vertex) + sum of w1(neighbour), two linear layers whose weights begin `normal` (deviation 0.01) or `zero`.

    With `directed` edges only the vertex that an edge starts from sees the other.
    """

    def __init__(self, input_dim: int, output_dim: int, init: str = "normal", directed: bool = False):
        super().__init__()
        if init not in ("normal", "zero"):
            raise ValueError(f'Invalid GraphConv initialization "{init}": normal or zero')
        self.input_dim, self.output_dim, self.directed = input_dim, output_dim, directed
        self.w0, self.w1 = nn.Linear(input_dim, output_dim), nn.Linear(input_dim, output_dim)
        for layer in (self.w0, self.w1):
            nn.init.normal_(layer.weight, std=0.01 if init == "normal" else 0)
            nn.init.zeros_(layer.bias)

    def forward(self, verts: Tensor, edges: Tensor) -> Tensor:
        """Features (V, output_dim) of verts (V, input_dim) and edges (E, 2) int64."""
        if verts.device != edges.device:
            raise ValueError("verts and edges tensors must be on the same device.")
        if not len(verts):
            return verts.new_zeros(0, self.output_dim) * verts.sum()
        return self.w0(verts) + gather_scatter(self.w1(verts), edges, self.directed)

    def __repr__(self) -> str:
        return f"GraphConv({self.input_dim} -> {self.output_dim}, directed={self.directed})"


def gather_scatter(input: Tensor, edges: Tensor, directed: bool = False) -> Tensor:
    """Sums (V, C) of the neighbours' rows of `input` (V, C), along edges (E, 2) int64; ValueError: other shapes."""
    if input.dim() != 2 or edges.dim() != 2 or edges.shape[1] != 2 or edges.dtype != torch.int64:
        raise ValueError(f"input must be (V, C), edges int64 (E, 2): {tuple(input.shape)}, {tuple(edges.shape)}")
    return neighbour_sums(input, edges, directed=directed)


def neighbour_sums(rows: Tensor, edges: Tensor, weights: Tensor | None = None, directed: bool = False) -> Tensor:
    """As `gather_scatter`, with rows multiplied by the weights (E, 1) of the edges along which they come."""
    total, (start, end) = torch.zeros_like(rows), edges.unbind(1)
    for place, source in ((start, end),) if directed else ((start, end), (end, start)):
        pulled = rows.index_select(0, source)
        total = total.index_add(0, place, pulled if weights is None else pulled * weights)
    return total
