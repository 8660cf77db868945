"""From a configuration to a field, a sampler and a renderer."""

import math
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from a3_volume_surface.contraction import ContractedGrid
from a3_volume_surface.grid_field import GridRadianceField, OccupancyRenderer
from a3_volume_surface.grid_surface import GridSurface, PackedSDFRenderer
from a3_volume_surface.implicit import SDFSurface, SDFVolume
from a3_volume_surface.neural_fields import NeuralRadianceField, NeuralSurface
from a3_volume_surface.occupancy import OccupancyGrid
from a3_volume_surface.packed_mlp import PackedRadianceMLP
from a3_volume_surface.rays import RayBundle
from a3_volume_surface.renderers import SphereTracingRenderer, VolumeRenderer
from a3_volume_surface.samplers import StratifiedRaysampler
from a3_volume_surface.sdf_renderer import VolumeSDFRenderer
from common.cli import UserError


class Model(nn.Module):
    """What is rendered (``implicit_fn``), where rays ask it (``sampler``) and how it becomes pictures (``renderer``).

    Args:
        cfg: a checked configuration whose parts go together: see `check_parts`.
        bounds: (2, 3) of the scene, for the grids.
        depth_range: of its rays, where the configuration leaves them open.
        focus: middle (3,) and radius of a scene without bounds, whose space is contracted.

    Raises:
        UserError: a grid field without a box, or without a range of depths.
    """

    def __init__(
        self,
        cfg: SimpleNamespace,
        bounds: Tensor | None = None,
        depth_range: tuple[float, float] | None = None,
        focus=None,
    ):
        super().__init__()
        kind, renderer = cfg.implicit_function.type, cfg.renderer.type
        if cfg.sampler.type == "occupancy":
            if getattr(cfg.implicit_function, "bounds", None):
                bounds = torch.tensor(cfg.implicit_function.bounds)
            if bounds is None and (focus is None or kind == "grid_surface"):
                raise UserError("implicit_function.bounds: needed, as the scene's own box is not known")
            boxed, resolution = bounds is not None, cfg.sampler.resolution
            space = OccupancyGrid(bounds, resolution) if boxed else ContractedGrid(*focus, resolution)
            ends = zip((cfg.sampler.min_depth, cfg.sampler.max_depth), depth_range or (0.0, math.inf), strict=True)
            near, far = (known if given is None else given for given, known in ends)
            if not near < far:
                raise UserError(f"sampler.min_depth {near} must be below sampler.max_depth {far}")
            field, renderer = PACKED[kind]
            self.implicit_fn = field(cfg.implicit_function, space, cfg.sampler)
            self.sampler, self.renderer = nn.Identity(), renderer(cfg.renderer, near, far)
            return
        two_passes = cfg.sampler.n_fine_per_ray > 0
        if kind == "nerf":
            self.implicit_fn = NeuralRadianceField(cfg.implicit_function, two_passes)
        else:
            modules = {"sdf_volume": SDFVolume, "sdf_surface": SDFSurface, "neural_surface": NeuralSurface}
            self.implicit_fn = modules[kind](cfg.implicit_function)
        if renderer == "sphere_tracing":
            self.sampler, self.renderer = nn.Identity(), SphereTracingRenderer(cfg.renderer)
            return
        self.sampler = StratifiedRaysampler(cfg.sampler)
        make = VolumeSDFRenderer if renderer == "volume_sdf" else VolumeRenderer
        self.renderer = make(cfg.renderer, cfg.sampler.n_fine_per_ray)

    def forward(self, rays: RayBundle, **more) -> dict[str, Tensor]:
        """What the renderer gives for rays (P,): name -> (P, C)."""
        return self.renderer(self.sampler, self.implicit_fn, rays, **more)


RENDERERS_OF = {
    "sdf_volume": ("volume",),
    "sdf_surface": ("sphere_tracing",),
    "nerf": ("volume",),
    "nerf_grid": ("volume",),
    "grid_surface": ("volume_sdf",),
    "neural_surface": ("volume_sdf", "sphere_tracing"),
}

# Type of run -> the fields that it takes.
FIELDS_OF = {
    "render": ("sdf_volume", "sdf_surface", "nerf", "nerf_grid"),
    "train": ("sdf_volume",),
    "train_nerf": ("nerf", "nerf_grid"),
    "train_points": ("neural_surface",),
    "train_images": ("neural_surface", "grid_surface"),
}

# Fields that are asked only where something may be, and what renders them.
PACKED = {
    "nerf": (PackedRadianceMLP, OccupancyRenderer),
    "nerf_grid": (GridRadianceField, OccupancyRenderer),
    "grid_surface": (GridSurface, PackedSDFRenderer),
}
SAMPLERS_OF = {"nerf": ("stratified", "occupancy"), "nerf_grid": ("occupancy",), "grid_surface": ("occupancy",)}


def check_parts(cfg: SimpleNamespace) -> None:
    """See that the parts of a configuration go together.

    Raises:
        UserError: they do not.
    """
    kind, renderer, sampler = cfg.implicit_function.type, cfg.renderer.type, cfg.sampler
    if kind not in FIELDS_OF[cfg.type]:
        raise UserError(f"type {cfg.type} takes implicit_function.type {' or '.join(FIELDS_OF[cfg.type])}, not {kind}")
    if renderer not in RENDERERS_OF[kind]:
        raise UserError(
            f"renderer.type {renderer} does not render {kind}; take {' or '.join(RENDERERS_OF[kind])} for it"
        )
    if cfg.type == "train_images" and renderer != "volume_sdf":
        raise UserError(f"type train_images takes renderer.type volume_sdf, not {renderer}")
    if renderer == "volume_sdf" and cfg.renderer.learn and (cfg.renderer.beta_end or cfg.renderer.s_end):
        raise UserError(
            "renderer.learn and a schedule exclude each other; set renderer.beta_end and renderer.s_end to null"
        )
    if renderer == "volume_sdf" and getattr(sampler, "n_fine_per_ray", 0) == 1:
        raise UserError("sampler.n_fine_per_ray 1: at least 2 are needed here")
    if sampler.type not in SAMPLERS_OF.get(kind, ("stratified",)):
        raise UserError(f"sampler.type {sampler.type} does not go with implicit_function.type {kind}")
    if sampler.type == "stratified" and renderer != "sphere_tracing" and sampler.n_pts_per_ray is not None:
        least = 3 if sampler.n_fine_per_ray else 2 if renderer == "volume_sdf" else 1
        if sampler.n_pts_per_ray < least:
            raise UserError(f"sampler.n_pts_per_ray {sampler.n_pts_per_ray}: at least {least} are needed here")


def renders(model: Model, device: torch.device, **more):
    """A function from rays, wherever they are, to what the model renders, given ``more`` arguments of its renderer."""
    model = model.to(device).eval()

    def render(rays: RayBundle) -> dict[str, Tensor]:
        moved = RayBundle(*(getattr(rays, name).to(device) for name in vars(rays)))
        return model(moved, **more)

    return render
