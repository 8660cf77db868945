"""The course's own files: ``lego.pth`` with cameras and splits, ``lego.png`` with all pictures below each other."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from common.cli import UserError
from common.p3d import PerspectiveCameras
from common.scenes.posed_images import SPLITS, PosedImages

LARGEST = 2**29  # pixels of all pictures together
DEPTHS = {"lego": (2.0, 6.0), "materials": (1.0, 7.0), "fern": (1.2, 6.28)}


def official_scene(path: Path) -> PosedImages:
    """The views of ``path`` (.pth) and the picture beside it (.png).

    Raises:
        UserError: a file that is missing, damaged or holds something else.
    """
    cameras, split = _cameras(path)
    picture = path.with_suffix(".png")
    if not picture.is_file():
        raise UserError(f"{picture}: not there; {path.name} and {picture.name} belong together")
    try:
        with Image.open(picture) as image:
            if image.width * image.height > LARGEST:
                raise UserError(f"{picture}: {image.width} x {image.height} pixels are more than are read")
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                pixels = torch.from_numpy(np.array(image.convert("RGB")))
            finally:
                Image.MAX_IMAGE_PIXELS = limit
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise UserError(f"{picture}: not a picture that can be read ({str(error)[:80]})") from None
    count = len(cameras)
    if len(pixels) % count:
        raise UserError(f"{picture}: {len(pixels)} rows are not {count} pictures of one height")
    images = pixels.view(count, len(pixels) // count, pixels.shape[1], 3).float() / 255
    name = path.stem
    return PosedImages(name, images, cameras, split, depth_range=DEPTHS.get(name), source=str(path))


def _cameras(path: Path) -> tuple[PerspectiveCameras, dict[str, Tensor]]:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
        values = {key: contents["cameras"][key].float() for key in ("R", "T", "focal_length", "principal_point")}
        split = [torch.as_tensor(part).long().reshape(-1) for part in contents["split"]]
        if len(split) != len(SPLITS) or values["R"].shape[1:] != (3, 3) or values["T"].shape[1:] != (3,):
            raise ValueError("its arrays have other shapes")
        if len({len(value) for value in values.values()}) > 1:
            raise ValueError("its cameras' values differ in number")
        return PerspectiveCameras(**values), dict(zip(SPLITS, split, strict=True))
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a file of cameras and splits ({str(error).splitlines()[0][:100]})") from None
    except Exception as error:  # an unpickler's refusals
        raise UserError(f"{path}: not a file of cameras and splits ({type(error).__name__})") from None
