"""Pictures of shapes as R2N2 has them (Choy et al., 3D-R2N2, ECCV 2016): 24 views, 137 x 137, from a little above."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from common.p3d import Meshes, MeshRasterizer, PerspectiveCameras, RasterizationSettings, look_at_view_transform

VIEWS, IMAGE_SIZE = 24, 137
FOCAL = 2.1875  # NDC, of R2N2's Blender camera
FARTHEST = 1.75  # world units; R2N2 gives distances as shares of it
ELEVATIONS, DISTANCES = (25.0, 30.0), (0.65, 0.95)  # degrees, shares of FARTHEST
SMOOTH = 2  # pictures are rendered so many times as large and averaged down


def draw_views(generator: np.random.Generator, count: int = VIEWS) -> np.ndarray:
    """Azimuths and elevations in degrees and shares of the farthest distance: (count, 3) float32."""
    low, high = np.transpose([(0.0, 360.0), ELEVATIONS, DISTANCES])
    return generator.uniform(low, high, (count, 3)).astype(np.float32)


def cameras_of(views: np.ndarray) -> PerspectiveCameras:
    """N cameras at views (N, 3) that look at the origin; azimuth 0 faces the shape's front, +z."""
    azimuth, elevation, distance = torch.from_numpy(np.asarray(views, np.float32)).unbind(1)
    R, T = look_at_view_transform(distance * FARTHEST, elevation, azimuth)
    return PerspectiveCameras(focal_length=FOCAL, R=R, T=T)


@torch.no_grad()
def render_shape(verts: Tensor, faces: Tensor, colors: Tensor, views: np.ndarray, size: int = IMAGE_SIZE) -> np.ndarray:
    """Pictures (N, size, size, 3) uint8 on white of a mesh, lit from above the camera.

    Args:
        verts: (V, 3), within half a unit or so of the origin. faces: (F, 3) int64. colors: (F, 3) in [0, 1].
        views: (N, 3) as `draw_views` gives them.
    """
    cameras = cameras_of(views)
    settings = RasterizationSettings(image_size=SMOOTH * size, faces_per_pixel=1)
    rasterizer = MeshRasterizer(cameras=cameras, raster_settings=settings)
    face = rasterizer(Meshes([verts], [faces]).extend(len(views))).pix_to_face[..., 0]
    corner = verts[faces]
    normals = functional.normalize(torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), dim=1)
    centres = cameras.get_camera_center()
    lamps = functional.normalize(centres + torch.tensor([0.0, 0.6, 0.0]), dim=1)
    facing = functional.normalize(centres, dim=1)
    # Light of each face in each view; faces have two sides.
    towards = torch.where(normals @ facing.T < 0, -1.0, 1.0)
    diffuse = (towards * (normals @ lamps.T)).clamp(min=0.0)
    lit = 0.4 + 0.5 * diffuse + 0.1 * (towards * normals[:, 1:2]).clamp(min=0.0)
    shade = torch.cat(
        ((colors[:, None] * lit[..., None]).clamp(max=1.0).transpose(0, 1).flatten(0, 1), torch.ones(1, 3))
    )
    face = face.view(len(views), size, SMOOTH, size, SMOOTH).permute(2, 4, 0, 1, 3).flatten(0, 1)
    # -1, where nothing is, takes the white of the last row.
    image = sum(functional.embedding(part % len(shade), shade) for part in face) / len(face)
    return (255 * image).round().byte().numpy()
