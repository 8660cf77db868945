"""Folders with ``transforms.json`` as NeRF-synthetic, instant-ngp and nerfstudio write them."""

import json
import math
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from common.cli import UserError
from common.p3d import PerspectiveCameras, cameras_from_opencv_projection
from common.scenes.pictures import check_pixels, read_picture
from common.scenes.posed_images import SPLITS, PosedImages, stacked_pictures

SYNTHETIC_BOX, SYNTHETIC_DEPTHS = [[-1.5] * 3, [1.5] * 3], (2.0, 6.0)
HELD_OUT = 8  # where a file names no split, every so many views, from the first on, are for the test
LENS = ("k1", "k2", "k3", "k4", "p1", "p2")
MODELS = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")  # of lenses that LENS describes
LARGEST = 1e9  # of numbers that mean something here


def transforms_scene(path: Path) -> PosedImages:
    """The views of a folder, or of one ``transforms.json``.

    A folder with ``transforms_train.json``, ``_val`` and ``_test`` (NeRF-synthetic) has those splits; of a single
    file every eighth view is held out for the test. Photographs are undistorted. Frames without their picture are
    left out, as instant-ngp does.

    Raises:
        UserError: a file that is missing, damaged or lacks what is needed; pictures of unequal sizes; most pictures
            missing; matrices that are no rigid motion; a lens of another kind.
    """
    poses, pictures, lenses, split = [], [], [], {}
    for file in _files(path):
        frames, shared = _read(file)
        first = len(poses)
        for number, place in _places(frames, file).items():
            frame = frames[number]
            poses.append(_pose(frame, file, number))
            pictures.append(read_picture(place))
            lenses.append(_lens({**shared, **frame}, pictures[-1].shape[:2], file))
            check_pixels(pictures, file)
        split[file.stem.removeprefix("transforms_")] = torch.arange(first, len(poses))
    several = "train" in split
    if len(split) == 1:
        held_out = torch.arange(len(poses)) % HELD_OUT == 0
        split = {"train": (~held_out).nonzero()[:, 0], "test": held_out.nonzero()[:, 0]}
    split = {name: split.get(name, torch.empty(0, dtype=torch.long)) for name in SPLITS}
    if not len(split["test"]):
        raise UserError(f"{path}: transforms_test.json is not there")
    K, distortion = (torch.stack(part) for part in zip(*lenses, strict=True))
    images, alpha = stacked_pictures(pictures, path)
    if distortion.any():
        for part in (images,) if alpha is None else (images, alpha[..., None]):
            _undistort(part, K, distortion)
    cameras = _cameras(torch.stack(poses), K, images.shape[1:3])
    name = path.stem if path.suffix else path.resolve().name
    # NeRF-synthetic's objects are known to lie in this box; of other folders nothing is known.
    known = {"bounds": torch.tensor(SYNTHETIC_BOX), "depth_range": SYNTHETIC_DEPTHS} if several else {}
    return PosedImages(name, images, cameras, split, alpha, source=str(path), **known)


def _files(path: Path) -> list[Path]:
    """What describes the views: one file, or one for each split."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such file")
    single, parts = path / "transforms.json", [path / f"transforms_{name}.json" for name in SPLITS]
    files = [single] if single.is_file() else [part for part in parts if part.is_file()]
    if not files:
        raise UserError(f"{path}: holds neither transforms.json nor transforms_train.json")
    return files


def _read(file: Path) -> tuple[list[dict], dict]:
    """Frames, and what is said of all of them."""
    try:
        contents = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: not a JSON file that can be read ({str(error)[:80]})") from None
    frames = contents.get("frames") if isinstance(contents, dict) else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise UserError(f"{file}: holds no list of frames")
    return frames, {key: value for key, value in contents.items() if key != "frames"}


def _pose(frame: dict, file: Path, number: int) -> Tensor:
    try:
        pose = torch.tensor(frame["transform_matrix"], dtype=torch.float32)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError):
        raise UserError(f"{file}: frame {number} has no transform_matrix of numbers") from None
    if pose.shape not in ((4, 4), (3, 4)) or not (pose.abs() < LARGEST).all():
        raise UserError(f"{file}: frame {number}: transform_matrix must be 4 x 4 finite numbers")
    return pose[:3]


def _places(frames: list[dict], file: Path) -> dict[int, Path]:
    """The pictures' files, by the numbers of their frames."""
    places = {number: _place(frame, file, number) for number, frame in enumerate(frames)}
    missing = [number for number, place in places.items() if place is None]
    if missing:
        name = frames[missing[0]]["file_path"][:200]
        if 2 * len(missing) >= len(frames):
            raise UserError(f"{file}: {len(missing)} of {len(frames)} pictures are not there, first {name}")
        print(f"{file}: {len(missing)} of {len(frames)} frames have no picture and are left out", file=sys.stderr)
    return {number: place for number, place in places.items() if place is not None}


