"""Making every deliverable of an assignment with one command."""

import time
from collections.abc import Sequence
from types import ModuleType

from tqdm import tqdm

from common.cli import ArgumentParser, add_common_flags

Deliverables = Sequence[tuple[str, ModuleType, Sequence[str]]]  # a name, the module of a command, its flags


def make_all(folder: str, deliverables: Deliverables, description: str, argv: Sequence[str] | None) -> None:
    """Run every command with the flags given and the common ones; stop at the first that fails.

    Args:
        folder: of the assignment. In the flags ``{output_dir}`` stands for ``--output_dir``.
        description: of the command's help.

    Raises:
        SystemExit: with the exit code of a command that failed.
    """
    parser = ArgumentParser(description, f"python -m {folder}")
    add_common_flags(parser, f"outputs/{folder}")
    args = parser.parse_args(argv)
    shared = ["--device", args.device, "--seed", str(args.seed), "--output_dir", args.output_dir]
    shared += ["--data_dir", args.data_dir] if args.data_dir else []
    times = {}
    for name, module, flags in tqdm(deliverables, desc=folder, unit="deliverable"):
        tqdm.write(f"== {name}")
        start = time.time()
        code = module.main([*(flag.format(output_dir=args.output_dir) for flag in flags), *shared])
        if code:
            raise SystemExit(code)
        times[name] = time.time() - start
    for name, seconds in times.items():
        print(f"{name:28s} {seconds / 60:6.1f} min")
