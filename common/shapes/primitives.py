"""Analytic solids: each has an exact signed distance and a triangle mesh of its own surface, in its own frame.

Signed distances are torch functions of (N, 3) points, negative inside, exact on both sides unless a docstring says
otherwise, differentiable almost everywhere, on the points' device. Meshes are numpy: ``(verts (V, 3), faces (F, 3),
uvs (V, 2))`` with outward, counter-clockwise faces. Corners lie on the exact surface; facets of curved surfaces lie
inside it by at most radius * (1 - cos(pi / segments)).
Closed forms follow I. Quilez, "Distance functions" (2008), and D. Eberly, "Distance from a point to an ellipse, an
ellipsoid, or a hyperellipsoid" (2013).
"""

from dataclasses import dataclass

import numpy as np
import torch

from common.shapes.polygon import polygon_sdf, signed_area, triangulate

MeshArrays = tuple[np.ndarray, np.ndarray, np.ndarray]
AROUND = 64  # segments of a full turn: facets lie within 0.12 % of the radius of the exact surface


class Primitive:
    """A solid in its own frame. Subclasses define :meth:`sdf` and :meth:`mesh`."""

    def sdf(self, points: torch.Tensor) -> torch.Tensor:
        """Signed distance (N,) of points (N, 3)."""
        raise NotImplementedError

    def mesh(self) -> MeshArrays:
        """Corners (V, 3), faces (F, 3) and texture coordinates (V, 2) of the surface."""
        raise NotImplementedError

    def contains(self, points: torch.Tensor, margin: float) -> torch.Tensor:
        """(N,) bool: which points lie deeper inside than ``margin``."""
        return self.sdf(points) < -margin


@dataclass(frozen=True)
class Box(Primitive):
    """Axis-aligned box around the origin; ``size`` (3,) full lengths, edges rounded by ``radius``."""

    size: tuple[float, float, float]
    radius: float = 0.0

    def sdf(self, points):
        half = 0.5 * points.new_tensor(self.size) - self.radius
        q = points.abs() - half
        return q.clamp_min(0).norm(dim=1) + q.amax(1).clamp_max(0) - self.radius

    def mesh(self):
        half = 0.5 * np.asarray(self.size, float)
        ticks = [_box_ticks(h, self.radius) for h in half]
        corners, faces, uvs, start = [], [], [], 0
        for axis in range(3):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            a, b = (grid.ravel() for grid in np.meshgrid(ticks[u], ticks[v], indexing="ij"))
            for side in (-1.0, 1.0):
                points = np.empty((len(a), 3))
                points[:, axis], points[:, u], points[:, v] = side * half[axis], a, b
                corners.append(points)
                faces.append(_grid_faces(len(ticks[u]), len(ticks[v]), flip=side < 0) + start)
                uvs.append(np.stack([a / half[u], b / half[v]], 1) * 0.5 + 0.5)
                start += len(a)
        points = np.concatenate(corners)
        if self.radius > 0:
            inner = np.clip(points, -(half - self.radius), half - self.radius)
            offset = points - inner
            points = inner + self.radius * offset / np.linalg.norm(offset, axis=1, keepdims=True)
        return points, np.concatenate(faces), np.concatenate(uvs)


def _box_ticks(half: float, radius: float) -> np.ndarray:
    if radius <= 0:
        return np.array([-half, half])
    corner = half - radius + radius * np.tan(np.linspace(0, np.pi / 4, 4))
    return np.unique(np.concatenate([-corner, corner]).round(9))


@dataclass(frozen=True)
class Cone(Primitive):
    """Capped cone along y, centred: radius ``bottom`` at -height/2, ``top`` at +height/2 (equal: a cylinder)."""

    bottom: float
    top: float
    height: float

    def sdf(self, points):
        half, r1, r2 = 0.5 * self.height, self.bottom, self.top
        r = points[:, [0, 2]].norm(dim=1)
        y = points[:, 1]
        cap_r = (r - torch.where(y < 0, r1, r2)).clamp_min(0)
        cap_y = y.abs() - half
        slope = (r2 - r1, 2 * half)
        along = ((r2 - r) * slope[0] + (half - y) * slope[1]) / (slope[0] ** 2 + slope[1] ** 2)
        along = along.clamp(0, 1)
        side_r, side_y = r - r2 + slope[0] * along, y - half + slope[1] * along
        inside = (side_r < 0) & (cap_y < 0)
        squared = torch.minimum(cap_r.square() + cap_y.square(), side_r.square() + side_y.square())
        return torch.where(inside, -1.0, 1.0) * squared.clamp_min(1e-24).sqrt()

    def mesh(self):
        half = 0.5 * self.height
        return Revolution(((0, -half), (self.bottom, -half), (self.top, half), (0, half)), segments=32).mesh()


