"""Normals and principal directions of point clouds: against PyTorch3D's outputs, loops and known surfaces."""

import pytest
import torch

from common.p3d import (
    Pointclouds,
    estimate_pointcloud_local_coord_frames,
    estimate_pointcloud_normals,
    get_point_covariances,
    symeig3x3,
)


def test_equals_pytorch3d(golden):
    z, meta = golden("pointcloud_normals")
    K = meta["args"]["neighborhood_size"]
    clouds = Pointclouds([z["points0"], z["points1"]])
    variances, frames = estimate_pointcloud_local_coord_frames(clouds, K)
    loose = estimate_pointcloud_normals(clouds, K, disambiguate_directions=False)
    normals = estimate_pointcloud_normals(clouds, K)
    for n, size in enumerate((642, 384)):
        ours, theirs = normals[n, :size], z["normals_dis1"][n, :size]
        cosine = (ours * theirs).sum(1)
        assert (cosine.abs() > 1 - 1e-4).float().mean() > 0.99 and (cosine > 0).float().mean() > 0.98
        assert ((loose[n, :size] * z["normals_dis0"][n, :size]).sum(1).abs() > 1 - 1e-4).float().mean() > 0.99
        cosines = (frames[n, :size] * z["frames"][n, :size]).sum(1)
        gaps = variances[n, :size].diff(dim=1)
        distinct = (gaps > 0.05 * variances[n, :size, 2:]).all(1)
        assert distinct.float().mean() > 0.2 and (cosines[distinct].abs() > 1 - 1e-3).float().mean() > 0.98
        same = torch.isclose(variances[n, :size], z["curvatures"][n, :size], rtol=1e-3, atol=1e-6).all(1)
        assert same.float().mean() > 0.99  # of equally near points others may have been chosen


def test_frames_are_eigenvectors_of_covariances():
    points = torch.rand(2, 80, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    variances, frames = estimate_pointcloud_local_coord_frames(points, 12)
    covariances, neighbours = get_point_covariances(points, torch.tensor([80, 80]), 12)
    torch.testing.assert_close(frames @ variances.diag_embed() @ frames.mT, covariances)
    torch.testing.assert_close(frames[..., 1], torch.linalg.cross(frames[..., 0], frames[..., 2]))
    for n, i in ((0, 0), (1, 79)):
        nearest = points[n][torch.cdist(points[n, i : i + 1], points[n])[0].argsort()[:12]]
        torch.testing.assert_close(neighbours[n, i], nearest)
        torch.testing.assert_close(covariances[n, i], torch.cov(nearest.T, correction=0))
        for axis in (0, 2):
            assert (((nearest - points[n, i]) @ frames[n, i, :, axis]) > 0).sum() >= 6


def test_normals_of_a_plane_and_a_sphere():
    generator = torch.Generator().manual_seed(1)
    plane = torch.cat((torch.rand(300, 2, generator=generator), torch.zeros(300, 1)), 1)
    sphere = torch.nn.functional.normalize(torch.randn(3000, 3, generator=generator))
    assert (estimate_pointcloud_normals(plane[None], 20)[0, :, 2].abs() > 1 - 1e-5).all()
    normals = estimate_pointcloud_normals(Pointclouds([plane, sphere]), 20)
    assert ((normals[1] * sphere).sum(1) < -0.95).all()  # inwards: that is where a sphere's neighbours lie
    assert (normals[0, :300, 2].abs() > 1 - 1e-5).all()


def test_gradcheck():
    points = torch.rand(1, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: estimate_pointcloud_local_coord_frames(p, 6), points)


def test_eigenvalues_alone():
    a = torch.rand(4, 5, 3, 3)
    values, vectors = symeig3x3(a + a.mT)
    torch.testing.assert_close(symeig3x3(a + a.mT, eigenvectors=False)[0], values)
    torch.testing.assert_close(vectors @ values.diag_embed() @ vectors.mT, a + a.mT)


@pytest.mark.parametrize(
    "call",
    [
        lambda: estimate_pointcloud_normals(torch.rand(1, 9, 2), 3),
        lambda: estimate_pointcloud_normals(torch.rand(1, 9, 3), 9),
        lambda: estimate_pointcloud_normals(Pointclouds([torch.rand(9, 3), torch.rand(4, 3)]), 5),
        lambda: symeig3x3(torch.rand(2, 2)),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError):
        call()
