"""Chamfer and Hausdorff distances: against PyTorch3D's outputs, a loop and finite differences."""

import itertools

import pytest
import torch

from common.p3d import Pointclouds, chamfer_distance


def clouds(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, n, 3, generator=generator, dtype=torch.float64) for n in (7, 5, 7, 5)]


def loop_twin(x, y, x_normals, y_normals, norm, absolute):
    """Distances (P,) of one cloud's points, and of their normals."""
    losses = [[], []]
    for point, normal in zip(x, x_normals, strict=True):
        gap = point - y
        distance = (gap.abs() if norm == 1 else gap**2).sum(1)
        cosine = torch.cosine_similarity(normal, y_normals[distance.argmin()], 0)
        losses[0].append(distance.min())
        losses[1].append(1 - (cosine.abs() if absolute else cosine))
    return [torch.stack(loss) for loss in losses]


def test_equals_pytorch3d(golden, wave):
    z, meta = golden("chamfer_distance")
    for key, v in meta["variants"].items():
        x, y = (z[name].clone().requires_grad_() for name in "xy")
        pairs = ("lengths", "normals", "weights")
        given = {f"{c}_{k}": z[f"{c}_{k}"] for k in pairs[:2] if v[k] for c in "xy"}
        if v["weights"]:
            given["weights"] = z["weights"]
        out = chamfer_distance(x, y, **given, **{k: a for k, a in v.items() if k not in pairs})
        total = 0.0
        for name, loss in zip(("dist", "normals"), out, strict=True):
            parts = loss if isinstance(loss, tuple) else (loss,)
            for i, part in enumerate(parts):
                assert (part is None) == (f"{key}.{name}{i}" not in z)
                if part is not None:
                    torch.testing.assert_close(part, z[f"{key}.{name}{i}"], rtol=1e-5, atol=1e-6)
                if name == "dist":
                    total = total + (part * wave(part.shape, 0.2)).sum()
        total.backward()
        for tensor, name in ((x, "grad_x"), (y, "grad_y")):
            torch.testing.assert_close(tensor.grad, z[f"{key}.{name}"], atol=5e-6, rtol=1e-5)


REDUCE = {"mean": torch.mean, "sum": torch.sum, "max": torch.amax, None: lambda loss: loss}


@pytest.mark.parametrize("norm,absolute", list(itertools.product((1, 2), (True, False))))
def test_equals_the_loop(norm, absolute):
    x, y, xn, yn = clouds()
    sizes = [(7, 5), (4, 2)]
    for points, batch in [*itertools.product(("mean", "sum", "max"), ("mean", "sum", None)), (None, None)]:
        normals = {} if points == "max" else {"x_normals": xn, "y_normals": yn}
        lengths = torch.tensor(sizes).t()
        for weights in (None, torch.tensor([0.5, 2.0], dtype=torch.float64)):
            out = chamfer_distance(x, y, *lengths, **normals, weights=weights, batch_reduction=batch,
                                   point_reduction=points, norm=norm, abs_cosine=absolute)  # fmt: skip
            scale = torch.ones(2, dtype=torch.float64) if weights is None else weights
            for kind, ours in enumerate(out[: 2 - (points == "max")]):
                ways = []
                for n, (a, b) in enumerate(sizes):
                    there = loop_twin(x[n, :a], y[n, :b], xn[n, :a], yn[n, :b], norm, absolute)[kind]
                    back = loop_twin(y[n, :b], x[n, :a], yn[n, :b], xn[n, :a], norm, absolute)[kind]
                    ways.append([REDUCE[points](w * scale[n]) for w in (there, back)])
                if points is None:
                    for way, (padded, n) in itertools.product((0, 1), zip(range(2), range(2), strict=True)):
                        expected = ways[n][way]
                        torch.testing.assert_close(ours[way][padded, : len(expected)], expected)
                        assert not ours[way][padded, len(expected) :].any()
                    continue
                expected = torch.stack([max(w) if points == "max" else w[0] + w[1] for w in ways])
                expected = expected if batch is None else expected.sum() / (scale.sum() if batch == "mean" else 1)
                torch.testing.assert_close(ours, expected)


def test_point_clouds_bring_lengths_and_normals():
    x, y, xn, yn = clouds()
    cut = [x[0], x[1, :4]], [y[0], y[1, :2]], [xn[0], xn[1, :4]], [yn[0], yn[1, :2]]
    a, b = Pointclouds(cut[0], cut[2]), Pointclouds(cut[1], cut[3])
    lengths = torch.tensor([[7, 4], [5, 2]])
    expected = chamfer_distance(x, y, *lengths, xn, yn)
    torch.testing.assert_close(chamfer_distance(a, b), expected)
    assert chamfer_distance(a, b, point_reduction="max")[1] is None
    one = chamfer_distance(a, b, single_directional=True)[0] + chamfer_distance(b, a, single_directional=True)[0]
    torch.testing.assert_close(one, expected[0])


@pytest.mark.parametrize("points", ["mean", "sum", "max"])
def test_gradcheck(points):
    x, y, xn, yn = (t.requires_grad_() for t in clouds())
    lengths = torch.tensor([[7, 4], [5, 2]])
    normals = () if points == "max" else (xn, yn)
    assert torch.autograd.gradcheck(
        lambda x, y, *n: [v for v in chamfer_distance(x, y, *lengths, *n, point_reduction=points) if v is not None],
        (x, y, *normals),
    )


def test_empty_clouds():
    x, y = torch.rand(2, 4, 3, requires_grad=True), torch.rand(2, 6, 3)
    nobody = torch.tensor([0, 0])
    assert chamfer_distance(x, y, nobody, nobody)[0] == 0
    for points in ("mean", "sum", "max"):
        loss = chamfer_distance(x, y, y_lengths=torch.tensor([6, 0]), batch_reduction=None, point_reduction=points)[0]
        assert loss[0].isfinite() and loss[1].isinf()
    first_only = chamfer_distance(x, y, y_lengths=torch.tensor([6, 0]), weights=torch.tensor([1.0, 0.0]))[0]
    torch.testing.assert_close(first_only, chamfer_distance(x[:1], y[:1])[0])
    first_only.backward()
    assert x.grad.isfinite().all() and x.grad[0].any() and not x.grad[1].any()
    for points in ("mean", "sum", "max"):
        assert chamfer_distance(torch.zeros(2, 0, 3), torch.zeros(2, 0, 3), point_reduction=points)[0] == 0
        assert chamfer_distance(x, y, weights=torch.zeros(2), point_reduction=points)[0] == 0
        assert chamfer_distance(x[:0], y[:0], point_reduction=points)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"norm": 3},
        {"batch_reduction": "max"},
        {"point_reduction": "median"},
        {"point_reduction": None},
        {"point_reduction": "max", "x_normals": torch.zeros(2, 4, 3)},
        {"weights": torch.tensor([1.0, -1.0])},
        {"weights": torch.ones(3)},
        {"x_lengths": torch.tensor([1, 5])},
        {"x_lengths": torch.tensor([1])},
        {"x_normals": torch.zeros(2, 3)},
        {"y": torch.zeros(2, 4, 2)},
        {"y": [[0.0]]},
        {"x": torch.zeros(4, 3)},
    ],
)
def test_nonsense_is_refused(arguments):
    with pytest.raises(ValueError):
        chamfer_distance(**{"x": torch.zeros(2, 4, 3), "y": torch.zeros(2, 4, 3), **arguments})
