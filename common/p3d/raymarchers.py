"""Densities and features along rays to pixels: emission and absorption (Max 1995) in PyTorch3D's discrete form.

Densities (..., S, 1) are the opacities, in [0, 1], of S samples front to back; of others there is a warning.
"""

import warnings

import torch
from torch import Tensor, nn

__all__ = ["AbsorptionOnlyRaymarcher", "EmissionAbsorptionRaymarcher"]


class AbsorptionOnlyRaymarcher(nn.Module):
    """The light that a ray loses: 1 - prod_k (1 - density_k)."""

    def forward(self, rays_densities: Tensor, **kwargs) -> Tensor:
        """Opacities (..., 1)."""
        if not isinstance(rays_densities, Tensor) or rays_densities.dim() < 2 or rays_densities.shape[-1] != 1:
            got = getattr(rays_densities, "shape", rays_densities)
            raise ValueError(f"rays_densities must be (..., S, 1), got {got}")
        if rays_densities.numel():
            low, high = rays_densities.detach().aminmax()
            if low < 0 or high > 1:
                warnings.warn("rays_densities are not all in [0, 1]", stacklevel=2)
        return 1.0 - torch.prod(1.0 - rays_densities, -2)


class EmissionAbsorptionRaymarcher(AbsorptionOnlyRaymarcher):
    """Adds features: sum_k f_k density_k prod_{j <= k - t} (1 - density_j), t = `surface_thickness`, 1 by default."""

    def __init__(self, surface_thickness: int = 1):
        super().__init__()
        self.surface_thickness = surface_thickness

    def forward(self, rays_densities: Tensor, rays_features: Tensor, eps: float = 1e-10, **kwargs) -> Tensor:
        """Features, then opacities: (..., C + 1) of features (..., S, C). `eps` is added to each 1 - density_j."""
        opacities = super().forward(rays_densities)
        densities = rays_densities[..., 0]
        if not isinstance(rays_features, Tensor) or rays_features.shape[:-1] != densities.shape:
            raise ValueError(f"rays_features must be a tensor {(*densities.shape, 'C')} like the densities")
        shift = min(self.surface_thickness, densities.shape[-1])
        passed = torch.cumprod((1.0 + eps) - densities, -1)[..., : densities.shape[-1] - shift]
        weights = densities * torch.cat((torch.ones_like(densities[..., :shift]), passed), -1)
        return torch.cat(((weights[..., None] * rays_features).sum(-2), opacities), -1)
