"""Box, cone, ellipsoid and torus: signed distances in closed form.

The forms follow I. Quilez, "Distance functions" (2008), and D. Eberly, "Distance from a point to an ellipse, an
ellipsoid, or a hyperellipsoid" (2013).
"""

from dataclasses import dataclass

import numpy as np
import torch

from common.shapes.primitive import Primitive, grid_faces
from common.shapes.swept import Revolution


@dataclass(frozen=True)
class Box(Primitive):
    """Axis-aligned box around the origin; ``size`` (3,) full lengths, edges rounded by ``radius``."""

    size: tuple[float, float, float]
    radius: float = 0.0
    convex = True

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
                faces.append(grid_faces(len(ticks[u]), len(ticks[v]), flip=side < 0) + start)
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
    corner = half - radius + radius * np.tan(np.linspace(0, np.pi / 4, 6))
    return np.unique(np.concatenate([-corner, corner]).round(9))


@dataclass(frozen=True)
class Cone(Primitive):
    """Capped cone along y, centred: radius ``bottom`` at -height/2, ``top`` at +height/2 (equal: a cylinder)."""

    bottom: float
    top: float
    height: float
    convex = True

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
    convex = True

    def sdf(self, points):
        """The foot of the perpendicular is a_i^2 p_i / (t + a_i^2) for the largest root t of
        F(t) = sum (a_i p_i / (t + a_i^2))^2 - 1, convex and falling: Newton from the left never overshoots. Solved for
        s = t + min(a)^2, which keeps the digits of a root close to the pole."""
        a = points.new_tensor(self.radii)
        lowest = min(self.radii)
        gap = points.new_tensor([(r - lowest) * (r + lowest) for r in self.radii])
        p = points.abs().clamp_min(1e-6 * lowest)
        with torch.no_grad():
            s = (a * p - gap).amax(1, keepdim=True)
            for _ in range(24):
                ratio = a * p / (s + gap)
                value = ratio.square().sum(1, keepdim=True) - 1
                slope = -2 * (ratio.square() / (s + gap)).sum(1, keepdim=True)
                s = s - value / slope
            foot = a.square() * p / (s + gap)
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
