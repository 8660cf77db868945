"""Files of Gaussians: the PLY of the original implementation (Kerbl et al., 2023), and ``.splat``."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.spherical_harmonics import C0, MOST_DEGREE
from common.cli import UserError
from common.outputs import atomic_path
from common.p3d.io_ply_elements import read_elements

# What is beyond these is of no scene, and single precision cannot project it: logarithms of scales, places,
# coefficients of colours, lengths of rotations.
MOST_LOG_SCALE, FARTHEST, MOST_COLOUR, LONGEST = 14.0, 1e9, 1e6, 1e9
SPLAT = np.dtype([("means", "<f4", 3), ("scales", "<f4", 3), ("rgba", "u1", 4), ("quats", "u1", 4)])


def load_gaussians(path: str | Path) -> Gaussians:
    """The Gaussians of a ``.ply`` or ``.splat`` file.

    Raises:
        UserError: no such file; not of that format; values that are missing, not finite or out of range; none at all.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: {'a folder, not a file of Gaussians' if path.is_dir() else 'no such file'}")
    readers = {".ply": _read_ply, ".splat": _read_splat}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: Gaussians are read from .ply and .splat files")
    return Gaussians(**_checked(readers[path.suffix.lower()](path), path))


def save_gaussians(path: str | Path, gaussians: Gaussians) -> Path:
    """Write Gaussians to a ``.ply`` or ``.splat`` file.

    Raises:
        UserError: another ending, or a folder.
    """
    path = Path(path)
    check_target(path)
    data = file_bytes(gaussians, path.suffix.lower())
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def check_target(path: str | Path) -> None:
    """Raise UserError where Gaussians cannot be written to a file of that name."""
    if Path(path).is_dir():
        raise UserError(f"{path}: a folder; name a .ply or .splat file")
    if Path(path).suffix.lower() not in (".ply", ".splat"):
        raise UserError(f"{path}: Gaussians are written to .ply and .splat files")


def file_bytes(gaussians: Gaussians, ending: str) -> bytes:
    """What a ``.ply`` or a ``.splat`` file holds; the latter keeps colours of degree 0 alone, in 8 bits."""
    arrays = {name: x.cpu().numpy() for name, x in gaussians.tensors().items()}
    return _ply_bytes(arrays) if ending == ".ply" else _splat_bytes(arrays)


