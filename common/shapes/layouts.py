"""Layouts of chairs: which labelled parts there are and where, of real collections and of the family alike.

Real layouts come as oriented part boxes, as in PartNet (Mo et al. 2019) and StructureNet (Mo et al. 2019).
"""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError
from common.shapes.shape import Shape

LABELS = ("back", "seat", "leg", "arm")
FROM_FAMILY = (0, 1, 2, 3, 2, 0)  # labels of the chair family -> LABELS: a base is legs, a headrest belongs to the back
PENALTY = 0.1  # distance for each label that only one of two chairs has
CORNERS = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3, indexing="ij"), -1).reshape(8, 3)


@dataclass(frozen=True)
class Chair:
    """One chair as boxes of its parts: y up, the seat facing +z, any scale.

    Attributes:
        lows, highs: (P, 3) float, axis-aligned box of each part.
        thickness: (P,) float, the shortest side of each part's own oriented box.
        labels: (P,) int, indices into ``LABELS``.
    """

    lows: np.ndarray
    highs: np.ndarray
    thickness: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Layouts:
    """N chairs, each centred and scaled so that its whole box has a diagonal of 1.

    Attributes:
        boxes: (N, 4, 6) float, for each label the lowest and highest corner of the box around all of its parts.
        present: (N, 4) bool, which labels a chair has; ``boxes`` is 0 where it has not.
        quantities: name -> (M,) float, one number for each chair to which the name applies (M <= N).
    """

    boxes: np.ndarray
    present: np.ndarray
    quantities: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass
class Repairs:
    """How many stored boxes were mended: see :func:`mend_twins`."""

    moved: int = 0
    added: int = 0
    chairs: int = 0
    dropped: list[str] = field(default_factory=list)


def layouts(chairs: list[Chair]) -> Layouts:
    """Describe chairs. Every one must have a seat."""
    count = len(chairs)
    boxes, present = np.zeros((count, len(LABELS), 6)), np.zeros((count, len(LABELS)), bool)
    rows: dict[str, list[float]] = {}
    for row, chair in enumerate(chairs):
        low, high = chair.lows.min(0), chair.highs.max(0)
        size = float(np.linalg.norm(high - low))
        for label in range(len(LABELS)):
            mine = chair.labels == label
            present[row, label] = mine.any()
            if mine.any():
                ends = np.stack([chair.lows[mine].min(0), chair.highs[mine].max(0)])
                boxes[row, label] = ((ends - (low + high) / 2) / size).ravel()
        for name, value in _quantities(chair, boxes[row], high - low, size).items():
            rows.setdefault(name, []).append(value)
    return Layouts(boxes, present, {name: np.array(values) for name, values in rows.items()})


def _quantities(chair: Chair, boxes: np.ndarray, size: np.ndarray, diagonal: float) -> dict[str, float]:
    """The numbers by which chairs are compared; lengths in shares of the whole height or of the seat's width."""
    seat_low, seat_high = boxes[1, :3], boxes[1, 3:]
    seat_width, tall = (seat_high - seat_low)[0], size[1] / diagonal
    values = {f"{name}_parts": float((chair.labels == k).sum()) for k, name in enumerate(LABELS)}
    values |= {
        "height_to_width": size[1] / size[0],
        "depth_to_width": size[2] / size[0],
        "seat_height": (seat_high[1] + tall / 2) / tall,
        "seat_depth_to_width": (seat_high - seat_low)[2] / seat_width,
        "seat_thickness": (seat_high - seat_low)[1] / tall,
    }
    if values["back_parts"]:
        values["back_height"] = (boxes[0, 4] - seat_high[1]) / tall
        values["back_width"] = (boxes[0, 3] - boxes[0, 0]) / seat_width
    if values["leg_parts"]:
        values["leg_thickness"] = float(np.median(chair.thickness[chair.labels == 2])) / (seat_width * diagonal)
        values["leg_spread"] = (boxes[2, 3] - boxes[2, 0]) / seat_width
    if values["arm_parts"]:
        values["arm_height"] = (boxes[3, 4] - seat_high[1]) / tall
        values["arm_length"] = (boxes[3, 5] - boxes[3, 2]) / (seat_high - seat_low)[2]
    return values


