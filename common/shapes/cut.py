"""What is left of a solid on one side of a plane, with a flat cap where the plane went through."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from common.shapes.polygon import triangulate_loops
from common.shapes.primitive import MeshArrays, Primitive, weld

DOUBLINGS, HALVINGS = 40, 24  # steps that bracket a multiplier, and that close in on it


@dataclass(frozen=True)
class Cut(Primitive):
    """The part of ``base`` where n . p <= ``offset``, n being ``normal`` (3,) scaled to length 1.

    The signed distance is exact inside, and outside wherever the nearest point of the base or of the plane belongs
    to both. Elsewhere, that is in front of the rim, it is exact for a convex base; for any other base it is
    max(base, plane), a lower bound (safe for sphere tracing, and its sign is right).

    Raises:
        ValueError: a normal of length 0.
    """

    base: Primitive
    normal: tuple[float, float, float]
    offset: float = 0.0

    def __post_init__(self):
        if not np.linalg.norm(self.normal) > 0:
            raise ValueError(f"cut with the normal {self.normal}: it must not be zero")

    @property
    def convex(self) -> bool:
        """A cut of a convex solid is convex."""
        return self.base.convex

    @property
    def _unit(self) -> np.ndarray:
        return np.asarray(self.normal, float) / np.linalg.norm(self.normal)

    @cached_property
    def _reach(self) -> float:
        """How far from the origin the solid goes along an axis."""
        return float(np.abs(self.mesh()[0]).max())

    def sdf(self, points):
        base, plane = self.base.sdf(points), self._plane(points)
        bound = torch.maximum(base, plane)
        if not self.convex:
            return bound
        with torch.no_grad():
            foot = _projection(self.base, points)
            dropped = points - plane[:, None] * points.new_tensor(self._unit)
            slack = 1e-6 * self._reach
            nearest_is_common = (self._plane(foot) <= slack) | ((plane >= 0) & self.base.contains(dropped, 0.0))
            rim = torch.nonzero((bound > 0) & ~nearest_is_common)[:, 0]
            corner, excess = self._rim_point(points[rim])
        squared = (points[rim] - corner).square().sum(1) + excess
        return bound.index_put((rim,), squared.clamp_min(1e-24).sqrt())

    def contains(self, points, margin):
        """Deeper than ``margin`` inside the base, and below the plane by as much."""
        return self.base.contains(points, margin) & (self._plane(points) < -margin)

    def _plane(self, points: torch.Tensor) -> torch.Tensor:
        return points @ points.new_tensor(self._unit) - self.offset

    def _rim_point(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The nearest points of a convex cut for points (N, 3) in front of its rim.

        They are P(x - m n), P the projection onto the base, for the m > 0 that puts them on the plane: the multiplier
        of the half-space in the Karush-Kuhn-Tucker conditions. Their height h over the plane falls with m, so it is
        bracketed by doubling, then closed in on by halving and secants in turn.

        Returns:
            points y (N, 3), and 2 m h (N,), which makes |x - y|^2 + 2 m h the dual's value: right to second order.
        """
        normal = points.new_tensor(self._unit)

        def height(amount: torch.Tensor) -> torch.Tensor:
            return self._plane(_projection(self.base, points - amount[:, None] * normal))

        low, high = torch.zeros_like(points[:, 0]), self._plane(points).abs() + 0.1 * self._reach
        above, below = height(low), height(high)
        for _ in range(DOUBLINGS):
            if not bool((below > 0).any()):
                break
            low, high = torch.where(below > 0, high, low), torch.where(below > 0, 2 * high, high)
            above, below = torch.where(below > 0, below, above), height(high)
        for step in range(HALVINGS):
            share = 0.5 if step % 2 else (above / (above - below).clamp_min(1e-30)).clamp(0.02, 0.98)
            middle = low + share * (high - low)
            now = height(middle)
            low, above = torch.where(now > 0, middle, low), torch.where(now > 0, now, above)
            high, below = torch.where(now > 0, high, middle), torch.where(now > 0, below, now)
        foot = _projection(self.base, points - high[:, None] * normal)
        return foot, 2 * high * self._plane(foot)

    def mesh(self):
        verts, faces, uvs = self.base.mesh()
        height = verts @ self._unit - self.offset
        height[np.abs(height) < 1e-9 * np.ptp(verts, axis=0).max()] = 0.0
        verts, faces, uvs, places = _clip(verts, faces, uvs, height)
        if not len(faces):
            raise ValueError(f"the plane {self.normal}, {self.offset} leaves nothing of {type(self.base).__name__}")
        cap = _cap(verts, places[faces], places, self._unit)
        if not len(cap):
            return _compact(verts, faces, uvs)
        rim = np.unique(cap)
        flat = verts[rim] @ _plane_axes(self._unit).T
        flat = (flat - flat.min(0)) / np.ptp(flat, axis=0).clip(1e-9)
        cap = np.searchsorted(rim, cap) + len(verts)
        return _compact(np.concatenate([verts, verts[rim]]), np.concatenate([faces, cap]), np.concatenate([uvs, flat]))