def _read_ply(path: Path) -> dict[str, Tensor]:
    try:
        _, _, values = read_elements(path.read_bytes(), str(path))
    except ValueError as error:
        raise UserError(f"{error} A PLY file of Gaussians is needed.") from None
    columns = values.get("vertex")
    if columns is None:
        raise UserError(f"{path}: holds no element vertex; a PLY file of Gaussians is needed")

    def stacked(*names: str) -> Tensor:
        missing = [name for name in names if name not in columns or isinstance(columns[name], tuple)]
        if missing:
            raise UserError(f"{path}: vertices without {missing[0]}; a PLY file of Gaussians is needed")
        with np.errstate(over="ignore"):  # what single precision cannot hold is refused as infinite
            return torch.from_numpy(np.stack([columns[name].astype(np.float32) for name in names], -1))

    rest = sum(name.startswith("f_rest_") for name in columns)
    counts = [3 * ((degree + 1) ** 2 - 1) for degree in range(MOST_DEGREE + 1)]
    if rest not in counts:
        raise UserError(f"{path}: {rest} properties f_rest_; of harmonics to degree 0, 1, 2 or 3 there are {counts}")
    scales = ["scale_0"] if "scale_1" not in columns and "scale_2" not in columns else [f"scale_{i}" for i in range(3)]
    sh_rest = stacked(*(f"f_rest_{i}" for i in range(rest))) if rest else torch.zeros(len(columns.get("x", ())), 0)
    return {
        "means": stacked("x", "y", "z"),
        "log_scales": stacked(*scales),
        "quats": stacked(*(f"rot_{i}" for i in range(4))),
        "opacity_logits": stacked("opacity")[:, 0],
        "sh_dc": stacked(*(f"f_dc_{i}" for i in range(3)))[:, None],
        "sh_rest": sh_rest.view(len(sh_rest), 3, rest // 3).mT,  # in the file all of red come first
    }


def _checked(parameters: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The same, or UserError that names the first Gaussian that cannot be."""
    if not len(parameters["means"]):
        raise UserError(f"{path}: holds no Gaussian")
    tests = {f"{name} that is not finite": ~x.isfinite().flatten(1).all(1) for name, x in _flat(parameters).items()}
    lengths = parameters["quats"].double().norm(dim=1)
    tests["a rotation of length zero"] = lengths < 1 / LONGEST
    tests["a rotation that is too long"] = lengths > LONGEST
    harmonics = torch.cat((parameters["sh_dc"], parameters["sh_rest"]), 1)
    tests["a colour that is too bright"] = (harmonics.abs() > MOST_COLOUR).any((1, 2) if harmonics.dim() == 3 else 1)
    tests["a scale that is too large"] = (parameters["log_scales"] > MOST_LOG_SCALE).any(1)
    tests["a place that is too far away"] = (parameters["means"].abs() > FARTHEST).any(1)
    for what, wrong in tests.items():
        if wrong.any():
            raise UserError(f"{path}: Gaussian {int(wrong.nonzero()[0])} has {what}")
    return parameters


def _flat(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: x.reshape(len(x), -1) for name, x in parameters.items() if x.numel()}


def _ply_bytes(x: dict[str, np.ndarray]) -> bytes:
    N = len(x["means"])
    columns = {"x y z": x["means"], "nx ny nz": np.zeros((N, 3)), "f_dc": x["sh_dc"][:, 0]}
    columns |= {"f_rest": x["sh_rest"].transpose(0, 2, 1).reshape(N, -1), "opacity": x["opacity_logits"][:, None]}
    columns |= {"scale": np.broadcast_to(x["log_scales"], (N, 3)), "rot": x["quats"]}
    names = []
    for name, values in columns.items():
        single = name == "opacity" or " " in name
        names += name.split() if single else [f"{name}_{i}" for i in range(values.shape[1])]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {N}", *(f"property float {n}" for n in names)]
    header.append("end_header\n")
    return "\n".join(header).encode() + np.concatenate([*columns.values()], 1).astype("<f4").tobytes()


def _read_splat(path: Path) -> dict[str, Tensor]:
    data = path.read_bytes()
    if len(data) % SPLAT.itemsize:
        raise UserError(f"{path}: {len(data)} bytes are not rows of {SPLAT.itemsize}; it is damaged or no .splat file")
    rows = np.frombuffer(data, SPLAT)
    means, scales = (torch.from_numpy(rows[name].copy()) for name in ("means", "scales"))
    if (scales < 0).any():
        raise UserError(f"{path}: Gaussian {int((scales < 0).any(1).nonzero()[0])} has a scale below 0")
    rgba, quats = (torch.from_numpy(rows[name].astype(np.float32)) for name in ("rgba", "quats"))
    opacity = (rgba[:, 3] / 255).clamp(0.5 / 255, 1 - 0.5 / 255)  # what 8 bits say is 0 or 1 is nearly so
    return {
        "means": means,
        "log_scales": scales.clamp(min=1e-12).log(),
        "quats": (quats - 128) / 128,
        "opacity_logits": torch.logit(opacity),
        "sh_dc": ((rgba[:, :3] / 255 - 0.5) / C0)[:, None],
        "sh_rest": torch.zeros(len(rows), 0, 3),
    }


def _splat_bytes(x: dict[str, np.ndarray]) -> bytes:
    scales = np.broadcast_to(np.exp(x["log_scales"]), (len(x["means"]), 3))
    opacity = torch.sigmoid(torch.from_numpy(x["opacity_logits"])).numpy()
    rows = np.zeros(len(scales), SPLAT)
    rows["means"], rows["scales"] = x["means"], scales
    rows["rgba"] = _byte(255 * np.concatenate((0.5 + C0 * x["sh_dc"][:, 0], opacity[:, None]), 1))
    rows["quats"] = _byte(128 + 128 * x["quats"] / np.linalg.norm(x["quats"], axis=1, keepdims=True))
    # What covers most comes first, so that viewers which stop early show the most.
    return rows[np.argsort(-scales.prod(1) * opacity, kind="stable")].tobytes()


def _byte(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
