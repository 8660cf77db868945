"""PyTorch3D's vocabulary, from one of two engines: our own pure-PyTorch one, or the installed PyTorch3D.

    from common.p3d import FoVPerspectiveCameras, Pointclouds, look_at_view_transform

The environment variable P3D_BACKEND chooses the engine:

- `torch`: ours, the modules of this package; runs wherever torch does.
- `pytorch3d`: the installed PyTorch3D.
- `auto` (default): PyTorch3D if it is installed and a CUDA device is present, else ours.

`BACKEND` is the name of the engine in use. The modules of this package (`common.p3d.transforms`, ...) are always ours.
"""

import importlib
import importlib.util
import os

import torch

from .alignment import *  # noqa: F403
from .blending import *  # noqa: F403
from .box3d_overlap import *  # noqa: F403
from .camera_conversions import *  # noqa: F403
from .camera_utils import *  # noqa: F403
from .cameras import *  # noqa: F403
from .chamfer import *  # noqa: F403
from .compatibility import *  # noqa: F403
from .compositing import *  # noqa: F403
from .cubify import *  # noqa: F403
from .graph_conv import *  # noqa: F403
from .harmonic_embedding import *  # noqa: F403
from .interpolate import *  # noqa: F403
from .io import *  # noqa: F403
from .io_obj import *  # noqa: F403
from .io_ply import *  # noqa: F403
from .laplacian_matrices import *  # noqa: F403
from .lighting import *  # noqa: F403
from .marching_cubes import *  # noqa: F403
from .mesh_losses import *  # noqa: F403
from .mesh_renderer import *  # noqa: F403
from .mesh_shapes import *  # noqa: F403
from .meshes import *  # noqa: F403
from .neighbours import *  # noqa: F403
from .packing import *  # noqa: F403
from .point_mesh import *  # noqa: F403
from .point_normals import *  # noqa: F403
from .pointclouds import *  # noqa: F403
from .points_renderer import *  # noqa: F403
from .points_to_volumes import *  # noqa: F403
from .rasterize_meshes import *  # noqa: F403
from .rasterize_points import *  # noqa: F403
from .ray_samplers import *  # noqa: F403
from .raymarchers import *  # noqa: F403
from .sample_points import *  # noqa: F403
from .shader import *  # noqa: F403
from .shading import *  # noqa: F403
from .subdivide import *  # noqa: F403
from .taubin import *  # noqa: F403
from .tensor_properties import *  # noqa: F403
from .textures import *  # noqa: F403
from .transforms import *  # noqa: F403
from .vert_align import *  # noqa: F403
from .volume_renderer import *  # noqa: F403
from .volumes import *  # noqa: F403

