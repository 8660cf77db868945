"""Displacements averaged along a mesh's edges."""

import torch

from a2_single_view.smoothing import averaged, neighbour_means
from common.p3d import ico_sphere


def test_means_are_over_the_neighbours():
    """A triangle with a tail, written out."""
    edges = torch.tensor([[0, 1], [1, 2], [2, 0], [2, 3]])
    means = neighbour_means(edges, 4).to_dense()
    true = torch.tensor([[0, 0.5, 0.5, 0], [0.5, 0, 0.5, 0], [1 / 3, 1 / 3, 0, 1 / 3], [0, 0, 1, 0]])
    torch.testing.assert_close(means, true)
    values = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
    once = averaged(values, neighbour_means(edges, 4), 1)
    torch.testing.assert_close(once, 0.5 * values + 0.5 * torch.einsum("vu,ubc->vbc", true, values))
    torch.testing.assert_close(
        averaged(values, neighbour_means(edges, 4), 3), averaged(averaged(once, means, 1), means, 1)
    )


def test_rigid_shifts_stay_and_noise_goes():
    """Of a sphere's vertices; gradients reach every one."""
    sphere = ico_sphere(3)
    count = len(sphere.verts_packed())
    means = neighbour_means(sphere.edges_packed(), count)
    shift = torch.tensor([1.0, -2.0, 0.5]).expand(count, 3)
    torch.testing.assert_close(averaged(shift, means, 4), shift)
    noise = torch.randn(count, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    smooth = averaged(noise, means, 4)
    assert smooth.std() < 0.45 * noise.std()
    smooth.square().sum().backward()
    assert (noise.grad.abs().sum(1) > 0).all()
