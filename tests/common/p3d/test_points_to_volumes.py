"""Points to voxels: PyTorch3D's outputs, plain loops, and the transpose of grid_sample."""

from itertools import product

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import grid_sample

from common.p3d.pointclouds import Pointclouds
from common.p3d.points_to_volumes import add_pointclouds_to_volumes, add_points_features_to_volume_densities_features
from common.p3d.volumes import Volumes

SHAPE = (4, 5, 6)


def add(points, features, mode="trilinear", **options):
    N, _, C = features.shape
    grids = (points.new_zeros(N, c, *SHAPE) for c in (1, C))
    return add_points_features_to_volume_densities_features(points, features, *grids, mode, **options)


def indices(points, align_corners):
    """Places in voxels of local points."""
    size = points.new_tensor(SHAPE).flip(0)
    return 0.5 * (points + 1) * (size - 1) if align_corners else 0.5 * ((points + 1) * size - 1)


def test_sums_of_all_variants_are_pytorch3ds(golden):
    """PyTorch3D adds in place, and the stored grids hold the sum of the eight variants. It also extrapolates beyond a
    grid's first voxels (it truncates where it should round down), so that those and the next ones are left out."""
    arrays, meta = golden("points_to_volumes")
    total = [0.0, 0.0]
    for options in meta["variants"].values():
        sums = add(arrays["points"], arrays["feats"], mask=arrays["mask"], **options | {"rescale_features": False})
        total = [t + s for t, s in zip(total, sums, strict=True)]
    for ours, name in zip(total, ("features", "densities"), strict=True):
        theirs = arrays[f"trilinear_ac1_rs0.{name}"][:, :, 2:, 2:, 2:]
        assert theirs.abs().max() > 5
        torch.testing.assert_close(ours[:, :, 2:, 2:, 2:], theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("key", ["trilinear_ac1_rs0", "trilinear_ac0_rs0", "nearest_ac1_rs0", "nearest_ac0_rs0"])
def test_gradients_are_pytorch3ds(golden, wave, key):
    arrays, meta = golden("points_to_volumes")
    options = meta["variants"][key]
    points, features = (arrays[name].clone().requires_grad_() for name in ("points", "feats"))
    sums, densities = add(points, features, mask=arrays["mask"], **options)
    trilinear = options["mode"] == "trilinear"
    ((sums * wave(sums.shape, 0.1)).sum() + trilinear * (densities * wave(densities.shape, 0.2)).sum()).backward()
    inside = (indices(arrays["points"], options["align_corners"]) >= 0).all(-1) | (not trilinear)
    assert inside.sum() > 40
    torch.testing.assert_close(features.grad[inside], arrays[f"{key}.grad_feats"][inside], atol=1e-5, rtol=1e-5)
    if trilinear:
        torch.testing.assert_close(points.grad[inside], arrays[f"{key}.grad_points"][inside], atol=2e-5, rtol=1e-5)
    else:
        assert points.grad is None


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("mode", ["trilinear", "nearest"])
def test_plain_loops(mode, align_corners):
    torch.manual_seed(0)
    points = 2.6 * torch.rand(2, 30, 3, dtype=torch.float64) - 1.3
    features, mask = torch.rand(2, 30, 2, dtype=torch.float64), torch.rand(2, 30) < 0.8
    ours = add(points, features, mode, mask=mask, align_corners=align_corners)
    sums, densities = torch.zeros(2, 2, *SHAPE, dtype=torch.float64), torch.zeros(2, 1, *SHAPE, dtype=torch.float64)
    for n, z, y, x in product(range(2), *map(range, SHAPE)):
        for place, feature, counts in zip(indices(points[n], align_corners), features[n], mask[n], strict=True):
            away = (place - place.new_tensor([x, y, z])).abs()
            weight = (1 - away).clamp(min=0).prod() if mode == "trilinear" else (away < 0.5).all()
            densities[n, 0, z, y, x] += counts * weight
            sums[n, :, z, y, x] += counts * weight * feature
    torch.testing.assert_close(ours[1], densities)
    torch.testing.assert_close(ours[0], sums / densities.clamp(min=1e-4 if mode == "trilinear" else 1.0))


@pytest.mark.parametrize("align_corners", [True, False])
def test_trilinear_is_the_transpose_of_grid_sample(align_corners):
    torch.manual_seed(0)
    points, features = 2.4 * torch.rand(2, 50, 3) - 1.2, torch.rand(2, 50, 3)
    grids = torch.rand(2, 3, *SHAPE)
    sums, _ = add(points, features, rescale_features=False, align_corners=align_corners)
    read = grid_sample(grids, points[:, :, None, None], align_corners=align_corners).flatten(2).transpose(1, 2)
    torch.testing.assert_close((sums * grids).sum(), (read * features).sum())


def test_gradients_in_double():
    torch.manual_seed(0)
    points = (1.8 * torch.rand(1, 4, 3, dtype=torch.float64) - 0.9).requires_grad_()
    features = torch.rand(1, 4, 2, dtype=torch.float64).requires_grad_()
    assert gradcheck(lambda p, f: add(p, f, min_weight=0.05), (points, features))
    assert gradcheck(lambda f: add(points.detach(), f, "nearest"), (features,))


def test_clouds_of_unequal_size_into_volumes_of_unequal_size():
    torch.manual_seed(0)
    clouds = Pointclouds(
        [torch.rand(5, 3), torch.rand(0, 3), torch.rand(9, 3)], features=[torch.rand(n, 2) for n in (5, 0, 9)]
    )
    sizes = ((5, 5, 5), (2, 3, 4), (4, 6, 5))
    start = Volumes([torch.ones(1, *s) for s in sizes], [torch.ones(2, *s) for s in sizes], 0.5, [-0.5, -0.5, -0.5])
    both = add_pointclouds_to_volumes(clouds, start, rescale_features=False)
    assert start.densities().max() == 1 and start.features().max() == 1
    for n, size in enumerate(sizes):
        one = add_pointclouds_to_volumes(
            clouds[n], Volumes(torch.ones(1, 1, *size), torch.ones(1, 2, *size), 0.5, [-0.5] * 3)
        )
        torch.testing.assert_close(both.densities_list()[n], one.densities()[0])
        averages = both.features_list()[n] / both.densities_list()[n]
        torch.testing.assert_close(averages, one.features()[0])
    for volumes, points in ((start[:2], clouds), (start, Pointclouds(clouds.points_list()))):
        with pytest.raises(ValueError, match="clouds with features"):
            add_pointclouds_to_volumes(points, volumes)


def test_edges():
    features = torch.rand(1, 2, 3)
    twice, densities = add(torch.zeros(1, 2, 3) + 0.2, features)
    torch.testing.assert_close(densities.sum(), torch.tensor(2.0))
    torch.testing.assert_close(twice[0, :, 2, 2, 3], features.mean(1)[0])
    assert add(torch.zeros(1, 0, 3), torch.zeros(1, 0, 3))[1].sum() == 0
    assert add(torch.full((1, 2, 3), torch.nan), features)[1].sum() == 0
    with pytest.raises(ValueError, match="mode"):
        add(torch.zeros(1, 2, 3), features, "cubic")
    with pytest.raises(ValueError, match="shapes"):
        add(torch.zeros(1, 3, 3), features)
