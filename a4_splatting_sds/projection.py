"""From Gaussians in space to Gaussians in a picture: EWA splatting (Zwicker et al., VIS 2001; Kerbl et al., 2023).

Axes are OpenCV's: +X right, +Y down, +Z forward; column vectors. The middle of pixel (row i, column j) is at
(j + 1/2, i + 1/2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from common.p3d import quaternion_to_matrix
from common.p3d.camera_base import CamerasBase

NEAR = 0.01  # world units in front of the camera before which nothing is seen
BLUR = 0.3  # pixels^2 added to a covariance in a picture, so that no Gaussian falls between pixels
WIDEST = 1.3  # slopes are held within this many times the field of view where the projection is linearised


@dataclass(frozen=True)
class Pinhole:
    """One camera.

    Attributes:
        R, t: (3, 3) and (3,), world to camera: x_camera = R x + t.
        focal: (2,) pixels, of x and y. centre: (2,) the principal point, pixels.
        size: height and width, pixels.
        near: depth before which nothing is seen, world units.
    """

    R: Tensor
    t: Tensor
    focal: Tensor
    centre: Tensor
    size: tuple[int, int]
    near: float = NEAR

    @property
    def position(self) -> Tensor:
        """Where the camera is (3,), world units."""
        return -self.R.T @ self.t


def pinhole(camera: CamerasBase, size: tuple[int, int], near: float = NEAR) -> Pinhole:
    """One perspective camera of PyTorch3D's, whichever class and units, for pictures of a height and width.

    Raises:
        ValueError: more than one camera, or parallel projection.
    """
    if len(camera.R) != 1 or not camera.is_perspective():
        raise ValueError(f"one perspective camera is needed, got {len(camera.R)} of {type(camera).__name__}")
    turn = camera.R.new_tensor([-1.0, -1.0, 1.0])
    R, t = camera.R[0].T * turn[:, None], camera.T[0] * turn
    # Where points straight ahead, to the right and below are seen says all of the lens. The camera is brought to the
    # origin for it: far away from there single precision would round such points.
    lens = camera.clone()
    lens.R, lens.T = torch.eye(3).to(R)[None], torch.zeros_like(camera.T)
    view = torch.eye(3).to(R) * R.new_tensor([1.0, 1.0, 0.0]) + R.new_tensor([0.0, 0.0, 1.0])
    seen = lens.transform_points_screen((view * turn)[None], image_size=(size,))[0, :, :2]
    return Pinhole(R, t, (seen[:2] - seen[2:]).diagonal(), seen[2], size, near)


def to_camera(means_3D: Tensor, camera: Pinhole) -> Tensor:
    """Points (N, 3) of the world in the camera's axes; the last is their depth."""
    return means_3D @ camera.R.T + camera.t


def compute_means_2D(points: Tensor, camera: Pinhole) -> Tensor:
    """Where points (N, 3) in the camera's axes are seen, (N, 2) pixels."""
    return camera.focal * points[:, :2] / points[:, 2:] + camera.centre


def compute_cov_3D(quats: Tensor, scales: Tensor) -> Tensor:
    """Covariances R S S^T R^T (N, 3, 3) of rotations (N, 4), real part first, and scales (N, 3) or (N, 1).

    Rotations may be of any length. One scale for all three axes needs no rotation: ``quats`` is not looked at.
    """
    if scales.shape[1] == 1:
        return torch.diag_embed(scales.square().expand(-1, 3))
    stretched = quaternion_to_matrix(torch.nn.functional.normalize(quats, dim=1)) * scales[:, None]
    return stretched @ stretched.mT


def compute_jacobian(points: Tensor, camera: Pinhole) -> Tensor:
    """Derivatives (N, 2, 3) of `compute_means_2D` at points (N, 3) in the camera's axes, Zwicker et al., eq. 29.

    Far outside of the picture the projection bends too much to be called linear: slopes x / z are held within 1.3 times
    what the picture shows.
    """
    z = points[:, 2]
    H, W = camera.size
    edge = torch.stack((camera.centre.new_tensor([W, H]) - camera.centre, camera.centre)).amax(0) / camera.focal
    slope = torch.clamp(points[:, :2] / z[:, None], -WIDEST * edge, WIDEST * edge)
    zero = torch.zeros_like(z)
    fx, fy = camera.focal
    rows = (fx / z, zero, -fx * slope[:, 0] / z, zero, fy / z, -fy * slope[:, 1] / z)
    return torch.stack(rows, 1).view(-1, 2, 3)


def compute_cov_2D(points: Tensor, cov_3D: Tensor, camera: Pinhole) -> Tensor:
    """Covariances J W V W^T J^T + 0.3 I (N, 2, 2), pixels^2, of covariances V (N, 3, 3) of the world.

    Args:
        points: (N, 3) means in the camera's axes.
    """
    M = compute_jacobian(points, camera) @ camera.R
    return M @ cov_3D @ M.mT + BLUR * torch.eye(2).to(M)


def invert_cov_2D(cov_2D: Tensor) -> Tensor:
    """Inverses (N, 2, 2) of covariances (N, 2, 2) that `compute_cov_2D` gives.

    As these hold 0.3 I their determinant is at least 0.3 (trace - 0.3), which is what remains of it where a long thin
    Gaussian's own is lost to rounding.
    """
    return conics_of(cov_2D)[:, [0, 1, 1, 2]].view(-1, 2, 2).to(cov_2D)


def conics_of(cov_2D: Tensor) -> Tensor:
    """Entries 00, 01, 11 (N, 3) in double precision of what `invert_cov_2D` gives."""
    a, b, c = (x.double() for x in (cov_2D[:, 0, 0], cov_2D[:, 0, 1], cov_2D[:, 1, 1]))
    determinant = torch.maximum(a * c - b * b, BLUR * (a + c - BLUR))
    return torch.stack((c, -b, a), 1) / determinant[:, None]
