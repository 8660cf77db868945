"""The point rasteriser against PyTorch3D's outputs, a loop over pixels and points, and finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import (
    FoVPerspectiveCameras,
    Pointclouds,
    PointsRasterizationSettings,
    PointsRasterizer,
    point_pairs,
    rasterize_points,
)

seeds = st.integers(0, 2**31 - 1)


def loop_twin(clouds, image_size, radii, points_per_pixel):
    """The definition, pixel by pixel and point by point; radii: one list of numbers per cloud."""
    height, width = image_size
    short = min(height, width)
    shape = (len(clouds), height, width, points_per_pixel)
    idx, zbuf, dists = torch.full(shape, -1), torch.full(shape, -1.0), torch.full(shape, -1.0)
    first = 0
    for n, (points, radius) in enumerate(zip(clouds, radii, strict=True)):
        for row in range(height):
            for column in range(width):
                x, y = (width - 1 - 2 * column) / short, (height - 1 - 2 * row) / short
                hits = []
                for p, (px, py, pz) in enumerate(points.tolist()):
                    squared = (px - x) ** 2 + (py - y) ** 2
                    if pz >= 0 and squared < radius[p] ** 2:
                        hits.append((pz, first + p, squared))
                for k, (z, p, squared) in enumerate(sorted(hits)[:points_per_pixel]):
                    idx[n, row, column, k], zbuf[n, row, column, k], dists[n, row, column, k] = p, z, squared
        first += len(points)
    return idx, zbuf, dists


def assert_same(result, expected):
    idx, zbuf, dists = result
    assert torch.equal(idx.long(), expected[0])
    torch.testing.assert_close(zbuf, expected[1].to(zbuf), atol=0.0, rtol=1e-6)
    torch.testing.assert_close(dists, expected[2].to(dists), atol=1e-6, rtol=0.0)


def random_clouds(seed, sizes):
    generator = torch.Generator().manual_seed(seed)
    scale, shift = torch.tensor([2.6, 2.6, 2.0]), torch.tensor([1.3, 1.3, 0.4])
    return [torch.rand(n, 3, generator=generator, dtype=torch.float64) * scale - shift for n in sizes]


# --- PyTorch3D's own outputs


@pytest.mark.parametrize("name", ["points_48_K8", "points_40x64_K5"])
def test_equals_pytorch3d(golden, wave, name):
    z, meta = golden(name)
    args = meta["args"] | ({"radius": z["radius"]} if "radius" in z else {})
    points = [z[f"points{i}"].clone().requires_grad_() for i in (0, 1)]
    idx, zbuf, dists = rasterize_points(Pointclouds(points), **args)
    assert idx.dtype == torch.int32
    assert (idx != z["idx"]).float().mean() <= 1e-3
    same = idx == z["idx"]
    assert torch.equal(zbuf[same], z["zbuf"][same])
    torch.testing.assert_close(dists[same], z["dists"][same], atol=1e-6, rtol=0.0)
    hit = idx >= 0
    loss = (zbuf * hit * wave(zbuf.shape, 0.0)).sum() + 100.0 * (dists * hit * wave(dists.shape, 1.0)).sum()
    loss.backward()
    for i in (0, 1):
        torch.testing.assert_close(points[i].grad, z[f"grad_points{i}"], rtol=1e-4, atol=1e-4)


# --- the definition


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([(7, 7), (5, 9), (10, 4), (1, 6)]), st.sampled_from([1, 3, 20]))
def test_equals_the_loop_on_unequal_batches(seed, image_size, points_per_pixel):
    clouds = random_clouds(seed, (12, 0, 5))
    result = rasterize_points(Pointclouds(clouds), image_size, 0.4, points_per_pixel)
    assert_same(result, loop_twin(clouds, image_size, [[0.4] * len(c) for c in clouds], points_per_pixel))


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([(7, 7), (5, 9), (10, 4)]), st.sampled_from([1, 4]))
def test_equals_the_loop_with_a_radius_per_point(seed, image_size, points_per_pixel):
    clouds = random_clouds(seed, (9, 0, 4))
    radius = torch.rand(3, 9, generator=torch.Generator().manual_seed(seed)).double()
    result = rasterize_points(Pointclouds(clouds), image_size, radius, points_per_pixel)
    expected = loop_twin(
        clouds, image_size, [radius[n, : len(c)].tolist() for n, c in enumerate(clouds)], points_per_pixel
    )
    assert_same(result, expected)


@pytest.mark.parametrize("pairs_per_chunk", [1, 7, 50, 100_000])
@pytest.mark.parametrize("radius", [0.3, "tensor"])
def test_chunks_do_not_change_the_result(monkeypatch, pairs_per_chunk, radius):
    clouds = random_clouds(5, (30, 20))
    if radius == "tensor":
        radius = torch.rand(2, 30, dtype=torch.float64) * 0.5
    whole = rasterize_points(Pointclouds(clouds), 9, radius, 3)
    monkeypatch.setattr(point_pairs, "PAIRS_PER_CHUNK", pairs_per_chunk)
    assert all(
        torch.equal(a, b) for a, b in zip(whole, rasterize_points(Pointclouds(clouds), 9, radius, 3), strict=True)
    )


def test_single_precision_agrees_with_double():
    clouds = random_clouds(2, (400,))
    double = rasterize_points(Pointclouds(clouds), 64, 0.05, 4)
    single = rasterize_points(Pointclouds([c.float() for c in clouds]), 64, 0.05, 4)
    assert (double[0] != single[0]).float().mean() < 1e-3


def test_radius_may_be_a_list_or_a_number_in_a_tensor():
    points = random_clouds(0, (6,))[0]
    expected = rasterize_points(Pointclouds([points]), 8, 0.5, 2)
    for radius in ([0.5] * 6, torch.full((6,), 0.5), torch.full((1, 6), 0.5), torch.tensor(0.5)):
        result = rasterize_points(Pointclouds([points]), 8, radius, 2)
        assert all(torch.equal(a, b) for a, b in zip(result, expected, strict=True))


# --- special points


def test_nothing_is_hit_by_no_points():
    for clouds in (Pointclouds([torch.zeros(0, 3)] * 2), Pointclouds([torch.tensor([[9.0, 0.0, 1.0]])] * 2)):
        for radius in (0.1, torch.full((2, clouds.points_padded().shape[1]), 0.1)):
            idx, zbuf, dists = rasterize_points(clouds, (4, 6), radius, 2)
            assert idx.shape == zbuf.shape == dists.shape == (2, 4, 6, 2)
            assert (idx == -1).all() and (zbuf == -1).all() and (dists == -1).all()
    assert rasterize_points(Pointclouds([]), 4)[0].shape == (0, 4, 4, 8)


def test_points_behind_and_nan_are_dropped_and_infinite_ones_do_no_harm():
    nan, inf = float("nan"), float("inf")
    bad = [[0, 0, -1e-6], [nan, 0, 1], [0, nan, 1], [0, 0, nan], [inf, 0, 1], [0, -inf, 1], [-inf, 0, -inf]]
    points = torch.tensor([*bad, [0.0, 0.0, 2.0], [0.0, 0.0, -0.0]])
    for radius in (2.0, torch.full((9,), 2.0)):
        idx, zbuf, _ = rasterize_points(Pointclouds([points]), 4, radius, 4)
        assert set(idx.unique().tolist()) == {-1, 7, 8}
        assert (idx[..., 0] == 8).any() and (zbuf[..., 0] <= 2.0).all()


def test_equal_depths_keep_the_order_of_the_points():
    points = torch.tensor([[0.0, 0.0, 1.0]]).repeat(5, 1)
    idx, _, _ = rasterize_points(Pointclouds([points]), 1, 0.5, 3)
    assert idx.flatten().tolist() == [0, 1, 2]


def test_x_points_left_and_y_up():
    points = torch.tensor([[0.75, 0.75, 1.0], [-0.75, -0.75, 1.0]])
    idx, _, dists = rasterize_points(Pointclouds([points]), 4, 0.1, 1)
    assert idx[0, 0, 0, 0] == 0 and idx[0, 3, 3, 0] == 1 and (idx >= 0).sum() == 2
    assert dists[0, 0, 0, 0] == 0


def test_large_discs_cover_the_whole_image():
    idx, _, _ = rasterize_points(Pointclouds([torch.tensor([[0.1, 0.2, 1.0]])]), (20, 30), 50.0, 1)
    assert (idx == 0).all()


# --- gradients


def test_gradcheck():
    points = random_clouds(7, (14,))[0].requires_grad_()

    def depths_and_distances(points):
        return rasterize_points(Pointclouds([points[:9], points[9:]]), (6, 8), 0.5, 3)[1:]

    assert torch.autograd.gradcheck(depths_and_distances, points)


def test_no_gradient_of_pads():
    points = torch.tensor([[0.0, 0.0, 1.0]], requires_grad=True)
    _, zbuf, dists = rasterize_points(Pointclouds([points]), 2, 0.01, 4)
    (zbuf.sum() + dists.sum()).backward()
    assert not points.grad.any()


# --- the rasteriser class


def test_rasterizer_needs_cameras_that_fit():
    clouds = Pointclouds([torch.zeros(1, 3)] * 3)
    with pytest.raises(ValueError, match="Cameras must be specified"):
        PointsRasterizer()(clouds)
    with pytest.raises(ValueError, match="extend"):
        PointsRasterizer(FoVPerspectiveCameras(T=torch.zeros(2, 3)))(clouds)
    settings = PointsRasterizationSettings(image_size=(3, 5), points_per_pixel=2)
    rasterizer = PointsRasterizer(FoVPerspectiveCameras()).to("cpu")
    assert rasterizer(clouds, raster_settings=settings).idx.shape == (3, 3, 5, 2)
    assert PointsRasterizer().to("cpu").cameras is None


@pytest.mark.parametrize(
    "kwargs",
    [
        {"image_size": 0},
        {"image_size": (3, 4, 5)},
        {"points_per_pixel": 0},
        {"radius": torch.zeros(3)},
        {"radius": torch.zeros(2, 3, 1)},
    ],
)
def test_nonsense_is_refused(kwargs):
    with pytest.raises(ValueError):
        rasterize_points(Pointclouds([torch.zeros(4, 3)]), **kwargs)
