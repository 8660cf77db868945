"""A shape is a list of labelled parts; everything else about it is computed from that list."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from common.shapes.primitives import Primitive

CONTACT = 1e-4  # points this much inside another part are hidden; a touching part does not hide them


@dataclass(frozen=True)
class Material:
    """What a part is made of: a word for captions and a base colour, RGB in [0, 1]."""

    name: str
    color: tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """A primitive placed in the shape: ``point = scale * rotation @ local + translation``.

    Attributes:
        label: index into the family's part names.
        rotation: (3, 3) float64, proper. translation: (3,) float64. scale: uniform, above 0.
    """

    primitive: Primitive
    label: int
    material: Material
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    translation: np.ndarray = field(default_factory=lambda: np.zeros(3))
    scale: float = 1.0

    def sdf(self, points: torch.Tensor) -> torch.Tensor:
        """Signed distance (N,) of points (N, 3), both in the shape's frame."""
        return self.primitive.sdf(self._local(points)) * self.scale

    def contains(self, points: torch.Tensor, margin: float = CONTACT) -> torch.Tensor:
        """(N,) bool: which points lie deeper inside this part than ``margin``."""
        return self.primitive.contains(self._local(points), margin / self.scale)

    @cached_property
    def mesh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Corners (V, 3) in the shape's frame, faces (F, 3), texture coordinates (V, 2)."""
        verts, faces, uvs = self.primitive.mesh()
        return self.scale * verts @ self.rotation.T + self.translation, faces, uvs

    @cached_property
    def box(self) -> np.ndarray:
        """Lowest and highest corner (2, 3) of :attr:`mesh`, float32."""
        return np.stack([self.mesh[0].min(0), self.mesh[0].max(0)]).astype(np.float32)

    @property
    def slack(self) -> float:
        """How far a curved surface may bulge beyond the facets of :attr:`mesh`, at most."""
        return 0.01 * float(np.ptp(self.mesh[0], axis=0).max())

    def _local(self, points: torch.Tensor) -> torch.Tensor:
        return ((points - points.new_tensor(self.translation)) @ points.new_tensor(self.rotation)) / self.scale


