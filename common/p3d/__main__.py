"""Runs a program written for PyTorch3D with our engine under that name.

python -m common.p3d run script.py [args...]
python -m common.p3d run -m module [args...]
"""

import importlib.util
import os
import runpy
import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Runs the program of the command line; its exit code is passed on, that of a wrong command line is 2."""
    stand_in, root = str(Path(__file__).parent / "standin"), str(Path(__file__).parents[2])
    sys.path[1:1] = [stand_in, root]  # `import pytorch3d` finds our engine, here and, by what follows, in children
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [stand_in, root, os.environ.get("PYTHONPATH")]))
    os.environ["P3D_BACKEND"] = "torch"
    match arguments:
        case ["run", "-m", module, *_]:
            try:
                missing = importlib.util.find_spec(module) is None
            except ModuleNotFoundError:
                missing = True
            if not missing:
                sys.argv = arguments[2:]
                return runpy.run_module(module, run_name="__main__", alter_sys=True)
            problem = f"no module named {module}"
        case ["run", script, *_] if not script.startswith("-"):
            if Path(script).exists():
                sys.path[0] = str(Path(script).resolve().parent)
                sys.argv = arguments[1:]
                return runpy.run_path(script, run_name="__main__")
            problem = f"no script {script}"
        case _:
            problem = __doc__.strip()
    print(problem, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
