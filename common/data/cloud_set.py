"""A set of labelled point clouds that stays on disk, and its splits."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from common.cli import UserError

_SAMPLED_CLOUDS = 64


@dataclass(frozen=True)
class PointCloudSet:
    """Labelled clouds for classification (a label per cloud) or part segmentation (a label per point).

    Several splits may share ``points`` and ``labels``: ``indices`` says which rows are this split's, so a validation
    split costs no copy. Build one with :func:`point_cloud_set`, which computes the fingerprint.

    Attributes:
        points: (N, P, 3) float, finite; usually a memory map, never loaded whole.
        labels: (N,) int64 (classification) or (N, P) integer (segmentation), each below ``len(class_names)``.
        class_names: names of the shape classes or of the parts, by label.
        source: one line: what data this is and where it came from.
        fingerprint: short hex digest of the split's content: shape, a sample of its clouds, all of its labels.
        indices: (M,) int64 rows that belong to this split, or None for all of them.
    """

    points: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    source: str
    fingerprint: str
    indices: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.points) if self.indices is None else len(self.indices)

    @property
    def points_per_cloud(self) -> int:
        """How many points are stored of each cloud."""
        return self.points.shape[1]

    def cloud(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """The split's i-th cloud: points (P, 3) float32 and its label () or labels (P,) int64."""
        points, labels = self.batch([i])
        return points[0], labels[0]

    def batch(self, rows: np.ndarray, columns: np.ndarray | slice | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Gather clouds, or some points of each; only the rows asked for are read from disk.

        Args:
            rows: (B,) int, positions within this split.
            columns: the points of each cloud: (B, n) int, a slice of all clouds alike, or None for all P points.

        Returns:
            points (B, n, 3) float32 and labels (B,) or (B, n) int64, both contiguous and the caller's own.
        """
        rows = np.asarray(rows, dtype=np.int64)
        rows = rows if self.indices is None else self.indices[rows]
        if columns is None or isinstance(columns, slice):
            chosen = [slice(None) if columns is None else columns] * len(rows)
            n = len(range(self.points.shape[1])[chosen[0]]) if len(rows) else 0
        else:
            chosen = np.asarray(columns)
            n = chosen.shape[1]
        points = np.empty((len(rows), n, 3), dtype=np.float32)
        labels = np.empty((len(rows), n)[: self.labels.ndim], dtype=np.int64)
        for k, (row, points_chosen) in enumerate(zip(rows, chosen, strict=True)):
            points[k] = self.points[row][points_chosen]
            labels[k] = self.labels[row] if self.labels.ndim == 1 else self.labels[row][points_chosen]
        return points, labels


class Splits(NamedTuple):
    """The three splits of a data set; model selection is on ``val``, ``test`` is reported once."""

    train: PointCloudSet
    val: PointCloudSet
    test: PointCloudSet


@dataclass(frozen=True)
class JoinedSet:
    """Several sets, one after the other, read as one :class:`PointCloudSet`; nothing is copied."""

    parts: tuple[PointCloudSet, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    class_names = property(lambda self: self.parts[0].class_names)
    source = property(lambda self: self.parts[0].source)
    fingerprint = property(lambda self: "-".join(part.fingerprint for part in self.parts))
    points_per_cloud = property(lambda self: min(part.points_per_cloud for part in self.parts))
    cloud = PointCloudSet.cloud

    def batch(self, rows: np.ndarray, columns: np.ndarray | slice | None = None) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`PointCloudSet.batch`, rows counted through the parts."""
        rows = np.asarray(rows, dtype=np.int64)
        columns = slice(0, self.points_per_cloud) if columns is None else columns
        ends = np.cumsum([len(part) for part in self.parts])
        owner = np.searchsorted(ends, rows, side="right")
        found = {}
        for k in np.unique(owner):
            mine = np.flatnonzero(owner == k)
            chosen = columns if isinstance(columns, slice) else columns[mine]
            points, labels = self.parts[k].batch(rows[mine] - (ends[k] - len(self.parts[k])), chosen)
            found |= {place: (p, lab) for place, p, lab in zip(mine, points, labels, strict=True)}
        ordered = [found[place] for place in range(len(rows))]
        return np.stack([p for p, _ in ordered]), np.stack([lab for _, lab in ordered])


def join_splits(splits: Splits) -> JoinedSet:
    """All clouds of a data set, train, val and test in this order."""
    return JoinedSet(tuple(splits))


def point_cloud_set(
    points: np.ndarray,
    labels: np.ndarray,
    class_names: tuple[str, ...],
    source: str,
    indices: np.ndarray | None = None,
) -> PointCloudSet:
    """A :class:`PointCloudSet` of arrays that have been checked, with its fingerprint."""
    return PointCloudSet(points, labels, tuple(class_names), source, _fingerprint(points, labels, indices), indices)


def choose_columns(num_points: int, available: int, generator: np.random.Generator) -> np.ndarray:
    """Choose which points of a cloud to use: (num_points,) int64 indices below ``available`` (at least 1).

    Without replacement where the cloud has enough points, with replacement where it has not.

    Raises:
        UserError: ``num_points`` is below 1.
    """
    if num_points < 1:
        raise UserError(f"--num_points {num_points}: a cloud needs at least 1 point")
    return generator.choice(available, num_points, replace=num_points > available).astype(np.int64, copy=False)


def carve_validation(
    points: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...], source: str, val_fraction: float, seed: int
) -> tuple[PointCloudSet, PointCloudSet]:
    """Split training clouds into train and validation without copying; ``seed`` alone decides which go where.

    Classification is stratified: each class gives ``val_fraction`` of its clouds, rounded, at least one, and keeps at
    least one; a class of a single cloud stays in train.

    Raises:
        UserError: there are too few clouds to hold any out.
    """
    generator = np.random.default_rng(seed)
    groups = labels if labels.ndim == 1 else np.zeros(len(labels), dtype=np.int64)
    in_val = np.zeros(len(labels), dtype=bool)
    for group in np.unique(groups):
        members = generator.permutation(np.flatnonzero(groups == group))
        in_val[members[: min(max(1, round(val_fraction * len(members))), len(members) - 1)]] = True
    if not in_val.any():
        raise UserError(
            f"{source}: {len(labels)} training clouds are too few to hold a validation split out of them; give at "
            "least two of one class"
        )
    train = point_cloud_set(points, labels, class_names, source, np.flatnonzero(~in_val))
    return train, point_cloud_set(points, labels, class_names, source, np.flatnonzero(in_val))


