"""Contracted space: where points go, and the samples of rays that go on for ever."""

import pytest
import torch

from a3_volume_surface.contraction import CLOSE, FAR, NEAR, ContractedGrid, contract, focus_of
from common.cli import UserError
from common.p3d import PerspectiveCameras, axis_angle_to_matrix, look_at_view_transform


def test_space_is_brought_into_a_ball_of_radius_2():
    direction = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    torch.testing.assert_close(contract(0.7 * direction), 0.7 * direction)
    torch.testing.assert_close(contract(direction * (1 + 1e-6)), direction, atol=1e-5, rtol=0)  # continuous
    torch.testing.assert_close(contract(4 * direction), 1.75 * direction)
    assert contract(1e8 * direction).norm(dim=1).max() <= 2.0


def test_cameras_in_a_ring_look_at_their_focus():
    at = torch.tensor([[0.3, -0.2, 0.5]])
    R, T = look_at_view_transform(3.0, 20.0, torch.arange(8) * 45.0, at=at)
    centre, radius = focus_of(PerspectiveCameras(2.0, R=R, T=T))
    torch.testing.assert_close(centre, at[0], atol=1e-5, rtol=0)
    assert radius == pytest.approx(1.5, abs=1e-5)


def test_cameras_in_one_place_have_no_focus():
    with pytest.raises(UserError, match="all cameras stand in one place"):
        focus_of(PerspectiveCameras(2.0, R=axis_angle_to_matrix(torch.rand(4, 3)), T=torch.zeros(4, 3)))


def test_samples_go_far_and_lie_in_filled_cells():
    centre, radius, step = torch.tensor([1.0, 2.0, 3.0]), 0.5, 0.05
    grid = ContractedGrid(centre, radius, 16)
    generator = torch.Generator().manual_seed(1)
    origins = centre + torch.randn(20, 3, generator=generator) * 0.3
    directions = torch.nn.functional.normalize(torch.randn(20, 3, generator=generator), dim=1)
    full = grid.march(origins, directions, step, 0.0, 1e3)
    assert (torch.bincount(full.ray) == len(full.ray) // 20).all()
    one = full.ray == 7
    lengths, widths = full.lengths[one], full.deltas[one]
    torch.testing.assert_close(lengths[:-1] + widths[:-1] / 2, lengths[1:] - widths[1:] / 2)  # no gap between them
    assert lengths[0] - widths[0] / 2 == pytest.approx(NEAR * radius)
    assert FAR * radius * 0.9 < lengths[-1] < FAR * radius
    even = lengths < 2 * CLOSE * radius - step
    torch.testing.assert_close(widths[even], torch.full_like(widths[even], step))
    assert (widths[1:] >= widths[:-1] - 1e-4).all() and widths[-1] > 2 * step
    torch.testing.assert_close(full.points, origins[full.ray] + full.lengths[:, None] * directions[full.ray])

    grid.filled[:] = torch.rand(16**3, generator=generator) < 0.2
    some = grid.march(origins, directions, step, 0.0, 1e3)
    kept = grid.filled[grid.cell(full.points)]
    torch.testing.assert_close(some.points, full.points[kept])
    assert torch.equal(some.ray, full.ray[kept]) and 0 < len(some.ray) < len(full.ray)


def test_jitter_stays_within_the_stretches():
    grid = ContractedGrid(torch.zeros(3), 1.0, 8)
    origins, directions = torch.zeros(3, 3), torch.eye(3)
    middle = grid.march(origins, directions, 0.1, 0.0, 1e3)
    moved = grid.march(origins, directions, 0.1, 0.0, 1e3, torch.tensor([0.0, 0.25, 1.0]))
    share = (moved.lengths - middle.lengths) / middle.deltas
    for ray, expected in enumerate((-0.5, -0.25, 0.5)):
        torch.testing.assert_close(
            share[moved.ray == ray], torch.full_like(share[moved.ray == ray], expected), atol=1e-3, rtol=0
        )
