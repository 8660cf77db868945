"""Shared-MLP layers that never store what batch norm and max pooling throw away.

A shared-MLP layer is y = relu(batch_norm(W x)) over all points x of a batch. Batch norm needs only the mean and
variance of W x, and those follow from moments of x:

    mean(W x) = W m,   var(W x) = diag(W (G - m m') W'),   m = mean(x),   G = mean(x x').

So the layer folds into one product y = relu(W~ x + b~) with W~ = s W, b~ = beta - s W m, s = gamma / sqrt(var + eps):
one pass over the activations forward, three matrix products backward, instead of a dozen passes. Where a max over the
points follows, W~ x is made one cloud at a time, reduced while it is in the cache and forgotten; only the points that
won send gradients back. A layer with no fewer inputs than outputs is computed in the usual way: there the moments
would cost more than the product. All of it equals torch's Linear + BatchNorm1d + ReLU (+ amax) in value and gradient.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional


def moments_in_full_precision(forward):
    """Run a layer without autocast, its input in the weights' type, and tell it the type that products may take.

    bfloat16 has too few digits for a variance from moments; for the product itself it is what autocast is for.
    """

    @functools.wraps(forward)
    def wrapped(self, x: Tensor, cloud: Tensor | None = None) -> Tensor:
        kind, own = x.device.type, self.weight.dtype
        product = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else own
        with torch.autocast(kind, enabled=False):
            return forward(self, x.to(own), None if cloud is None else cloud.to(own), product)

    return wrapped


class PointwiseBlock(nn.Module):
    """relu(batch_norm(x W' + c)) at every point; parameters and buffers are named as in Linear and BatchNorm1d.

    Args:
        inputs, outputs: channels. cloud_inputs: channels of features that all points of a cloud share; they enter as
            the per-cloud term c, which equals concatenating them to every point at a fraction of the cost.
    """

    def __init__(self, inputs: int, outputs: int, cloud_inputs: int = 0, momentum: float = 0.1, eps: float = 1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        joint = nn.Linear(inputs + cloud_inputs, outputs, bias=False).weight.detach()  # one fan-in for both halves
        self.weight = nn.Parameter(joint[:, :inputs].clone())
        self.cloud_weight = nn.Parameter(joint[:, inputs:].clone()) if cloud_inputs else None
        self.gamma, self.beta = nn.Parameter(torch.ones(outputs)), nn.Parameter(torch.zeros(outputs))
        self.register_buffer("running_mean", torch.zeros(outputs))
        self.register_buffer("running_var", torch.ones(outputs))

    @moments_in_full_precision
    def forward(self, x: Tensor, cloud: Tensor | None = None, product: torch.dtype = torch.float32) -> Tensor:
        """(B, N, inputs), and (B, cloud_inputs) or None, to (B, N, outputs) of type ``product``."""
        shift = None if self.cloud_weight is None else cloud @ self.cloud_weight.T
        if self.training and self.weight.shape[1] >= self.weight.shape[0] and x.shape[0] * x.shape[1] > 1:
            return self._normalised(x, shift, product)
        weight, bias = self._fold(x, shift)
        return _FoldedRelu.apply(x.to(product), weight.to(product), bias.to(product))

    def _normalised(self, x: Tensor, shift: Tensor | None, product: torch.dtype) -> Tensor:
        """The same, with statistics of W x itself: where inputs are no fewer, moments of x cost more than that."""
        y = functional.linear(x.to(product), self.weight.to(product))
        y = y if shift is None else y + shift[:, None].to(product)
        stored = self.running_mean, self.running_var
        y = functional.batch_norm(y.flatten(0, 1), *stored, self.gamma, self.beta, True, self.momentum, self.eps)
        return functional.relu(y, inplace=True).view(*x.shape[:2], -1)

    def _fold(self, x: Tensor, shift: Tensor | None) -> tuple[Tensor, Tensor]:
        """Batch norm folded into the product: weight (outputs, inputs), bias (1 or B, outputs)."""
        shift = x.new_zeros(1, len(self.gamma)) if shift is None else shift
        if self.training:
            mean, var = self._moments(x, shift)
        else:
            mean, var = self.running_mean, self.running_var
        scale = self.gamma * torch.rsqrt(var + self.eps)
        return scale[:, None] * self.weight, self.beta + scale * (shift - mean)

    def _moments(self, x: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (outputs,) of x W' + shift over all points, and the running estimates updated."""
        count = x.shape[0] * x.shape[1]
        cloud_mean, second = _Moments.apply(x)
        per_cloud = cloud_mean @ self.weight.T  # (B, outputs): mean of x W' in each cloud
        mean = (per_cloud + shift).mean(0)
        square = ((self.weight @ second) * self.weight).sum(1) + (2 * per_cloud * shift + shift.square()).mean(0)
        var = (square - mean.square()).clamp_min(0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / max(count - 1, 1)), self.momentum)
        return mean, var


class PointwiseMax(PointwiseBlock):
    """The same layer followed by the max over each cloud's points: (B, N, inputs) to (B, outputs)."""

    @moments_in_full_precision
    def forward(self, x: Tensor, cloud: Tensor | None = None, product: torch.dtype = torch.float32) -> Tensor:
        """(B, N, inputs) to (B, outputs)."""
        weight, bias = self._fold(x, None)
        return functional.relu(_MaxOfProduct.apply(x.to(product), weight.to(product)).to(bias.dtype) + bias)


class _Moments(torch.autograd.Function):
    """x (B, N, C) -> mean over each cloud (B, C), mean of x x' over all points (C, C)."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        flat = x.reshape(-1, x.shape[2])
        return x.mean(1), flat.T @ flat / len(flat)

    @staticmethod
    def backward(ctx, grad_mean, grad_second):
        (x,) = ctx.saved_tensors
        symmetric = (grad_second + grad_second.T) / (x.shape[0] * x.shape[1])
        return torch.baddbmm(grad_mean[:, None] / x.shape[1], x, symmetric.expand(len(x), -1, -1))


class _FoldedRelu(torch.autograd.Function):
    """relu(x W' + b): x (B, N, C), W (O, C), b (1 or B, O) -> (B, N, O)."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        y = torch.baddbmm(bias[:, None].expand(len(x), 1, -1), x, weight.T.expand(len(x), -1, -1)).relu_()
        ctx.save_for_backward(x, weight, y)
        ctx.shared_bias = len(bias) == 1
        return y

    @staticmethod
    def backward(ctx, grad):
        x, weight, y = ctx.saved_tensors
        grad = torch.ops.aten.threshold_backward(grad, y, 0)
        grad_bias = grad.sum(1)
        flat = grad.reshape(-1, grad.shape[2])
        grad_weight = flat.T @ x.reshape(-1, x.shape[2])
        grad_x = (flat @ weight).view_as(x) if ctx.needs_input_grad[0] else None
        return grad_x, grad_weight, grad_bias.sum(0, keepdim=True) if ctx.shared_bias else grad_bias


class _MaxOfProduct(torch.autograd.Function):
    """max over n of x[b, n] W': x (B, N, C), W (O, C) -> (B, O); few clouds at a time, one on a CPU."""

    @staticmethod
    def forward(ctx, x, weight):
        best = x.new_empty(len(x), len(weight))
        winner = torch.empty(len(x), len(weight), dtype=torch.int64, device=x.device)
        if x.device.type == "cpu":  # torch.mm: matmul would copy the weight for every cloud
            products = x.new_empty(len(weight), x.shape[1])
            for cloud, value, index in zip(x, best, winner, strict=True):
                torch.max(torch.mm(weight, cloud.T, out=products), dim=1, out=(value, index))
        else:
            step = max(1, 2**26 // (x.shape[1] * len(weight)))
            for clouds, value, index in zip(x.split(step), best.split(step), winner.split(step), strict=True):
                torch.max(weight @ clouds.mT, dim=2, out=(value, index))
        ctx.save_for_backward(x, weight, winner)
        return best

    @staticmethod
    def backward(ctx, grad):
        x, weight, winner = ctx.saved_tensors
        clouds, count, channels = x.shape
        rows = (winner + torch.arange(clouds, device=x.device)[:, None] * count).reshape(-1)
        chosen = x.reshape(-1, channels)[rows].view(clouds, -1, channels)
        grad_weight = torch.einsum("bo,boc->oc", grad, chosen)
        grad_x = x.new_zeros(clouds * count, channels)
        grad_x.index_add_(0, rows, (grad[:, :, None] * weight).reshape(-1, channels))
        return grad_x.view_as(x), grad_weight


class Cells:
    """The cells of a grid that the points of clouds lie in.

    Args:
        points: (B, N, 3).
        size: side of the cells; a corner of a cell lies at the origin.
    """

    def __init__(self, points: Tensor, size: float):
        cell = torch.div(points.detach(), size, rounding_mode="floor").long().clamp(-512, 511) + 512
        cloud = torch.arange(len(points), device=points.device)[:, None]
        key = ((cloud * 1024 + cell[..., 0]) * 1024 + cell[..., 1]) * 1024 + cell[..., 2]
        _, own, count = torch.unique(key, return_inverse=True, return_counts=True)
        self.own = own.view(-1)
        self.order, self.first = self.own.sort(stable=True)[1], count.cumsum(0) - count

    def means(self, features: Tensor) -> Tensor:
        """Of features (B, N, C), for every point the mean over the points of its cloud in its cell: (B, N, C)."""
        return _CellMeans.apply(features, self.order, self.first, self.own)


class _CellMeans(torch.autograd.Function):
    """Means over cells, given back to each point: a symmetric matrix, so that its backward is itself."""

    @staticmethod
    def forward(ctx, features, order, first, own):
        ctx.save_for_backward(order, first, own)
        means = functional.embedding_bag(order, features.reshape(-1, features.shape[2]), first, mode="mean")
        return means.index_select(0, own).view_as(features)

    @staticmethod
    def backward(ctx, grad):
        return _CellMeans.apply(grad, *ctx.saved_tensors), None, None, None