def chair_of_shape(shape: Shape) -> Chair:
    """The boxes of a chair of the family."""
    lows = np.stack([part.mesh[0].min(0) for part in shape.parts])
    highs = np.stack([part.mesh[0].max(0) for part in shape.parts])
    thickness = [part.scale * np.ptp(part.primitive.mesh()[0], axis=0).min() for part in shape.parts]
    return Chair(lows, highs, np.array(thickness), np.array([FROM_FAMILY[part.label] for part in shape.parts]))


# --- distances ----------------------------------------------------------------------------------------------------


def nearest_distances(
    layouts: Layouts, others: Layouts, device: torch.device | str = "cpu", same: np.ndarray | None = None
) -> np.ndarray:
    """Distance (N,) from each layout to the nearest of the others.

    Between two layouts: the mean absolute difference of the box sides over the labels that both have, plus
    ``PENALTY`` for each label that only one has.

    Args:
        same: (N,) int, the row of ``others`` that is the layout itself and doesn't count, or -1.
    """
    one, two = (torch.as_tensor(x.boxes, dtype=torch.float32, device=device) for x in (layouts, others))
    has, have = (torch.as_tensor(x.present, dtype=torch.float32, device=device) for x in (layouts, others))
    nearest = []
    for start in range(0, len(one), 64):
        rows = slice(start, start + 64)
        both = has[rows, None] * have
        apart = (one[rows, None] - two).abs().mean(3)
        distance = (apart * both).sum(2) / both.sum(2).clamp_min(1)
        distance += PENALTY * (has[rows, None] - have).abs().sum(2)
        if same is not None:
            own = torch.as_tensor(same[rows], device=device)
            distance[own >= 0] = distance[own >= 0].scatter(1, own[own >= 0, None], torch.inf)
        nearest.append(distance.amin(1).cpu().numpy())
    return np.concatenate(nearest)


def ks_statistic(one: np.ndarray, two: np.ndarray) -> float:
    """Kolmogorov and Smirnov's two-sample statistic: the largest gap between two cumulative curves, in [0, 1]."""
    values = np.concatenate([one, two])
    shares = [np.searchsorted(np.sort(x), values, side="right") / len(x) for x in (one, two)]
    return float(np.abs(shares[0] - shares[1]).max())


# --- real layouts -------------------------------------------------------------------------------------------------


def read_layouts(path: str | Path) -> tuple[list[Chair], Repairs]:
    """Read chairs stored as oriented part boxes in an ``.npz`` file.

    Arrays: ``boxes`` (N, P, 12) float of (centre 3, lengths 3, axis1 3, axis2 3; axis3 = axis1 x axis2; each length
    goes with its axis), ``box_labels`` (N, P) int in 0..3 (``LABELS``), -1 where a row has no more, ``n_boxes`` (N,)
    int. Layouts without a seat, or of no size, are left out and named in the repairs.

    Raises:
        UserError: no such file, not an npz file, arrays missing, of another shape or holding objects, or values that
            cannot be boxes.
    """
    boxes, labels, counts = _read_arrays(Path(path))
    chairs, repairs = [], Repairs()
    for row, count in enumerate(counts):
        own, kinds = mend_twins(boxes[row, :count], labels[row, :count], repairs)
        axes = np.stack([own[:, 6:9], own[:, 9:12], np.cross(own[:, 6:9], own[:, 9:12])], 1)
        corners = own[:, None, :3] + (CORNERS * own[:, None, 3:6]) @ axes
        if not (kinds == 1).any() or (np.ptp(corners, axis=(0, 1)) <= 0).any():
            repairs.dropped.append(f"row {row}")
            continue
        chairs.append(Chair(corners.min(1), corners.max(1), own[:, 3:6].min(1), kinds))
    if not chairs:
        raise UserError(f"{path}: no layout with a seat (label 1)")
    return chairs, repairs


