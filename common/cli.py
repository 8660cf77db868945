"""Command-line conventions that every module of the project shares.

A command is a function ``main(argv) -> None`` wrapped by :func:`command`. A user's mistake is a
:class:`UserError`: one line on stderr and exit code 2, no traceback. Anything else that is raised is a bug and
shows its traceback.
"""

import argparse
import difflib
import errno
import functools
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import torch


class UserError(Exception):
    """A mistake of the user's: the message says what is wrong, where (file, index, flag) and what to do."""


class ArgumentParser(argparse.ArgumentParser):
    """argparse with defaults shown in the help, exact flag names only, and the nearest known flag suggested."""

    def __init__(self, description: str, example: str = "", **kwargs):
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        if spec is not None:
            kwargs.setdefault("prog", f"python -m {spec.name.removesuffix('.__main__')}")
        super().__init__(
            description=description,
            epilog=f"example:\n  {example}" if example else None,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
            **kwargs,
        )

    def parse_args(self, args=None, namespace=None):
        namespace, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = [flag for action in self._actions for flag in action.option_strings]
            near = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1)
            self.error(f"unrecognized arguments: {' '.join(unknown)}" + (f" (did you mean {near[0]}?)" if near else ""))
        return namespace

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults beside the flags that have one; the description and the example keep their line breaks."""

    def _get_help_string(self, action):
        plain = action.default is None or isinstance(action.default, bool)  # of a flag that is there or not
        return action.help if plain else super()._get_help_string(action)


def add_common_flags(parser: argparse.ArgumentParser, output_dir: str) -> None:
    """Add ``--device --seed --output_dir --data_dir``, the flags that every command has."""
    parser.add_argument("--device", default="auto", help="auto (CUDA, else CPU), cpu, cuda, cuda:N or mps")
    parser.add_argument("--seed", type=seed_number, default=0, help="seed of every random choice of the run")
    parser.add_argument("--output_dir", default=output_dir, help="where figures, GIFs and metrics.json go")
    parser.add_argument("--data_dir", default=None, help="cache of generated data (default: $L3D_DATA, else ./data)")


def listed(defaults: dict[str, object]) -> str:
    """Defaults that depend on a choice, for a help text: "vox 300, mesh 1000"."""
    return ", ".join(f"{name} {value}" for name, value in defaults.items())


def _whole_number(text: str, least: int, most: int = 2**63 - 1) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number") from None
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text} is not {f'at least {least}' if value < least else f'at most {most}'}")
    return value


def positive_int(text: str) -> int:
    """argparse type of a whole number of at least 1."""
    return _whole_number(text, 1)


def non_negative_int(text: str) -> int:
    """argparse type of a whole number of at least 0."""
    return _whole_number(text, 0)


def seed_number(text: str) -> int:
    """argparse type of a seed: a whole number from 0 to 2**31 - 1, so that no two seeds mean the same."""
    return _whole_number(text, 0, 2**31 - 1)


def positive_float(text: str) -> float:
    """argparse type of a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number above 0")
    return value


def non_negative_float(text: str) -> float:
    """argparse type of a finite number of at least 0."""
    try:
        return 0.0 if float(text) == 0 else positive_float(text)
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number of at least 0") from None


def proper_fraction(text: str) -> float:
    """argparse type of a number between 0 and 1, neither of them."""
    value = positive_float(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"{text} is not below 1")
    return value


def frames_per_second(text: str) -> float:
    """argparse type of a GIF's frames per second: above 0, and at most 50, the most that players honour."""
    value = positive_float(text)
    if value > 50:
        raise argparse.ArgumentTypeError(f"{text} is more than 50, which players slow down to 10")
    return value


def resolve_device(name: str) -> torch.device:
    """The torch device that ``--device`` names; ``auto`` takes CUDA if it is there, else the CPU.

    MPS is taken only by name: it has no double precision, and lacks operators that some parts need.

    Raises:
        UserError: the name is unknown, or this machine does not have that device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name}: unknown device; use auto, cpu, cuda, cuda:N or mps") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {name}: this machine shows {torch.cuda.device_count()} CUDA devices; use --device auto"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device mps: not available on this machine; use --device auto")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"--device {name}: unknown device; use auto, cpu, cuda, cuda:N or mps")
    return device


def command(main: Callable[[Sequence[str] | None], None]) -> Callable[..., int]:
    """Wrap ``main(argv)`` so that it returns an exit code: 0 done, 2 a user's mistake, 130 interrupted."""

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        try:
            main(argv)
        except UserError as error:
            return _fail(str(error))
        except KeyboardInterrupt as stop:
            print(f"\ninterrupted{': ' + str(stop) if str(stop) else ''}", file=sys.stderr)
            return 130
        except OSError as error:
            if error.errno not in (
                errno.ENOSPC,
                errno.EDQUOT,
                errno.EACCES,
                errno.EROFS,
                errno.EPERM,
                errno.EFBIG,
                errno.ENAMETOOLONG,
            ):
                raise
            return _fail(f"{error.strerror}: {error.filename or 'output'}; nothing half-written was kept")
        return 0

    return wrapped


def _fail(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return 2
