"""From fragments to images: the shaders of `pytorch3d.renderer.mesh`."""

import torch
from torch import Tensor, nn

from .blending import BlendParams, hard_rgb_blend, silhouette_alpha, softmax_rgb_blend
from .cameras import CamerasBase
from .interpolate import seen_places, spread
from .lighting import Materials, PointLights
from .mesh_renderer import Fragments
from .shading import flat_shading, gouraud_shading, phong_at

__all__ = [
    "HardDepthShader",
    "HardFlatShader",
    "HardGouraudShader",
    "HardPhongShader",
    "ShaderBase",
    "SoftDepthShader",
    "SoftGouraudShader",
    "SoftPhongShader",
    "SoftSilhouetteShader",
    "TexturedSoftPhongShader",
]


class ShaderBase(nn.Module):
    """What a shader needs: cameras, lights, materials and blending, each of which a call may replace by keyword."""

    def __init__(
        self,
        device: torch.device | str = "cpu",
        cameras: CamerasBase | None = None,
        lights=None,
        materials: Materials | None = None,
        blend_params: BlendParams | None = None,
    ):
        super().__init__()
        self.lights = PointLights(device=device) if lights is None else lights
        self.materials = Materials(device=device) if materials is None else materials
        self.blend_params = BlendParams() if blend_params is None else blend_params
        self.cameras = cameras

    def _get_cameras(self, **kwargs) -> CamerasBase:
        cameras = kwargs.get("cameras", self.cameras)
        if cameras is None:
            raise ValueError("Cameras must be specified, at initialization or in the call")
        return cameras

    def to(self, device: torch.device | str) -> "ShaderBase":
        """Moves cameras, lights and materials to a device."""
        self.cameras = self.cameras and self.cameras.to(device)
        self.materials, self.lights = self.materials.to(device), self.lights.to(device)
        return self


def _phong_shading(meshes, fragments, lights, cameras, materials) -> Tensor:
    if meshes.textures is None:
        raise ValueError("Meshes does not have textures")
    shape = fragments.pix_to_face.shape
    places, face, bary = seen_places(fragments.pix_to_face, fragments.bary_coords)
    if getattr(meshes.textures, "sampling_mode", None) == "mipmap":  # needs the neighbouring pixels
        texels = meshes.sample_textures(fragments).reshape(shape.numel(), -1).index_select(0, places)
    else:
        texels = meshes.textures.sample(face, bary, meshes.faces_packed())
    return spread(phong_at(meshes, places, face, bary, shape, lights, cameras, materials, texels), places, shape)


def _flat_shading(meshes, fragments, lights, cameras, materials) -> Tensor:
    return flat_shading(meshes, fragments, lights, cameras, materials, meshes.sample_textures(fragments))


class _LitShader(ShaderBase):
    """Blends lit colours (N, H, W, K, 3), those of `_shade`, which each shader sets: the nearest, or if `_soft` all."""

    _soft = False

    def forward(self, fragments, meshes, **kwargs) -> Tensor:
        """RGBA images (N, H, W, 4)."""
        lights, materials, blend = (kwargs.get(n, getattr(self, n)) for n in ("lights", "materials", "blend_params"))
        cameras = self._get_cameras(**kwargs)
        if not self._soft:
            nearest = Fragments(fragments.pix_to_face[..., :1], None, fragments.bary_coords[..., :1, :], None)
            return hard_rgb_blend(self._shade(meshes, nearest, lights, cameras, materials), nearest, blend)
        colors = self._shade(meshes, fragments, lights, cameras, materials)
        znear, zfar = (kwargs.get(n, getattr(cameras, n, z)) for n, z in (("znear", 1.0), ("zfar", 100.0)))
        return softmax_rgb_blend(colors, fragments, blend, znear, zfar)


class HardPhongShader(_LitShader):
    """Light at each pixel, the nearest face only."""

    _shade = staticmethod(_phong_shading)


class SoftPhongShader(_LitShader):
    """Light at each pixel, faces blended by coverage and depth."""

    _shade, _soft = staticmethod(_phong_shading), True


TexturedSoftPhongShader = SoftPhongShader  # PyTorch3D's old name


class HardGouraudShader(_LitShader):
    """Light at the vertices, the nearest face only."""

    _shade = staticmethod(gouraud_shading)


class SoftGouraudShader(_LitShader):
    """Light at the vertices, faces blended by coverage and depth."""

    _shade, _soft = staticmethod(gouraud_shading), True


class HardFlatShader(_LitShader):
    """Light once for each face, the nearest face only."""

    _shade = staticmethod(_flat_shading)


class SoftSilhouetteShader(nn.Module):
    """White, with the soft silhouette as alpha."""

    def __init__(self, blend_params: BlendParams | None = None):
        super().__init__()
        self.blend_params = BlendParams() if blend_params is None else blend_params

    def forward(self, fragments, meshes, **kwargs) -> Tensor:
        """RGBA images (N, H, W, 4)."""
        blend = kwargs.get("blend_params", self.blend_params)
        alpha = silhouette_alpha(fragments.pix_to_face, fragments.dists, blend.sigma)[..., None]
        return torch.cat((alpha.new_ones(*alpha.shape[:-1], 3), alpha), -1)


class HardDepthShader(ShaderBase):
    """The depth of the nearest face, zfar where there is none."""

    def forward(self, fragments, meshes, **kwargs) -> Tensor:
        """Depth images (N, H, W, 1)."""
        return torch.where(fragments.pix_to_face[..., :1] < 0, self._far(fragments, kwargs), fragments.zbuf[..., :1])

    def _far(self, fragments, kwargs: dict) -> Tensor:
        """zfar as (N or 1, 1, 1, 1)."""
        far = kwargs.get("zfar", getattr(self._get_cameras(**kwargs), "zfar", 100.0))
        return torch.as_tensor(far, dtype=fragments.zbuf.dtype, device=fragments.zbuf.device).view(-1, 1, 1, 1)


class SoftDepthShader(HardDepthShader):
    """Depths front to back, each face for as much of the pixel as it covers; what is left counts as zfar."""

    def forward(self, fragments, meshes, **kwargs) -> Tensor:
        """Depth images (N, H, W, 1)."""
        if fragments.dists is None:
            raise ValueError("SoftDepthShader requires Fragments.dists to be present.")
        share = torch.sigmoid(-fragments.dists / self.blend_params.sigma) * (fragments.pix_to_face >= 0)
        filled = share.cumsum(3).clamp(max=1.0)
        share = filled.diff(dim=3, prepend=torch.zeros_like(filled[..., :1]))
        return (share * fragments.zbuf).sum(3, keepdim=True) + (1.0 - filled[..., -1:]) * self._far(fragments, kwargs)
