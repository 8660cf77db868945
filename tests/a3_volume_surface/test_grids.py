"""The feature grid against a slow twin; the occupancy grid against what it must not lose."""

from types import SimpleNamespace

import pytest
import torch

from a3_volume_surface.feature_grid import STRIDES, FeatureGrid, resolutions_between, scatter_rows
from a3_volume_surface.grid_field import OccupancyRenderer
from a3_volume_surface.occupancy import OccupancyGrid
from common.p3d import PerspectiveCameras, look_at_view_transform


def naive(grid: FeatureGrid, x: torch.Tensor) -> torch.Tensor:
    out = []
    for place in x:
        row = []
        for resolution, table in zip(grid.resolutions, grid.tables, strict=True):
            low = (place * resolution).floor().clamp(0, resolution - 1)
            t, total = place * resolution - low, 0.0
            for corner in range(8):
                offset = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2])
                i, j, k = (low.long() + offset).tolist()
                side = resolution + 1
                if side**3 <= grid.table_size:
                    index = i + side * (j + side * k)
                else:
                    index = (i * STRIDES[0] + j * STRIDES[1] + k * STRIDES[2]) % grid.table_size
                weight = torch.where(offset == 1, t, 1 - t).prod()
                total = total + weight * table[index]
            row.append(total)
        out.append(torch.cat(row))
    return torch.stack(out)


@pytest.fixture
def grid():
    torch.manual_seed(0)
    return FeatureGrid((3, 8), 2, 2**7, scale=1.0)


PLACES = torch.rand(40, 3, generator=torch.Generator().manual_seed(1))


def test_features_equal_a_loop_over_corners(grid):
    ends = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.5]])
    x = torch.cat((PLACES, ends))
    torch.testing.assert_close(grid(x), naive(grid, x))
    assert [len(table) for table in grid.tables] == [64, 128]  # all corners, and a hashed table


def test_gradients_of_tables_and_places_equal_those_of_the_loop(grid):
    weights = torch.rand(len(PLACES), grid.output_dim)
    x, y = PLACES.clone().requires_grad_(), PLACES.clone().requires_grad_()
    parameters = list(grid.parameters())
    fast = torch.autograd.grad((grid(x) * weights).sum(), [x, *parameters])
    slow = torch.autograd.grad((naive(grid, y) * weights).sum(), [y, *parameters])
    for one, other in zip(fast, slow, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scattered_rows(dtype):
    rows = torch.randint(0, 9, (50, 8), dtype=torch.int32)
    weights, values = torch.rand(50, 8, dtype=dtype), torch.rand(50, 3, dtype=dtype)
    expected = torch.zeros(12, 3, dtype=dtype)
    for n in range(50):
        for k in range(8):
            expected[rows[n, k]] += weights[n, k] * values[n]
    torch.testing.assert_close(scatter_rows(rows, weights, values, 12), expected)


def test_a_table_size_that_is_no_power_of_two():
    with pytest.raises(ValueError, match="power of two"):
        FeatureGrid((4,), 2, 100)
    assert resolutions_between(16, 128, 4) == (16, 32, 64, 128)


BOUNDS = torch.tensor([[-1.0, -0.5, -1.0], [1.0, 0.5, 1.5]])


def rays(count=200):
    generator = torch.Generator().manual_seed(2)
    origins = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1) * 4
    targets = 2 * torch.rand(count, 3, generator=generator) - 1
    return origins, torch.nn.functional.normalize(targets - origins, dim=1)


