"""Rays and surfaces: against roots in closed form; culling against all primitives; primitives against their forms."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from a3_volume_surface.config_schema import SDFS
from a3_volume_surface.config_values import typed
from a3_volume_surface.primitives import ManyPrimitivesSDF
from a3_volume_surface.rays import get_pixels_from_image, get_rays_from_pixels
from a3_volume_surface.sdf import BoxSDF, SphereSDF, TorusSDF, build_sdf, difference, intersection, smooth_union, union
from a3_volume_surface.sphere_tracing import sphere_trace, surface_normals
from common.camera_poses import create_surround_cameras

MAJOR, MINOR = 1.0, 0.25


def value(*numbers):
    return SimpleNamespace(val=list(numbers) if len(numbers) > 1 else numbers[0], opt=False)


def torus():
    return TorusSDF(SimpleNamespace(center=value(0.0, 0.0, 0.0), radii=value(MAJOR, MINOR)))


def rays_of(size=96, index=3):
    camera = create_surround_cameras(3.0, 20, up=(0.0, 0.0, 1.0))[index]
    rays = get_rays_from_pixels(get_pixels_from_image((size, size)), (size, size), camera)
    return rays.origins, rays.directions


def torus_roots(origins, directions):
    """The nearest intersection with the torus, the least root of a quartic; infinite for a miss."""
    o, d = origins.double().numpy(), directions.double().numpy()
    d = d / np.linalg.norm(d, axis=1, keepdims=True)
    k = (o * o).sum(1) - MAJOR**2 - MINOR**2
    along = (o * d).sum(1)
    c2 = 2 * k + 4 * along**2 + 4 * MAJOR**2 * d[:, 2] ** 2
    c1 = 4 * k * along + 8 * MAJOR**2 * o[:, 2] * d[:, 2]
    c0 = k * k - 4 * MAJOR**2 * (MINOR**2 - o[:, 2] ** 2)
    companion = np.zeros((len(o), 4, 4))
    companion[:, 0] = -np.stack([4 * along, c2, c1, c0], 1)
    companion[:, 1, 0] = companion[:, 2, 1] = companion[:, 3, 2] = 1
    roots = np.linalg.eigvals(companion)
    real = (np.abs(roots.imag) < 1e-7) & (roots.real > 0)
    return torch.from_numpy(np.where(real, roots.real, np.inf).min(1))


@pytest.mark.parametrize("over_relaxation", [1.0, 1.2, 1.6])
@pytest.mark.parametrize("bounded", [False, True])
def test_a_torus_is_met_where_the_quartic_says(over_relaxation, bounded):
    origins, directions = rays_of()
    reach = torch.tensor([MAJOR + MINOR, MAJOR + MINOR, MINOR])
    bounds = torch.stack((-reach, reach)) if bounded else None
    lengths, hit = sphere_trace(torus(), origins, directions, over_relaxation=over_relaxation, bounds=bounds)
    roots = torus_roots(origins, directions)
    assert torch.equal(hit, roots.isfinite()) and 300 < hit.sum() < 1500
    torch.testing.assert_close(lengths[hit].double(), roots[hit], atol=1e-5, rtol=0.0)
    assert (lengths[~hit] == 5.0).all()


def test_rays_end_at_far_and_begin_at_near():
    origins, directions = torch.tensor([[-2.0, 0.0, 0.0]]).expand(3, 3), torch.tensor([[1.0, 0.0, 0.0]]).expand(3, 3)
    near, far = torch.tensor([0.0, 0.0, 1.5]), torch.tensor([5.0, 0.5, 5.0])
    lengths, hit = sphere_trace(torus(), origins, directions, near, far)
    assert hit.tolist() == [True, False, True]
    torch.testing.assert_close(lengths, torch.tensor([0.75, 0.5, 2.75]))  # from the hole on: the far side of the ring


def test_no_rays_and_no_surface():
    lengths, hit = sphere_trace(torus(), torch.zeros(0, 3), torch.zeros(0, 3))
    assert lengths.shape == hit.shape == (0,)
    lengths, hit = sphere_trace(torus(), torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
    assert not hit.any()


def test_normals_of_a_torus():
    points = torch.tensor([[1.25, 0.0, 0.0], [0.0, 1.0, 0.25], [-0.75, 0.0, 0.0]])
    expected = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(surface_normals(torus(), points), expected, atol=1e-6, rtol=0.0)


def test_primitives():
    sphere = SphereSDF(SimpleNamespace(center=value(1.0, 0.0, 0.0), radius=value(0.5)))
    box = BoxSDF(SimpleNamespace(center=value(0.0, 0.0, 0.0), side_lengths=value(2.0, 1.0, 4.0)))
    points = torch.tensor([[1.0, 0.0, 0.0], [2.0, 1.5, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(sphere(points)[:, 0], torch.tensor([-0.5, 3.25**0.5 - 0.5, 0.5]))
    torch.testing.assert_close(box(points)[:, 0], torch.tensor([0.0, 2.0**0.5, -0.5]))


def test_combinations():
    one, two = torch.tensor([0.3, -0.2, 0.05]), torch.tensor([0.1, 0.4, 0.05])
    torch.testing.assert_close(union(one, two), torch.tensor([0.1, -0.2, 0.05]))
    torch.testing.assert_close(intersection(one, two), torch.tensor([0.3, 0.4, 0.05]))
    torch.testing.assert_close(difference(one, two), torch.tensor([0.3, -0.2, 0.05]))
    smooth = smooth_union(one, two, 0.1)
    torch.testing.assert_close(smooth, torch.tensor([0.1, -0.2, 0.05 - 0.025]))
    assert (smooth_union(one, two, 0.3) <= union(one, two)).all()


def scene(count=60):
    return ManyPrimitivesSDF(SimpleNamespace(count=count, seed=3))


def test_culled_distances_are_those_of_all_primitives():
    field, points = scene(), 4 * torch.rand(3000, 3, generator=torch.Generator().manual_seed(0)) - 2
    culled, color = field(points), field.get_color(points)
    field.culling = False
    every = field(points)
    inside = ((points >= field.bounds[0]) & (points <= field.bounds[1])).all(1)
    assert inside.sum() > 300 and (every[inside] < 0).sum() > 3
    assert torch.equal(culled[inside], every[inside]) and torch.equal(color[inside], field.get_color(points)[inside])
    assert (culled <= every).all() and (culled[~inside] >= 0.33 * every[~inside]).all()


def test_culled_pictures_are_those_of_all_primitives():
    origins, directions = rays_of(40)
    field = scene()
    culled = sphere_trace(field, origins, directions, far=6.0, max_iters=128)
    field.culling = False
    every = sphere_trace(field, origins, directions, far=6.0, max_iters=128)
    assert torch.equal(culled[1], every[1]) and 50 < culled[1].sum()
    torch.testing.assert_close(culled[0], every[0], atol=1e-5, rtol=0.0)


PARTS = [
    {"type": "box", "side_lengths": {"val": [1.0, 1.2, 0.8]}},
    {"type": "sphere", "center": {"val": [0.3, 0.1, 0.0]}, "radius": {"val": 0.6}},
]


@pytest.mark.parametrize("operation", ["union", "intersection", "difference", "smooth_union"])
def test_shapes_joined(operation):
    sdf = build_sdf(typed({"type": "combination", "operation": operation, "parts": PARTS}, SDFS, "sdf"))
    points = 2.4 * torch.rand(4000, 3, generator=torch.Generator().manual_seed(0)) - 1.2
    one, two = (part(points) for part in sdf.parts)
    truth = {
        "union": (one < 0) | (two < 0),
        "intersection": (one < 0) & (two < 0),
        "difference": (one < 0) & (two > 0),
        "smooth_union": smooth_union(one, two, 0.2) < 0,
    }[operation]
    assert torch.equal(sdf(points) < 0, truth) and 50 < truth.sum() < 3000
    low, high = sdf.bounds
    inside = points[truth[:, 0]]
    assert (inside >= low).all() and (inside <= high).all()
    # Rays from outside land on the surface, or on none.
    origins = 3 * torch.nn.functional.normalize(points[:500], dim=1)
    targets = points[500:1000] * 0.6
    directions = torch.nn.functional.normalize(targets - origins, dim=1)
    lengths, hit = sphere_trace(sdf, origins, directions, 0.0, 6.0, 256, bounds=sdf.bounds)
    assert sdf(origins[hit] + lengths[hit, None] * directions[hit]).abs().max() < 1e-5
    steps = torch.linspace(0, 6, 600)[:, None, None]
    least = sdf((origins + steps * directions).view(-1, 3)).view(600, -1).amin(0)
    assert (least[~hit] > -1e-2).all()
