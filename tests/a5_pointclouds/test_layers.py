"""The fast layers against the layers that they stand for."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call

from a5_pointclouds.layers import Cells, PointwiseBlock, PointwiseMax, _Moments

SHAPES = [(4, 20, 5), (1, 9, 3), (6, 1, 4), (2, 33, 1), (3, 130, 16)]  # B, N, C


class Plain(nn.Module):
    """Linear, BatchNorm1d, ReLU, and the max over points where the layer has one; weights are copies of the layer's."""

    def __init__(self, layer: PointwiseBlock):
        super().__init__()
        joint = [layer.weight] if layer.cloud_weight is None else [layer.weight, layer.cloud_weight]
        self.linear = nn.Linear(sum(w.shape[1] for w in joint), len(layer.gamma), bias=False)
        self.norm = nn.BatchNorm1d(len(layer.gamma), layer.eps, layer.momentum)
        self.pooled = isinstance(layer, PointwiseMax)
        self.to(layer.weight.dtype)
        for own, given in ((self.linear.weight, torch.cat(joint, 1)), (self.norm.weight, layer.gamma)):
            own.data.copy_(given)
        self.norm.bias.data.copy_(layer.beta)

    def forward(self, x, cloud=None):
        if cloud is not None:
            x = torch.cat([x, cloud[:, None].expand(-1, x.shape[1], -1)], 2)
        y = self.norm(self.linear(x).flatten(0, 1)).unflatten(0, x.shape[:2]).relu()
        return y.amax(1) if self.pooled else y


def layer_of(kind=PointwiseBlock, inputs=5, outputs=7, cloud_inputs=0, dtype=torch.float64, seed=0):
    """A layer with gammas of both signs."""
    torch.manual_seed(seed)
    layer = kind(inputs, outputs, cloud_inputs) if cloud_inputs else kind(inputs, outputs)
    layer.gamma.data = torch.randn(outputs) + 0.3
    layer.beta.data = torch.randn(outputs)
    return layer.to(dtype)


def gradients(layer, *inputs):
    """Output, and the gradients of a random weighing of it to the inputs and to every parameter."""
    inputs = [value.clone().requires_grad_() for value in inputs]
    y = layer(*inputs)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(y)
    grads = torch.autograd.grad((y * weights).sum(), [*inputs, *layer.parameters()])
    return y, dict(zip([*range(len(inputs)), *(name for name, _ in layer.named_parameters())], grads, strict=True))


def assert_same(layer, *inputs, **tolerance):
    """Values, all gradients and running statistics equal the plain layer's."""
    plain = Plain(layer).train(layer.training)
    (y, ours), (expected, theirs) = gradients(layer, *inputs), gradients(plain, *inputs)
    torch.testing.assert_close(y, expected, **tolerance)
    weight = ours["weight"] if layer.cloud_weight is None else torch.cat([ours["weight"], ours["cloud_weight"]], 1)
    torch.testing.assert_close(weight, theirs["linear.weight"], **tolerance)
    for name, other in (("gamma", "norm.weight"), ("beta", "norm.bias"), *((k, k) for k in range(len(inputs)))):
        torch.testing.assert_close(ours[name], theirs[other], msg=lambda m, n=name: f"{n}: {m}", **tolerance)
    torch.testing.assert_close(layer.running_mean, plain.norm.running_mean, **tolerance)
    torch.testing.assert_close(layer.running_var, plain.norm.running_var, **tolerance)


@pytest.mark.parametrize("kind", [PointwiseBlock, PointwiseMax])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("outputs", [2, 7])  # fewer than the inputs, and more: two ways to the same
def test_equals_the_plain_layers(kind, shape, train, outputs):
    layer = layer_of(kind, shape[2], outputs).train(train)
    assert_same(layer, torch.randn(shape, dtype=torch.float64))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("outputs", [2, 7])
