"""Which pixels the runs of a face hold: exactly those inside all of its edge functions, whatever its shape."""

import pytest
import torch

from common.p3d import face_pairs
from common.p3d.face_pairs import expand_faces
from common.p3d.pixel_grid import PixelGrid


def faces_of(kind: str, count: int, dtype: torch.dtype, grid: PixelGrid, generator: torch.Generator) -> torch.Tensor:
    """(count, 3, 3) faces of a kind that is hard to draw."""
    verts = torch.rand(count, 3, 3, generator=generator, dtype=dtype) * 3 - 1.5
    scale = 10.0 ** (6 * torch.rand(count, 1, 1, generator=generator, dtype=dtype) - 2)
    if kind == "huge":
        verts = verts * scale
    elif kind == "on centres":  # of pixels, edges level and steep ones among them
        side = min(grid.sizes)
        verts = ((2 * torch.randint(-side, side, (count, 3, 3), generator=generator) + 1 - side % 2) / side).to(dtype)
    elif kind == "sliver":
        along = torch.rand(count, 3, 1, generator=generator, dtype=dtype) * 2
        verts = verts[:, :1] + along * verts[:, 1:2] + 1e-4 * scale * verts
    elif kind == "nearly level":
        verts[:, 1, 1] = verts[:, 0, 1] + 1e-7 * scale[:, 0, 0]
    elif kind == "subnormal slope":
        verts[:, 0, 1], verts[:, 1, 1] = 0, 1e-39
    verts[..., 2] = 1.0
    return verts


def inside(verts: torch.Tensor, grid: PixelGrid) -> torch.Tensor:
    """(F, H, W) int, by the edge functions of every pixel."""
    x, y = (grid.centres(torch.arange(size).flip(0).to(verts.dtype), axis) for axis, size in enumerate(grid.sizes))
    (x0, y0), (x1, y1), (x2, y2) = (verts[:, corner, :2].unbind(1) for corner in range(3))
    sign = ((x2 - x0) * (y1 - y0) - (y2 - y0) * (x1 - x0)).sign()
    met = torch.ones(len(verts), grid.height, grid.width, dtype=torch.bool)
    for ax, ay, bx, by in ((x1, y1, x2, y2), (x2, y2, x0, y0), (x0, y0, x1, y1)):
        sx, sy = (bx - ax) * sign, (by - ay) * sign
        along = ((x - ax[:, None]) * sy[:, None])[:, None]
        across = ((y - ay[:, None]) * sx[:, None])[:, :, None]
        owned = ((sy > 0) | ((sy == 0) & (sx < 0)))[:, None, None]
        met &= (along > across) | ((along == across) & owned)
    return met.int()


@pytest.mark.parametrize("kind", ["any", "huge", "on centres", "sliver", "nearly level", "subnormal slope"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_runs_hold_what_the_edge_functions_say(kind, dtype, monkeypatch):
    monkeypatch.setattr(face_pairs, "ROWS_PER_CHUNK", 37)
    monkeypatch.setattr(face_pairs, "PAIRS_PER_CHUNK", 101)
    generator = torch.Generator().manual_seed(0)
    for height, width in ((5, 5), (8, 8), (7, 12), (33, 9), (1, 6), (60, 50)):
        grid = PixelGrid(height, width, 1)
        verts = faces_of(kind, 60, dtype, grid, generator)
        x, y = verts[..., 0], verts[..., 1]
        area = (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0]) - (y[:, 2] - y[:, 0]) * (x[:, 1] - x[:, 0])
        verts = verts[area.abs() > 1e-8]
        drawn = torch.zeros(len(verts), height * width, dtype=torch.int32)
        for pairs in expand_faces(verts, torch.zeros(len(verts), dtype=torch.int64), 0.0, grid):
            ones = torch.ones_like(pairs.face, dtype=torch.int32)
            drawn.index_put_((pairs.face, pairs.pixel), ones, accumulate=True)
        assert torch.equal(drawn.view(-1, height, width), inside(verts, grid)), (height, width)


def test_nearly_level_edges_in_large_images():
    """Rows are at steps that are equal only up to rounding; a slope of 1e-5 makes whole pixels of that."""
    grid = PixelGrid(2000, 2000, 1)
    face = torch.tensor(
        [[
            [-1.2000000476837158, 0.9235142469406128, 1.0],
            [1.2000000476837158, 0.9234833121299744, 1.0],
            [0.40739065408706665, 0.9118527173995972, 1.0],
        ]]
    )  # fmt: skip
    drawn = torch.zeros(2000 * 2000, dtype=torch.int32)
    for pairs in expand_faces(face, torch.zeros(1, dtype=torch.int64), 0.0, grid):
        drawn.index_put_((pairs.pixel,), torch.ones_like(pairs.pixel, dtype=torch.int32), accumulate=True)
    assert int(drawn.sum()) == 13450 and torch.equal(drawn.view(2000, 2000), inside(face, grid)[0])
