"""Camera models with the interface of `pytorch3d.renderer.cameras`: two by field of view or bounds, as in OpenGL, and
two by focal length and principal point. The coordinate systems are described in `camera_base`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import camera_base
from .camera_base import *  # noqa: F403
from .camera_base import IDENTITY, ORIGIN, CamerasBase
from .camera_utils import Device, Values
from .tensor_properties import as_batched_tensor
from .transform3d import Transform3d, Translate

__all__ = [*camera_base.__all__, "FoVOrthographicCameras", "FoVPerspectiveCameras"]
__all__ += ["OrthographicCameras", "PerspectiveCameras"]


class _LensCameras(CamerasBase):
    """Cameras whose projection is one matrix: the caller's K, or computed from what `_lens` returns."""

    def get_projection_transform(self, **kwargs) -> Transform3d:
        K = kwargs.get("K", self.K)
        K = self.compute_projection_matrix(**self._lens(kwargs)) if K is None else K
        if tuple(K.shape[-2:]) != (4, 4):
            raise ValueError(f"K must be (N, 4, 4), got {tuple(K.shape)}")
        return Transform3d(matrix=K.to(self.R.dtype).mT.contiguous())

    def is_perspective(self) -> bool:
        return True

    def _unproject(self, projection: Transform3d, projected: Tensor, world_coordinates: bool, kwargs: dict) -> Tensor:
        if world_coordinates:
            projection = self.get_world_to_view_transform(**kwargs).compose(projection)
        return projection.inverse().transform_points(projected)

    def _zeros(self, *values: Tensor) -> Tensor:
        """A zero matrix per camera; whole numbers among the values that will fill it do not make it one of those."""
        return torch.zeros(max(len(v) for v in values), 4, 4, dtype=self.R.dtype, device=values[0].device)


class _FoVCameras(_LensCameras):
    """What both kinds of OpenGL-like cameras share: a z range mapped to [0, 1]."""

    def in_ndc(self) -> bool:
        return True

    def unproject_points(
        self, xy_depth: Tensor, world_coordinates: bool = True, scaled_depth_input: bool = False, **kwargs
    ) -> Tensor:
        """NDC points with depth, (N, P, 3), back to world coordinates, or view coordinates if not `world_coordinates`.

        The third column is the view depth, or with `scaled_depth_input` the projected depth in [0, 1].
        """
        projection = self.get_projection_transform(**kwargs)
        xy, depth = xy_depth[..., :2], xy_depth[..., 2:]
        if not scaled_depth_input:
            scale, shift = (projection.get_matrix()[:, row, 2, None, None] for row in (2, 3))
            depth = scale + shift / depth if self.is_perspective() else scale * depth + shift
        projected = torch.cat((xy.expand(*depth.shape[:-1], 2), depth), -1)
        return self._unproject(projection, projected, world_coordinates, kwargs)

    def _lens(self, kwargs: dict) -> dict[str, Tensor | bool]:
        """What `compute_projection_matrix` takes, `kwargs` in place of the stored values."""
        values = {name: kwargs.get(name, getattr(self, name)) for name in self._names if name not in ("R", "T", "K")}
        for name, value in values.items():
            if not isinstance(value, bool):
                values[name] = as_batched_tensor(name, value, torch.float32, self.device)
        return values


