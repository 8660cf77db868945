"""Alignment of corresponding points and iterative closest points: against PyTorch3D's outputs and known motions."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import Pointclouds, corresponding_points_alignment, iterative_closest_point, wmean


def motion(seed, N=2, D=3, scale=False, reflect=False):
    generator = torch.Generator().manual_seed(seed)
    R = torch.linalg.qr(torch.randn(N, D, D, generator=generator, dtype=torch.float64))[0]
    wrong = (torch.linalg.det(R) < 0) != reflect
    R = torch.cat((torch.where(wrong[:, None, None], -1.0, 1.0) * R[:, :, :1], R[:, :, 1:]), 2)
    s = torch.rand(N, generator=generator, dtype=torch.float64) + 0.5 if scale else torch.ones(N, dtype=torch.float64)
    return R, torch.randn(N, D, generator=generator, dtype=torch.float64), s


def cloud(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_alignment_equals_pytorch3d(golden):
    z, meta = golden("points_alignment")
    for key, variant in meta["variants"].items():
        weights = z["weights"] if variant.pop("weights") else None
        out = corresponding_points_alignment(z["X"], z[variant.pop("Y")], weights, **variant)
        for name in "RTs":
            torch.testing.assert_close(getattr(out, name), z[f"{key}.{name}"], atol=5e-6, rtol=1e-5)


def test_icp_equals_pytorch3d(golden):
    z, _ = golden("points_alignment")
    out = iterative_closest_point(z["icp_X"], z["icp_Y"])
    assert out.converged == bool(z["icp.converged"]) and abs(len(out.t_history) - int(z["icp.iters"])) <= 1
    scaled = iterative_closest_point(z["icp_X"], z["icp_Y"] * 1.1, estimate_scale=True, max_iterations=20)
    for key, result in (("icp", out), ("icp_scale", scaled)):
        for name in "RTs":
            torch.testing.assert_close(getattr(result.RTs, name), z[f"{key}.{name}"], atol=1e-4, rtol=0.0)
        torch.testing.assert_close(result.Xt, z[f"{key}.Xt"], atol=1e-4, rtol=0.0)
        torch.testing.assert_close(result.rmse, z[f"{key}.rmse"], atol=1e-4, rtol=0.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.sampled_from([2, 3, 5]), st.booleans(), st.booleans(), st.booleans())
def test_finds_the_motion(seed, D, scale, reflect, weighted):
    R, T, s = motion(seed, 2, D, scale, reflect)
    X = cloud(seed, 2, 20, D)
    Y = s[:, None, None] * X @ R + T[:, None]
    weights = None
    if weighted:  # points of no weight may lie anywhere
        weights = torch.rand(2, 20, dtype=torch.float64) + 0.1
        weights[:, 15:], Y[:, 15:] = 0.0, 100.0
    found = corresponding_points_alignment(X, Y, weights, estimate_scale=scale, allow_reflection=reflect)
    for ours, given_ in zip(found, (R, T, s), strict=True):
        torch.testing.assert_close(ours, given_)


def test_reflections_are_refused_unless_allowed():
    R, T, _ = motion(0, reflect=True)
    X = cloud(1, 2, 30, 3)
    found = corresponding_points_alignment(X, X @ R + T[:, None])
    torch.testing.assert_close(torch.linalg.det(found.R), torch.ones(2, dtype=torch.float64))


def test_unequal_clouds_count_their_own_points():
    R, T, s = motion(2, scale=True)
    X = [cloud(3, 40, 3), cloud(4, 25, 3)]
    Y = [s[n] * X[n] @ R[n] + T[n] + 0.1 * cloud(5 + n, len(X[n]), 3) for n in range(2)]
    weights = [torch.rand(len(x), dtype=torch.float64) for x in X]
    both = corresponding_points_alignment(Pointclouds(X), Pointclouds(Y), weights, estimate_scale=True)
    moved = iterative_closest_point(Pointclouds(X), Pointclouds(Y), both, max_iterations=5, relative_rmse_thr=-1.0)
    assert isinstance(moved.Xt, Pointclouds) and len(moved.t_history) == 5 and not moved.converged
    for n in range(2):
        alone = corresponding_points_alignment(X[n][None], Y[n][None], weights[n][None], estimate_scale=True)
        for ours, expected in zip(both, alone, strict=True):
            torch.testing.assert_close(ours[n], expected[0])
        again = iterative_closest_point(X[n][None], Y[n][None], alone, max_iterations=5, relative_rmse_thr=-1.0)
        torch.testing.assert_close(moved.rmse[n], again.rmse[0])
        torch.testing.assert_close(moved.Xt.points_list()[n], again.Xt[0])


def test_icp_finds_a_small_motion():
    X = cloud(7, 1, 500, 3)
    R = torch.linalg.matrix_exp(0.1 * torch.tensor([[0.0, -1, 0.5], [1, 0, 0.2], [-0.5, -0.2, 0]], dtype=torch.float64))
    found = iterative_closest_point(X, X.flip(1) @ R + 0.05)
    assert found.converged and found.rmse < 1e-9
    torch.testing.assert_close(found.RTs.R[0], R)
    torch.testing.assert_close(found.RTs.T, torch.full((1, 3), 0.05, dtype=torch.float64))


def test_no_steps_and_verbose(capsys):
    X = cloud(8, 1, 10, 3)
    found = iterative_closest_point(X, X, max_iterations=0)
    assert found.rmse is None and found.t_history == [] and torch.equal(found.Xt, X)
    assert iterative_closest_point(X, X, verbose=True).converged and "step 1" in capsys.readouterr().out


def test_gradcheck():
    X, Y = cloud(9, 2, 6, 3).requires_grad_(), cloud(10, 2, 6, 3).requires_grad_()
    weights = (torch.rand(2, 6, dtype=torch.float64) + 0.5).requires_grad_()
    run = lambda *a: tuple(corresponding_points_alignment(*a, estimate_scale=True))  # noqa: E731
    assert torch.autograd.gradcheck(run, (X, Y, weights))


def test_too_few_points_are_warned_of():
    with pytest.warns(UserWarning, match="not unique"):
        out = corresponding_points_alignment(torch.rand(1, 2, 3), torch.rand(1, 2, 3))
    assert out.R.isfinite().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corresponding_points_alignment(cloud(0, 1, 9, 3), cloud(1, 1, 9, 3))


@pytest.mark.parametrize(
    "call",
    [
        lambda X: corresponding_points_alignment(X, X[:, :3]),
        lambda X: corresponding_points_alignment(X, X, torch.ones(2, 3)),
        lambda X: corresponding_points_alignment(X, X, [torch.ones(9), torch.ones(3)]),
        lambda X: corresponding_points_alignment(X, [X]),
        lambda X: iterative_closest_point(X, X[..., :2]),
        lambda X: iterative_closest_point(X, X, motion(0, 1)),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError):
        call(torch.rand(2, 9, 3))


def test_wmean():
    torch.manual_seed(0)
    x, weight = torch.rand(4, 5, 3), torch.rand(4, 5)
    torch.testing.assert_close(wmean(x), x.mean(1, keepdim=True))
    by_hand = sum(weight[:, i, None] * x[:, i] for i in range(5)) / sum(weight[:, i, None] for i in range(5))
    torch.testing.assert_close(wmean(x, weight, keepdim=False), by_hand)
    torch.testing.assert_close(wmean(x, weight[0] > 0.5)[2, 0], x[2][weight[0] > 0.5].mean(0))
    torch.testing.assert_close(wmean(x, weight, (0, 1), False), (x * weight[..., None]).sum((0, 1)) / weight.sum())
    assert not wmean(x, torch.zeros(4, 5)).any()
    with pytest.raises(ValueError, match="not compatible"):
        wmean(x, weight[:, 0])
