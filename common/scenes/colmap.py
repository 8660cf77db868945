"""COLMAP's sparse models, text or binary: cameras, poses and points (Schoenberger and Frahm, CVPR 2016)."""

import struct
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.camera_poses import cameras_from_colmap
from common.cli import UserError
from common.scenes.pictures import check_pixels, read_picture
from common.scenes.posed_images import PosedImages, stacked_pictures

HELD_OUT = 8  # every so many views, from the first on, are for the test, as papers on such data do
# Lenses without distortion: their number and name, and how many parameters they have.
MODELS = {0: ("SIMPLE_PINHOLE", 3), 1: ("PINHOLE", 4)}
# The others, named so that a message can.
DISTORTED = ("SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV", "FOV", "SIMPLE_RADIAL_FISHEYE")
FOLDERS = ("sparse/0", "sparse", ".")


def has_colmap_model(path: Path) -> bool:
    """Whether a folder holds a sparse model."""
    return _model_folder(path) is not None


def colmap_scene(path: Path) -> PosedImages:
    """The views of a folder with ``images/`` and ``sparse/0/`` (cameras, images, points3D; .bin or .txt).

    Pictures of another size than their camera's are taken to be shrunk. Every eighth view is held out for the test.

    Raises:
        UserError: files that are missing or damaged; lenses with distortion (COLMAP's undistorter removes it).
    """
    folder = _model_folder(path)
    if folder is None:
        raise UserError(f"{path}: holds no sparse model (sparse/0/cameras.bin or .txt)")
    lenses, views = _read(folder, "cameras"), sorted(_read(folder, "images"), key=lambda view: view[0])
    lenses = dict(lenses)
    if not views:
        raise UserError(f"{folder}: holds no image")
    pictures, K = [], []
    for name, _, camera in views:
        if camera not in lenses:
            raise UserError(f"{folder}: image {name} is of camera {camera}, which is not there")
        place = path / "images" / name
        if not place.is_file():
            raise UserError(f"{place}: not there, but the model names it")
        pictures.append(read_picture(place))
        check_pixels(pictures, folder)
        width, height, parameters = lenses[camera]
        across, down = pictures[-1].shape[1] / width, pictures[-1].shape[0] / height
        fx, fy, cx, cy = parameters if len(parameters) == 4 else (parameters[0], *parameters)
        K.append([[fx * across, 0.0, cx * across], [0.0, fy * down, cy * down], [0.0, 0.0, 1.0]])
    images, alpha = stacked_pictures(pictures, path)
    poses = torch.tensor([pose for _, pose, _ in views])
    K = torch.tensor(K)
    if not (poses.isfinite().all() and K.isfinite().all() and (K.diagonal(dim1=1, dim2=2) > 0).all()):
        raise UserError(f"{folder}: poses or lenses with values that are not finite, or focal lengths not above 0")
    if not (poses[:, :4].norm(dim=1) > 0).all():
        raise UserError(f"{folder}: a rotation of length 0")
    size = torch.tensor([images.shape[1:3]])
    cameras = cameras_from_colmap(poses[:, :4], poses[:, 4:], K, size)
    held_out = torch.arange(len(views)) % HELD_OUT == 0
    split = {"train": (~held_out).nonzero()[:, 0], "val": torch.arange(0), "test": held_out.nonzero()[:, 0]}
    return PosedImages(path.resolve().name, images, cameras, split, alpha, points=_points(folder), source=str(path))


def _model_folder(path: Path) -> Path | None:
    return next(
        (path / f for f in FOLDERS if any((path / f / f"cameras{end}").is_file() for end in (".bin", ".txt"))), None
    )


def _points(folder: Path) -> Tensor | None:
    if not any((folder / f"points3D{end}").is_file() for end in (".bin", ".txt")):
        return None
    points = torch.tensor(_read(folder, "points3D"), dtype=torch.float32).view(-1, 6)
    points[:, 3:] /= 255
    if not points.isfinite().all():
        raise UserError(f"{folder}: points that are not finite")
    return points if len(points) else None


def _read(folder: Path, name: str) -> list:
    """The rows of one of a model's files, text or binary."""
    binary, text = folder / f"{name}.bin", folder / f"{name}.txt"
    file = binary if binary.is_file() else text
    if not file.is_file():
        raise UserError(f"{folder}: holds neither {name}.bin nor {name}.txt")
    try:
        if file is binary:
            return list(BINARY[name](_Bytes(file.read_bytes())))
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        return list(TEXT[name]([line for line in lines if not line.startswith("#")]))
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    except (ValueError, IndexError, struct.error, OverflowError) as error:
        raise UserError(f"{file}: damaged, or not a file of COLMAP's ({str(error)[:80]})") from None


def _lens(number: int, model: str, width: int, height: int, parameters: list[float]):
    counts = dict(MODELS.values())
    if model not in counts:
        raise UserError(f"camera {number} is a {model}; undistort the images (colmap image_undistorter)")
    if len(parameters) != counts[model] or min(width, height) < 1 or not all(np.isfinite(parameters)):
        raise UserError(f"camera {number} has wrong values")
    return number, (width, height, parameters)


def _text_cameras(lines: list[str]) -> Iterator:
    for line in filter(None, lines):
        number, model, width, height, *parameters = line.split()
        yield _lens(int(number), model, int(width), int(height), [float(p) for p in parameters])


def _text_images(lines: list[str]) -> Iterator:
    for line, seen in zip_longest(lines[::2], lines[1::2], fillvalue=""):
        # Each is followed by the points seen in it, a line that may be empty.
        if len(seen.split()) % 3:
            raise ValueError(f"not the points of an image, three numbers each: {seen[:40]}")
        if line:
            _, *pose, camera, name = line.split(maxsplit=9)
            if len(pose) != 7:
                raise ValueError(f"an image without its 7 numbers: {line[:40]}")
            yield name, [float(value) for value in pose], int(camera)


def _text_points(lines: list[str]) -> Iterator:
    for line in filter(None, lines):
        values = [float(value) for value in line.split()[1:7]]
        if len(values) != 6:
            raise ValueError(f"a point without its 6 numbers: {line[:40]}")
        yield values


class _Bytes:
    """Values read one after another."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise ValueError("it ends too early")

    def name(self) -> str:
        end = self.data.index(b"\0", self.at)
        name, self.at = self.data[self.at : end].decode("utf-8"), end + 1
        return name


def _binary_cameras(data: _Bytes) -> Iterator:
    for _ in range(data.take("Q")[0]):
        number, model, width, height = data.take("iiQQ")
        if model not in MODELS:
            name = DISTORTED[model - len(MODELS)] if 2 <= model < 2 + len(DISTORTED) else f"lens of kind {model}"
            _lens(number, name, width, height, [])
        name, count = MODELS[model]
        yield _lens(number, name, width, height, list(data.take(f"{count}d")))


def _binary_images(data: _Bytes) -> Iterator:
    for _ in range(data.take("Q")[0]):
        _, *pose, camera = data.take("i7di")
        name = data.name()
        data.skip(24 * data.take("Q")[0])
        yield name, pose, camera


def _binary_points(data: _Bytes) -> Iterator:
    for _ in range(data.take("Q")[0]):
        _, *values, _ = data.take("Q3d3Bd")
        data.skip(8 * data.take("Q")[0])
        yield values


TEXT = {"cameras": _text_cameras, "images": _text_images, "points3D": _text_points}
BINARY = {"cameras": _binary_cameras, "images": _binary_images, "points3D": _binary_points}