class FoVPerspectiveCameras(_FoVCameras):
    """Pinhole cameras given by a vertical field of view. Every number may be a tensor (N,).

    Args:
        znear, zfar: depths, world units, mapped to 0 and 1.
        aspect_ratio: of the image's pixels or of the image to the square NDC.
        fov: vertical field of view, in `degrees` or radians.
        R, T: extrinsics (N, 3, 3) and (N, 3): X_view = X_world R + T.
        K: a matrix (N, 4, 4), for column vectors, in place of the above.
    """

    def __init__(
        self,
        znear: Values = 1.0,
        zfar: Values = 100.0,
        aspect_ratio: Values = 1.0,
        fov: Values = 60.0,
        degrees: bool = True,
        R: Tensor = IDENTITY,
        T: Tensor = ORIGIN,
        K: Tensor | None = None,
        device: Device = "cpu",
    ):
        lens = {"znear": znear, "zfar": zfar, "fov": fov, "aspect_ratio": aspect_ratio, "degrees": degrees}
        super().__init__(**lens, R=R, T=T, K=K, device=device)

    def compute_projection_matrix(
        self, znear: Tensor, zfar: Tensor, fov: Tensor, aspect_ratio: Tensor, degrees: bool
    ) -> Tensor:
        """(N, 4, 4) for column vectors: x / (aspect tan(fov/2) z), y / (tan(fov/2) z), zfar (z - znear) / z / range."""
        focal = 1.0 / (0.5 * (fov.deg2rad() if degrees else fov)).tan()
        K = self._zeros(focal, znear, zfar, aspect_ratio)
        K[:, 0, 0] = focal / aspect_ratio
        K[:, 1, 1] = focal
        K[:, 2, 2] = zfar / (zfar - znear)
        K[:, 2, 3] = -(zfar * znear) / (zfar - znear)
        K[:, 3, 2] = 1.0
        return K


class FoVOrthographicCameras(_FoVCameras):
    """Parallel projection of a box given by its bounds in view coordinates.

    Args:
        znear, zfar: depths mapped to 0 and 1.
        max_y, min_y, max_x, min_x: bounds mapped to +1 and -1.
        scale_xyz: further scale of each axis, (N, 3).
        R, T, K: as for `FoVPerspectiveCameras`.
    """

    def __init__(
        self,
        znear: Values = 1.0,
        zfar: Values = 100.0,
        max_y: Values = 1.0,
        min_y: Values = -1.0,
        max_x: Values = 1.0,
        min_x: Values = -1.0,
        scale_xyz: Values = ((1.0, 1.0, 1.0),),
        R: Tensor = IDENTITY,
        T: Tensor = ORIGIN,
        K: Tensor | None = None,
        device: Device = "cpu",
    ):
        bounds = {"max_x": max_x, "min_x": min_x, "max_y": max_y, "min_y": min_y}
        super().__init__(znear=znear, zfar=zfar, **bounds, scale_xyz=scale_xyz, R=R, T=T, K=K, device=device)

    def compute_projection_matrix(self, znear, zfar, max_x, min_x, max_y, min_y, scale_xyz) -> Tensor:
        """(N, 4, 4) for column vectors: an affine map of each axis."""
        K = self._zeros(znear, zfar, max_x, min_x, max_y, min_y, scale_xyz)
        K[:, 0, 0] = 2.0 * scale_xyz[:, 0] / (max_x - min_x)
        K[:, 0, 3] = -(max_x + min_x) / (max_x - min_x)
        K[:, 1, 1] = 2.0 * scale_xyz[:, 1] / (max_y - min_y)
        K[:, 1, 3] = -(max_y + min_y) / (max_y - min_y)
        K[:, 2, 2] = scale_xyz[:, 2] / (zfar - znear)
        K[:, 2, 3] = -znear / (zfar - znear)
        K[:, 3, 3] = 1.0
        return K

    def is_perspective(self) -> bool:
        return False


