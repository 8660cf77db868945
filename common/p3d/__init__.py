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

from .camera_conversions import *  # noqa: F403
from .camera_utils import *  # noqa: F403
from .cameras import *  # noqa: F403
from .compositing import *  # noqa: F403
from .packing import *  # noqa: F403
from .pointclouds import *  # noqa: F403
from .points_renderer import *  # noqa: F403
from .rasterize_points import *  # noqa: F403
from .tensor_properties import *  # noqa: F403
from .transforms import *  # noqa: F403

# Where PyTorch3D keeps the names that each module of ours exports in `__all__`.
PYTORCH3D_MODULES = {
    "camera_conversions": ["utils.camera_conversions"],
    "camera_utils": ["renderer.cameras", "renderer.camera_utils"],
    "cameras": ["renderer.cameras"],
    "compositing": ["renderer", "renderer.compositing"],
    "packing": ["structures.utils", "ops"],
    "pointclouds": ["structures", "structures.pointclouds"],
    "points_renderer": ["renderer"],
    "rasterize_points": ["renderer", "renderer.points.rasterizer"],
    "tensor_properties": ["renderer"],
    "transforms": ["transforms", "transforms.so3", "transforms.math"],
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