def test_cloud_features_equal_concatenation(shape, train, outputs):
    layer = layer_of(inputs=shape[2], outputs=outputs, cloud_inputs=6).train(train)
    assert_same(layer, torch.randn(shape, dtype=torch.float64), torch.randn(shape[0], 6, dtype=torch.float64))


@pytest.mark.parametrize("kind", [PointwiseBlock, PointwiseMax])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_single_precision_is_enough(kind, offset):
    layer = layer_of(kind, 64, 96, dtype=torch.float32)
    x = torch.randn(8, 256, 64) + offset
    (y, ours), (expected, theirs) = gradients(layer, x), gradients(Plain(layer), x)
    pairs = [(y, expected), (ours[0], theirs[0]), (ours["weight"], theirs["linear.weight"])]
    for a, b in [*pairs, (ours["gamma"], theirs["norm.weight"]), (ours["beta"], theirs["norm.bias"])]:
        assert (a - b).norm() < 1e-2 * b.norm()  # a value near 0 may fall on either side of the ReLU


@pytest.mark.parametrize("kind", [PointwiseBlock, PointwiseMax])
def test_running_statistics_over_several_steps(kind):
    layer = layer_of(kind)
    plain = Plain(layer)
    for step in range(5):
        x = torch.randn(3, 7 + step, 5, dtype=torch.float64) * (1 + step) + step
        torch.testing.assert_close(layer(x), plain(x))
        torch.testing.assert_close(layer.running_mean, plain.norm.running_mean)
        torch.testing.assert_close(layer.running_var, plain.norm.running_var)
    layer.eval(), plain.eval()
    torch.testing.assert_close(layer(x), plain(x))
    before = layer.running_mean.clone()
    layer(x + 5)
    assert torch.equal(layer.running_mean, before)


def gradcheck_of(layer, x, cloud=None) -> bool:
    names = [name for name, _ in layer.named_parameters()]

    def forward(*values):
        inputs = values[: 1 if cloud is None else 2]
        return functional_call(layer, dict(zip(names, values[len(inputs) :], strict=True)), inputs)

    inputs = [x] if cloud is None else [x, cloud]
    return gradcheck(forward, [v.detach().clone().requires_grad_() for v in (*inputs, *layer.parameters())])


@pytest.mark.parametrize("train", [True, False])
def test_gradients_are_those_of_finite_differences(train):
    x, cloud = torch.randn(2, 6, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    assert gradcheck_of(layer_of(inputs=3, outputs=5).train(train), x)
    assert gradcheck_of(layer_of(PointwiseMax, 3, 5).train(train), x)
    assert gradcheck_of(layer_of(inputs=3, outputs=5, cloud_inputs=4).train(train), x, cloud)
    assert gradcheck_of(layer_of(inputs=3, outputs=2, cloud_inputs=4).train(train), x, cloud)


def test_gradients_of_the_moments():
    assert gradcheck(_Moments.apply, torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True))


def test_ties_give_their_gradient_once():
    layer = layer_of(PointwiseMax)
    once = torch.randn(3, 4, 5, dtype=torch.float64)
    (y, ours), (expected, theirs) = (gradients(m, once.repeat(1, 3, 1)) for m in (layer, Plain(layer)))
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(ours[0].view(3, 3, 4, 5).sum(1), theirs[0].view(3, 3, 4, 5).sum(1))
    torch.testing.assert_close(ours["weight"], theirs["linear.weight"])
    torch.testing.assert_close(ours["gamma"], theirs["norm.weight"])


def test_the_max_of_a_negative_gamma_is_of_the_smallest_product():
    layer = layer_of(PointwiseMax, 1, 2)
    layer.weight.data = torch.ones(2, 1, dtype=torch.float64)
    layer.gamma.data, layer.beta.data = torch.tensor([[1.0, -1.0], [9.0, 9.0]], dtype=torch.float64)
    x = torch.tensor([[[1.0], [2.0], [6.0]]], dtype=torch.float64)
    std = (x.var(correction=0) + layer.eps).sqrt().item()
    torch.testing.assert_close(layer(x)[0].tolist(), [9 + (6 - 3) / std, 9 + (3 - 1) / std])


