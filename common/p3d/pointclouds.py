"""Batches of point clouds of unequal size, with the interface of `pytorch3d.structures.Pointclouds`.

Stored once, packed: all clouds' rows one after the other. The padded form is made from that on demand, as a view
where every cloud has the same number of points; lists are the tensors that were given, or views.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Self

import torch
from torch import Tensor

from .structures import Structure, bounding_boxes, scaled, shifted

__all__ = ["Pointclouds", "join_pointclouds_as_batch", "join_pointclouds_as_scene"]

Rows = Sequence[Tensor] | Tensor


class Pointclouds(Structure):
    """N clouds of P_n points with optional normals and features per point.

    Args:
        points: N tensors (P_n, 3), or one tensor (N, P, 3).
        normals: likewise (P_n, 3), or None.
        features: likewise (P_n, C), or None; in a list an empty cloud may have None.

    Clouds may be empty, and so may the batch. Tensors are kept, not copied; gradients flow to what was given.

    Raises:
        ValueError: shapes that do not fit together.
    """

    def __init__(self, points: Rows, normals: Rows | None = None, features: Rows | None = None):
        if not isinstance(points, list | tuple | Tensor):
            raise ValueError(f"points must be a list of tensors or a tensor, got {type(points).__name__}")
        sizes = [len(cloud) for cloud in points]
        self._set(sizes, _pack("points", points, sizes, 3), None, None)
        normals = normals if len(points) else None
        self._normals = None if normals is None else _pack("normals", normals, sizes, 3)
        features = features if len(points) else None
        self._features = None if features is None else _pack("features", features, sizes, None)
        given = {"_points": points, "_normals": normals, "_features": features}  # where gradients are looked for
        for name, rows in given.items():
            whole = isinstance(rows, list | tuple) and all(isinstance(part, Tensor) for part in rows)
            if whole and all(part.shape[1:] == getattr(self, name).shape[1:] for part in rows):
                self._lists[name] = list(rows)

    @classmethod
    def _from_packed(cls, sizes: list[int], points: Tensor, normals: Tensor | None, features: Tensor | None) -> Self:
        clouds = cls.__new__(cls)
        clouds._set(sizes, points, normals, features)
        return clouds

    def _set(self, sizes: list[int], points: Tensor, normals: Tensor | None, features: Tensor | None) -> None:
        self._sizes, self._lists = sizes, {}
        self._points, self._normals, self._features = points, normals, features
        self._N = len(sizes)
        self._P = max(sizes, default=0)
        self.equisized = all(size == self._P for size in sizes)

    @property
    def device(self) -> torch.device:
        return self._points.device

    @property
    def valid(self) -> Tensor:
        """(N,) bool: which clouds have points."""
        return self.num_points_per_cloud() > 0

    @property
    def _C(self) -> int | None:
        return None if self._features is None else self._features.shape[1]

    def isempty(self) -> bool:
        """No cloud has a point."""
        return self._P == 0

    def get_cloud(self, index: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Points (P_i, 3), normals and features of one cloud.

        Raises:
            ValueError: no such cloud.
        """
        if not isinstance(index, int) or not 0 <= index < self._N:
            raise ValueError(f"cloud {index} of {self._N}")
        cloud = self[index]
        return cloud._points, cloud._normals, cloud._features

    # --- the three forms

    def points_packed(self) -> Tensor:
        """(sum P_n, 3)."""
        return self._points

    def normals_packed(self) -> Tensor | None:
        """(sum P_n, 3)."""
        return self._normals

    def features_packed(self) -> Tensor | None:
        """(sum P_n, C)."""
        return self._features

    def points_list(self) -> list[Tensor]:
        """N tensors (P_n, 3)."""
        return self._list("_points")

    def normals_list(self) -> list[Tensor] | None:
        """N tensors (P_n, 3)."""
        return self._list("_normals")

    def features_list(self) -> list[Tensor] | None:
        """N tensors (P_n, C)."""
        return self._list("_features")

    def _list(self, name: str) -> list[Tensor] | None:
        if name not in self._lists and getattr(self, name) is not None:
            self._lists[name] = list(getattr(self, name).split(self._sizes))
        return self._lists.get(name)

    def points_padded(self) -> Tensor:
        """(N, max P_n, 3), zeros past each cloud's end."""
        return self._pad(self._points)

    def normals_padded(self) -> Tensor | None:
        """(N, max P_n, 3), zeros past each cloud's end."""
        return None if self._normals is None else self._pad(self._normals)

    def features_padded(self) -> Tensor | None:
        """(N, max P_n, C), zeros past each cloud's end."""
        return None if self._features is None else self._pad(self._features)

    def num_points_per_cloud(self) -> Tensor:
        """(N,) int64."""
        return torch.tensor(self._sizes, dtype=torch.int64, device=self.device)

    def cloud_to_packed_first_idx(self) -> Tensor:
        """(N,) int64: where each cloud begins in the packed form."""
        sizes = self.num_points_per_cloud()
        return sizes.cumsum(0) - sizes

    def packed_to_cloud_idx(self) -> Tensor:
        """(sum P_n,) int64: the cloud of each packed point."""
        return torch.arange(self._N, device=self.device).repeat_interleave(self.num_points_per_cloud())

    def padded_to_packed_idx(self) -> Tensor:
        """(sum P_n,) int64: where each packed point stands in the flattened padded form (N * max P_n)."""
        inside = torch.arange(len(self._points), device=self.device)
        cloud = self.packed_to_cloud_idx()
        return inside + cloud * self._P - self.cloud_to_packed_first_idx()[cloud]

    # --- changed batches

    def update_padded(
        self,
        new_points_padded: Tensor,
        new_normals_padded: Tensor | None = None,
        new_features_padded: Tensor | None = None,
    ) -> Self:
        """The same batch with other points (N, max P_n, 3), and other normals or features where given.

        Raises:
            ValueError: another batch size or number of points.
        """
        new = (new_points_padded, new_normals_padded, new_features_padded)
        for rows in new:
            if rows is not None and tuple(rows.shape[:2]) != (self._N, self._P):
                raise ValueError(f"expected ({self._N}, {self._P}, ...), got {tuple(rows.shape)}")
        pairs = zip(self._packed(), new, strict=True)
        packed = [old if replacement is None else self._unpad(replacement) for old, replacement in pairs]
        return self._from_packed(self._sizes, *packed)

    def subsample(self, max_points: int | Sequence[int]) -> Self:
        """At most `max_points` random points of each cloud (one number, or one per cloud), from torch's generator.

        Returns:
            Another batch; this one where no cloud has more.

        Raises:
            ValueError: as many numbers as clouds are needed.
        """
        limits = [max_points] * self._N if isinstance(max_points, int) else list(max_points)
        if len(limits) != self._N:
            raise ValueError(f"{len(limits)} limits for {self._N} clouds")
        if all(size <= limit for size, limit in zip(self._sizes, limits, strict=True)):
            return self
        first, kept = 0, []
        for size, limit in zip(self._sizes, limits, strict=True):
            chosen = torch.arange(size) if size <= limit else torch.randperm(size)[:limit]
            kept.append(first + chosen)
            first += size
        index = _concatenate(kept, torch.zeros(0, dtype=torch.int64)).to(self.device)
        packed = [None if t is None else t[index] for t in self._packed()]
        return self._from_packed([len(k) for k in kept], *packed)

    # --- geometry

    def offset_(self, offsets_packed: Tensor) -> Self:
        """Adds (sum P_n, 3) or (3,) to the points of this object, and returns it; another shape is a ValueError."""
        self._points, self._lists = shifted(self._points, offsets_packed), {}
        return self

    def offset(self, offsets_packed: Tensor) -> Self:
        """A copy with (sum P_n, 3) or (3,) added to the points."""
        return self._map(lambda rows: rows).offset_(offsets_packed)

    def scale_(self, scale: float | Tensor) -> Self:
        """Multiplies the points of this object by a number or by one per cloud (N,), and returns it, or ValueError."""
        self._points, self._lists = scaled(self._points, scale, self.packed_to_cloud_idx(), self._N), {}
        return self

    def scale(self, scale: float | Tensor) -> Self:
        """A copy with the points multiplied by a number or by one per cloud (N,)."""
        return self._map(lambda rows: rows).scale_(scale)

    def estimate_normals(
        self, neighborhood_size: int = 50, disambiguate_directions: bool = True, assign_to_self: bool = False
    ) -> Tensor:
        """Normals (N, max P_n, 3) by `estimate_pointcloud_normals`; kept as this object's own if `assign_to_self`."""
        from .point_normals import estimate_pointcloud_normals

        normals = estimate_pointcloud_normals(self, neighborhood_size, disambiguate_directions)
        if assign_to_self:
            self._normals = self._unpad(normals)
            self._lists.pop("_normals", None)
            normals = self.normals_padded()
        return normals

    def get_bounding_boxes(self) -> Tensor:
        """(N, 3, 2): least and greatest coordinate of each cloud on each axis; (inf, -inf) of an empty cloud."""
        return bounding_boxes(self._points, self.packed_to_cloud_idx(), self._N)

    def inside_box(self, box: Tensor) -> Tensor:
        """Which packed points lie in a box, bounds included.

        Args:
            box: (2, 3) or (N, 2, 3): the least and greatest corner.

        Returns:
            (sum P_n,) bool.

        Raises:
            ValueError: another shape, or a box whose corners are swapped.
        """
        if box.dim() == 3 and len(box) not in (1, self._N):
            raise ValueError(f"Input box dimension is {len(box)}, for {self._N} clouds")
        if box.dim() not in (2, 3) or box.shape[-2:] != (2, 3):
            raise ValueError(f"Input box must be of shape (2, 3) or ({self._N}, 2, 3), got {tuple(box.shape)}")
        if (box[..., 0, :] > box[..., 1, :]).any():
            raise ValueError("Input box is invalid: its first corner must not exceed its second")
        corners = box.expand(self._N, 2, 3)[self.packed_to_cloud_idx()]
        return ((self._points >= corners[:, 0]) & (self._points <= corners[:, 1])).all(1)

    # --- details

    def _packed(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        return self._points, self._normals, self._features

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return self._from_packed(self._sizes, *[None if t is None else function(t) for t in self._packed()])

    def _select(self, chosen: list[int]) -> Self:
        lists = self.points_list(), self.normals_list(), self.features_list()
        picked = [None if parts is None else [parts[i] for i in chosen] for parts in lists]
        packed = [
            None if parts is None else _concatenate(parts, rows)
            for parts, rows in zip(picked, self._packed(), strict=True)
        ]
        clouds = self._from_packed([self._sizes[i] for i in chosen], *packed)
        names = ("_points", "_normals", "_features")
        clouds._lists = {name: parts for name, parts in zip(names, picked, strict=True) if parts is not None}
        return clouds

    def _pad(self, rows: Tensor) -> Tensor:
        if self.equisized:
            return rows.reshape(self._N, self._P, rows.shape[1])
        padded = rows.new_zeros(self._N * self._P, rows.shape[1])
        return padded.index_copy(0, self.padded_to_packed_idx(), rows).view(self._N, self._P, rows.shape[1])

    def _unpad(self, rows: Tensor) -> Tensor:
        flat = rows.reshape(self._N * self._P, rows.shape[-1])
        return flat if self.equisized else flat[self.padded_to_packed_idx()]


def join_pointclouds_as_batch(pointclouds: Sequence[Pointclouds]) -> Pointclouds:
    """One batch of the clouds of several batches.

    Raises:
        ValueError: an empty list, or normals or features in some batches only.
    """
    if isinstance(pointclouds, Pointclouds) or not len(pointclouds):
        raise ValueError(
            "Wrong first argument to join_pointclouds_as_batch: a list of at least one Pointclouds is needed"
        )
    sizes = [size for clouds in pointclouds for size in clouds._sizes]
    packed = []
    for rows in zip(*[clouds._packed() for clouds in pointclouds], strict=True):
        if len({r is None for r in rows}) > 1:
            raise ValueError("normals or features of the batches are given in some, in some set to None")
        if rows[0] is not None and len({r.shape[1] for r in rows}) > 1:
            raise ValueError("All Pointclouds must have the same number of features.")
        packed.append(None if rows[0] is None else torch.cat(rows))
    return Pointclouds._from_packed(sizes, *packed)


def join_pointclouds_as_scene(pointclouds: Pointclouds | Sequence[Pointclouds]) -> Pointclouds:
    """One cloud of all the points of a batch or of several."""
    if not isinstance(pointclouds, Pointclouds):
        pointclouds = join_pointclouds_as_batch(pointclouds)
    size = len(pointclouds.points_packed())
    return Pointclouds._from_packed([size], *pointclouds._packed())


def _pack(name: str, rows: Rows, sizes: list[int], channels: int | None) -> Tensor:
    """(sum P_n, C) of a list or padded tensor, checked against the clouds' sizes."""
    if isinstance(rows, Tensor):
        if rows.dim() != 3 or [len(r) for r in rows] != sizes or rows.shape[2] != (channels or rows.shape[2]):
            raise ValueError(f"{name} must be (N, P, {channels or 'C'}) like the points, got {tuple(rows.shape)}")
        return rows.reshape(sum(sizes), rows.shape[2])
    if len(rows) == len(sizes):  # an empty cloud may lack features
        device = next((r.device for r in rows if r is not None), None)
        none = torch.zeros(0, 0, device=device)
        rows = [none if r is None and size == 0 else r for r, size in zip(rows, sizes, strict=True)]
    shapes = [tuple(r.shape) for r in rows]
    width = channels or next((s[1] for s in shapes if len(s) == 2 and s[0]), None)
    width = width or next((s[1] for s in shapes if len(s) == 2), 0)
    fits = [s == (size, width) or size == 0 == s[0] for s, size in zip(shapes, sizes, strict=False)]
    if len(shapes) != len(sizes) or not all(fits):
        raise ValueError(f"{name} must be {len(sizes)} tensors (P_n, {channels or 'C'}) like the points, got {shapes}")
    return _concatenate([r.reshape(len(r), width) for r in rows], torch.zeros(0, width))


def _concatenate(parts: Iterable[Tensor], like: Tensor) -> Tensor:
    """The parts one after the other: one part itself, and of no parts an empty tensor like `like`."""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else torch.cat(parts) if parts else like[:0]
