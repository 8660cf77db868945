"""Volume of the intersection of boxes, as in `pytorch3d.ops.box3d_overlap`."""

import torch
from torch import Tensor

__all__ = ["box3d_overlap"]

SIDES = torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [2, 3, 7, 6], [0, 3, 7, 4], [1, 2, 6, 5]])


@torch.no_grad()
def box3d_overlap(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Volumes (N, M) of the intersections of boxes (N, 8, 3) and (M, 8, 3), and their ratios to the unions (N, M).

    Corners are ordered as those of the unit box 000, 100, 110, 010, 001, 101, 111, 011 (x, y, z); any convex hexahedron
    will do. Computed in double precision. Not differentiable.

    Raises:
        ValueError: another shape, sides that are not flat within `eps` or of an area less than that.
    """
    if boxes1.dim() != 3 or boxes2.dim() != 3 or boxes1.shape[1:] != (8, 3) or boxes2.shape[1:] != (8, 3):
        raise ValueError("Each box in the batch must be of shape (8, 3)")
    count, device = (len(boxes1), len(boxes2)), boxes1.device
    reach = max((float(boxes.abs().max()) for boxes in (boxes1, boxes2) if len(boxes)), default=0.0)
    middle, normal, offset, volume = zip(*(_planes(boxes.double(), eps) for boxes in (boxes1, boxes2)), strict=True)
    common = torch.zeros(count[0] * count[1], dtype=torch.float64, device=device)
    # boxes2 lose a layer of some roundings, so that no two faces coincide; it is added back by the faces' areas
    layer = torch.zeros(12, dtype=torch.float64, device=device)
    layer[6:] = 64 * torch.finfo(boxes1.dtype).eps * reach
    for pair in torch.arange(len(common), device=device).split(1024):
        i, j = pair // count[1], pair % count[1]
        apart = (normal[0][i] @ (middle[1][j] - middle[0][i])[:, :, None]).squeeze(2)
        offsets = torch.cat((offset[0][i] - apart, offset[1][j]), 1)
        common[pair] = _volume(torch.cat((normal[0][i], normal[1][j]), 1), offsets - layer, layer)
    common = common.view(count)
    union = volume[0][:, None] + volume[1] - common
    return common.to(boxes1.dtype), (common / union).to(boxes1.dtype)


def _planes(boxes: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Middles (N, 3), the sides' outward normals (N, 6, 3) and distances from the middle (N, 6), volumes (N,)."""
    a, b, c, d = boxes[:, SIDES.to(boxes.device)].unbind(2)
    middle, side = boxes.mean(1), (a + b + c + d) / 4
    normal = torch.linalg.cross(c - a, d - b)
    area = normal.norm(dim=2)
    triangle = torch.minimum(torch.linalg.cross(b - a, c - a).norm(dim=2), torch.linalg.cross(d - a, c - a).norm(dim=2))
    if bool((triangle / 2 < eps).any()):
        raise ValueError(f"Planes have zero areas: sides of boxes need triangles of at least {eps}")
    normal = normal / area[:, :, None]
    if bool((((a - side) * normal).sum(2).abs() > eps).any()):
        raise ValueError(f"Plane vertices are not coplanar: corners lie more than {eps} off their side's plane")
    distance = ((side - middle[:, None]) * normal).sum(2)
    return middle, normal * distance.sign()[:, :, None], distance.abs(), (distance.abs() * area).sum(1) / 6


def _volume(normal: Tensor, offset: Tensor, layer: Tensor) -> Tensor:
    """Volumes (P,) of the sets of points with normal . x <= offset, with normals (P, S, 3) and offsets (P, S), and of
    layers (S,) on their faces.

    By Lasserre (1983): the volume is 1/3 sum of offset_i area_i, an area 1/2 sum of the offsets of its edges in its
    plane times their lengths; an edge is what the other planes leave of the line in which planes i and j meet.
    """
    i, j = torch.triu_indices(normal.shape[1], normal.shape[1], 1, device=normal.device)
    (n, m), (d, e) = (normal[:, i], normal[:, j]), (offset[:, i], offset[:, j])
    along, cosine = torch.linalg.cross(n, m), (n * m).sum(2)
    square = along.square().sum(2)
    meet = square > 1e-12
    scale = torch.where(meet, square, 1)
    point = ((d - e * cosine) / scale)[:, :, None] * n + ((e - d * cosine) / scale)[:, :, None] * m
    room, speed = offset[:, None] - point @ normal.mT, along @ normal.mT
    own = torch.zeros(len(i), normal.shape[1], dtype=torch.bool, device=normal.device)
    own = own.scatter(1, torch.stack((i, j), 1), True)
    time = room / speed
    last = torch.where(~own & (speed > 1e-12), time, torch.inf).amin(2)
    start = torch.where(~own & (speed < -1e-12), time, -torch.inf).amax(2)
    outside = (~own & (speed.abs() <= 1e-12) & (room < 0)).any(2)
    span = torch.where(meet & ~outside, last - start, 0).clamp(min=0)  # in units of |along|, which cancel
    parts = (e - d * cosine) * (d / 3 + layer[i]) + (d - e * cosine) * (e / 3 + layer[j])
    return (span * parts).sum(1).clamp(min=0) / 2
