"""Question 1.1 step by step, under the course's names: what `scene.render` computes, written to be read."""

import torch
from torch import Tensor

from a4_splatting_sds.compositing import compute_alphas, compute_transmittance
from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.projection import Pinhole, compute_cov_2D, compute_cov_3D, compute_means_2D, to_camera
from a4_splatting_sds.scene import compute_depth_values, get_idxs_to_filter_and_sort
from a4_splatting_sds.spherical_harmonics import colours_from_harmonics


def splat(
    camera: Pinhole,
    means_3D: Tensor,
    z_vals: Tensor,
    quats: Tensor,
    scales: Tensor,
    colours: Tensor,
    opacities: Tensor,
    start_transmittance: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Composite Gaussians that are in order of depth.

    Args:
        means_3D: (N, 3) world units. z_vals: (N,) depths. quats: (N, 4). scales: (N, 3) or (N, 1). colours: (N, 3).
        opacities: (N,). start_transmittance: (1, H, W) left by Gaussians in front of these; by default 1.

    Returns:
        image (H, W, 3) and depth (H, W), summed by weight; mask (H, W), by how much the transmittance fell, the
        weights' sum; transmittance (1, H, W).
    """
    points = to_camera(means_3D, camera)
    means_2D = compute_means_2D(points, camera)
    cov_2D = compute_cov_2D(points, compute_cov_3D(quats, scales), camera)
    alphas = compute_alphas(opacities, means_2D, cov_2D, camera.size)
    transmittance = compute_transmittance(alphas, start_transmittance)
    weights = alphas * transmittance[:-1]
    image = torch.einsum("nhw,nc->hwc", weights, colours)
    depth = torch.einsum("nhw,n->hw", weights, z_vals)
    return image, depth, transmittance[0] - transmittance[-1], transmittance[-1:]


def render(
    gaussians: Gaussians, camera: Pinhole, num_mini_batches: int = 1, bg_colour: Tensor | float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Image (H, W, 3), depth (H, W) and mask (H, W) of Gaussians, in ``num_mini_batches`` from front to back.

    More batches give the same, and where no gradient is kept need less memory.
    """
    z_vals = compute_depth_values(gaussians.means, camera)
    index = get_idxs_to_filter_and_sort(z_vals.detach(), camera.near)
    image = depth = mask = torch.zeros(())
    T = torch.ones(1, *camera.size, device=z_vals.device, dtype=z_vals.dtype)
    for part in index.tensor_split(num_mini_batches):
        means = gaussians.means[part]
        colours = colours_from_harmonics(gaussians.harmonics[part], means - camera.position)
        given = (gaussians.quats[part], gaussians.scales[part], colours, gaussians.opacities[part])
        one = splat(camera, means, z_vals[part], *given, T)
        image, depth, mask, T = image + one[0], depth + one[1], mask + one[2], one[3]
    return image + T[0, ..., None] * bg_colour, depth, mask
