"""Our engine under PyTorch3D's name, for programs started by `python -m common.p3d run`.

Every module of PYTORCH3D_MODULES is made here, with the names that ours export; a package has those of its modules.
"""

import sys
from importlib import import_module
from types import ModuleType

from common.p3d import PYTORCH3D_MODULES

__version__ = "0.7.9"  # whose interface ours is


class _Module(ModuleType):
    """A module of PyTorch3D. Names that ours do not export are looked up in the modules themselves."""

    _sources: tuple[ModuleType, ...] = ()

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        for source in self._sources:
            if hasattr(source, name):
                return getattr(source, name)
        raise ImportError(f"the pure-PyTorch engine has no {self.__name__}.{name}")


def _get(path: str) -> _Module:
    """The module at a dotted path, made and attached to its package where it does not exist."""
    if path not in sys.modules:
        package, _, name = path.rpartition(".")
        sys.modules[path] = _Module(path)
        sys.modules[path].__path__ = []
        vars(_get(package)).setdefault(name, sys.modules[path])
    return sys.modules[path]


sys.modules[__name__].__class__ = _Module
for _name, _places in PYTORCH3D_MODULES.items():
    _source = import_module(f"common.p3d.{_name}")
    for _place in _places:
        _parts = _place.split(".")
        for _depth in range(len(_parts)):
            _target = _get(".".join([__name__, *_parts[: _depth + 1]]))
            _target._sources += (_source,)
            vars(_target).update({public: getattr(_source, public) for public in _source.__all__})