@dataclass(frozen=True)
class Ellipsoid(Primitive):
    """Ellipsoid around the origin with semi-axes ``radii`` (3,). Distance by Newton's method (Eberly), to 1e-6."""

    radii: tuple[float, float, float]

    def sdf(self, points):
        """The foot of the perpendicular is a_i^2 p_i / (t + a_i^2) for the largest root t of
        F(t) = sum (a_i p_i / (t + a_i^2))^2 - 1, convex and falling: Newton from the left never overshoots."""
        a = points.new_tensor(self.radii)
        p = points.abs().clamp_min(1e-6)
        with torch.no_grad():
            t = (a * p - a.square()).amax(1, keepdim=True)
            for _ in range(24):
                ratio = a * p / (t + a.square())
                value = ratio.square().sum(1, keepdim=True) - 1
                slope = -2 * (ratio.square() / (t + a.square())).sum(1, keepdim=True)
                t = t - value / slope
            foot = a.square() * p / (t + a.square())
        inside = (p / a).square().sum(1) < 1
        distance = (p - foot).norm(dim=1)
        return torch.where(inside, -distance, distance)

    def contains(self, points, margin):
        """Inside the ellipsoid whose semi-axes are shorter by ``margin`` (cheaper than the distance)."""
        inner = (points.new_tensor(self.radii) - margin).clamp_min(1e-6)
        return (points / inner).square().sum(1) < 1

    def mesh(self):
        angle = np.linspace(-np.pi / 2, np.pi / 2, 25)
        profile = np.stack([np.cos(angle).clip(0), np.sin(angle)], 1)
        profile[[0, -1], 0] = 0
        verts, faces, uvs = Revolution(tuple(map(tuple, profile)), segments=48).mesh()
        return verts * np.asarray(self.radii, float), faces, uvs


@dataclass(frozen=True)
class Torus(Primitive):
    """Torus around the y axis: ``major`` radius of the ring, ``minor`` radius of the tube."""

    major: float
    minor: float

    def sdf(self, points):
        ring = points[:, [0, 2]].norm(dim=1) - self.major
        return torch.stack([ring, points[:, 1]], 1).norm(dim=1) - self.minor

    def mesh(self):
        angle = np.linspace(0, 2 * np.pi, 25)[:-1]
        profile = np.stack([self.major + self.minor * np.cos(angle), self.minor * np.sin(angle)], 1)
        return Revolution(tuple(map(tuple, profile))).mesh()


@dataclass(frozen=True)
class Revolution(Primitive):
    """A closed profile in the (radius, y) half-plane, swept about the y axis by ``sweep`` radians, centred on +z.

    ``profile`` (M, 2), radius >= 0, a simple polygon in either orientation; edges on the axis are no surface.
    With sweep < 2 pi the two flat ends are closed.
    """

    profile: tuple[tuple[float, float], ...]
    sweep: float = 2 * np.pi
    segments: int = AROUND

    @property
    def _closed(self) -> bool:
        return self.sweep >= 2 * np.pi - 1e-9

    def _outline(self) -> np.ndarray:
        outline = np.asarray(self.profile, float)
        return outline if signed_area(outline) > 0 else outline[::-1].copy()

    def sdf(self, points):
        outline = self._outline()
        on_axis = (outline[:, 0] == 0) & (np.roll(outline[:, 0], -1) == 0)
        polygon = points.new_tensor(outline)
        edges = torch.as_tensor(~on_axis, device=points.device)
        x, y, z = points.unbind(1)
        r = torch.stack([x, z], 1).norm(dim=1)
        wall = polygon_sdf(torch.stack([r, y], 1), polygon, edges)
        if self._closed:
            return wall
        half = 0.5 * self.sweep
        along = x.abs() * np.sin(half) + z * np.cos(half)  # in the plane of the nearer end
        across = x.abs() * np.cos(half) - z * np.sin(half)  # above it: beyond the end
        end = polygon_sdf(torch.stack([along, y], 1), polygon)
        end = torch.stack([end.clamp_min(0), across], 1).norm(dim=1)
        within = torch.atan2(x.abs(), z) <= half
        inner = torch.where(wall < 0, -torch.minimum(-wall, end), torch.minimum(wall, end))
        return torch.where(within, inner, end)

    def mesh(self):
        outline = self._outline()
        steps = max(4, int(np.ceil(self.segments * self.sweep / (2 * np.pi))))
        angle = np.linspace(-0.5, 0.5, steps + 1) * self.sweep
        radius, y = outline[:, :1], np.broadcast_to(outline[:, 1:], (len(outline), steps + 1))
        verts = np.stack([radius * np.sin(angle), y, radius * np.cos(angle)], 2)
        length = np.concatenate([[0], np.linalg.norm(np.diff(outline, axis=0), axis=1).cumsum()])
        across = np.broadcast_to((length / max(length[-1], 1e-9))[:, None], y.shape)
        uvs = np.stack([np.broadcast_to(angle / self.sweep + 0.5, y.shape), across], 2)
        verts, uvs = np.concatenate([verts, verts[:1]]), np.concatenate([uvs, uvs[:1]])
        faces = _grid_faces(len(outline) + 1, steps + 1, flip=True)
        verts, uvs = verts.reshape(-1, 3), uvs.reshape(-1, 2)
        if not self._closed:
            verts, faces, uvs = _add_ends(verts, faces, uvs, outline, self.sweep)
        keep = _areas(verts, faces) > 1e-14
        return verts, faces[keep], uvs


