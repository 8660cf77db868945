"""Lofts: solids between polygons of a stack of parallel planes, as hulls, wings and fuselages are drawn."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from common.shapes.polygon import triangulate
from common.shapes.primitive import MeshArrays, Primitive, grid_faces, real_faces

CHUNK = 2**21  # pairs of a point and a corner or face that are looked at together, to bound memory


@dataclass(frozen=True)
class Loft(Primitive):
    """Polygons ``sections`` (S, K, 2), each in its plane z = ``levels[s]``; corner k of each joins k of the next.

    The faces between two sections are triangles, so the solid is a polyhedron and its distance is exact. Sections may
    be concave and may repeat a corner, but must not cross themselves, nor fold back on the way to the next one. The
    first and the last are closed by flat caps; either may shrink to a point.

    Raises:
        ValueError: fewer than two sections, or levels that do not rise.
    """

    levels: tuple[float, ...]
    sections: tuple[tuple[tuple[float, float], ...], ...]

    def __post_init__(self):
        if len(self.levels) < 2 or len(self.levels) != len(self.sections) or not (np.diff(self.levels) > 0).all():
            raise ValueError(f"{len(self.sections)} sections at the levels {self.levels}: two or more, rising")

    @cached_property
    def _rings(self) -> np.ndarray:
        """The sections (S, K, 2), counter-clockwise."""
        rings = np.asarray(self.sections, float)
        (x, y), (after_x, after_y) = np.moveaxis(rings, 2, 0), np.moveaxis(_after(rings), 2, 0)
        return rings if (x * after_y - y * after_x).sum() > 0 else rings[:, ::-1].copy()

    @cached_property
    def _slabs(self) -> np.ndarray:
        """The edges between two levels, (S-1, 2K+1, 4): where each leaves the lower one, and how far it goes.

        They are the edges from corner to like corner and, in turn with them, the diagonals of the quads; the first
        comes again at the end.
        """
        low, high = self._rings[:-1], self._rings[1:]
        ends = np.stack([high, _after(high)], 2).reshape(len(low), -1, 2)
        starts = np.repeat(low, 2, 1)
        edges = np.concatenate([starts, ends - starts], 2)
        return np.concatenate([edges, edges[:, :1]], 1)

    def _table(self, like: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of the type and on the device of ``like``: lowest and highest corner (3,), levels, :attr:`_slabs`, and what
        of those belongs to y."""
        key = like.dtype, like.device
        if key not in self._tables:
            low, high = self._rings.min((0, 1)), self._rings.max((0, 1))
            box = [*low, self.levels[0]], [*high, self.levels[-1]]
            slabs = self._slabs
            values = (*box, self.levels, slabs, slabs[:, :, 1].copy(), slabs[:, :, 3].copy())
            self._tables[key] = tuple(like.new_tensor(value) for value in values)
        return self._tables[key]

    @cached_property
    def _tables(self) -> dict[tuple[torch.dtype, torch.device], tuple[torch.Tensor, ...]]:
        return {}

    def sdf(self, points):
        with torch.no_grad():
            foot, inside = self._closest(points), self._sectioned(points, None)
        distance = (points - foot).square().sum(1).clamp_min(1e-24).sqrt()
        return torch.where(inside, -distance, distance)

    def contains(self, points, margin):
        """Inside, and by ``margin`` within the section through the point: cheaper than the distance.

        That holds for all points deeper than ``margin`` and for none outside.
        """
        return self._sectioned(points, margin)

    def _sectioned(self, points: torch.Tensor, margin: float | None) -> torch.Tensor:
        """(N,) bool: inside the section at the point's own level, by more than ``margin`` if there is one."""
        inside = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        low, high = self._table(points)[:2]
        gap = margin or 0.0
        near = torch.nonzero(((points > low + gap) & (points < high - gap)).all(1))[:, 0]
        if not len(near):
            return inside
        for rows in near.split(max(1, CHUNK // (2 * self._rings.shape[1]))):
            inside[rows] = self._within(points[rows], margin)
        return inside

    def _within(self, points: torch.Tensor, margin: float | None) -> torch.Tensor:
        """As :meth:`_sectioned`, for points between the first level and the last."""
        x, y, z = points.T.contiguous()
        levels, slabs, start, way = self._table(points)[2:]
        above = torch.searchsorted(levels, z).clamp_(1, len(levels) - 1)
        slab, low = above - 1, levels[above - 1]
        share = (z - low) / (levels[above] - low)
        gap = margin or 0.0
        height = torch.addcmul(start[slab], share[:, None], way[slab]) - y[:, None]
        over, under = height > gap, height < -gap
        # Only these edges can meet a ray along x, or pass within the margin.
        row, edge = torch.nonzero(~((over[:, 1:] & over[:, :-1]) | (under[:, 1:] & under[:, :-1])), as_tuple=True)
        at, part = slab[row], share[row, None]
        a, b = slabs[at, edge], slabs[at, edge + 1]
        (ax, ay), (bx, by) = ((c[:, :2] + part * c[:, 2:]).unbind(1) for c in (a, b))
        dx, dy, ex, ey = x[row] - ax, y[row] - ay, bx - ax, by - ay
        crosses = ((dy < 0) != (dy < ey)) & (dx < dy * ex / ey)
        inside = torch.bincount(row[crosses], minlength=len(points)) % 2 == 1
        if margin:
            along = ((dx * ex + dy * ey) / (ex * ex + ey * ey).clamp_min(1e-20)).clamp(0.0, 1.0)
            inside[row[(dx - along * ex).square() + (dy - along * ey).square() <= margin**2]] = False
        return inside

    def _closest(self, points: torch.Tensor) -> torch.Tensor:
        """The nearest surface points (N, 3): from the nearest corner on, slab by slab where one may lie nearer."""
        verts, faces, _ = self._mesh
        corners = points.new_tensor(verts)
        nearest = [torch.cdist(part, corners).argmin(1) for part in points.split(max(1, CHUNK // len(corners)))]
        foot = corners[torch.cat(nearest)] if nearest else points
        best = (points - foot).square().sum(1)
        groups, boxes = self._groups
        low, high = points.new_tensor(boxes).unbind(1)
        reach = (points[:, None] - points[:, None].clamp(low, high)).square().sum(2)
        for group, least in zip(groups, reach.unbind(1), strict=True):
            rows = torch.nonzero(least < best)[:, 0]
            if not len(rows):
                continue
            triangles = points.new_tensor(verts[group])
            for part in rows.split(max(1, CHUNK // (4 * len(group)))):
                at = _nearest_of_triangles(points[part], triangles)
                squared = (points[part] - at).square().sum(1)
                better = squared < best[part]
                foot[part[better]], best[part[better]] = at[better], squared[better]
        return foot

    @cached_property
    def _groups(self) -> tuple[list[np.ndarray], np.ndarray]:
        """The faces (F, 3) of each slab and of each cap, and the boxes (G, 2, 3) around them."""
        verts, faces, _ = self._mesh
        height = verts[:, 2][faces]
        owner = np.searchsorted(self.levels, height.min(1)) * 2 + (np.ptp(height, axis=1) > 0)
        groups = [faces[owner == number] for number in np.unique(owner)]
        return groups, np.array([(verts[g].min((0, 1)), verts[g].max((0, 1))) for g in groups])

    @cached_property
    def _mesh(self) -> MeshArrays:
        rings, levels = self._rings, np.asarray(self.levels, float)
        count, corners = rings.shape[:2]
        closed = np.concatenate([rings, rings[:, :1]], 1)
        height = np.broadcast_to(levels[:, None, None], (count, corners + 1, 1))
        sides = np.concatenate([closed, height], 2).reshape(-1, 3)
        u, v = np.meshgrid(np.linspace(0, 1, corners + 1), (levels - levels[0]) / np.ptp(levels))
        verts, uvs = [sides], [np.stack([u.ravel(), v.ravel()], 1)]
        faces, start = [real_faces(sides, grid_faces(count, corners + 1, flip=True))], len(sides)
        low, size = rings.min((0, 1)), np.ptp(rings, axis=(0, 1)).clip(1e-9)
        for ring, level, flip in ((rings[0], levels[0], True), (rings[-1], levels[-1], False)):
            flat, cap = _cap(ring)
            verts.append(np.column_stack([flat, np.full(len(flat), level)]))
            uvs.append((flat - low) / size)
            faces.append((cap[:, ::-1] if flip else cap) + start)
            start += len(flat)
        return np.concatenate(verts), np.concatenate(faces), np.concatenate(uvs)

    def mesh(self):
        return self._mesh


def _after(rings: np.ndarray) -> np.ndarray:
    """The corner after each corner of closed rings (..., K, 2)."""
    return np.concatenate([rings[..., 1:, :], rings[..., :1, :]], -2)


def _cap(ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (V, 2) and triangles (F, 3) that fill a counter-clockwise ring (K, 2): a fan where its middle allows."""
    flat = ring[np.abs(ring - _after(ring)).max(1) > 1e-9 * max(float(np.abs(ring).max()), 1e-30)]
    if len(flat) < 3:
        return np.empty((0, 2)), np.empty((0, 3), int)
    middle = (flat.min(0) + flat.max(0)) / 2
    one, two = flat - middle, _after(flat) - middle
    if (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).min() <= 1e-9 * np.ptp(flat, axis=0).max() ** 2:
        return flat, triangulate(flat)
    index = np.arange(len(flat))
    return np.vstack([flat, middle]), np.column_stack([index, (index + 1) % len(flat), np.full(len(flat), len(flat))])


def _nearest_of_triangles(points: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
    """The nearest points (N, 3), of triangles (F, 3, 3), to points (N, 3)."""
    edges = triangles.roll(-1, 1) - triangles
    normal = torch.linalg.cross(edges[:, 0], edges[:, 1])
    area = normal.square().sum(1).clamp_min(1e-30)
    offset = points[:, None, None] - triangles  # (N, F, 3, 3)
    along = ((offset * edges).sum(3) / edges.square().sum(2).clamp_min(1e-20)).clamp(0, 1)
    rims = triangles + along[..., None] * edges
    height = (offset[:, :, 0] * normal).sum(2) / area
    within = ((torch.linalg.cross(edges, normal[:, None].expand_as(edges)) * offset).sum(3) <= 0).all(2)
    feet = torch.cat([rims, (points[:, None] - height[..., None] * normal)[:, :, None]], 2)
    squared = (points[:, None, None] - feet).square().sum(3)
    squared[..., 3].masked_fill_(~within, torch.inf)
    return feet.flatten(1, 2)[torch.arange(len(points), device=points.device), squared.flatten(1).argmin(1)]
