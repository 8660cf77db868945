"""Light on opaque meshes from a sun and a whole sky: shadow maps (Williams, SIGGRAPH 1978) from many directions.

What is lit is the same from wherever it is seen (but for a weak highlight), so that a field without view dependence
can explain the pictures.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from common.p3d import (
    CamerasBase,
    FoVOrthographicCameras,
    Meshes,
    RasterizationSettings,
    look_at_view_transform,
    rasterize_meshes,
)

__all__ = ["SkyLight", "visible_surface"]

BIAS = 0.02  # how far points are lifted, and may be beyond a shadow map's depth and still count as lit, world units


def directions_of_sphere(count: int) -> Tensor:
    """(count, 3) unit vectors spread evenly over the sphere: a Fibonacci lattice (Gonzalez 2010), z up."""
    index = torch.arange(count) + 0.5
    z = 1.0 - 2.0 * index / count
    angle = math.pi * (1.0 + math.sqrt(5.0)) * index
    flat = (1.0 - z * z).sqrt()
    return torch.stack((flat * angle.cos(), flat * angle.sin(), z), 1)


class SkyLight:
    """A sun and ``count`` patches of sky around a scene that stands still, z up.

    Args:
        mesh: what casts shadows; within ``reach`` of the origin.
        sun: direction to it (3,), any length.
        count: patches over the whole sphere; those below the horizon are dimmer, the ground's own light.
        pixels: of each shadow map, along a side.
    """

    def __init__(self, mesh: Meshes, sun: tuple[float, float, float], reach: float, count: int = 40, pixels: int = 384):
        sky = directions_of_sphere(count)
        sun_direction = functional.normalize(torch.tensor(sun), dim=0)[None]
        self.directions = torch.cat((sun_direction, sky))
        ground = 0.35 + 0.65 * ((sky[:, 2] + 0.3) / 0.6).clamp(0.0, 1.0)
        # Each patch's share of an evenly white sky on an open surface is 1: a cosine's mean over the sphere is 1/4.
        self.strength = torch.cat((torch.tensor([0.70]), 0.74 * ground * 4.0 / count))
        up = torch.where(self.directions[:, 2:].abs() > 0.95, torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 0, 1.0]]))
        R, T = look_at_view_transform(eye=2.0 * reach * self.directions, at=((0.0, 0.0, 0.0),), up=up)
        self.cameras = FoVOrthographicCameras(
            R=R, T=T, znear=0.1 * reach, zfar=4.0 * reach, max_x=reach, min_x=-reach, max_y=reach, min_y=-reach
        ).to(mesh.device)
        self.depth = torch.stack([self._map(mesh, index, pixels) for index in range(len(self.directions))])

    def _map(self, mesh: Meshes, index: int, pixels: int) -> Tensor:
        fragments = _rasterize(mesh, self.cameras[index], pixels)
        depth = fragments[1][0, ..., 0]
        return torch.where(depth < 0, torch.inf, depth)

    def reaches(self, points: Tensor, normals: Tensor) -> Tensor:
        """(L, N) cosine with which each light falls on points (N, 3) with unit normals (N, 3), 0 in shadow."""
        directions = self.directions.to(points)
        cosine = (directions @ normals.T).clamp(min=0.0)
        lifted = points + BIAS * normals
        pixels = self.depth.shape[1]
        for index, (light, camera) in enumerate(zip(cosine, self.cameras, strict=True)):
            facing = light.nonzero()[:, 0]
            view = camera.get_world_to_view_transform().transform_points(lifted[facing])
            reach = float(camera.max_x)
            column = ((1.0 - view[:, 0] / reach) * (pixels / 2)).long().clamp(0, pixels - 1)
            row = ((1.0 - view[:, 1] / reach) * (pixels / 2)).long().clamp(0, pixels - 1)
            light[facing] *= view[:, 2] < self.depth[index, row, column] + BIAS
        return cosine

    def shade(self, points: Tensor, normals: Tensor, albedo: Tensor, eyes: Tensor, gloss: float = 0.10) -> Tensor:
        """Colours (N, 3) in [0, 1] of points with albedo (N, 3) seen from ``eyes`` (3,) or (N, 3).

        Args:
            gloss: strength of the sun's highlight, which alone depends on the eye (Blinn and Phong).
        """
        reaches = self.reaches(points, normals)
        light = self.strength.to(points) @ reaches
        toward = functional.normalize(eyes - points, dim=-1)
        half = functional.normalize(toward + self.directions[0].to(points), dim=-1)
        highlight = gloss * (half * normals).sum(-1).clamp(min=0.0) ** 24 * (reaches[0] > 0)
        return (albedo * light[:, None] + highlight[:, None]).clamp(0.0, 1.0)


def visible_surface(mesh: Meshes, camera: CamerasBase, size: tuple[int, int]):
    """What one camera sees of a mesh.

    Returns:
        seen (H, W) bool, and of the M pixels that see something: points (M, 3), unit normals (M, 3) towards the camera,
        colours (M, 3) of TexturesVertex, packed faces (M,).
    """
    face, _, bary, _ = _rasterize(mesh, camera, size)
    seen = face[0, ..., 0] >= 0
    face, bary = face[0, ..., 0][seen], bary[0, ..., 0, :][seen]
    corners = torch.cat((mesh.verts_packed(), mesh.verts_normals_packed(), mesh.textures.verts_features_packed()), 1)
    values = torch.linalg.vecdot(bary[..., None], corners[mesh.faces_packed()[face]], dim=1)
    points, normals, colors = values.split(3, 1)
    normals = functional.normalize(normals, dim=1)
    away = ((points - camera.get_camera_center()) * normals).sum(1, keepdim=True) > 0
    return seen, points, torch.where(away, -normals, normals), colors, face


def _rasterize(mesh: Meshes, camera: CamerasBase, size):
    from common.p3d import MeshRasterizer

    rasterizer = MeshRasterizer(camera, RasterizationSettings(image_size=size))
    moved = rasterizer.transform(mesh)
    return rasterize_meshes(moved, size, faces_per_pixel=1, perspective_correct=camera.is_perspective())
