"""Solids that a flat outline, a profile or a ball sweeps out: prisms, solids of revolution and tubes."""

from dataclasses import dataclass

import numpy as np
import torch

from common.shapes.polygon import is_convex, polygon_sdf, signed_area, triangulate
from common.shapes.primitive import AROUND, MeshArrays, Primitive, grid_faces, real_faces


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
    def convex(self) -> bool:
        """A whole turn of a convex profile whose lowest and highest corners lie on the axis."""
        outline = np.asarray(self.profile, float)
        axis = outline[outline[:, 0] == 0, 1]
        reaches = len(axis) > 0 and axis.min() <= outline[:, 1].min() and axis.max() >= outline[:, 1].max()
        return self._closed and reaches and is_convex(outline)

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
        faces = grid_faces(len(outline) + 1, steps + 1, flip=True)
        verts, uvs = verts.reshape(-1, 3), uvs.reshape(-1, 2)
        if not self._closed:
            verts, faces, uvs = _add_ends(verts, faces, uvs, outline, self.sweep)
        return verts, real_faces(verts, faces), uvs


def _add_ends(verts, faces, uvs, outline, sweep) -> MeshArrays:
    """Close the two flat ends of a sweep of less than a full turn."""
    triangles = triangulate(outline)
    flat = (outline - outline.min(0)) / np.ptp(outline, axis=0).clip(1e-9)
    for sign, flip in ((-1, False), (1, True)):
        a = 0.5 * sign * sweep
        end = np.stack([outline[:, 0] * np.sin(a), outline[:, 1], outline[:, 0] * np.cos(a)], 1)
        faces = np.concatenate([faces, (triangles[:, ::-1] if flip else triangles) + len(verts)])
        verts, uvs = np.concatenate([verts, end]), np.concatenate([uvs, flat])
    return verts, faces, uvs


@dataclass(frozen=True)
class Prism(Primitive):
    """A simple polygon (M, 2) in the xy plane, extruded to -depth/2 <= z <= depth/2."""

    outline: tuple[tuple[float, float], ...]
    depth: float

    @property
    def convex(self) -> bool:
        """A prism is convex where its outline is."""
        return is_convex(np.asarray(self.outline, float))

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
        faces = [grid_faces(2, count + 1, flip=True), cap[:, ::-1] + start, cap + start + count]
        along = np.linspace(0, 1, count + 1)
        box = (outline - outline.min(0)) / np.ptp(outline, axis=0).clip(1e-9)
        uvs = [np.column_stack([along, np.full(count + 1, t)]) for t in (0.0, 1.0)]
        return verts, np.concatenate(faces), np.concatenate([*uvs, box, box])


ROUND = 24  # corners around a tube
BEND = 0.4  # radians of a bend that one strip of its outer side takes


@dataclass(frozen=True)
class Tube(Primitive):
    """All points within ``radius`` of a polyline ``path`` (M, 3); two corners make a capsule.

    The mesh follows the exact surface at the bends too: a piece of a ball on the outer side, a mitre on the inner.
    """

    path: tuple[tuple[float, float, float], ...]
    radius: float

    @property
    def convex(self) -> bool:
        """A capsule is convex; a longer path is taken to bend."""
        return len(self.path) == 2

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
        path = path[np.concatenate([[True], np.linalg.norm(np.diff(path, axis=0), axis=1) > 1e-9])]
        rings = np.concatenate(_tube_rings(path, self.radius))
        rows, columns = rings.shape[:2]
        u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
        verts = rings.reshape(-1, 3)
        faces = real_faces(verts, grid_faces(rows, columns, flip=True))
        return verts, faces, np.stack([u.ravel(), v.ravel()], 1)


def _tube_rings(path: np.ndarray, radius: float) -> list[np.ndarray]:
    """Rings (k, ROUND + 1, 3) of a tube along the path (M, 3): the first cap, each bend, the last cap."""
    length = np.linalg.norm(np.diff(path, axis=0), axis=1)
    steps = np.diff(path, axis=0) / length[:, None]
    cap = np.linspace(np.pi / 2, 0, 5)[:, None, None]
    out = _first_circle(steps[0])
    rings = [path[0] + radius * (np.cos(cap) * out - np.sin(cap) * steps[0])]
    for i, (one, two) in enumerate(zip(steps[:-1], steps[1:], strict=True)):
        room = 0.5 * min(length[i], length[i + 1]) / radius
        joint, out = _bend(out, one, two, room)
        rings.append(path[i + 1] + radius * joint)
    cap = cap[::-1]
    rings.append(path[-1] + radius * (np.cos(cap) * out + np.sin(cap) * steps[-1]))
    return rings


def _first_circle(direction: np.ndarray) -> np.ndarray:
    """Unit vectors (ROUND + 1, 3) around the unit direction (3,)."""
    helper = np.eye(3)[np.abs(direction).argmin()]
    side = helper - direction * np.dot(direction, helper)
    side /= np.linalg.norm(side)
    angle = np.linspace(0, 2 * np.pi, ROUND + 1)[:, None]
    return np.cos(angle) * side + np.sin(angle) * np.cross(direction, side)


def _bend(out: np.ndarray, one: np.ndarray, two: np.ndarray, room: float) -> tuple[np.ndarray, np.ndarray]:
    """The rings of a bend from unit direction ``one`` to ``two``, for radius 1 around the corner.

    ``out`` (ROUND + 1, 3) is the circle around ``one``. On the outer side it turns with the direction (a ball); on
    the inner side each line along the tube ends on the plane of the mitre, at most ``room`` before the corner.

    Returns:
        rings (k, ROUND + 1, 3), and the circle around ``two``.
    """
    axis = np.cross(one, two)
    sine, cosine = float(np.linalg.norm(axis)), float(np.dot(one, two))
    if sine < 1e-9:
        return out[None], out
    axis = axis / sine
    bend = np.arctan2(sine, cosine)
    inner = (out @ two)[:, None] > 0
    mitre = out - np.minimum((out @ two) / max(1 + cosine, 1e-9), room)[:, None] * one
    share = np.linspace(0, 1, int(np.ceil(bend / BEND)) + 1) if bend > 0.1 * BEND else np.array([0.5])
    rings = np.stack([np.where(inner, mitre, _turned(out, axis, s * bend)) for s in share])
    return rings, _turned(out, axis, bend)


def _turned(vectors: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """Vectors (M, 3) turned about a unit axis (Rodrigues' formula)."""
    along = np.outer(vectors @ axis, axis)
    return along + np.cos(angle) * (vectors - along) + np.sin(angle) * np.cross(axis, vectors)