class _CalibratedCameras(_LensCameras):
    """What both kinds of cameras with a focal length and a principal point share."""

    def __init__(
        self,
        focal_length: Values = 1.0,
        principal_point: Values = ((0.0, 0.0),),
        R: Tensor = IDENTITY,
        T: Tensor = ORIGIN,
        K: Tensor | None = None,
        device: Device = "cpu",
        in_ndc: bool = True,
        image_size: Values | None = None,
    ):
        intrinsics = {"focal_length": focal_length, "principal_point": principal_point, "K": K}
        super().__init__(**intrinsics, R=R, T=T, _in_ndc=in_ndc, image_size=image_size, device=device)
        if self.focal_length.dim() == 1:
            self.focal_length = self.focal_length[:, None].expand(-1, 2)
        if image_size is not None and (self.image_size < 1).any():
            raise ValueError(f"image_size must be at least 1 pixel, got {self.image_size.tolist()}")
        if image_size is None and not in_ndc:
            raise ValueError("image_size (height, width) is needed for cameras defined in screen space (in_ndc=False)")

    def in_ndc(self) -> bool:
        return self._in_ndc

    def get_principal_point(self, **kwargs) -> Tensor:
        """(N, 2), of K where that is given."""
        K = kwargs.get("K", self.K)
        return self._lens(kwargs)["principal_point"] if K is None else K[:, :2, 2 if self.is_perspective() else 3]

    def get_ndc_camera_transform(self, **kwargs) -> Transform3d:
        """The projection's coordinates to NDC: the identity for cameras defined in NDC.

        In pixels the projection gives u = f x / z + p with x to the left, but p from the image's top left corner: the
        pixel column is p - f x / z, minus u - 2 p.
        """
        to_ndc = super().get_ndc_camera_transform(**kwargs)
        if self.in_ndc():
            return to_ndc
        return Translate(F.pad(-2.0 * self.get_principal_point(**kwargs), (0, 1)), dtype=self.R.dtype).compose(to_ndc)

    def compute_projection_matrix(self, focal_length: Tensor, principal_point: Tensor) -> Tensor:
        """(N, 4, 4) for column vectors, of (N, 2) each."""
        K = self._zeros(focal_length, principal_point)
        K[:, :2, :2] = focal_length.diag_embed()
        K[:, :2, 2] = principal_point
        K[:, 2, 3] = K[:, 3, 2] = 1.0
        # A parallel projection has the same entries, but z and the constant 1 in each other's places.
        return K if self.is_perspective() else K[..., [0, 1, 3, 2]]

    def unproject_points(
        self, xy_depth: Tensor, world_coordinates: bool = True, from_ndc: bool = False, **kwargs
    ) -> Tensor:
        """Points (N, P, 3) back to world coordinates, or view coordinates if not `world_coordinates`.

        x and y are in the camera's own units (NDC if `from_ndc`), z is the view depth.
        """
        if self.is_perspective():
            xy_depth = torch.cat((xy_depth[..., :2], 1.0 / xy_depth[..., 2:]), -1)
        projection = self.get_projection_transform(**kwargs)
        if from_ndc:
            projection = projection.compose(self.get_ndc_camera_transform(**kwargs))
        return self._unproject(projection, xy_depth, world_coordinates, kwargs)

    def _lens(self, kwargs: dict) -> dict[str, Tensor]:
        focal = kwargs.get("focal_length", self.focal_length)
        focal = as_batched_tensor("focal_length", focal, self.R.dtype, self.device)
        focal = focal[:, None].expand(-1, 2) if focal.dim() == 1 else focal.expand(self._N, 2)
        principal_point = kwargs.get("principal_point", self.principal_point)
        principal_point = torch.as_tensor(principal_point, dtype=self.R.dtype, device=self.device)
        return {"focal_length": focal, "principal_point": principal_point}


class PerspectiveCameras(_CalibratedCameras):
    """Pinhole cameras: (fx x / z + px, fy y / z + py, 1 / z).

    Args:
        focal_length: a number, (N,) or (N, 2), in NDC units or, if not `in_ndc`, pixels.
        principal_point: (N, 2), in NDC (+X left, +Y up) or pixels from the image's top left corner.
        R, T: extrinsics (N, 3, 3) and (N, 3): X_view = X_world R + T.
        K: a matrix (N, 4, 4), for column vectors, in place of focal length and principal point.
        in_ndc: the units of the above.
        image_size: (N, 2), height and width, pixels; needed if not `in_ndc`.
    """


class OrthographicCameras(_CalibratedCameras):
    """Parallel projection: (fx x + px, fy y + py, z); arguments as for `PerspectiveCameras`."""

    def is_perspective(self) -> bool:
        return False
