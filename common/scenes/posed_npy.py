"""Folders of assignment 4: ``imgs/`` and ``poses/`` with a file for each view, ``points/`` to begin from."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.cli import UserError
from common.data.npy import open_npy
from common.p3d import PerspectiveCameras, look_at_view_transform
from common.scenes.pictures import check_pixels, read_picture
from common.scenes.posed_images import PosedImages, stacked_pictures

PICTURES = (".jpg", ".jpeg", ".png")
HELD_OUT = 5  # views, evenly spread
COW_FOCAL = 5.0  # half widths: the lens of poses that are a distance and two angles


def posed_npy_scene(path: Path) -> PosedImages:
    """The views of a folder; five of them, evenly spread, are held out for the test as the course holds them.

    A pose is 16 numbers (rotation 9, translation 3, focal length 2, principal point 2, in PyTorch3D's NDC) or 3
    (distance, elevation, azimuth in degrees, towards the origin).

    Raises:
        UserError: a folder, file or value that is missing or damaged; pictures and poses that are not as many.
    """
    pictures = _files(path / "imgs", PICTURES)
    poses = _files(path / "poses", (".npy",))
    if len(pictures) != len(poses):
        raise UserError(f"{path}: {len(pictures)} images but {len(poses)} poses; there must be one for each")
    for picture, pose in zip(pictures, poses, strict=True):
        if picture.stem != pose.stem:
            raise UserError(f"{path}: {picture.name} and {pose.name} stand at the same place; their names must agree")
    pixels = []
    for picture in pictures:
        pixels.append(read_picture(picture))
        check_pixels(pixels, path)
    images, alpha = stacked_pictures(pixels, path)
    cameras = _cameras(torch.stack([_pose(pose) for pose in poses]))
    test = torch.from_numpy(np.linspace(0, len(poses), HELD_OUT + 2).astype(int)[1:-1])
    train = torch.tensor([view for view in range(len(poses)) if view not in set(test.tolist())], dtype=torch.long)
    split = {"train": train, "val": test[:0], "test": test}
    name, points = path.resolve().name, _points(path / "points")
    return PosedImages(name, images, cameras, split, alpha, points=points, source=str(path))


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in endings)
    if not files:
        raise UserError(f"{folder}: holds no file that ends in {', '.join(endings)}")
    return files


def _array(file: Path) -> Tensor:
    with np.errstate(over="ignore"):
        return torch.from_numpy(open_npy(file).astype(np.float32))


def _pose(file: Path) -> Tensor:
    pose = _array(file).flatten()
    if len(pose) not in (3, 16) or not pose.isfinite().all():
        raise UserError(
            f"{file}: a pose must be 16 finite numbers (R, T, focal, principal point) or 3, not {len(pose)}"
        )
    if len(pose) == 16 and not (pose[12:14] > 0).all():
        raise UserError(f"{file}: focal lengths must be above 0")
    if len(pose) == 16:
        return pose
    R, T = look_at_view_transform(*pose[:, None])
    return torch.cat((R.flatten(), T[0], torch.tensor([COW_FOCAL, COW_FOCAL, 0.0, 0.0])))


def _cameras(poses: Tensor) -> PerspectiveCameras:
    R, T, lens = poses[:, :9].view(-1, 3, 3), poses[:, 9:12], poses[:, 12:]
    return PerspectiveCameras(focal_length=lens[:, :2], principal_point=lens[:, 2:], R=R, T=T)


def _points(folder: Path) -> Tensor | None:
    """(N, 3) places, or (N, 6) with colours in [0, 1], of the largest file; None where there is none."""
    clouds = {file: _array(file) for file in sorted(folder.glob("*.npy"))}
    for file, points in clouds.items():
        if points.dim() != 2 or points.shape[1] not in (3, 6) or not points.isfinite().all():
            raise UserError(f"{file}: points must be finite numbers (N, 3), or (N, 6) with colours")
        if ((points[:, 3:] < 0) | (points[:, 3:] > 1)).any():
            raise UserError(f"{file}: colours of points must be in [0, 1]")
    return max(clouds.values(), key=len, default=None)