def part_names(found: tuple[str, ...], num_seg_class: int, source: str) -> tuple[str, ...]:
    """Names of ``num_seg_class`` parts: those found, then ``part i`` for the labels that have none.

    Raises:
        UserError: more parts were found than ``num_seg_class``.
    """
    if len(found) > num_seg_class:
        raise UserError(
            f"--num_seg_class {num_seg_class}: {source} has {len(found)} parts; pass --num_seg_class {len(found)}"
        )
    return tuple(found) + tuple(f"part {i}" for i in range(len(found), num_seg_class))


def _fingerprint(points: np.ndarray, labels: np.ndarray, indices: np.ndarray | None) -> str:
    """16 hex digits over the split's shape, up to 64 evenly spaced clouds and every label, in any integer type."""
    rows = np.arange(len(points)) if indices is None else indices
    digest = hashlib.blake2b(repr((len(rows), points.shape[1:], points.dtype.str)).encode(), digest_size=8)
    for row in rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLED_CLOUDS)).astype(np.int64)]:
        digest.update(np.ascontiguousarray(points[row]))
    step = max(1, 2**20 // (labels.size // len(labels)))
    for start in range(0, len(rows), step):
        digest.update(labels[rows[start : start + step]].astype(np.int64))
    return digest.hexdigest()
