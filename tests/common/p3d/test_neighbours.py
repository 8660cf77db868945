"""Neighbours in balls and by number, and farthest points: against PyTorch3D's outputs, loops and finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import ball_query, knn_gather, knn_points, masked_gather, sample_farthest_points
from common.p3d import neighbours as module


def clouds(*sizes, dimension=3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(*size, dimension, generator=generator, dtype=dtype) for size in sizes]


def loop_knn(p1, p2, l1, l2, K, norm):
    dists = torch.zeros(*p1.shape[:2], K, dtype=p1.dtype)
    idx = torch.zeros(*p1.shape[:2], K, dtype=torch.int64)
    for n, size in enumerate(l1.tolist()):
        for i in range(size):
            gap = p1[n, i] - p2[n, : l2[n]]
            value, order = (gap.abs() if norm == 1 else gap**2).sum(1).sort(stable=True)
            count = min(K, len(value))
            dists[n, i, :count], idx[n, i, :count] = value[:count], order[:count]
    return dists, idx


def loop_ball(p1, p2, l1, l2, K, radius):
    idx = torch.full((*p1.shape[:2], K), -1)
    for n, size in enumerate(l1.tolist()):
        for i in range(size):
            near = ((p1[n, i] - p2[n, : l2[n]]).norm(dim=1) < radius).nonzero()[:K, 0]
            idx[n, i, : len(near)] = near
    return idx


def loop_farthest(points, K):
    chosen = [0]
    for _ in range(K - 1):
        chosen.append(int(torch.cdist(points, points[chosen]).amin(1).argmax()))
    return chosen


@pytest.fixture(params=[0, 1 << 40], ids=["tree", "pairs"])
def both_ways(request, monkeypatch):
    """The test runs with trees, and again with all pairs compared, in chunks of few."""
    monkeypatch.setattr(module, "TREE_PAIRS", request.param)
    monkeypatch.setattr(module, "PAIRS_PER_CHUNK", 1 << 10)


def gradients(result, weight, *inputs):
    return torch.autograd.grad((result.dists * weight).sum(), inputs)


@pytest.mark.usefixtures("both_ways")
def test_knn_equals_pytorch3d(golden, wave):
    z, meta = golden("knn_points")
    for key, variant in meta["variants"].items():
        p1, p2 = (z[name].clone().requires_grad_() for name in ("p1", "p2"))
        lengths = (z["lengths1"], z["lengths2"]) if variant["lengths"] else (None, None)
        out = knn_points(p1, p2, *lengths, norm=variant["norm"], K=variant["K"], return_nn=True)
        torch.testing.assert_close(out.dists, z[f"{key}.dists"], rtol=1e-5, atol=0.0)
        assert torch.equal(out.idx, z[f"{key}.idx"].long()) and torch.equal(out.knn, z[f"{key}.knn"])
        for ours, name in zip(gradients(out, wave(out.dists.shape, 0.1), p1, p2), ("grad_p1", "grad_p2"), strict=True):
            torch.testing.assert_close(ours, z[f"{key}.{name}"], atol=2e-6, rtol=1e-5)


@pytest.mark.usefixtures("both_ways")
def test_ball_query_equals_pytorch3d(golden, wave):
    z, meta = golden("ball_query")
    for key, variant in meta["variants"].items():
        p1, p2 = (z[name].clone().requires_grad_() for name in ("p1", "p2"))
        lengths = (z["lengths1"], z["lengths2"]) if variant["lengths"] else (None, None)
        out = ball_query(p1, p2, *lengths, K=variant["K"], radius=variant["radius"])
        assert torch.equal(out.idx, z[f"{key}.idx"].long()) and torch.equal(out.knn, z[f"{key}.knn"])
        torch.testing.assert_close(out.dists, z[f"{key}.dists"], rtol=1e-5, atol=0.0)
        for ours, name in zip(gradients(out, wave(out.dists.shape, 0.1), p1, p2), ("grad_p1", "grad_p2"), strict=True):
            torch.testing.assert_close(ours, z[f"{key}.{name}"], atol=2e-6, rtol=1e-5)


def test_farthest_points_equal_pytorch3d(golden):
    z, meta = golden("sample_farthest_points")
    for key, variant in meta["variants"].items():
        lengths = z["lengths"] if variant["lengths"] else None
        for K in (variant["K"], torch.tensor(variant["K"]).expand(3)):
            out, idx = sample_farthest_points(z["points"], lengths, K=K)
            assert torch.equal(idx, z[f"{key}.idx"].long()) and torch.equal(out, z[f"{key}.points"])


@pytest.mark.usefixtures("both_ways")
@settings(max_examples=25, deadline=None, suppress_health_check=list(__import__("hypothesis").HealthCheck))
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=3),
    st.integers(1, 6),
    st.sampled_from([1, 2]),
    st.integers(1, 12),
    st.booleans(),
)
def test_any_batch_equals_the_loops(sizes, K, norm, dimension, lattice):
    p1, p2 = clouds((len(sizes), 12), (len(sizes), 12), dimension=dimension, seed=K, dtype=torch.float64)
    if lattice:  # many equal distances and points
        p1, p2 = (3 * p1).round(), (3 * p2).round()
    l1, l2 = torch.tensor(sizes).t()
    out = knn_points(p1, p2, l1, l2, norm, K)
    dists, idx = loop_knn(p1, p2, l1, l2, K, norm)
    torch.testing.assert_close(out.dists, dists)
    if not lattice:
        assert torch.equal(out.idx, idx)
    radius = 0.4 * dimension**0.5
    near = ball_query(p1, p2, l1, l2, K, radius)
    assert torch.equal(near.idx, loop_ball(p1, p2, l1, l2, K, radius))
    torch.testing.assert_close(near.knn, masked_gather(p2, near.idx))


def test_large_clouds_agree_whichever_way(monkeypatch):
    p1, p2 = clouds((2, 400), (2, 500))
    found = [], []
    for pairs in (0, 1 << 40):
        monkeypatch.setattr(module, "TREE_PAIRS", pairs)
        found[0].append(knn_points(p1, p2, K=5).idx)
        found[1].append(torch.cat([ball_query(p1, p2, K=7, radius=r).idx for r in (0.05, 0.2, 3.0)], 2))
    assert torch.equal(*found[0]) and torch.equal(*found[1])


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("norm", [1, 2])
def test_gradcheck(norm):
    p1, p2 = (p.requires_grad_() for p in clouds((2, 5), (2, 6), dtype=torch.float64))
    lengths = torch.tensor([5, 3]), torch.tensor([2, 6])
    assert torch.autograd.gradcheck(lambda a, b: knn_points(a, b, *lengths, norm, 3, return_nn=True)[::2], (p1, p2))
    assert torch.autograd.gradcheck(lambda a, b: ball_query(a, b, *lengths, 3, 0.6)[::2], (p1, p2))
    assert torch.autograd.gradcheck(lambda a: sample_farthest_points(a, lengths[0], 4)[0], p1)


def test_many_dimensions_are_sorted_exactly():
    (p,) = clouds((1, 200), dimension=64)
    out = knn_points(p + 30.0, p + 30.0, K=8)
    assert (out.dists.diff(dim=2) >= 0).all() and torch.equal(out.idx[0, :, 0], torch.arange(200))


def test_nothing_to_find():
    empty, (some,) = torch.zeros(2, 0, 3), clouds((2, 4))
    assert knn_points(empty, some, K=2).dists.shape == (2, 0, 2)
    out = knn_points(some, empty, K=2, return_nn=True)
    assert out.knn.shape == (2, 4, 2, 3) and not out.dists.any() and not out.idx.any()
    assert (ball_query(some, empty, K=3).idx == -1).all() and ball_query(empty, some, K=3).knn.shape == (2, 0, 3, 3)
    assert knn_points(some[:0], some[:0]).idx.shape == (0, 4, 1)
    points, idx = sample_farthest_points(empty, K=3)
    assert points.shape == (2, 3, 3) and (idx == -1).all()
    assert sample_farthest_points(some[:0], K=3)[1].shape == (0, 3)


def test_values_that_are_not_numbers_stop_nothing():
    (p,) = clouds((1, 200))
    p[0, 7] = torch.nan
    out = knn_points(p, p, K=2)
    fine = torch.arange(200) != 7
    assert torch.equal(out.idx[0, fine, 0], torch.arange(200)[fine]) and (ball_query(p, p).idx[0, 7] == -1).all()


def test_strided_input_and_random_start():
    (p,) = clouds((3, 60), dtype=torch.float64)
    strided = p.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(knn_points(strided, strided, K=3).idx, knn_points(p, p, K=3).idx)
    assert sample_farthest_points(strided, K=9)[1].tolist() == [loop_farthest(cloud, 9) for cloud in p]
    starts = torch.cat([sample_farthest_points(p, torch.tensor([60, 5, 1]), 1, True)[1] for _ in range(40)], 1)
    assert starts[0].max() > 5 and len(starts[1].unique()) == 5 and not starts[2].any() and starts[1].max() == 4


def test_gathering():
    (x,) = clouds((2, 5))
    idx = torch.tensor([[[0, 4], [1, 1]], [[2, 0], [3, 0]]])
    expected = torch.stack([x[n][idx[n]] for n in range(2)])
    assert torch.equal(knn_gather(x, idx), expected) and torch.equal(masked_gather(x, idx), expected)
    few = knn_gather(x, idx, torch.tensor([5, 1]))
    assert torch.equal(few[0], expected[0]) and not few[1, :, 1].any() and torch.equal(few[1, :, 0], expected[1, :, 0])
    assert not masked_gather(x, torch.tensor([[-1], [2]]))[0].any()


@pytest.mark.parametrize(
    "call",
    [
        lambda p: knn_points(p, p[:1]),
        lambda p: knn_points(p, p[..., :2]),
        lambda p: knn_points(p, p, norm=3),
        lambda p: knn_points(p, p, K=0),
        lambda p: knn_points(p, p, torch.tensor([5, 4])),
        lambda p: ball_query(p, p[:1]),
        lambda p: knn_gather(p, torch.zeros(1, 2, 3, dtype=torch.int64)),
        lambda p: masked_gather(p, torch.zeros(2, dtype=torch.int64)),
        lambda p: sample_farthest_points(p, K=[1, 2, 3]),
        lambda p: sample_farthest_points(p[0], K=1),
        lambda p: sample_farthest_points(p, torch.tensor([1, 9])),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError):
        call(torch.zeros(2, 4, 3))