def _add_ends(verts, faces, uvs, outline, sweep):
    triangles = triangulate(outline)
    for sign, flip in ((-1, False), (1, True)):
        a = 0.5 * sign * sweep
        end = np.stack([outline[:, 0] * np.sin(a), outline[:, 1], outline[:, 0] * np.cos(a)], 1)
        faces = np.concatenate([faces, (triangles[:, ::-1] if flip else triangles) + len(verts)])
        verts, uvs = np.concatenate([verts, end]), np.concatenate([uvs, outline])
    return verts, faces, uvs


@dataclass(frozen=True)
class Prism(Primitive):
    """A simple polygon (M, 2) in the xy plane, extruded to -depth/2 <= z <= depth/2."""

    outline: tuple[tuple[float, float], ...]
    depth: float

    def sdf(self, points):
        flat = polygon_sdf(points[:, :2], points.new_tensor(self.outline))
        q = torch.stack([flat, points[:, 2].abs() - 0.5 * self.depth], 1)
        return q.clamp_min(0).norm(dim=1) + q.amax(1).clamp_max(0)

    def mesh(self):
        outline = np.asarray(self.outline, float)
        outline = outline if signed_area(outline) > 0 else outline[::-1]
        count, half = len(outline), 0.5 * self.depth
        ring = np.concatenate([outline, outline[:1]])
        low, high = (np.column_stack([ring, np.full(count + 1, z)]) for z in (-half, half))
        cap = triangulate(outline)
        verts = np.concatenate([low, high, low[:-1], high[:-1]])
        start = 2 * count + 2
        faces = [_grid_faces(2, count + 1, flip=True), cap[:, ::-1] + start, cap + start + count]
        along = np.linspace(0, 1, count + 1)
        box = (outline - outline.min(0)) / np.ptp(outline, axis=0).clip(1e-9)
        uvs = [np.column_stack([along, np.full(count + 1, t)]) for t in (0.0, 1.0)]
        return verts, np.concatenate(faces), np.concatenate([*uvs, box, box])


@dataclass(frozen=True)
class Tube(Primitive):
    """All points within ``radius`` of a polyline ``path`` (M, 3); two corners make a capsule.

    The mesh turns a circle along the path and rounds its ends; where the path bends it lies inside the exact
    surface by at most radius * (1 / cos(bend / 2) - 1).
    """

    path: tuple[tuple[float, float, float], ...]
    radius: float

    def sdf(self, points):
        path = points.new_tensor(self.path)
        a, edge = path[:-1], path[1:] - path[:-1]
        best = None
        for start, step in zip(a, edge, strict=True):
            offset = points - start
            along = ((offset @ step) / step.dot(step).clamp_min(1e-20)).clamp(0, 1)
            squared = (offset - along[:, None] * step).square().sum(1)
            best = squared if best is None else torch.minimum(best, squared)
        return best.clamp_min(1e-24).sqrt() - self.radius

    def mesh(self):
        path = np.asarray(self.path, float)
        steps = np.diff(path, axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True).clip(1e-12)
        tangent = np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True).clip(1e-12)
        side, up = _frames(tangent)
        cap = np.linspace(np.pi / 2, 0, 5)[:-1]
        centre = np.concatenate([path[:1] - np.outer(np.sin(cap), tangent[0]) * self.radius, path,
                                 path[-1:] + np.outer(np.sin(cap[::-1]), tangent[-1]) * self.radius])
        size = np.concatenate([np.cos(cap), np.ones(len(path)), np.cos(cap[::-1])]) * self.radius
        frame = np.concatenate([np.zeros(4, int), np.arange(len(path)), np.full(4, len(path) - 1)])
        angle = np.linspace(0, 2 * np.pi, 17)
        circle = np.cos(angle)[None, :, None] * side[frame][:, None] + np.sin(angle)[None, :, None] * up[frame][:, None]
        verts = centre[:, None] + size[:, None, None] * circle
        rows, columns = verts.shape[:2]
        u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
        faces = _grid_faces(rows, columns, flip=True)
        verts = verts.reshape(-1, 3)
        return verts, faces[_areas(verts, faces) > 1e-14], np.stack([u.ravel(), v.ravel()], 1)


def _frames(tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit normals (M, 3) for each unit tangent (M, 3), turned as little as possible from one to the next."""
    helper = np.eye(3)[np.abs(tangent[0]).argmin()]
    sides = []
    side = helper
    for t in tangent:
        side = side - t * np.dot(side, t)
        side = side / max(float(np.linalg.norm(side)), 1e-12)
        sides.append(side)
    side = np.stack(sides)
    return side, np.cross(tangent, side)


def _grid_faces(rows: int, columns: int, flip: bool) -> np.ndarray:
    """Two triangles for each cell of a rows x columns grid of corners, numbered row by row."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (index[i : rows - 1 + i, j : columns - 1 + j].ravel() for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return faces[:, ::-1] if flip else faces


def _areas(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = verts[faces[:, 0]], verts[faces[:, 1]], verts[faces[:, 2]]
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
