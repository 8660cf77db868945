"""The course's own files: ``lego.pth`` with cameras and splits, ``lego.png`` with all pictures below each other."""

import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor

from common.cli import UserError
from common.p3d import PerspectiveCameras
from common.scenes.pictures import read_picture
from common.scenes.posed_images import SPLITS, PosedImages

# Of the course's files: the objects lie in this box; the fern's scene has none.
BOUNDS = dict.fromkeys(("lego", "materials"), [[-1.5] * 3, [1.5] * 3])
DEPTHS = {"lego": (2.0, 6.0), "materials": (1.0, 7.0), "fern": (1.2, 6.28)}
SHAPES = {"R": [(3, 3)], "T": [(3,)], "focal_length": [(), (1,), (2,)], "principal_point": [(2,)]}  # of one camera's


def official_scene(path: Path) -> PosedImages:
    """The views of ``path`` (.pth) and the picture beside it (.png).

    Raises:
        UserError: a file that is missing, damaged or holds something else.
    """
    cameras, split = _cameras(path)
    picture = path.with_suffix(".png")
    if not picture.is_file():
        raise UserError(f"{picture}: not there; {path.name} and {picture.name} belong together")
    pixels = torch.from_numpy(read_picture(picture)[..., :3])
    count = len(cameras)
    if len(pixels) % count:
        raise UserError(f"{picture}: {len(pixels)} rows are not {count} pictures of one height")
    images = pixels.reshape(count, len(pixels) // count, pixels.shape[1], 3).float() / 255
    name = path.stem
    bounds = torch.tensor(BOUNDS[name]) if name in BOUNDS else None
    return PosedImages(name, images, cameras, split, None, bounds, DEPTHS.get(name), source=str(path))


def _cameras(path: Path) -> tuple[PerspectiveCameras, dict[str, Tensor]]:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with warnings.catch_warnings(action="ignore"):  # of formats that may not be read: they are, or they are errors
            contents = torch.load(path, map_location="cpu", weights_only=True)
            values = {key: contents["cameras"][key].float() for key in SHAPES}
        shapes = {key: tuple(value.shape) for key, value in values.items()}
        split = [torch.as_tensor(part).long().reshape(-1) for part in contents["split"]]
    except Exception as error:  # unpicklers raise whatever they stumble over
        advice = isinstance(error, pickle.UnpicklingError)  # torch's, to load it unsafely
        reason = " ".join(f"{type(error).__name__} {'' if advice else error}".split())[:100]
        raise UserError(f"{path}: not a file of cameras and splits ({reason})") from None
    if any(shape[1:] not in SHAPES[key] for key, shape in shapes.items()) or len({s[:1] for s in shapes.values()}) > 1:
        raise UserError(f"{path}: not the values of one number of cameras: {shapes}")
    if not len(values["R"]):
        raise UserError(f"{path}: holds no camera")
    if not all(value.isfinite().all() for value in values.values()) or not (values["focal_length"] > 0).all():
        raise UserError(f"{path}: cameras with values that are not finite, or focal lengths not above 0")
    if len(split) != len(SPLITS) or not len(split[-1]):
        raise UserError(f"{path}: its split must name views to train on, to validate and to test with")
    return PerspectiveCameras(**values), dict(zip(SPLITS, split, strict=True))
