"""Short constructors with which families place parts: lengths in shape units, angles in degrees, +y up, +z front."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from common.shapes.primitives import Box, Cone, Cut, Ellipsoid, Loft, Prism, Revolution, Superquadric, Torus, Tube
from common.shapes.shape import Material, Part

Vector = Sequence[float]


def rotation_xyz(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """(3, 3) rotation about x, then y, then z (column vectors), angles in degrees."""
    (cx, sx), (cy, sy), (cz, sz) = ((np.cos(a), np.sin(a)) for a in np.radians((x, y, z)))
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return rz @ ry @ rx


def rotation_to(direction: Vector) -> np.ndarray:
    """(3, 3) rotation that takes +y to the given direction."""
    y = np.asarray(direction, float) / np.linalg.norm(direction)
    helper = np.array([0.0, 0.0, 1.0]) if abs(y[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    x = np.cross(y, helper)
    x /= np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)], axis=1)


class Builder:
    """Collects parts. Every method adds one; ``label`` indexes the family's part names."""

    def __init__(self, material: Material):
        self.parts: list[Part] = []
        self.material = material

    def add(
        self, primitive, label: int, at: Vector = (0, 0, 0), rotation=None, material: Material | None = None
    ) -> None:
        """Place a primitive with its own origin at ``at``."""
        rotation = np.eye(3) if rotation is None else rotation
        self.parts.append(Part(primitive, label, material or self.material, rotation, np.asarray(at, float)))

    def box(self, label, at, size, radius=0.0, turn: Vector = (0, 0, 0), **more) -> None:
        """A box around ``at``; ``turn`` are degrees about x, y, z."""
        radius = min(radius, 0.49 * min(size))
        self.add(Box(tuple(map(float, size)), radius), label, at, rotation_xyz(*turn), **more)

    def bar(self, label, start, end, thickness, width=None, **more) -> None:
        """A rectangular bar from ``start`` to ``end``; ``width`` along x where it differs from ``thickness``."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        size = (width or thickness, float(np.linalg.norm(end - start)), thickness)
        self.add(Box(size, 0.0), label, (start + end) / 2, _upright_rotation(end - start), **more)

    def rod(self, label, start, end, radius, end_radius=None, **more) -> None:
        """A round rod (a capped cone where ``end_radius`` differs) from ``start`` to ``end``."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        cone = Cone(radius, radius if end_radius is None else end_radius, float(np.linalg.norm(end - start)))
        self.add(cone, label, (start + end) / 2, rotation_to(end - start), **more)

    def tube(self, label, path, radius, **more) -> None:
        """A tube with rounded ends along a polyline (M, 3)."""
        self.add(Tube(tuple(map(tuple, np.asarray(path, float))), radius), label, **more)

    def ellipsoid(self, label, at, radii, turn: Vector = (0, 0, 0), **more) -> None:
        """An ellipsoid around ``at`` with semi-axes ``radii``."""
        self.add(Ellipsoid(tuple(map(float, radii))), label, at, rotation_xyz(*turn), **more)

    def superquadric(self, label, at, radii, e1: float, e2: float, rotation=None, **more) -> None:
        """A superquadric around ``at``: semi-axes ``radii``, exponents ``e1`` (along y) and ``e2`` (across it)."""
        self.add(Superquadric(tuple(map(float, radii)), e1, e2), label, at, rotation, **more)

    def cut(
        self, solid, normal: Vector, through: Vector, label: int, at: Vector = (0, 0, 0), rotation=None, **more
    ) -> None:
        """What of a solid lies behind the plane through ``through`` with the normal ``normal``."""
        turn = np.eye(3) if rotation is None else rotation
        unit = turn.T @ (np.asarray(normal, float) / np.linalg.norm(normal))
        offset = float(unit @ (turn.T @ (np.asarray(through, float) - np.asarray(at, float))))
        self.add(Cut(solid, tuple(map(float, unit)), offset), label, at, rotation, **more)

    def lift(self, height: float) -> None:
        """Raise all parts so far."""
        self.parts[:] = [replace(part, translation=part.translation + (0, height, 0)) for part in self.parts]

    def ring(self, label, at, major, minor, rotation=None, **more) -> None:
        """A torus around ``at``, its axis along y unless rotated."""
        self.add(Torus(major, minor), label, at, rotation, **more)

    def turned(self, label, profile, at=(0, 0, 0), rotation=None, sweep=360.0, **more) -> None:
        """A solid of revolution about y through ``at``; ``profile`` (M, 2) of (radius, y); ``sweep`` in degrees."""
        profile = tuple((max(float(r), 0.0), float(y)) for r, y in profile)
        self.add(Revolution(profile, np.radians(sweep)), label, at, rotation, **more)

    def prism(self, label, outline, depth, at=(0, 0, 0), rotation=None, **more) -> None:
        """An outline (M, 2) in the xy plane, extruded along z by ``depth``, then rotated and moved."""
        self.add(Prism(tuple(map(tuple, np.asarray(outline, float))), depth), label, at, rotation, **more)

    def loft(self, label, axis: str, levels, sections, **more) -> None:
        """Sections (S, K, 2) across an axis at rising ``levels``: (z, y) across "x", (x, z) across "y", (x, y) "z"."""
        turned = np.asarray(sections, float) * {"x": (-1, 1), "y": (1, -1), "z": (1, 1)}[axis]
        loft = Loft(tuple(map(float, levels)), tuple(tuple(map(tuple, ring)) for ring in turned.tolist()))
        self.add(loft, label, rotation={"x": SIDEWAYS, "y": LYING, "z": None}[axis], **more)


