"""The (pixel, face) pairs of a mesh rasteriser: each face's window of candidate pixels, expanded and tested.

No face is tested against a pixel outside its bounding box. Faces with windows of like size are expanded together, so
that the three edge functions are computed from one term per row and one per column; chunks have a bounded size. The
test here is conservative: what passes is measured exactly by the caller.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .point_pairs import PixelGrid

__all__: list[str] = []

PAIRS_PER_CHUNK = 1 << 19  # candidate pairs in one chunk: some 20 bytes each
SLACK = 0.01  # of windows, in pixels: rounding never hides a pixel at the rim
EDGE_SLACK = 1e-6  # relative, of the edge test
SIZES = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)  # windows are rounded up to these many rows and columns


def expand_faces(face_verts: Tensor, image: Tensor, blur: float, grid: PixelGrid) -> Iterator[tuple[Tensor, Tensor]]:
    """Flat pixels (M,) int64 and faces (M,) int64 that may meet, chunk by chunk.

    Args:
        face_verts: (F, 3, 3), x and y in NDC; faces that are to be drawn, all finite.
        image: (F,) int64, which image of the batch each face belongs to.
        blur: NDC distance up to which a pixel outside a face counts.
    """
    low, high = face_verts[:, :, :2].amin(1) - blur, face_verts[:, :, :2].amax(1) + blur
    per_pixel, windows = 0.5 * min(grid.sizes), []
    for axis in (0, 1):
        half, size = grid.half_span(axis), grid.sizes[axis]
        first = ((low[:, axis] + half) * per_pixel - 0.5 - SLACK).ceil().clamp(0, size).long()
        last = ((high[:, axis] + half) * per_pixel - 0.5 + SLACK).floor().clamp(-1, size - 1).long()
        windows += [first, last - first + 1]
    face = ((windows[1] > 0) & (windows[3] > 0)).nonzero().squeeze(1)
    x0, width, y0, height = (w[face] for w in windows)
    limit = max(PAIRS_PER_CHUNK // max(int(width.max()), 1), 1) if len(face) else 1
    if len(face) and int(height.max()) > limit:  # windows of more pairs than a chunk: bands of rows
        bands = torch.div(height + limit - 1, limit, rounding_mode="floor")
        row = torch.arange(len(face), device=face.device).repeat_interleave(bands)
        shift = (torch.arange(len(row), device=face.device) - (bands.cumsum(0) - bands)[row]) * limit
        face, x0, width, y0, height = face[row], x0[row], width[row], y0[row] + shift, height[row] - shift
        height = height.clamp(max=limit)
    sizes = torch.tensor(SIZES, device=face.device)
    kind = torch.bucketize(torch.maximum(width, height), sizes)
    kind, order = kind.sort(stable=True)
    edges = _Edges(face_verts, blur)
    start = 0
    for count in torch.unique_consecutive(kind, return_counts=True)[1].tolist():
        group = order[start : start + count]
        start += count
        wide, tall = (int(s[group].max()) for s in (width, height))
        step = max(PAIRS_PER_CHUNK // (wide * tall), 1)
        for part in group.split(step):
            chosen = face[part]
            # Windows that reach over the image's edge move inside; they only get larger.
            x = x0[part].clamp(max=max(grid.width - wide, 0))
            y = y0[part].clamp(max=max(grid.height - tall, 0))
            yield _pairs(edges, chosen, image[chosen], x, y, min(wide, grid.width), min(tall, grid.height), grid)


class _Edges:
    """Of each face the edge functions e(p) = (p_x - a_x) (b_y - a_y) - (p_y - a_y) (b_x - a_x), turned so that they are
    positive inside, and the bound above which a pixel may count."""

    def __init__(self, face_verts: Tensor, blur: float):
        a, b = face_verts[:, [1, 2, 0], :2], face_verts[:, [2, 0, 1], :2]
        area = edge_function(face_verts[:, 2], face_verts[:, 0], face_verts[:, 1])
        self.start = a
        self.step = (b - a) * area.sign()[:, None, None]
        length = self.step.abs().sum(2)
        self.bound = -(blur * self.step.norm(dim=2) + EDGE_SLACK * length * (1.0 + a.abs().amax(2)))


def _pairs(edges: _Edges, face: Tensor, image: Tensor, x0: Tensor, y0: Tensor, wide: int, tall: int, grid: PixelGrid):
    """The pairs of faces (P,) whose windows of tall x wide pixels begin at x0, y0 (P,), counted along +x and +y."""
    kind = edges.start.dtype
    columns = x0[:, None] + torch.arange(wide, device=face.device)
    rows = y0[:, None] + torch.arange(tall, device=face.device)
    x, y = grid.centres(columns.to(kind), 0), grid.centres(rows.to(kind), 1)
    start, step = edges.start.index_select(0, face), edges.step.index_select(0, face)
    bound = edges.bound.index_select(0, face)
    inside = None
    for k in range(3):
        along = (x - start[:, k, :1]) * step[:, k, 1:]
        across = (y - start[:, k, 1:]) * step[:, k, :1] + bound[:, k : k + 1]
        passed = along[:, None, :] > across[:, :, None]
        inside = passed if inside is None else inside.logical_and_(passed)
    hit = inside.view(-1).nonzero().squeeze(1)
    owner = torch.div(hit, wide * tall, rounding_mode="floor")
    cell = hit - owner * (wide * tall)
    row = torch.div(cell, wide, rounding_mode="floor")
    column = cell - row * wide
    # Arrays run from the image's top left: both axes are reversed.
    first = (image * grid.height + grid.height - 1 - y0) * grid.width + grid.width - 1 - x0
    pixel = first.index_select(0, owner) - row * grid.width - column
    return pixel, face.index_select(0, owner)


def edge_function(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Twice the signed area of the triangle p, a, b, of (..., 2 or 3) points; x and y count."""
    return (p[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1]) - (p[..., 1] - a[..., 1]) * (b[..., 0] - a[..., 0])
