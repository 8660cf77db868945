"""Projecting, rasterising and shading meshes: `pytorch3d.renderer.mesh`'s rasteriser and renderers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .meshes import Meshes
from .rasterize_meshes import rasterize_meshes
from .rasterizer import Rasterizer

__all__ = ["Fragments", "MeshRasterizer", "MeshRenderer", "MeshRendererWithFragments", "RasterizationSettings"]


@dataclass(frozen=True)
class Fragments:
    """What `rasterize_meshes` returns."""

    pix_to_face: Tensor
    zbuf: Tensor | None
    bary_coords: Tensor
    dists: Tensor | None

    def detach(self) -> "Fragments":
        """A copy without gradient history."""
        return Fragments(*(value if value is None else value.detach() for value in vars(self).values()))


@dataclass
class RasterizationSettings:
    """Arguments of `rasterize_meshes`; None: perspective and z clipping as the camera says, clipping where it blurs."""

    image_size: int | tuple[int, int] = 256
    blur_radius: float = 0.0
    faces_per_pixel: int = 1
    bin_size: int | None = None
    max_faces_opengl: int = 10_000_000
    max_faces_per_bin: int | None = None
    perspective_correct: bool | None = None
    clip_barycentric_coords: bool | None = None
    cull_backfaces: bool = False
    z_clip_value: float | None = None
    cull_to_frustum: bool = False


class MeshRasterizer(Rasterizer):
    """Projects world meshes with cameras and rasterises them; arguments as for `Rasterizer`."""

    _settings = RasterizationSettings

    def transform(self, meshes_world: Meshes, **kwargs) -> Meshes:
        """The meshes with x and y in NDC and z the depth in view coordinates; errors as in `_projected`."""
        return meshes_world.update_padded(self._projected(meshes_world.verts_padded(), kwargs))

    def forward(self, meshes_world: Meshes, **kwargs) -> Fragments:
        """Fragments of world meshes; keyword arguments replace the camera's attributes and the settings."""
        projected = self.transform(meshes_world, **kwargs)
        settings = kwargs.get("raster_settings", self.raster_settings)
        cameras = kwargs.get("cameras", self.cameras)
        clip, perspective = settings.clip_barycentric_coords, settings.perspective_correct
        z_clip = settings.z_clip_value
        if perspective is None:
            perspective = cameras.is_perspective()
        if z_clip is None and perspective and cameras.get_znear() is not None:
            z_clip = torch.as_tensor(cameras.get_znear()).min().item() / 2
        fragments = rasterize_meshes(
            projected,
            image_size=settings.image_size,
            blur_radius=settings.blur_radius,
            faces_per_pixel=settings.faces_per_pixel,
            perspective_correct=perspective,
            clip_barycentric_coords=settings.blur_radius > 0.0 if clip is None else clip,
            cull_backfaces=settings.cull_backfaces,
            z_clip_value=z_clip,
        )
        return Fragments(*fragments)


class MeshRendererWithFragments(nn.Module):
    """A rasteriser and a shader: images and fragments."""

    def __init__(self, rasterizer: nn.Module, shader: nn.Module):
        super().__init__()
        self.rasterizer, self.shader = rasterizer, shader

    def forward(self, meshes_world: Meshes, **kwargs) -> tuple[Tensor, Fragments]:
        """Images (N, H, W, C) and fragments; keyword arguments go to the rasteriser and to the shader."""
        fragments = self.rasterizer(meshes_world, **kwargs)
        return self.shader(fragments, meshes_world, **kwargs), fragments

    def to(self, device: torch.device | str):
        """Moves rasteriser and shader to a device."""
        self.rasterizer.to(device)
        self.shader.to(device)
        return self


class MeshRenderer(MeshRendererWithFragments):
    """A rasteriser and a shader: images."""

    def forward(self, meshes_world: Meshes, **kwargs) -> Tensor:
        """Images (N, H, W, C); keyword arguments go to the rasteriser and to the shader."""
        return super().forward(meshes_world, **kwargs)[0]
