"""YAML configurations in the course's structure: read, overridden from the command line, checked key by key.

A configuration of ours may hold a section ``laptop`` with the same structure: what differs on a machine without a GPU.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from common.cli import UserError

FOLDER = Path(__file__).parent / "configs"
REQUIRED = object()

# Kinds of values: a Python type, or a function that checks one and returns it.
Kind = Any


def _numbers(count: int | None = None):
    def check(value):
        if not isinstance(value, list) or not all(isinstance(v, (int, float)) for v in value):
            raise ValueError("must be a list of numbers")
        if count is not None and len(value) != count:
            raise ValueError(f"must be {count} numbers")
        return [float(v) for v in value]

    return check


def _parameter(count: int | None, kind: Kind | None = None):
    """``{val: ..., opt: bool}``: a start value and whether it is trained.

    Args:
        count: of its numbers; None for one.
        kind: of each of them, any number by default.
    """

    def check(value):
        if not isinstance(value, dict) or "val" not in value or set(value) - {"val", "opt", "rainbow"}:
            raise ValueError("must have val and opt")
        known = _numbers(count)(value["val"]) if count else _number(value["val"])
        for number in known if count else [known]:
            (kind or _number)(number)
        return SimpleNamespace(val=known, opt=bool(value.get("opt", False)), rainbow=bool(value.get("rainbow", False)))

    return check


def _number(value) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a number")
    return float(value)


def _positive(value) -> float:
    if not 0 < _number(value) < float("inf"):
        raise ValueError("must be above 0")
    return float(value)


def _not_negative(value) -> float:
    if not 0 <= _number(value) < float("inf"):
        raise ValueError("must not be negative")
    return float(value)


def _count(value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number of at least 1")
    return value


def _whole(value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("must be a whole number of at least 0")
    return value


def _size(value) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("must be [width, height]")
    return _count(value[0]), _count(value[1])


def _counts(value) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ValueError("must be a list of whole numbers")
    return tuple(_whole(v) for v in value)


def _levels(value) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of at least one whole number")
    return tuple(_count(v) for v in value)


def _cells(value) -> int:
    if _count(value) < 2:
        raise ValueError("must be a whole number of at least 2")
    return value


def _bounds(value) -> list[list[float]]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("must be the lowest and the highest corner")
    low, high = (_numbers(3)(corner) for corner in value)
    if not all(a < b for a, b in zip(low, high, strict=True)):
        raise ValueError("its lowest corner must lie below the highest")
    return [low, high]


def _flag(value) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _text(value) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _one_of(*names: str):
    def check(value):
        if value not in names:
            near = difflib.get_close_matches(str(value), names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"must be one of {', '.join(names)}{hint}")
        return value

    return check


def _optional(kind: Kind):
    return lambda value: None if value is None else kind(value)


def _camera(value):
    return _section(value, CAMERA, "")


def _cameras(value):
    if not isinstance(value, dict) or not value:
        raise ValueError("must name at least one camera")
    return [_section(camera, CAMERA, name) for name, camera in value.items()]


CAMERA = {
    "focal": (_positive, 1.0),
    "eye": (_numbers(3), REQUIRED),
    "principal_point": (_numbers(2), [0.0, 0.0]),
    "scene_center": (_numbers(3), [0.0, 0.0, 0.0]),
    "up": (_numbers(3), [0.0, 1.0, 0.0]),
    "image": (_optional(_text), None),
}
TYPES = ("render", "train", "train_nerf", "train_points", "train_images")
TOP = {"seed": (_whole, 0), "type": (_one_of(*TYPES), REQUIRED)}
DATA = {
    "image_size": (_size, (256, 256)),
    "dataset_name": (_text, "lego"),
    "point_cloud_path": (_optional(_text), None),
    "cameras": (_cameras, None),
    "num_views": (_optional(_count), None),
}
RENDERERS = {
    "volume": {"chunk_size": (_count, 32768), "white_background": (_flag, None)},
    "sphere_tracing": {
        "chunk_size": (_count, 65536),
        "near": (_not_negative, 0.0),
        "far": (_positive, 5.0),
        "max_iters": (_count, 64),
        "over_relaxation": (_positive, 1.2),
        "culling": (_flag, True),
    },
    "volume_sdf": {
        "chunk_size": (_count, 32768),
        "white_background": (_flag, None),
        "alpha": (_positive, 10.0),
        "beta": (_positive, 0.05),
        "learn": (_flag, False),
        "beta_end": (_optional(_positive), None),
        "s_end": (_optional(_positive), None),
        "conversion": (_one_of("volsdf", "neus", "naive"), "volsdf"),
        "s": (_positive, 50.0),
        "relighting_function": (lambda value: SimpleNamespace(**value), SimpleNamespace(type="none")),
    },
}
SAMPLERS = {
    "stratified": {
        "n_pts_per_ray": (_optional(_count), 64),
        "n_fine_per_ray": (_whole, 0),
        "min_depth": (_optional(_not_negative), 0.0),
        "max_depth": (_optional(_positive), 5.0),
    },
    "occupancy": {
        "step": (_positive, 1.0),
        "resolution": (_cells, 128),
        "min_depth": (_optional(_not_negative), None),
        "max_depth": (_optional(_positive), None),
    },
}
CENTRE = (_parameter(3), SimpleNamespace(val=[0.0] * 3, opt=False, rainbow=False))
SDFS = {
    "sphere": {"center": CENTRE, "radius": (_parameter(None, _positive), REQUIRED)},
    "box": {"center": CENTRE, "side_lengths": (_parameter(3, _positive), REQUIRED)},
    "torus": {"center": CENTRE, "radii": (_parameter(2, _positive), REQUIRED)},
    "many_primitives": {"count": (_count, 240), "seed": (_whole, 0)},
}


def _sdf(value):
    return _typed(value, SDFS, "sdf")


FEATURE = (_parameter(3), SimpleNamespace(val=[1.0] * 3, opt=False, rainbow=True))
HIDDEN = {
    "n_harmonic_functions_xyz": (_whole, 6),
    "n_harmonic_functions_dir": (_whole, 2),
}
FUNCTIONS = {
    "sdf_volume": {
        "sdf": (_sdf, REQUIRED),
        "feature": FEATURE,
        "alpha": (_parameter(None, _positive), SimpleNamespace(val=1.0, opt=False)),
        "beta": (_parameter(None, _positive), SimpleNamespace(val=0.05, opt=False)),
    },
    "sdf_surface": {"sdf": (_sdf, REQUIRED), "feature": FEATURE},
    "nerf": {
        **HIDDEN,
        "n_hidden_neurons_xyz": (_count, 128),
        "n_hidden_neurons_dir": (_count, 64),
        "density_noise_std": (_not_negative, 0.0),
        "n_layers_xyz": (_count, 6),
        "append_xyz": (_counts, (3,)),
        "view_dependence": (_flag, True),
    },
    "nerf_grid": {
        "resolutions": (_levels, (32, 128)),
        "features": (_count, 8),
        "log2_table_size": (_count, 17),
        "n_hidden_neurons": (_count, 48),
        "view_dependence": (_flag, True),
        "n_harmonic_functions_dir": (_whole, 2),
        "bounds": (_optional(_bounds), None),
    },
    "grid_surface": {
        "resolutions": (_levels, (24, 96)),
        "features": (_count, 8),
        "log2_table_size": (_count, 17),
        "n_hidden_neurons": (_count, 48),
        "radius": (_positive, 0.8),
        "bounds": (_optional(_bounds), None),
    },
    "neural_surface": {
        **HIDDEN,
        "n_layers_distance": (_count, 6),
        "n_hidden_neurons_distance": (_count, 128),
        "append_distance": (_counts, ()),
        "n_layers_color": (_count, 2),
        "n_hidden_neurons_color": (_count, 128),
        "append_color": (_counts, ()),
    },
}
TRAINING = {
    "num_epochs": (_count, 250),
    "pretrain_iters": (_whole, 0),
    "batch_size": (_count, 1024),
    "lr": (_positive, 5e-4),
    "lr_scheduler_step_size": (_positive, 50.0),
    "lr_scheduler_gamma": (_positive, 0.8),
    "checkpoint_path": (_text, ""),
    "checkpoint_interval": (_count, 50),
    "resume": (_flag, False),
    "render_interval": (_count, 10),
    "max_minutes": (_optional(_positive), None),
    "inter_weight": (_not_negative, 0.1),
    "eikonal_weight": (_not_negative, 0.02),
    "bounds": (_bounds, [[-4.0] * 3, [4.0] * 3]),
}
SECTIONS = ("data", "renderer", "sampler", "training", "implicit_function")


def load_config(name: str, overrides: Sequence[str], preset: str, folder: str | None = None) -> SimpleNamespace:
    """A configuration as nested namespaces, all values checked and all defaults filled in.

    Args:
        name: of a file in ``folder`` (default: this assignment's), or a path; ``.yaml`` may be left out.
        overrides: "training.lr=1e-3" and the like.
        preset: "laptop" merges the file's section of that name; "course" leaves it out.

    Raises:
        UserError: no such file, not YAML, an unknown key (the nearest known is named), a value of another kind.
    """
    path = _find(name, folder)
    try:
        contents = OmegaConf.load(path)
        if not OmegaConf.is_dict(contents):
            raise UserError(f"{path}: not a configuration: it must be a list of keys and values")
        laptop = contents.pop("laptop", None)
        if laptop is not None and preset == "laptop":
            contents = _merged(contents, laptop)
        for override in overrides:
            if "=" not in override or override.startswith("="):
                raise UserError(f"{override}: an override is written key=value, as training.lr=1e-3")
            contents = _merged(contents, OmegaConf.from_dotlist([override.lstrip("+")]))
        values = OmegaConf.to_container(contents, resolve=True)
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path}: not a configuration ({str(error)[:160]})") from None
    return check_config(values, str(path))


def _find(name: str, folder: str | None) -> Path:
    places = [Path(name), Path(f"{name}.yaml")] if folder is None else []
    base = Path(folder) if folder else FOLDER
    for place in [base / f"{name}.yaml", base / name, *places]:
        if place.is_file():
            return place
    known = sorted(path.stem for path in base.glob("*.yaml"))
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UserError(f"--config-name {name}: no such configuration{hint or '.'} Known: {', '.join(known) or 'none'}")


def _merged(contents, more):
    """``more`` over ``contents``; a section whose ``type`` becomes another starts afresh."""
    for section in SECTIONS:
        new = more.get(section)
        if new is not None and "type" in new and new["type"] != (contents.get(section) or {}).get("type"):
            contents[section] = {}
    return OmegaConf.merge(contents, more)


def check_config(values: dict, where: str) -> SimpleNamespace:
    """Nested namespaces of a configuration's values (nested dicts); errors begin with ``where``.

    Raises:
        UserError: as of :func:`load_config`.
    """
    try:
        top = {key: value for key, value in values.items() if key not in SECTIONS}
        for key in top:
            if key not in TOP:
                _unknown(key, key, (*TOP, *SECTIONS))
        config = _section(top, TOP, "")
        config.data = _section(values.get("data") or {}, DATA, "data")
        config.training = _section(values.get("training") or {}, TRAINING, "training")
        config.renderer = _typed(values.get("renderer"), RENDERERS, "renderer")
        config.sampler = _typed(values.get("sampler") or {"type": "stratified"}, SAMPLERS, "sampler")
        config.implicit_function = _typed(values.get("implicit_function"), FUNCTIONS, "implicit_function")
        _check_depths(config)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
    return config


def _section(values: dict, schema: dict, prefix: str) -> SimpleNamespace:
    if not isinstance(values, dict):
        raise ValueError(f"{prefix}: must hold keys and values")
    dot = f"{prefix}." if prefix else ""
    for key in values:
        if key not in schema:
            _unknown(key, dot + str(key), tuple(schema))
    out = {}
    for key, (kind, default) in schema.items():
        if key not in values:
            if default is REQUIRED:
                raise ValueError(f"{dot}{key} is missing")
            out[key] = default
            continue
        try:
            out[key] = kind(values[key])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{dot}{key}: {error}, got {values[key]}") from None
    return SimpleNamespace(**out)


def _typed(values: dict | None, schemas: dict, prefix: str) -> SimpleNamespace:
    """A section whose ``type`` says which keys it has."""
    if not isinstance(values, dict) or "type" not in values:
        raise ValueError(f"{prefix}.type is missing; it is one of {', '.join(schemas)}")
    kind = _one_of(*schemas)
    try:
        name = kind(values["type"])
    except ValueError as error:
        raise ValueError(f"{prefix}.type: {error}, got {values['type']}") from None
    return _section(values, {"type": (_text, REQUIRED), **schemas[name]}, prefix)


def _unknown(key: str, path: str, known: Sequence[str]):
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
    raise ValueError(f"unknown key {path}; the nearest known is {path[: len(path) - len(str(key))]}{near[0]}")


def _check_depths(config: SimpleNamespace) -> None:
    sampler, renderer = config.sampler, config.renderer
    if renderer.type == "sphere_tracing":
        if not renderer.near < renderer.far:
            raise ValueError(f"renderer.near {renderer.near} must be below renderer.far {renderer.far}")
        return
    near, far = sampler.min_depth, sampler.max_depth
    if near is not None and far is not None and not near < far:
        raise ValueError(f"sampler.min_depth {near} must be below sampler.max_depth {far}")
