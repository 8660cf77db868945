"""Flags, devices and exit codes: what every command does with what it is given."""

import argparse
import errno

import pytest
import torch

from common.cli import (
    ArgumentParser,
    UserError,
    add_common_flags,
    command,
    non_negative_int,
    positive_float,
    positive_int,
    resolve_device,
    seed_number,
)


@pytest.fixture
def parser():
    parser = ArgumentParser("Do it.", "python -m it --num_points 7", prog="it")
    add_common_flags(parser, "outputs/it")
    parser.add_argument("--num_points", type=positive_int, default=10, help="points")
    parser.add_argument("--lr", type=positive_float, default=0.1, help="rate")
    return parser


@pytest.fixture
def complaint(parser, capsys):
    """The one line on stderr with which the parser refuses some arguments."""

    def refuse(*argv: str) -> str:
        with pytest.raises(SystemExit) as stop:
            parser.parse_args(argv)
        out, err = capsys.readouterr()
        assert stop.value.code == 2 and out == ""
        assert err.count("\n") == 1 and err.startswith("it: error: ")
        return err

    return refuse


def test_defaults(parser):
    args = parser.parse_args([])
    assert (args.device, args.seed, args.output_dir, args.data_dir) == ("auto", 0, "outputs/it", None)


def test_help_shows_defaults_and_the_example(parser, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert "points (default: 10)" in out and "\n  python -m it --num_points 7\n" in out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--num_point", "5"], "did you mean --num_points?"),
        (["--num-points=5"], "did you mean --num_points?"),
        (["--zzzzzz"], "unrecognized arguments: --zzzzzz"),
        (["stray"], "unrecognized arguments: stray"),
        (["--num_points"], "expected one argument"),
        (["--num_points", "0"], "--num_points: 0 is not at least 1"),
        (["--num_points", "-3"], "-3 is not at least 1"),
        (["--num_points", "1.5"], "1.5 is not a whole number"),
        (["--num_points", "many\nmore"], "many more is not a whole number"),
        (["--num_points", "9" * 30], "is not at most"),
        (["--lr", "0"], "0 is not a finite number above 0"),
        (["--lr", "nan"], "nan is not a finite"),
        (["--lr", "inf"], "inf is not a finite"),
        (["--lr", "fast"], "fast is not a finite"),
        (["--seed", "-1"], "--seed: -1 is not at least 0"),
        (["--seed", "99999999999999999999"], "is not at most"),
        (["--seed", "x"], "x is not a whole number"),
    ],
)
def test_bad_arguments_end_with_one_line(complaint, argv, said):
    assert said in complaint(*argv)


def test_a_prefix_of_a_flag_is_not_the_flag(complaint):
    assert "--see" in complaint("--see", "3")


def test_number_types():
    assert positive_int("12") == 12 and non_negative_int("0") == 0 and positive_float("1e-3") == 1e-3
    assert seed_number(str(2**31 - 1)) == 2**31 - 1
    with pytest.raises(argparse.ArgumentTypeError):
        seed_number(str(2**31))


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert (resolve_device("auto").type, resolve_device("mps").type) == ("cpu", "mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto").type == "cuda" and resolve_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:-1", "meta", "cpu:x", "cuda", "cuda:7", "mps"])
def test_devices_that_are_not_there(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=f"^--device {name}: "):
        resolve_device(name)


def raising(error: BaseException):
    @command
    def main(argv=None) -> None:
        """Fail."""
        raise error

    return main


def test_a_command_that_ends_well_returns_zero():
    seen = []
    assert command(seen.append)(["--flag"]) == 0 and seen == [["--flag"]]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_disk_that_refuses_is_a_users_error(capsys, number):
    assert raising(OSError(number, "Refused", "some/file"))() == 2
    assert capsys.readouterr().err == "error: Refused: some/file; nothing half-written was kept\n"


def test_a_user_error_is_one_line(capsys):
    assert raising(UserError("--flag 3:\n  wrong\n"))() == 2
    assert capsys.readouterr() == ("", "error: --flag 3: wrong\n")


@pytest.mark.parametrize("text", ["", "go on with --resume"])
def test_interrupts_return_130(capsys, text):
    assert raising(KeyboardInterrupt(text) if text else KeyboardInterrupt())() == 130
    assert capsys.readouterr().err == f"\ninterrupted{': ' * bool(text)}{text}\n"


@pytest.mark.parametrize("error", [ValueError("bug"), FileNotFoundError(errno.ENOENT, "No such file", "x")])
def test_bugs_keep_their_traceback(error):
    with pytest.raises(type(error)):
        raising(error)()
