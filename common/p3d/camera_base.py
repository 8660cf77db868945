"""What all cameras share: the chain from world to view, projection, NDC and screen coordinates.

World points go through row-vector transforms: X_view = X_world R + T (+X left, +Y up, +Z forward), then the
projection. NDC: the image's shorter side spans [-1, 1], +X left and +Y up. Screen: pixels, +X right and +Y down, (0, 0)
at the image's top left corner. Every method takes the camera's attributes as keyword arguments that replace the stored
ones, as in PyTorch3D; R and T given so are kept by the camera.
"""

import torch
from torch import Tensor

from .camera_utils import Values, get_world_to_view_transform
from .tensor_properties import TensorProperties
from .transform3d import Transform3d

__all__ = ["CamerasBase", "get_ndc_to_screen_transform", "get_screen_to_ndc_transform", "try_get_projection_transform"]

IDENTITY = torch.eye(3)[None]
ORIGIN = torch.zeros(1, 3)


class CamerasBase(TensorProperties):
    """A batch of N cameras at R (N, 3, 3), T (N, 3): X_view = X_world R + T. The projection is the subclass's."""

    def __init__(self, R: Tensor = IDENTITY, T: Tensor = ORIGIN, **properties):
        # Copies, so that an in-place change of a camera's R reaches neither the caller's tensor nor the default.
        super().__init__(R=torch.as_tensor(R).clone(), T=torch.as_tensor(T).clone(), **properties)

    def __getitem__(self, index) -> "CamerasBase":
        """The cameras at `index`, always as a batch of their own."""
        cameras = super().__getitem__(index)
        del cameras.__dict__["_source"]
        return cameras

    def get_projection_transform(self, **kwargs) -> Transform3d:
        """View coordinates to the projection's coordinates (NDC, or screen units if not `in_ndc`)."""
        raise NotImplementedError

    def unproject_points(self, xy_depth: Tensor, **kwargs) -> Tensor:
        """The inverse of `transform_points` for points whose depth is known."""
        raise NotImplementedError

    def is_perspective(self) -> bool:
        raise NotImplementedError

    def in_ndc(self) -> bool:
        raise NotImplementedError

    def get_znear(self) -> Tensor | None:
        """Nearest depth (N,) of the camera, None where the model has none."""
        return getattr(self, "znear", None)

    def get_image_size(self) -> Tensor | None:
        """(N, 2), height and width in pixels, None where the camera does not know it."""
        return getattr(self, "image_size", None)

    def get_world_to_view_transform(self, **kwargs) -> Transform3d:
        self.R = kwargs.get("R", self.R)
        self.T = kwargs.get("T", self.T)
        return get_world_to_view_transform(self.R, self.T)

    def get_camera_center(self, **kwargs) -> Tensor:
        """Camera positions (N, 3), world coordinates."""
        return self.get_world_to_view_transform(**kwargs).inverse().get_matrix()[:, 3, :3]

    def get_full_projection_transform(self, **kwargs) -> Transform3d:
        """World coordinates to the projection's."""
        return self.get_world_to_view_transform(**kwargs).compose(self.get_projection_transform(**kwargs))

    def get_ndc_camera_transform(self, **kwargs) -> Transform3d:
        """The projection's coordinates to NDC: the identity for cameras defined in NDC."""
        if self.in_ndc():
            return Transform3d(dtype=self.R.dtype, device=self.device)
        return get_screen_to_ndc_transform(self, image_size=kwargs.get("image_size", self.get_image_size()))

    def transform_points(self, points: Tensor, eps: float | None = None, **kwargs) -> Tensor:
        """World points (P, 3) or (N, P, 3), projected; `eps` bounds the divisor away from zero."""
        return self.get_full_projection_transform(**kwargs).transform_points(points, eps=eps)

    def transform_points_ndc(self, points: Tensor, eps: float | None = None, **kwargs) -> Tensor:
        """World points (P, 3) or (N, P, 3) in NDC."""
        to_ndc = self.get_full_projection_transform(**kwargs).compose(self.get_ndc_camera_transform(**kwargs))
        return to_ndc.transform_points(points, eps=eps)

    def transform_points_screen(
        self, points: Tensor, eps: float | None = None, with_xyflip: bool = True, **kwargs
    ) -> Tensor:
        """World points (P, 3) or (N, P, 3) in pixels; z is the projection's.

        +X right and +Y down from the top left corner; without `with_xyflip` both with the opposite sign. `image_size`,
        (height, width) per camera, is needed if the camera does not know it.
        """
        points_ndc = self.transform_points_ndc(points, eps=eps, **kwargs)
        to_screen = get_ndc_to_screen_transform(self, with_xyflip, kwargs.get("image_size", self.get_image_size()))
        return to_screen.transform_points(points_ndc, eps=eps)