def test_samples_are_those_of_the_box_that_lie_in_filled_cells():
    field, (origins, directions) = OccupancyGrid(BOUNDS, 8), rays()
    field.filled = torch.rand(8**3, generator=torch.Generator().manual_seed(3)) < 0.3
    samples = field.march(origins, directions, 0.05, 0.0, 10.0)
    assert (samples.ray[1:] >= samples.ray[:-1]).all() and field.filled[field.cell(samples.points)].all()
    torch.testing.assert_close(
        samples.points, origins[samples.ray] + samples.lengths[:, None] * directions[samples.ray]
    )
    same = samples.ray[1:] == samples.ray[:-1]
    steps = (samples.lengths[1:] - samples.lengths[:-1])[same] / 0.05
    assert (steps > 0.5).all() and (steps - steps.round()).abs().max() < 1e-3
    field.filled[:] = True
    full = field.march(origins, directions, 0.05, 0.0, 10.0)
    t = torch.arange(0, 10, 0.002)
    inside = origins[:, None] + t[:, None] * directions[:, None]
    inside = ((inside > BOUNDS[0]) & (inside < BOUNDS[1])).all(-1).sum(1) * 0.002
    count = torch.bincount(full.ray, minlength=200)
    assert ((count * 0.05 - inside).abs() < 0.06).all()  # as many as fit into each ray's stretch in the box
    kept = {(r, round(v, 3)) for r, v in zip(samples.ray.tolist(), samples.lengths.tolist(), strict=True)}
    assert kept <= {(r, round(v, 3)) for r, v in zip(full.ray.tolist(), full.lengths.tolist(), strict=True)}


def test_rays_that_miss_the_box_have_no_samples():
    field = OccupancyGrid(BOUNDS, 4)
    samples = field.march(torch.tensor([[0.0, 3.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]]), 0.1, 0.0, 10.0)
    assert len(samples.ray) == 0


def test_carving_keeps_what_all_cameras_see_covered():
    R, T = look_at_view_transform(4.0, torch.tensor([0.0, 30.0, -40.0]), torch.tensor([0.0, 90.0, 200.0]))
    cameras = PerspectiveCameras(2.0, R=R, T=T)
    ball = torch.nn.functional.normalize(torch.randn(4000, 3, generator=torch.Generator().manual_seed(4)), dim=1) * 0.4
    alpha = torch.zeros(3, 64, 64)
    for camera, picture in zip(cameras, alpha, strict=True):
        ndc = camera.transform_points_ndc(ball)
        picture[((1 - ndc[:, 1]) * 32).long(), ((1 - ndc[:, 0]) * 32).long()] = 1.0
    alpha = torch.nn.functional.max_pool2d(alpha[:, None], 3, 1, 1)[:, 0]  # points leave gaps
    field = OccupancyGrid(torch.tensor([[-1.0] * 3, [1.0] * 3]), 16)
    field.carve(cameras, alpha)
    assert field.filled[field.cell(ball)].all() and field.filled[field.cell(0.5 * ball)].all()
    assert field.filled.float().mean() < 0.3 and not field.filled[field.cell(torch.full((1, 3), 0.95))].any()


def test_pruning_keeps_cells_with_weight_and_their_neighbours():
    field = OccupancyGrid(torch.tensor([[0.0] * 3, [1.0] * 3]), 8)
    field.note(torch.tensor([[0.44, 0.44, 0.44], [0.9, 0.9, 0.9]]), torch.tensor([0.5, 0.001]))
    field.prune(0.01)
    assert field.filled.sum() == 27 and field.filled[field.cell(torch.tensor([[0.44, 0.44, 0.44]]))]
    assert not field.seen.any()


def test_blocks_stay_or_go_together():
    field = OccupancyGrid(torch.tensor([[0.0] * 3, [1.0] * 3]), 10)
    field.note(torch.tensor([[0.45, 0.05, 0.85]]), torch.tensor([0.5]))  # of blocks of 4 the second, first and third
    field.prune(0.01, block=4)
    kept = field.filled.view(10, 10, 10)  # by z, y, x
    assert kept[7:, :5, 3:9].all() and kept.sum() == 3 * 5 * 6  # and the cells beside the block


def test_rays_are_as_many_as_samples_allow():
    renderer = OccupancyRenderer(SimpleNamespace(chunk_size=10, white_background=False), 0.0, 10.0)
    assert renderer.rays_for(1000, 64) == 64  # nothing known as yet
    renderer.samples_per_ray.fill_(50.0)
    assert renderer.rays_for(1000, 64) == 20 and renderer.rays_for(10, 64) == 1
