"""RGB-D views: the course's pickle, read without running anything in it, or two views of a procedural plant."""

import collections
import io
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.cli import UserError
from common.mesh_views import render_together
from common.p3d import (
    AmbientLights,
    CamerasBase,
    FoVPerspectiveCameras,
    Meshes,
    PerspectiveCameras,
    TexturesVertex,
    look_at_view_transform,
)
from common.shapes.plant import plant

LARGEST = 1 << 28  # bytes of a pickle that are read


@dataclass(frozen=True)
class RgbdView:
    """One picture with depth: rgb (H, W, 3) in [0, 1], depth (H, W) along the camera's axis, mask (H, W) bool."""

    rgb: Tensor
    depth: Tensor
    mask: Tensor
    camera: CamerasBase

    def points(self) -> tuple[Tensor, Tensor]:
        """World points (N, 3) of the pixels in the mask, and their colours (N, 3)."""
        height, width = self.depth.shape
        short = min(height, width)
        x = (width - 1 - 2 * torch.arange(width)) / short  # NDC of the pixels' middles, +X to the left
        y = (height - 1 - 2 * torch.arange(height)) / short
        xy = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
        pixels = torch.cat((xy, self.depth[..., None].cpu()), -1)[self.mask.cpu()]
        world = self.camera.unproject_points(pixels.to(self.camera.device)[None], world_coordinates=True)[0]
        return world, self.rgb[self.mask]


# --- the course's file


class _PlainData(pickle.Unpickler):
    """Rebuilds numbers, arrays, tensors and cameras; anything else that the file names is refused, never called."""

    def find_class(self, module: str, name: str):
        if module.startswith("pytorch3d.renderer.") and name in ("PerspectiveCameras", "FoVPerspectiveCameras"):
            return type(name, (_CameraState,), {})
        found = _ALLOWED.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which a file of arrays and cameras does not need")
        return found


class _CameraState:
    """Stands for a camera: only its attributes are kept."""

    def __setstate__(self, state: dict):
        self.state = dict(state)


_NDARRAY = "ndarray"  # stands for the class, which a file could call for any amount of memory


def _empty_array(kind, shape, code):
    """What numpy's pickles begin an array with; the file's own shape could ask for any amount of memory."""
    if kind is not _NDARRAY or tuple(shape) != (0,):
        raise pickle.UnpicklingError("an array of an unusual kind")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _storage(data: bytes):
    return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): np.dtype,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "device"): torch.device,
    ("torch", "Size"): torch.Size,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
}


def read_rgbd(path: str | Path) -> tuple[RgbdView, RgbdView]:
    """The two views of the course's ``rgbd_data.pkl``: a dict of ``rgb1 depth1 mask1 cameras1`` and the same with 2.

    Raises:
        UserError: no such file, too large, not a pickle, one that names anything but arrays and cameras, or arrays that
            do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.stat().st_size > LARGEST:
        raise UserError(f"{path}: {path.stat().st_size} bytes; a file of two views has fewer than {LARGEST}")
    try:
        data = _PlainData(io.BytesIO(path.read_bytes())).load()
    except Exception as error:  # a damaged pickle can raise nearly anything; nothing of it has run
        raise UserError(f"{path}: not read: {error or type(error).__name__}") from None
    return _view(data, 1, path), _view(data, 2, path)


def _view(data: object, number: int, path: Path) -> RgbdView:
    names = [f"{name}{number}" for name in ("rgb", "depth", "mask", "cameras")]
    if not isinstance(data, dict) or any(name not in data for name in names):
        raise UserError(f"{path}: a dict with {', '.join(names)} is needed")
    arrays = []
    for name in names[:3]:
        try:
            array = torch.as_tensor(np.asarray(data[name], dtype=np.float32)).squeeze()
        except (TypeError, ValueError):
            raise UserError(f"{path}: {name} is not an array of numbers") from None
        arrays.append(array)
    rgb, depth, mask = arrays
    if rgb.dim() != 3 or rgb.shape[2] != 3 or depth.shape != rgb.shape[:2] or mask.shape != depth.shape:
        shapes = ", ".join(str(tuple(a.shape)) for a in arrays)
        raise UserError(f"{path}: view {number} has shapes {shapes}; (H, W, 3), (H, W), (H, W) are needed")
    rgb = rgb / 255 if float(rgb.max()) > 1.5 else rgb
    seen = (mask > 0.5) & depth.isfinite() & (depth > 0)
    return RgbdView(rgb, depth, seen, _camera(data[names[3]], names[3], path))


def _camera(stored: object, name: str, path: Path) -> CamerasBase:
    state = getattr(stored, "state", None)
    if not isinstance(state, dict):
        raise UserError(f"{path}: {name} is not a camera")
    state = {**state, **state.get("_buffers", {})}
    try:
        if type(stored).__name__ == "FoVPerspectiveCameras":
            return FoVPerspectiveCameras(R=state["R"], T=state["T"], fov=state["fov"], K=state.get("K"))
        more = {"in_ndc": bool(state.get("_in_ndc", True)), "image_size": state.get("image_size")}
        intrinsics = {k: state[k] for k in ("focal_length", "principal_point")}
        return PerspectiveCameras(R=state["R"], T=state["T"], **intrinsics, **more)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"{path}: {name} is not a camera that can be used ({error})") from None


# --- a plant of our own


def rendered_views(mesh: Meshes, image_size: int) -> tuple[RgbdView, RgbdView]:
    """Two RGB-D views of a mesh, from either side of its front."""
    views = []
    for azim, elev in ((-35.0, 15.0), (55.0, 30.0)):
        R, T = look_at_view_transform(4.5, elev, azim, device=mesh.device)
        camera = FoVPerspectiveCameras(R=R, T=T, fov=35.0, device=mesh.device)
        rgb, depth = render_together([mesh], image_size, camera, AmbientLights(device=mesh.device))
        views.append(RgbdView(rgb, depth, torch.isfinite(depth), camera))
    return views[0], views[1]


def shaded_plant(seed: int, device: torch.device) -> Meshes:
    """The plant's mesh with soft light from above baked into its vertex colours."""
    shape = plant(seed)
    verts, faces, _, _ = shape.mesh
    mesh = Meshes([torch.from_numpy(verts).float()], [torch.from_numpy(faces)])
    light = 0.62 + 0.38 * mesh.verts_normals_packed()[:, 1:2].clamp(-0.6, 1)
    colors = torch.from_numpy(shape.vertex_colors()) * light
    return Meshes(mesh.verts_list(), mesh.faces_list(), TexturesVertex([colors])).to(device)