def get_ndc_to_screen_transform(
    cameras: CamerasBase, with_xyflip: bool = False, image_size: Values | None = None
) -> Transform3d:
    """NDC to pixels: each axis times half the shorter side, the origin at the image's centre.

    Args:
        with_xyflip: to +X right and +Y down, values 0 to W and 0 to H; otherwise both with the opposite sign.
        image_size: height and width, pixels: (2,), (1, 2) or (N, 2). ValueError of none, or below 1 pixel.
    """
    if image_size is None:
        raise ValueError("image_size (height, width) is needed to go between NDC and screen coordinates")
    size = torch.as_tensor(image_size, dtype=cameras.R.dtype, device=cameras.device).view(-1, 2).expand(cameras._N, 2)
    if (size < 1).any():
        raise ValueError(f"image_size must be at least 1 pixel, got {size.tolist()}")
    half_side = 0.5 * size.amin(1)
    matrix = torch.eye(4, dtype=size.dtype, device=size.device).repeat(len(size), 1, 1)
    sign = -1.0 if with_xyflip else 1.0
    matrix[:, 0, 0] = matrix[:, 1, 1] = sign * half_side
    matrix[:, 3, :2] = -sign * 0.5 * size.flip(1)
    return Transform3d(matrix=matrix)


def get_screen_to_ndc_transform(
    cameras: CamerasBase, with_xyflip: bool = False, image_size: Values | None = None
) -> Transform3d:
    """The inverse of `get_ndc_to_screen_transform`."""
    return get_ndc_to_screen_transform(cameras, with_xyflip, image_size).inverse()


def try_get_projection_transform(cameras: CamerasBase, cameras_kwargs: dict) -> Transform3d | None:
    """The projection transform, or None of cameras that have none (as distorting ones)."""
    try:
        return cameras.get_projection_transform(**cameras_kwargs)
    except NotImplementedError:
        return None


def ndc_with_depth(cameras: CamerasBase | None, world: Tensor, kwargs: dict) -> Tensor:
    """What a rasteriser takes: points (N, P, 3) of world points (N, P, 3), x and y in NDC, z the depth in view space.

    ValueError of no cameras, of neither one nor as many as point sets, and of those on another device.
    """
    if cameras is None:
        raise ValueError("Cameras must be specified, at initialization or in the call")
    if len(cameras) not in (1, len(world)):
        raise ValueError(f"a wrong number of cameras, {len(cameras)}, for a batch of {len(world)}: extend to one each")
    if cameras.device.type != world.device.type:
        raise ValueError(f"cameras are on {cameras.device}, what they look at on {world.device}: move one of them")
    eps = kwargs.get("eps")
    view = cameras.get_world_to_view_transform(**kwargs).transform_points(world, eps=eps)
    to_ndc = cameras.get_ndc_camera_transform(**kwargs)
    projection = try_get_projection_transform(cameras, kwargs)
    if projection is None:
        ndc = to_ndc.transform_points(cameras.transform_points(world, eps=eps, **kwargs), eps=eps)
    else:
        ndc = projection.compose(to_ndc).transform_points(view, eps=eps)
    return torch.cat((ndc[..., :2], view[..., 2:]), -1)
