"""Pictures of Gaussians: projection, order of depth, compositing; by one of three rasterisers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from a4_splatting_sds.compositing import composite_dense
from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.projection import NEAR, Pinhole, compute_cov_2D, compute_cov_3D, compute_means_2D, to_camera
from a4_splatting_sds.spherical_harmonics import MOST_DEGREE, colours_from_harmonics
from a4_splatting_sds.tiles import composite_tiles

RASTERIZERS = ("auto", "fast", "reference", "gsplat")


@dataclass
class Splats:
    """Gaussians in a picture, in order of depth.

    Attributes:
        index: (M,) which of the scene's Gaussians these are.
        means_2D: (M, 2) pixels. cov_2D: (M, 2, 2) pixels^2. opacities: (M,). depths: (M,) world units.
        colours: (M, 3).
    """

    index: Tensor
    means_2D: Tensor
    cov_2D: Tensor
    opacities: Tensor
    depths: Tensor
    colours: Tensor


@dataclass
class Picture:
    """What a camera sees.

    Attributes:
        image: (H, W, 3), over the background. depth: (H, W) world units, summed by weight; 0 where nothing is.
        mask: (H, W) how much of a pixel is covered. splats: what was composited.
    """

    image: Tensor
    depth: Tensor
    mask: Tensor
    splats: Splats


def compute_depth_values(means_3D: Tensor, camera: Pinhole) -> Tensor:
    """Depths (N,) along the camera's axis of points (N, 3), world units."""
    return to_camera(means_3D, camera)[:, 2]


def get_idxs_to_filter_and_sort(z_vals: Tensor, near: float = NEAR) -> Tensor:
    """Which Gaussians (M,) are in front of the camera, the nearest first, of depths (N,)."""
    order = z_vals.argsort(stable=True)
    return order[z_vals[order] > near]


def project(gaussians: Gaussians, camera: Pinhole, degree: int = MOST_DEGREE) -> Splats:
    """The Gaussians in front of the camera as it sees them; ``degree``: of the harmonics, at most."""
    index = get_idxs_to_filter_and_sort(compute_depth_values(gaussians.means.detach(), camera), camera.near)
    means = gaussians.means[index]
    points = to_camera(means, camera)
    cov_3D = compute_cov_3D(gaussians.quats[index], gaussians.scales[index])
    return Splats(
        index,
        compute_means_2D(points, camera),
        compute_cov_2D(points, cov_3D, camera),
        gaussians.opacities[index],
        points[:, 2],
        colours_from_harmonics(gaussians.harmonics[index, : (degree + 1) ** 2], means - camera.position),
    )


def composite_in_parts(
    means_2D: Tensor, cov_2D: Tensor, opacities: Tensor, values: Tensor, img_size: tuple[int, int], per_splat: int
) -> tuple[Tensor, Tensor]:
    """`compositing.composite_dense` of ``per_splat`` Gaussians after another; -1: of all at once.

    Where no gradient is kept, memory is that of one part.
    """
    total = values.new_zeros(*img_size, values.shape[1])
    behind = values.new_ones(img_size)
    at_once = per_splat if per_splat > 0 else max(len(means_2D), 1)
    for part in torch.arange(len(means_2D), device=values.device).split(at_once):
        given = (means_2D[part], cov_2D[part], opacities[part], values[part])
        sums, behind = composite_dense(*given, img_size, behind)
        total = total + sums
    return total, behind


def rasterizer_of(
    name: str, per_splat: int = 2048, device: torch.device | None = None
) -> Callable[..., tuple[Tensor, Tensor]]:
    """The function that composites: "fast", "reference" (all Gaussians times all pixels), "gsplat" or "auto".

    Args:
        device: of the Gaussians; on a CUDA GPU "auto" is gsplat where it works there, else and elsewhere it is fast.
        per_splat: Gaussians at once, of the reference; -1: all.

    Raises:
        ValueError: an unknown name.
    """
    if name == "auto":
        from a4_splatting_sds.gsplat_backend import gsplat_works

        name = "gsplat" if device is not None and device.type == "cuda" and gsplat_works(device) else "fast"
    if name == "gsplat":
        from a4_splatting_sds.gsplat_backend import composite_gsplat

        return composite_gsplat
    if name not in RASTERIZERS:
        raise ValueError(f"rasterizer must be one of {', '.join(RASTERIZERS)}, got {name!r}")
    return composite_tiles if name == "fast" else partial(composite_in_parts, per_splat=per_splat)


def render(
    gaussians: Gaussians,
    camera: Pinhole,
    background: Tensor | float = 0.0,
    rasterizer: Callable[..., tuple[Tensor, Tensor]] = composite_tiles,
    depth: bool = True,
    degree: int = MOST_DEGREE,
) -> Picture:
    """A picture of the Gaussians.

    Args:
        background: a number or (3,), what is seen behind them.
        rasterizer: as `rasterizer_of` gives it.
        depth: whether depth is wanted; it is 0 otherwise. degree: of the harmonics, at most.
    """
    splats = project(gaussians, camera, degree)
    values = torch.cat((splats.colours, splats.depths[:, None]), 1) if depth else splats.colours
    total, behind = rasterizer(splats.means_2D, splats.cov_2D, splats.opacities, values, camera.size)
    image = total[..., :3] + behind[..., None] * background
    return Picture(image, total[..., 3] if depth else torch.zeros_like(behind), 1 - behind, splats)