LYING = rotation_xyz(x=-90.0)  # takes the xy plane of a prism to the floor: x to x, y to -z, extruded upwards
SIDEWAYS = rotation_xyz(y=90.0)  # takes the xy plane of a prism to the yz plane: x to -z, extruded along x


def _upright_rotation(direction: np.ndarray) -> np.ndarray:
    """Rotation taking +y to the direction while x stays as near to +x as it can (bars keep their sides aligned)."""
    y = direction / np.linalg.norm(direction)
    helper = np.array([1.0, 0.0, 0.0]) if abs(y[0]) < 0.95 else np.array([0.0, 0.0, 1.0])
    z = np.cross(helper, y)
    z /= np.linalg.norm(z)
    return np.stack([np.cross(y, z), y, z], axis=1)


def rounded_rectangle(width: float, height: float, radius: float, taper: float = 1.0, steps: int = 4) -> np.ndarray:
    """Outline (4 * (steps + 1), 2) around the origin, counter-clockwise; the top side is ``taper`` times as wide."""
    radius = min(radius, 0.49 * width * min(taper, 1.0), 0.49 * height)
    angle = np.linspace(0, np.pi / 2, steps + 1)
    corners = []
    for i, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        centre = np.array([sx * (width / 2 - radius), sy * (height / 2 - radius)])
        turn = angle + i * np.pi / 2
        corners.append(centre + radius * np.stack([np.cos(turn), np.sin(turn)], 1))
    outline = np.concatenate(corners)
    outline[:, 0] *= 1 + (taper - 1) * (outline[:, 1] / height + 0.5)
    return outline


def smooth_path(knots: Sequence[Vector], count: int = 16) -> np.ndarray:
    """A Catmull-Rom curve (count, D) through the knots (K, D), ends included."""
    k = np.asarray(knots, float)
    k = np.concatenate([2 * k[:1] - k[1:2], k, 2 * k[-1:] - k[-2:-1]])
    t = np.linspace(0, len(k) - 3 - 1e-9, count)
    i = t.astype(int)
    s = (t - i)[:, None]
    p0, p1, p2, p3 = k[i], k[i + 1], k[i + 2], k[i + 3]
    return 0.5 * (2 * p1 + (p2 - p0) * s + (2 * p0 - 5 * p1 + 4 * p2 - p3) * s**2 + (3 * p1 - p0 - 3 * p2 + p3) * s**3)


def filleted(knots: Sequence[Vector], reach: float) -> np.ndarray:
    """The polyline through the knots (K, 2) with its corners rounded from ``reach`` before to ``reach`` after them."""
    k = np.asarray(knots, float)
    points = [k[:1]]
    for before, corner, after in zip(k[:-2], k[1:-1], k[2:], strict=True):
        ends = []
        for other in (before, after):
            length = np.linalg.norm(other - corner)
            ends.append(corner + (other - corner) * min(reach, 0.45 * length) / length)
        points.append(np.stack([ends[0], 0.25 * ends[0] + 0.5 * corner + 0.25 * ends[1], ends[1]]))
    return np.concatenate([*points, k[-1:]])


def shell_profile(outer: np.ndarray, thickness: float) -> np.ndarray:
    """Closed profile of a vessel: outer wall (M, 2) of (radius, y) from the bottom up, and its inner wall back down.

    The inner wall is the outer moved in by ``thickness`` along r; the floor is ``thickness`` thick.
    """
    floor = outer[0, 1] + thickness
    inner = outer[outer[:, 1] > floor + 1e-6] - (thickness, 0.0)
    inner[:, 0] = inner[:, 0].clip(0.25 * thickness)
    base = np.array([[0.0, outer[0, 1]]])
    foot = np.array([[inner[0, 0], floor], [0.0, floor]])
    return np.concatenate([base, outer, inner[::-1], foot])