def _compact(verts, faces, uvs) -> MeshArrays:
    """The same faces over the corners that they use."""
    used, faces = np.unique(faces, return_inverse=True)
    return verts[used], faces.reshape(-1, 3), uvs[used]


def _projection(base: Primitive, points: torch.Tensor) -> torch.Tensor:
    """The nearest point (N, 3) of a solid to each point (N, 3): x - d grad d outside, x itself inside."""
    with torch.enable_grad():
        at = points.detach().requires_grad_()
        distance = base.sdf(at)
        gradient = torch.autograd.grad(distance.sum(), at)[0] if len(at) else torch.zeros_like(at)
    return points - distance.detach().clamp_min(0)[:, None] * gradient


def _plane_axes(normal: np.ndarray) -> np.ndarray:
    """Two unit vectors (2, 3) in the plane across ``normal``, which is their cross product."""
    one = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    one /= np.linalg.norm(one)
    return np.stack([one, np.cross(normal, one)])


def _clip(verts, faces, uvs, height):
    """The part of a mesh where ``height`` (V,) is at most 0. Faces in the plane go: the cap replaces them.

    Returns:
        verts, faces, uvs, and for each corner a number of its place: corners of neighbours at one place share it.
    """
    places = weld(verts)
    corners, textures, numbers = list(verts), list(uvs), list(places)
    made: dict[tuple[int, int], int] = {}  # edge of corners -> new corner
    joints: dict[tuple[int, int], int] = {}  # edge of places -> new place

    def cross(i: int, j: int) -> int:
        i, j = (i, j) if places[i] < places[j] else (j, i)
        if (i, j) not in made:
            share = height[i] / (height[i] - height[j])
            made[i, j] = len(corners)
            corners.append(verts[i] + share * (verts[j] - verts[i]))
            textures.append(uvs[i] + share * (uvs[j] - uvs[i]))
            numbers.append(joints.setdefault((places[i], places[j]), len(places) + len(joints)))
        return made[i, j]

    side = np.sign(height)[faces]
    kept = [faces[(side <= 0).all(1) & (side < 0).any(1)]]
    for face in faces[(side < 0).any(1) & (side > 0).any(1)]:
        ring = []
        for i, j in zip(face, np.roll(face, -1), strict=True):
            if height[i] <= 0:
                ring.append(int(i))
            if height[i] * height[j] < 0:
                ring.append(cross(int(i), int(j)))
        kept.append(np.array([(ring[0], ring[k], ring[k + 1]) for k in range(1, len(ring) - 1)]))
    return np.array(corners), np.concatenate(kept), np.array(textures), np.array(numbers)


def _cap(verts: np.ndarray, faces: np.ndarray, places: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Triangles (F, 3) of corner indices that close the open edges of ``faces`` (F, 3), given as places."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[edges[:, 0] != edges[:, 1]]
    count: dict[tuple[int, int], int] = {}
    for a, b in edges.tolist():
        count[a, b] = count.get((a, b), 0) + 1
    open_edges = [(b, a) for (a, b), n in count.items() for _ in range(n - count.get((b, a), 0))]
    if not open_edges:
        return np.empty((0, 3), int)
    flat = verts @ _plane_axes(normal).T
    corner = dict(zip(places[::-1].tolist(), range(len(places) - 1, -1, -1), strict=True))  # a corner of each place
    loops = _stitch([(corner[a], corner[b]) for a, b in open_edges], flat)
    return triangulate_loops(flat, [loop for loop in loops if len(loop) > 2])


def _stitch(edges: list[tuple[int, int]], flat: np.ndarray) -> list[list[int]]:
    """Closed loops of directed edges; where loops touch, each turns as far left as it can, so that none cross."""
    after: dict[int, list[int]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    loops = []
    while after:
        start = next(iter(after))
        loop, here, came = [start], start, None
        while True:
            ways = after[here]
            there = (
                ways[0] if came is None or len(ways) == 1 else max(ways, key=lambda w: _left_turn(flat, came, here, w))
            )
            ways.remove(there)
            if not ways:
                del after[here]
            if there == start:
                break
            loop.append(there)
            came, here = here, there
        loops.append(loop)
    return loops


def _left_turn(flat: np.ndarray, came: int, here: int, there: int) -> float:
    """The angle in (-pi, pi] by which the way came-here-there turns to the left."""
    one, two = flat[here] - flat[came], flat[there] - flat[here]
    return float(np.arctan2(one[0] * two[1] - one[1] * two[0], one @ two))
