"""Photographs with their cameras: what radiance fields, neural surfaces and Gaussians are trained on."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from common.cli import UserError
from common.p3d import PerspectiveCameras

SPLITS = ("train", "val", "test")


@dataclass
class PosedImages:
    """N views of one scene.

    Attributes:
        name: of the scene.
        images: (N, H, W, 3) float in [0, 1]; where there is ``alpha``, colours are premultiplied by it.
        cameras: N, on the conventions of `common.p3d`.
        split: name -> indices (M,) int64 of the views for "train", "val" and "test".
        alpha: (N, H, W) float in [0, 1], or None where the pictures show all that there is.
        bounds: (2, 3) lowest and highest corner of the box that holds the scene, world units; None if not known.
        depth_range: least and greatest depth along rays, world units; None if not known.
        surface: (count, seed) -> points (count, 3) of the true surface, where that is known.
        points: (P, 3) of the scene, or (P, 6) with their colours in [0, 1], where the data came with some.
        source: "procedural" or the path it was read from.
    """

    name: str
    images: Tensor
    cameras: PerspectiveCameras
    split: dict[str, Tensor]
    alpha: Tensor | None = None
    bounds: Tensor | None = None
    depth_range: tuple[float, float] | None = None
    surface: Callable[[int, int], np.ndarray] | None = field(default=None, repr=False)
    points: Tensor | None = field(default=None, repr=False)
    source: str = "procedural"

    def __post_init__(self):
        if len(self.images) != len(self.cameras):
            raise UserError(
                f"{self.name}: {len(self.images)} images but {len(self.cameras)} poses; there must be one for each"
            )
        check_rotations(self.cameras.R, self.name)
        for name, views in self.split.items():
            outside = views[(views < 0) | (views >= len(self.images))]
            if len(outside):
                raise UserError(f"{self.name}: split {name} names view {int(outside[0])} of {len(self.images)}")
        if not len(self.split.get("train", ())):
            raise UserError(f"{self.name}: no view to train on")

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return tuple(self.images.shape[1:3])

    def over(self, background: Tensor | float) -> Tensor:
        """The images (N, H, W, 3) over a background colour, a number or (3,)."""
        if self.alpha is None:
            return self.images
        return self.images + (1.0 - self.alpha[..., None]) * background

    def resized(self, height: int, width: int) -> "PosedImages":
        """The views at another size of the same shape, averaged where they become smaller.

        Raises:
            UserError: the shape is another.
        """
        H, W = self.image_size
        if (height, width) == (H, W):
            return self
        if abs(width * H / W - height) > max(0.5, 0.02 * height):
            raise UserError(
                f"image_size: {width} x {height} is not the shape of {self.name}'s pictures, {W} x {H}; "
                f"take {width} x {round(width * H / W)}"
            )

        def shrink(x: Tensor) -> Tensor:
            mode = "area" if height <= H else "bilinear"
            more = {} if mode == "area" else {"align_corners": False}
            return functional.interpolate(x.permute(0, 3, 1, 2), (height, width), mode=mode, **more).permute(0, 2, 3, 1)

        alpha = None if self.alpha is None else shrink(self.alpha[..., None])[..., 0]
        cameras = _stretched(self.cameras, (H, W), (height, width))
        return replace(self, images=shrink(self.images), alpha=alpha, cameras=cameras)

    def fingerprint(self) -> str:
        """Of some pixels of all pictures, and of the cameras."""
        digest = hashlib.sha256(str(tuple(self.images.shape)).encode())
        lens = self.cameras
        for part in (self.images[:, ::7, ::7], lens.R, lens.T, lens.focal_length, lens.principal_point):
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def fewer(self, count: int, seed: int = 0) -> "PosedImages":
        """Only ``count`` of the training views, spread over them at random.

        Raises:
            UserError: there are not that many.
        """
        train = self.split["train"]
        if not 1 <= count <= len(train):
            raise UserError(f"data.num_views: {count}, but {self.name} has {len(train)} training views")
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
        return replace(self, split={**self.split, "train": train[order[:count].sort().values]})


def _stretched(cameras: PerspectiveCameras, old: tuple[int, int], new: tuple[int, int]) -> PerspectiveCameras:
    """The cameras of pictures brought from one height and width to another, not quite of the same shape perhaps.

    NDC is in halves of the shorter side, so that a lens in NDC stays as it is where the shape does.
    """
    scale = torch.tensor([new[1] / old[1], new[0] / old[0]]) * (min(old) / min(new))
    scale = scale.to(cameras.R)
    lens = {name: getattr(cameras, name) * scale for name in ("focal_length", "principal_point")}
    size = None if cameras.get_image_size() is None else torch.tensor([new]).expand(len(cameras), 2)
    return PerspectiveCameras(**lens, R=cameras.R, T=cameras.T, image_size=size, device=cameras.device)


def stacked_pictures(pictures: list[np.ndarray], path: Path) -> tuple[Tensor, Tensor | None]:
    """Premultiplied colours (N, H, W, 3), and alpha (N, H, W) where the pictures have it, both in [0, 1].

    Args:
        pictures: N of (H, W, 3) or (H, W, 4) uint8. path: where they are from, for the message.

    Raises:
        UserError: pictures of unequal sizes, or some with alpha and some without.
    """
    sizes = sorted({picture.shape[:2] for picture in pictures})
    if len(sizes) > 1:
        raise UserError(f"{path}: pictures of unequal sizes: {', '.join(f'{w} x {h}' for h, w in sizes[:4])}")
    if len({picture.shape[2] for picture in pictures}) > 1:
        raise UserError(f"{path}: some pictures have an alpha channel and some have none")
    images = torch.from_numpy(np.stack(pictures)).float().div_(255)
    if images.shape[-1] == 3:
        return images, None
    return images[..., :3] * images[..., 3:], images[..., 3].clone()  # a view would hold the colours too


def check_rotations(R: Tensor, name: str, tolerance: float = 1e-3) -> None:
    """Raise UserError, naming the view, where a matrix of R (N, 3, 3) is not a proper rotation."""
    product = R.double() @ R.double().transpose(1, 2)
    off = (product - torch.eye(3, dtype=torch.float64, device=R.device)).abs().amax((1, 2))
    wrong = ~(off <= tolerance) | ~(torch.linalg.det(R.double()) > 0)
    if wrong.any():
        view = int(wrong.nonzero()[0])
        raise UserError(
            f"{name}: the rotation of view {view} is not one (R R^T is off by {float(off[view]):.3g}, determinant "
            f"{float(torch.linalg.det(R[view].double())):.3g}); its matrix must be orthonormal and right-handed"
        )