@dataclass(frozen=True)
class Shape:
    """Parts and words: ``family`` and ``style`` name where it comes from, ``caption`` says what it looks like."""

    family: str
    style: str
    parts: tuple[Part, ...]
    part_names: tuple[str, ...]
    caption: str = ""

    def sdf(self, points: torch.Tensor) -> torch.Tensor:
        """Signed distance (N,) of points (N, 3) to the union of the parts.

        Exact outside and on the surface. Where parts overlap inside, its size is a lower bound of the distance.
        """
        return torch.stack([part.sdf(points) for part in self.parts]).amin(0)

    def contains(self, points: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
        """(N,) bool: which points (N, 3) lie deeper inside one of the parts than ``margin``."""
        inside = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        for part in self.parts:
            low, high = (points.new_tensor(corner) for corner in (part.mesh[0].min(0), part.mesh[0].max(0)))
            near = ((points > low - part.slack) & (points < high + part.slack)).all(1) & ~inside
            near = near.nonzero()[:, 0]
            inside[near] = part.contains(points[near], margin)
        return inside

    def nearest_label(self, points: torch.Tensor) -> torch.Tensor:
        """(N,) int64: the label of the part whose surface is nearest to (or deepest around) each point (N, 3)."""
        labels = torch.tensor([part.label for part in self.parts], device=points.device)
        return labels[torch.stack([part.sdf(points) for part in self.parts]).argmin(0)]

    @cached_property
    def mesh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All part surfaces joined: verts (V, 3), faces (F, 3), uvs (V, 2), part index of each face (F,)."""
        verts, faces, uvs, owner, start = [], [], [], [], 0
        for index, part in enumerate(self.parts):
            v, f, t = part.mesh
            verts.append(v)
            faces.append(f + start)
            uvs.append(t)
            owner.append(np.full(len(f), index))
            start += len(v)
        return np.concatenate(verts), np.concatenate(faces), np.concatenate(uvs), np.concatenate(owner)

    def vertex_colors(self) -> np.ndarray:
        """RGB in [0, 1] of each corner of :attr:`mesh`, (V, 3) float32: its part's material."""
        colors = [np.tile(np.float32(part.material.color), (len(part.mesh[0]), 1)) for part in self.parts]
        return np.concatenate(colors)

    def bounds(self) -> np.ndarray:
        """Lowest and highest corner (2, 3) of the axis-aligned box around the mesh."""
        verts = self.mesh[0]
        return np.stack([verts.min(0), verts.max(0)])

    def moved(self, scale: float, translation: np.ndarray) -> "Shape":
        """This shape with every point p moved to ``scale * p + translation`` (3,)."""
        parts = (replace(p, scale=scale * p.scale, translation=scale * p.translation + translation) for p in self.parts)
        return replace(self, parts=tuple(parts))

    def occupancy(self, resolution: int, bound: float, centre: Sequence[float] = (0.0, 0.0, 0.0)) -> np.ndarray:
        """Which cells of a cube are filled: (resolution,) * 3 bool, by x, y, z; a cell counts where its middle does.

        Args:
            resolution: cells along each side.
            bound: half the cube's side, in shape units.
            centre: the cube's middle, (3,).
        """
        middles = (2 * (np.arange(resolution) + 0.5) / resolution - 1) * bound
        axes = [middles + c for c in centre]
        filled = np.zeros((resolution,) * 3, bool)
        for part in self.parts:
            low, high = part.mesh[0].min(0) - part.slack, part.mesh[0].max(0) + part.slack
            spans = [
                slice(*np.searchsorted(axis, ends))
                for axis, ends in zip(axes, zip(low, high, strict=True), strict=True)
            ]
            block = filled[tuple(spans)]
            points = np.stack(np.meshgrid(*(a[s] for a, s in zip(axes, spans, strict=True)), indexing="ij"), -1)
            if block.size:
                inside = part.contains(torch.from_numpy(points.reshape(-1, 3)), 0.0)
                block |= inside.numpy().reshape(block.shape)
        return filled

    def sample_surface(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Points spread evenly, by area, over the surface that can be seen: none lies inside another part.

        Returns:
            points (count, 3) float32 and part labels (count,) uint8, in random order.
        Raises:
            ValueError: the parts hide each other so well that no surface is left.
        """
        verts, faces, _, owner = self.mesh
        corner = verts[faces]
        edges = corner[:, 1:] - corner[:, :1]
        bounds = np.cumsum(0.5 * np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1))
        labels = np.array([part.label for part in self.parts], np.uint8)
        kept_points, kept_labels, missing, drawn = [], [], count, 0
        while missing > 0:
            if drawn > 50 * count:
                raise ValueError(f"{self.family}/{self.style}: almost no visible surface")
            face = np.searchsorted(bounds, generator.random(int(1.4 * missing) + 64) * bounds[-1])
            uv = generator.random((len(face), 2))
            uv = np.where(uv[:, :1] + uv[:, 1:] > 1, 1 - uv, uv)
            points = (corner[face, 0] + uv[:, :1] * edges[face, 0] + uv[:, 1:] * edges[face, 1]).astype(np.float32)
            visible = self._visible(points, owner[face])
            kept_points.append(points[visible])
            kept_labels.append(labels[owner[face[visible]]])
            missing -= int(visible.sum())
            drawn += len(face)
        return np.concatenate(kept_points)[:count], np.concatenate(kept_labels)[:count]

    def _visible(self, points: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """(N,) bool: the points (N, 3), each on the surface of part ``owner``, that no other part covers."""
        visible = np.ones(len(points), bool)
        x, y, z = np.ascontiguousarray(points.T)
        for index, part in enumerate(self.parts):
            low, high = part.box
            near = (owner != index) & visible & (x > low[0]) & (x < high[0])
            near = np.flatnonzero(near & (y > low[1]) & (y < high[1]) & (z > low[2]) & (z < high[2]))
            if len(near):
                visible[near] = ~part.contains(torch.from_numpy(points[near])).numpy()
        return visible


def normalise(points: np.ndarray) -> np.ndarray:
    """Centre points (..., N, 3) on their mean and scale them so that the farthest has norm 1."""
    points = points - points.mean(-2, keepdims=True)
    return points / np.linalg.norm(points, axis=-1).max(-1)[..., None, None].clip(1e-12)
