"""Folders with ``transforms.json`` as NeRF-synthetic, instant-ngp and nerfstudio write them."""

import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from common.cli import UserError
from common.p3d import cameras_from_opencv_projection
from common.scenes.posed_images import SPLITS, PosedImages

HELD_OUT = 8  # where a file names no split, every so many views, from the first on, are for the test
LENS = ("k1", "k2", "p1", "p2")


def transforms_scene(path: Path) -> PosedImages:
    """The views of a folder, or of one ``transforms.json``.

    A folder with ``transforms_train.json``, ``_val`` and ``_test`` (NeRF-synthetic) has those splits; of a single
    ``transforms.json`` every eighth view is held out for the test. Photographs are undistorted.

    Raises:
        UserError: a file that is missing, damaged or lacks what is needed; pictures of unequal sizes; a frame without
            its picture; matrices that are no rigid motion.
    """
    single = path if path.suffix == ".json" else path / "transforms.json"
    parts = [path / f"transforms_{name}.json" for name in SPLITS] if path.is_dir() else []
    files = [single] if single.is_file() else [part for part in parts if part.is_file()]
    if not files:
        raise UserError(f"{path}: holds neither transforms.json nor transforms_train.json")
    poses, pictures, lenses, split, start = [], [], [], {}, 0
    for file in files:
        frames, shared = _read(file)
        for number, frame in enumerate(frames):
            poses.append(_pose(frame, file, number))
            pictures.append(_picture(file.parent, frame, file, number))
            lenses.append(_lens({**shared, **frame}, pictures[-1].shape[:2], file))
        if len(files) > 1:
            split[file.stem.removeprefix("transforms_")] = torch.arange(start, start + len(frames))
        start += len(frames)
    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        raise UserError(f"{path}: pictures of unequal sizes: {', '.join(f'{s[1]} x {s[0]}' for s in sorted(sizes))}")
    if not split:
        test = torch.arange(start) % HELD_OUT == 0
        split = {
            "train": (~test).nonzero()[:, 0],
            "val": torch.empty(0, dtype=torch.long),
            "test": test.nonzero()[:, 0],
        }
    images = torch.from_numpy(np.stack(pictures)).float() / 255
    K, distortion = (torch.stack(part) for part in zip(*lenses, strict=True))
    images = _undistorted(images, K, distortion)
    c2w = torch.stack(poses)
    turned = c2w[:, :3, :3] * c2w.new_tensor([1.0, -1.0, -1.0])  # OpenGL's camera axes to OpenCV's
    R = turned.transpose(1, 2)
    size = torch.tensor([images.shape[1:3]]).expand(len(R), 2)
    cameras = cameras_from_opencv_projection(R, -(R @ c2w[:, :3, 3:])[:, :, 0], K, size)
    alpha = images[..., 3] if images.shape[-1] == 4 else None
    colors = images[..., :3] if alpha is None else images[..., :3] * alpha[..., None]
    return PosedImages(path.stem if path.suffix else path.name, colors, cameras, split, alpha, source=str(path))


def _read(file: Path) -> tuple[list[dict], dict]:
    """Frames, and what is said of all of them."""
    try:
        contents = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: not a JSON file ({str(error)[:80]})") from None
    frames = contents.get("frames") if isinstance(contents, dict) else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise UserError(f"{file}: holds no list of frames")
    return frames, {key: value for key, value in contents.items() if key != "frames"}


def _pose(frame: dict, file: Path, number: int) -> Tensor:
    try:
        pose = torch.tensor(frame["transform_matrix"], dtype=torch.float32)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file}: frame {number} has no transform_matrix of numbers") from None
    if pose.shape not in ((4, 4), (3, 4)) or not pose.isfinite().all():
        raise UserError(f"{file}: frame {number}: transform_matrix must be 4 x 4 finite numbers")
    return pose[:3]


def _picture(folder: Path, frame: dict, file: Path, number: int) -> np.ndarray:
    """(H, W, 3 or 4) uint8."""
    name = frame.get("file_path")
    if not isinstance(name, str) or not name:
        raise UserError(f"{file}: frame {number} has no file_path")
    candidates = [folder / name, *(folder / f"{name}{suffix}" for suffix in (".png", ".jpg"))]
    place = next((candidate for candidate in candidates if candidate.is_file()), None)
    if place is None:
        raise UserError(f"{file}: frame {number}: its picture {name} is not there")
    try:
        with Image.open(place) as image:
            return np.asarray(image.convert("RGBA" if "A" in image.getbands() else "RGB"))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{place}: not a picture that can be read ({str(error)[:80]})") from None


def _lens(values: dict, shape: tuple[int, int], file: Path) -> tuple[Tensor, Tensor]:
    """Camera matrix (3, 3), pixels of the picture at hand, and distortion (4,)."""
    height, width = shape

    def number(key: str, default=None) -> float | None:
        value = values.get(key, default)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value != value):
            raise UserError(f"{file}: {key} must be a number, got {str(value)[:40]}")
        return value

    w, h = number("w", width), number("h", height)
    angle, focal = number("camera_angle_x"), number("fl_x")
    if focal is None:
        if angle is None or not 0 < angle < math.pi:
            raise UserError(f"{file}: needs fl_x, or camera_angle_x between 0 and pi")
        focal = 0.5 * w / math.tan(0.5 * angle)
    across, down = width / w, height / h  # the pictures may be smaller than those that were calibrated
    fy, cx, cy = number("fl_y", focal), number("cx", w / 2), number("cy", h / 2)
    if not (0 < focal < math.inf and 0 < fy < math.inf):
        raise UserError(f"{file}: focal lengths must be above 0, got {focal}, {fy}")
    K = torch.tensor([[focal * across, 0.0, cx * across], [0.0, fy * down, cy * down], [0.0, 0.0, 1.0]])
    return K, torch.tensor([number(key, 0.0) for key in LENS])


def _undistorted(images: Tensor, K: Tensor, distortion: Tensor) -> Tensor:
    """Images (N, H, W, C) as a lens without distortion k1, k2, p1, p2 (N, 4) would have taken them (Brown 1971)."""
    if not distortion.any():
        return images
    N, H, W, _ = images.shape
    rows, columns = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    out = []
    for image, matrix, (k1, k2, p1, p2) in zip(images, K, distortion, strict=True):
        x, y = (columns - matrix[0, 2]) / matrix[0, 0], (rows - matrix[1, 2]) / matrix[1, 1]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * k2)
        u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        grid = torch.stack(
            (2 * (u * matrix[0, 0] + matrix[0, 2]) / W - 1, 2 * (v * matrix[1, 1] + matrix[1, 2]) / H - 1), -1
        )
        source = image.permute(2, 0, 1)[None]
        out.append(functional.grid_sample(source, grid[None], "bicubic", "border", align_corners=False)[0])
    return torch.stack(out).permute(0, 2, 3, 1).clamp(0.0, 1.0)
