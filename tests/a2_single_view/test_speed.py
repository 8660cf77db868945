"""The count of operations by hand, and a rate that is one."""

import torch

from a2_single_view.speed import flops_of, gemm_rate


def test_operations_are_counted():
    one, two = torch.randn(20, 30), torch.randn(30, 40, requires_grad=True)
    assert flops_of(lambda: one @ two) == 2 * 20 * 30 * 40
    assert flops_of(lambda: (one @ two).sum().backward()) == 2 * 2 * 20 * 30 * 40  # forward, and to the second factor
    convolution = torch.nn.Conv2d(3, 8, 3, padding=1)
    assert flops_of(lambda: convolution(torch.randn(2, 3, 10, 10))) == 2 * 2 * 100 * 3 * 9 * 8


def test_products_with_sparse_matrices_are_not_counted():
    two = torch.randn(50, 7, requires_grad=True)
    for sparse in (torch.eye(50).to_sparse(), torch.eye(50).to_sparse_csr()):
        assert flops_of(lambda sparse=sparse: torch.sparse.mm(sparse, two)) == 0
    linear = torch.nn.Linear(50, 3)
    assert flops_of(lambda: linear(two.T)) == 2 * 7 * 50 * 3


def test_the_rate_of_matrix_products():
    assert 1e8 < gemm_rate(torch.device("cpu"), 1) < 1e15