# Where PyTorch3D keeps the names that each module of ours exports in `__all__`.
PYTORCH3D_MODULES = {
    "alignment": ["ops.points_alignment", "ops.utils"],
    "blending": ["renderer.blending"],
    "box3d_overlap": ["ops.iou_box3d"],
    "camera_conversions": ["utils.camera_conversions"],
    "camera_utils": ["renderer.camera_utils", "renderer.cameras"],
    "cameras": ["renderer.cameras"],
    "chamfer": ["loss.chamfer"],
    "compatibility": ["common.compat", "common.datatypes", "ops.utils", "renderer.cameras", "renderer.utils"],
    "compositing": ["renderer.compositing", "renderer.points.compositor"],
    "cubify": ["ops.cubify"],
    "graph_conv": ["ops.graph_conv"],
    "harmonic_embedding": ["renderer.implicit.harmonic_embedding"],
    "interpolate": ["ops.interp_face_attrs"],
    "io": ["io.experimental_gltf_io", "io.pluggable", "io.pluggable_formats"],
    "io_obj": ["io.obj_io"],
    "io_ply": ["io.ply_io"],
    "laplacian_matrices": ["ops.laplacian_matrices"],
    "lighting": ["renderer.lighting", "renderer.materials"],
    "marching_cubes": ["ops.marching_cubes"],
    "mesh_losses": [f"loss.mesh_{name}" for name in ("edge_loss", "laplacian_smoothing", "normal_consistency")]
    + ["ops.mesh_face_areas_normals"],
    "mesh_renderer": ["renderer.mesh.rasterizer", "renderer.mesh.renderer"],
    "mesh_shapes": ["utils.ico_sphere", "utils.torus"],
    "meshes": ["structures.meshes"],
    "neighbours": ["ops.ball_query", "ops.knn", "ops.sample_farthest_points", "ops.utils"],
    "packing": ["ops.packed_to_padded", "structures.utils"],
    "point_mesh": ["loss.point_mesh_distance"],
    "point_normals": ["common.workaround.symeig3x3", "ops.points_normals", "ops.utils"],
    "pointclouds": ["structures.pointclouds"],
    "points_renderer": ["renderer.points.renderer"],
    "points_to_volumes": ["ops.points_to_volumes"],
    "rasterize_meshes": ["renderer.mesh.rasterize_meshes"],
    "rasterize_points": ["renderer.points.rasterize_points", "renderer.points.rasterizer"],
    "ray_samplers": ["renderer.implicit.raysampling", "renderer.implicit.sample_pdf", "renderer.implicit.utils"],
    "raymarchers": ["renderer.implicit.raymarching"],
    "sample_points": ["ops.sample_points_from_meshes"],
    "shader": ["renderer.mesh.shader"],
    "shading": ["renderer.mesh.shading"],
    "subdivide": ["ops.subdivide_meshes"],
    "taubin": ["ops.mesh_filtering"],
    "tensor_properties": ["renderer.utils"],
    "textures": ["renderer.mesh.textures"],
    "transforms": [f"transforms.{name}" for name in ("math", "rotation_conversions", "se3", "so3", "transform3d")],
    "vert_align": ["ops.vert_align"],
    "volume_renderer": ["renderer.implicit.renderer", "renderer.implicit.utils"],
    "volumes": ["structures.volumes"],
}


def _choose_backend() -> str:
    """Name of the engine to use.

    Raises:
        ImportError: P3D_BACKEND has another value, or names PyTorch3D and it is not installed.
    """
    choice = os.environ.get("P3D_BACKEND", "auto")
    if choice not in ("auto", "torch", "pytorch3d"):
        raise ImportError(f"P3D_BACKEND must be auto, torch or pytorch3d, got {choice!r}")
    installed = importlib.util.find_spec("pytorch3d") is not None
    if choice == "pytorch3d" and not installed:
        raise ImportError("P3D_BACKEND=pytorch3d, but pytorch3d is not installed: install it, or set P3D_BACKEND=torch")
    if choice == "auto":
        return "pytorch3d" if installed and torch.cuda.is_available() else "torch"
    return choice


def _names() -> dict[str, list[str]]:
    """The public names of each module."""
    return {module: importlib.import_module(f".{module}", __name__).__all__ for module in PYTORCH3D_MODULES}


def _from_pytorch3d() -> dict[str, object]:
    """The installed PyTorch3D's objects under our public names.

    Raises:
        ImportError: it lacks one of them.
    """
    found = {}
    for module, names in _names().items():
        places = [importlib.import_module(f"pytorch3d.{place}") for place in PYTORCH3D_MODULES[module]]
        for name in names:
            owner = next((place for place in places if hasattr(place, name)), None)
            if owner is None:
                raise ImportError(f"the installed pytorch3d has no {name}: update it, or set P3D_BACKEND=torch")
            found[name] = getattr(owner, name)
    return found


BACKEND = _choose_backend()
if BACKEND == "pytorch3d":
    globals().update(_from_pytorch3d())

__all__ = ["BACKEND", *sorted(name for names in _names().values() for name in names)]
