"""Our engine under PyTorch3D's name, for programs started by `python -m common.p3d run`.

Every module of PYTORCH3D_MODULES is made here, with the names that ours export; a package has those of its modules.
What the engine lacks can be imported, since programs import more than they use, and raises when it is used: an
`except ImportError` around it is not reached.
"""

import sys
from abc import ABCMeta
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from common.p3d import PYTORCH3D_MODULES

__version__ = "0.7.9"  # whose interface ours is


class _Missing(ABCMeta):
    """The type of a name that the engine lacks: a class, since programs derive from what they import."""

    def __call__(cls, *args, **kwargs):
        base = next(c for c in reversed(cls.__mro__) if isinstance(c, _Missing))
        raise NotImplementedError(f"the pure-PyTorch engine has no {base.__name__}")

    def __getitem__(cls, item):
        return cls

    def __getattr__(cls, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing(f"{cls.__name__}.{name}", (), {})


class _Module(ModuleType):
    """A module of PyTorch3D. Names that ours do not export are looked up in the modules themselves."""

    _sources: tuple[ModuleType, ...] = ()

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        plain = name.removesuffix("_python").removesuffix("_naive")  # its slow twins in pure Python: ours is that
        for source in self._sources:
            for known in (name, plain):
                if hasattr(source, known):
                    return getattr(source, known)
        return _Missing(f"{self.__name__}.{name}", (), {})


class _Empty(MetaPathFinder, Loader):
    """Finds every module that the engine lacks: one in which everything is missing."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.startswith(f"{__name__}.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _get(path: str) -> _Module:
    """The module at a dotted path, made and attached to its package where it does not exist."""
    if path not in sys.modules:
        package, _, name = path.rpartition(".")
        sys.modules[path] = _Module(path)
        sys.modules[path].__path__ = []
        vars(_get(package)).setdefault(name, sys.modules[path])
    return sys.modules[path]


sys.modules[__name__].__class__ = _Module
sys.meta_path.append(_Empty())
for _name, _places in PYTORCH3D_MODULES.items():
    _source = import_module(f"common.p3d.{_name}")
    for _place in _places:
        _parts = _place.split(".")
        for _depth in range(len(_parts)):
            _target = _get(".".join([__name__, *_parts[: _depth + 1]]))
            _target._sources += (_source,)
            vars(_target).update({public: getattr(_source, public) for public in _source.__all__})
