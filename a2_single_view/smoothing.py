"""Displacements of a mesh's vertices averaged along its edges: what is free to move moves together."""

import warnings

import torch
from torch import Tensor


def neighbour_means(edges: Tensor, count: int) -> Tensor:
    """The sparse matrix (V, V) that takes the mean over each vertex's neighbours; ``edges`` (E, 2) of ``count`` V."""
    both = torch.cat((edges, edges.flip(1))).T
    share = 1.0 / torch.bincount(both[0], minlength=count).float()[both[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this layout a beta
        return torch.sparse_coo_tensor(both, share, (count, count)).to_sparse_csr()


def averaged(values: Tensor, means: Tensor, times: int) -> Tensor:
    """Values (V, ...) replaced ``times`` times by the mean of each and its neighbours' mean; see `neighbour_means`.

    Optimising what is averaged so is descent with a preconditioner that favours smooth changes, which keeps faces from
    folding over (Nicolet et al., Large Steps in Inverse Rendering of Geometry, SIGGRAPH Asia 2021).
    """
    flat = values.reshape(len(values), -1)
    for _ in range(times):
        flat = 0.5 * (flat + torch.sparse.mm(means, flat))
    return flat.view_as(values)
