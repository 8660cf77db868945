"""Batches of point clouds of unequal size, with the interface of `pytorch3d.structures.Pointclouds`."""

import itertools
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from .ragged import Ragged, Rows, pack
from .structures import form

__all__ = ["Pointclouds", "join_pointclouds_as_batch", "join_pointclouds_as_scene"]


class Pointclouds(Ragged):
    """N clouds of P_n points with optional normals and features per point.

    Args:
        points: N tensors (P_n, 3), or one tensor (N, P, 3).
        normals: likewise (P_n, 3), or None.
        features: likewise (P_n, C), or None; in a list an empty cloud may have None.

    Clouds may be empty, and so may the batch. Tensors are kept, not copied; gradients flow to what was given.

    Raises:
        ValueError: shapes that do not fit together.
    """

    _kinds = {"points": 0, "normals": 0, "features": 0}

    def __init__(self, points: Rows, normals: Rows | None = None, features: Rows | None = None):
        if not isinstance(points, list | tuple | Tensor):
            raise ValueError(f"points must be a list of tensors or a tensor, got {type(points).__name__}")
        sizes = [len(cloud) for cloud in points]
        given = {"points": points, "normals": normals, "features": features}
        if not len(points):
            given |= {"normals": None, "features": None}
        widths = {"points": 3, "normals": 3, "features": None}
        rows = {name: None if x is None else pack(name, x, sizes, widths[name]) for name, x in given.items()}
        self._set([sizes], rows)
        self._remember(**given)

    _P = property(lambda self: max(self._sizes[0], default=0))
    _C = property(lambda self: None if self._rows["features"] is None else self._rows["features"].shape[1])

    def get_cloud(self, index: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Points (P_i, 3), normals and features of one cloud.

        Raises:
            ValueError: no such cloud.
        """
        if not isinstance(index, int) or not 0 <= index < self._N:
            raise ValueError(f"cloud {index} of {self._N}")
        return tuple(self[index]._rows.values())

    points_packed = form("_packed", "points", "(sum P_n, 3).")
    normals_packed = form("_packed", "normals", "(sum P_n, 3), or None.")
    features_packed = form("_packed", "features", "(sum P_n, C), or None.")
    points_list = form("_list", "points", "N tensors (P_n, 3).")
    normals_list = form("_list", "normals", "N tensors (P_n, 3), or None.")
    features_list = form("_list", "features", "N tensors (P_n, C), or None.")
    points_padded = form("_padded", "points", "(N, max P_n, 3), zeros past each cloud's end.")
    normals_padded = form("_padded", "normals", "(N, max P_n, 3), zeros past each cloud's end, or None.")
    features_padded = form("_padded", "features", "(N, max P_n, C), zeros past each cloud's end, or None.")
    num_points_per_cloud = form("_counts", "points", "(N,) int64.")
    cloud_to_packed_first_idx = form("_starts", "points", "(N,) int64: where each cloud begins in the packed form.")
    packed_to_cloud_idx = form("_elements", "points", "(sum P_n,) int64: the cloud of each packed point.")
    padded_to_packed_idx = form(
        "_places", "points", "(sum P_n,) int64: each packed point's place in the flattened padded form (N * max P_n)."
    )

    def update_padded(
        self, new_points_padded: Tensor, new_normals_padded: Tensor | None = None,
        new_features_padded: Tensor | None = None,
    ) -> Self:  # fmt: skip
        """The same batch with other points (N, max P_n, 3), and other normals or features where given.

        Raises:
            ValueError: another batch size or number of points.
        """
        rows = dict(self._rows)
        for name, new in zip(rows, (new_points_padded, new_normals_padded, new_features_padded), strict=True):
            if new is not None:
                if new.dim() != 3 or tuple(new.shape[:2]) != (self._N, self._P):
                    raise ValueError(f"expected ({self._N}, {self._P}, ...), got {tuple(new.shape)}")
                rows[name] = self._unpadded(name, new)
        return self._of(self._sizes, rows)

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
        pairs = list(zip(self._sizes[0], limits, strict=True))
        if all(size <= limit for size, limit in pairs):
            return self
        kept = [torch.arange(size) if size <= limit else torch.randperm(size)[:limit] for size, limit in pairs]
        starts = itertools.accumulate(self._sizes[0][:-1], initial=0)
        index = torch.cat([chosen + start for chosen, start in zip(kept, starts, strict=True)]).to(self.device)
        rows = {name: None if old is None else old[index] for name, old in self._rows.items()}
        return self._of([[len(chosen) for chosen in kept]], rows)

    def offset_(self, offsets_packed: Tensor) -> Self:
        """Adds (sum P_n, 3) or (3,) to the points of this object, and returns it; another shape is a ValueError."""
        return self._offset(offsets_packed)

    def offset(self, offsets_packed: Tensor) -> Self:
        """A copy with (sum P_n, 3) or (3,) added to the points."""
        return self._copy()._offset(offsets_packed)

    scale_, scale = Ragged._scale_, Ragged._scale

    def estimate_normals(
        self, neighborhood_size: int = 50, disambiguate_directions: bool = True, assign_to_self: bool = False
    ) -> Tensor:
        """Normals (N, max P_n, 3) by `estimate_pointcloud_normals`; kept as this object's own if `assign_to_self`."""
        from .point_normals import estimate_pointcloud_normals

        normals = estimate_pointcloud_normals(self, neighborhood_size, disambiguate_directions)
        if not assign_to_self:
            return normals
        return self._put("normals", self._unpadded("normals", normals)).normals_padded()

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
        points = self.points_packed()
        return ((points >= corners[:, 0]) & (points <= corners[:, 1])).all(1)


def join_pointclouds_as_batch(pointclouds: Sequence[Pointclouds]) -> Pointclouds:
    """One batch of the clouds of several batches.

    Raises:
        ValueError: an empty list, or normals or features in some batches only or of unequal width.
    """
    if isinstance(pointclouds, Pointclouds) or not len(pointclouds):
        raise ValueError(
            "Wrong first argument to join_pointclouds_as_batch: a list of at least one Pointclouds is needed"
        )
    joined = {}
    for name in Pointclouds._kinds:
        rows = [clouds._rows[name] for clouds in pointclouds]
        if len({r is None for r in rows}) > 1:
            raise ValueError("normals or features of the batches are given in some, in some set to None")
        if rows[0] is not None and len({r.shape[1] for r in rows}) > 1:
            raise ValueError("All Pointclouds must have the same number of features.")
        joined[name] = None if rows[0] is None else torch.cat(rows)
    return Pointclouds._of([[size for clouds in pointclouds for size in clouds._sizes[0]]], joined)


def join_pointclouds_as_scene(pointclouds: Pointclouds | Sequence[Pointclouds]) -> Pointclouds:
    """One cloud of all the points of a batch or of several; errors as of `join_pointclouds_as_batch`."""
    if not isinstance(pointclouds, Pointclouds):
        pointclouds = join_pointclouds_as_batch(pointclouds)
    return Pointclouds._of([[len(pointclouds.points_packed())]], pointclouds._rows)