def _read_arrays(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; give an .npz file of part boxes")
    arrays = {}
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: not an .npz file, or damaged; one with boxes, box_labels and n_boxes is needed")
    try:
        with np.load(path, allow_pickle=False) as stored:
            for name in ("boxes", "box_labels", "n_boxes"):
                if name not in stored:
                    raise UserError(f"{path}: has no array {name}; it has {', '.join(stored.files) or 'none'}")
                arrays[name] = stored[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if "pickle" in str(error):
            raise UserError(f"{path}: holds pickled Python objects, never loaded; save plain numbers") from None
        raise UserError(f"{path}: not an .npz file, or damaged ({error})") from None
    boxes, labels, counts = arrays["boxes"], arrays["box_labels"], arrays["n_boxes"]
    _check_arrays(path, boxes, labels, counts)
    return boxes.astype(float), labels.astype(int), counts.astype(int)


def _check_arrays(path: Path, boxes: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> None:
    kinds = boxes.dtype.kind, labels.dtype.kind, counts.dtype.kind
    if kinds[0] != "f" or kinds[1] not in "iu" or kinds[2] not in "iu":
        raise UserError(
            f"{path}: boxes must be float, the other arrays int, not {boxes.dtype}, {labels.dtype}, {counts.dtype}"
        )
    if boxes.ndim != 3 or boxes.shape[2] != 12 or labels.shape != boxes.shape[:2] or counts.shape != boxes.shape[:1]:
        raise UserError(
            f"{path}: shapes {boxes.shape}, {labels.shape}, {counts.shape}; (N, P, 12), (N, P), (N,) are needed"
        )
    if not len(boxes):
        raise UserError(f"{path}: holds no layouts")
    used = np.arange(boxes.shape[1]) < counts[:, None].astype(int)
    wrong = (counts < 1) | (counts > boxes.shape[1])
    wrong |= (used & ((labels < 0) | (labels >= len(LABELS)))).any(1)
    wrong |= (used & ~np.isfinite(boxes).all(2)).any(1) | (used & (boxes[:, :, 3:6] < 0).any(2)).any(1)
    if wrong.any():
        raise UserError(
            f"{path}: row {int(np.argmax(wrong))}: n_boxes, a label or a box is out of range; repair or remove it"
        )


def mend_twins(boxes: np.ndarray, labels: np.ndarray, repairs: Repairs) -> tuple[np.ndarray, np.ndarray]:
    """Undo what storage as symmetry groups did to mirror twins. Returns boxes (P', 12), labels (P',); counts repairs.

    Chairs are their own mirror images in x. In files of this kind one of two twins is often stored as its brother
    moved by (1, 0, 0) instead of mirrored (label and sizes the same, centres apart by that to 2e-3 in x and 0.05
    across): it becomes the mirror image. Others were dropped: a box that lies wholly on one side, with no box of its
    label near the mirror image of its centre (0.15), gets its twin back.
    """
    boxes, before = boxes.copy(), (repairs.moved, repairs.added)
    for twin in range(len(boxes)):
        apart = np.abs(boxes[twin, :3] - boxes[:, :3] - (1, 0, 0))
        like = (labels == labels[twin]) & (np.abs(boxes[:, 3:6] - boxes[twin, 3:6]).max(1) < 2e-3)
        brother = np.flatnonzero(like & (apart[:, 0] < 2e-3) & (apart[:, 1:].max(1) < 0.05))
        if len(brother):
            boxes[twin] = _mirrored(boxes[brother[:1]])[0]
            repairs.moved += 1
    axes = np.stack([boxes[:, 6:9], boxes[:, 9:12], np.cross(boxes[:, 6:9], boxes[:, 9:12])], 1)
    reach = 0.5 * np.abs(axes[:, :, 0] * boxes[:, 3:6]).sum(1)
    lonely = np.abs(boxes[:, 0]) > reach
    centre = boxes[:, :3] * (-1, 1, 1)
    gap = np.linalg.norm(centre[:, None] - boxes[:, :3], axis=2)
    lonely &= ~((gap < 0.15) & (labels == labels[:, None]) & ~np.eye(len(boxes), dtype=bool)).any(1)
    repairs.added += int(lonely.sum())
    repairs.chairs += (repairs.moved, repairs.added) != before
    return np.concatenate([boxes, _mirrored(boxes[lonely])]), np.concatenate([labels, labels[lonely]])


def _mirrored(boxes: np.ndarray) -> np.ndarray:
    """Boxes (P, 12) reflected in the plane x = 0."""
    mirrored = boxes.copy()
    mirrored[:, [0, 6, 9]] *= -1
    return mirrored