@pytest.mark.parametrize("kind", [PointwiseBlock, PointwiseMax])
def test_one_point_alone_gives_beta(kind):
    layer = layer_of(kind, dtype=torch.float32)
    y, grads = gradients(layer, torch.randn(1, 1, 5))
    torch.testing.assert_close(y.flatten(), layer.beta.relu(), atol=1e-3, rtol=0)
    assert all(grad.isfinite().all() for grad in grads.values())
    assert all(buffer.isfinite().all() for buffer in layer.buffers())


@pytest.mark.parametrize("kind", [PointwiseBlock, PointwiseMax])
@pytest.mark.parametrize("value", [0.0, 1.0, -50.0])
def test_a_constant_batch_has_finite_values_and_gradients(kind, value):
    layer = layer_of(kind, dtype=torch.float32)
    y, grads = gradients(layer, torch.full((4, 8, 5), value))
    assert y.isfinite().all() and all(grad.isfinite().all() for grad in grads.values())
    assert (layer.running_var >= 0).all()


@pytest.mark.parametrize("kind", [PointwiseBlock, PointwiseMax])
def test_strides_do_not_matter(kind):
    assert_same(layer_of(kind), torch.randn(4, 5, 11, dtype=torch.float64).transpose(1, 2))
    assert_same(layer_of(kind), torch.randn(11, 4, 5, dtype=torch.float64).transpose(0, 1))
    assert_same(layer_of(kind), torch.randn(4, 11, 9, dtype=torch.float64)[:, ::2, 2:7])


@pytest.mark.parametrize("kind", [PointwiseBlock, PointwiseMax])
def test_autocast_does_not_touch_the_statistics(kind):
    layer = layer_of(kind, dtype=torch.float32)
    twin, x = copy.deepcopy(layer), torch.randn(4, 30, 5)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    exact = twin(x)
    assert torch.equal(layer.running_mean, twin.running_mean) and torch.equal(layer.running_var, twin.running_var)
    torch.testing.assert_close(y.float(), exact, rtol=0.02, atol=0.02 * exact.abs().max().item())
    assert not torch.equal(y.float(), exact)  # the product itself did take bfloat16
    y.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in layer.parameters())


def test_fan_in_counts_the_cloud_features():
    torch.manual_seed(0)
    layer = PointwiseBlock(100, 400, cloud_inputs=300)
    limit = 1 / 400**0.5
    for weight in (layer.weight, layer.cloud_weight):
        assert 0.95 * limit < weight.abs().max() <= limit


def test_means_over_cells_are_those_of_a_plain_loop():
    torch.manual_seed(0)
    points, features = 2 * torch.rand(3, 40, 3) - 1, torch.randn(3, 40, 5, dtype=torch.float64)
    cells = Cells(points, 0.7)
    expected = torch.empty_like(features)
    for cloud in range(3):
        own = [tuple(math.floor(c / 0.7) for c in point) for point in points[cloud].tolist()]
        for n, cell in enumerate(own):
            expected[cloud, n] = features[cloud, [m for m, other in enumerate(own) if other == cell]].mean(0)
    torch.testing.assert_close(cells.means(features), expected)
    assert gradcheck(cells.means, features.requires_grad_())


def test_a_single_row_goes_through_a_layer_with_more_inputs_than_outputs():
    layer = layer_of(inputs=5, outputs=2)
    assert layer(torch.randn(1, 1, 5, dtype=torch.float64)).isfinite().all()


def test_cells_far_away_are_told_apart_and_numbers_stay_in_range():
    cells = Cells(torch.tensor([[[1e9, 0, 0], [-1e9, 0, 0], [1e9, 0, 0.0]]]), 0.1)
    assert cells.means(torch.tensor([[[1.0], [5.0], [3.0]]])).flatten().tolist() == [2.0, 5.0, 2.0]