def _place(frame: dict, file: Path, number: int) -> Path | None:
    name = frame.get("file_path")
    if not isinstance(name, str) or not name:
        raise UserError(f"{file}: frame {number} has no file_path")
    candidates = [file.parent / f"{name}{suffix}" for suffix in ("", ".png", ".jpg")]
    try:
        return next((candidate for candidate in candidates if candidate.is_file()), None)
    except OSError:  # a name that no file can have
        return None


def _cameras(c2w: Tensor, K: Tensor, size: tuple[int, int]) -> PerspectiveCameras:
    """Cameras at poses (N, 3, 4) in OpenGL's axes; ``size``: height and width, pixels."""
    turned = c2w[:, :3, :3] * c2w.new_tensor([1.0, -1.0, -1.0])  # to OpenCV's axes
    R = turned.transpose(1, 2)
    return cameras_from_opencv_projection(R, -(R @ c2w[:, :3, 3:])[:, :, 0], K, torch.tensor([size]).expand(len(R), 2))


def _lens(values: dict, shape: tuple[int, int], file: Path) -> tuple[Tensor, Tensor]:
    """Camera matrix (3, 3), pixels of the picture at hand, and distortion (6,)."""
    height, width = shape

    def number(key: str, default: float | None = None) -> float | None:
        value = values.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
            raise UserError(f"{file}: {key} must be a finite number, got {str(value)[:40]}")
        return float(value)

    model = values.get("camera_model") or "OPENCV"
    if model not in MODELS or values.get("is_fisheye"):
        raise UserError(f"{file}: a camera_model other than {', '.join(MODELS)} is not read")
    w, h = number("w", width), number("h", height)
    if min(w, h) < 1:
        raise UserError(f"{file}: w and h must be at least 1, got {w:g} and {h:g}")
    angle, focal = number("camera_angle_x"), number("fl_x")
    if focal is None:
        if angle is None or not 0 < angle < math.pi:
            raise UserError(f"{file}: needs fl_x, or camera_angle_x between 0 and pi")
        focal = 0.5 * w / math.tan(0.5 * angle)
    across, down = width / w, height / h  # the pictures may be smaller than those that were calibrated
    fy, cx, cy = number("fl_y", focal), number("cx", w / 2), number("cy", h / 2)
    K = torch.tensor([[focal * across, 0.0, cx * across], [0.0, fy * down, cy * down], [0.0, 0.0, 1.0]])
    if not (K.diagonal() > 1e-6).all():
        raise UserError(f"{file}: focal lengths must be above 0, got {focal:g} and {fy:g}")
    return K, torch.tensor([number(key, 0.0) for key in LENS])


def _undistort(images: Tensor, K: Tensor, distortion: Tensor) -> None:
    """Make images (N, H, W, C) what a lens without distortion k1 to k4, p1, p2 (N, 6) would have taken (Brown 1971)."""
    N, H, W, _ = images.shape
    rows, columns = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    for image, matrix, (k1, k2, k3, k4, p1, p2) in zip(images, K, distortion, strict=True):
        x, y = (columns - matrix[0, 2]) / matrix[0, 0], (rows - matrix[1, 2]) / matrix[1, 1]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
        u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        grid = torch.stack(
            (2 * (u * matrix[0, 0] + matrix[0, 2]) / W - 1, 2 * (v * matrix[1, 1] + matrix[1, 2]) / H - 1), -1
        )
        source = image.permute(2, 0, 1)[None]
        taken = functional.grid_sample(source, grid[None], "bicubic", "border", align_corners=False)
        image.copy_(taken[0].permute(1, 2, 0).clamp(0.0, 1.0))
