"""Picture files as users have them: of many kinds and sizes, some damaged."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from common.cli import UserError

MOST_PIXELS = 2**29  # of all pictures of a scene together: 6 GB of colours


def check_pixels(pictures: list[np.ndarray], source: Path) -> None:
    """Raise UserError where pictures (H, W, C) of one scene are together more than are read."""
    if len(pictures) * pictures[0][..., 0].size > MOST_PIXELS:
        raise UserError(f"{source}: its pictures are more pixels than are read; make them smaller")


def read_picture(path: Path, most_pixels: int = MOST_PIXELS) -> np.ndarray:
    """(H, W, 3) uint8, or (H, W, 4) where parts of it may be transparent.

    Raises:
        UserError: not a picture, damaged, larger than that, or of more than 8 bits per channel.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            if image.width * image.height > most_pixels:
                raise UserError(f"{path}: {image.width} x {image.height} pixels are more than are read")
            if image.mode.startswith(("I", "F")):  # their conversion to 8 bits would clip
                raise UserError(f"{path}: a picture of more than 8 bits per channel; save it with 8")
            return np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except UserError:
        raise
    except Exception as error:  # decoders raise whatever they stumble over
        raise UserError(f"{path}: not a picture that can be read ({str(error)[:80]})") from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit
