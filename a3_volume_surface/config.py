"""YAML configurations in the course's structure: read, overridden from the command line, checked key by key.

A configuration of ours may hold a section ``laptop`` with the same structure: what differs on a machine without a GPU.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from a3_volume_surface.config_schema import DATA, FUNCTIONS, RENDERERS, SAMPLERS, TOP, TRAINING
from a3_volume_surface.config_values import section, typed, unknown
from common.cli import UserError

FOLDER = Path(__file__).parent / "configs"
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
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError, OSError, IndexError, TypeError) as error:
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
    if not OmegaConf.is_dict(more):
        raise UserError("laptop: must hold keys and values")
    for name in SECTIONS:
        for part in (contents, more):
            if part.get(name) is not None and not OmegaConf.is_dict(part.get(name)):
                raise UserError(f"{name}: must hold keys and values")
        new = more.get(name)
        if new is not None and "type" in new and new["type"] != (contents.get(name) or {}).get("type"):
            contents[name] = {}
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
                unknown(key, key, (*TOP, *SECTIONS))
        config = section(top, TOP, "")
        config.data = section(values.get("data") or {}, DATA, "data")
        config.training = section(values.get("training") or {}, TRAINING, "training")
        config.renderer = typed(values.get("renderer"), RENDERERS, "renderer")
        config.sampler = typed(values.get("sampler") or {"type": "stratified"}, SAMPLERS, "sampler")
        config.implicit_function = typed(values.get("implicit_function"), FUNCTIONS, "implicit_function")
        _check_depths(config)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
    return config


def _check_depths(config: SimpleNamespace) -> None:
    sampler, renderer = config.sampler, config.renderer
    if renderer.type == "sphere_tracing":
        if not renderer.near < renderer.far:
            raise ValueError(f"renderer.near {renderer.near} must be below renderer.far {renderer.far}")
        return
    near, far = sampler.min_depth, sampler.max_depth
    if near is not None and far is not None and not near < far:
        raise ValueError(f"sampler.min_depth {near} must be below sampler.max_depth {far}")
