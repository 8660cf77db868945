"""Studies: each of their runs is one that the commands take, and one study made whole."""

import contextlib
import io
import json

import pytest

from a3_volume_surface import studies
from a3_volume_surface.command import parse
from a3_volume_surface.config import load_config
from a3_volume_surface.model import check_parts
from tests.a3_volume_surface.tiny import EPOCHS, GRID, SMALL, small_world

RUNS = {f"{study}, {name}": flags for study, runs in studies.STUDIES.items() for name, _, flags in runs}


@pytest.mark.parametrize("name", RUNS)
def test_every_run_is_one_that_can_be_made(name):
    args = parse(list(RUNS[name]), "", "", "box")
    preset = args.preset if args.preset != "auto" else "laptop"
    check_parts(load_config(args.config_name, args.overrides, preset))


def test_a_study_leaves_a_table_and_makes_nothing_twice(tmp_path, data_dir):
    argv = ["--study", "view_dependence", *GRID, SMALL, EPOCHS, "--output_dir", tmp_path, "--data_dir", data_dir]
    outs = []
    for _ in range(2):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()), small_world():
            assert studies.main([str(part) for part in (*argv, "--device", "cpu")]) in (0, None)
        outs.append(out.getvalue())
    folder = tmp_path / "study_view_dependence"
    rows = json.loads((folder / "results.json").read_text())
    assert list(rows) == ["with direction", "without direction"]
    lines = (folder / "table.md").read_text().splitlines()
    assert len(lines) == 4 and lines[0].startswith("| | test_psnr") and lines[2].startswith("| with direction |")
    assert f"{rows['with direction']['test_psnr']:.4f}" in lines[2]
    made = json.loads((folder / "with_direction" / "run.json").read_text())["arguments"]["config"]
    other = json.loads((folder / "without_direction" / "run.json").read_text())["arguments"]["config"]
    assert made["implicit_function"].pop("view_dependence") and not other["implicit_function"].pop("view_dependence")
    assert made == other
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()), small_world():
        studies.main([str(part) for part in (*argv, "--device", "cpu", "--seed", 4)])
    assert out.getvalue().count("==") == 2  # other arguments: made anew
    assert "== with direction" in outs[0] and "==" not in outs[1] and (folder / "training.png").stat().st_size > 5000


def test_when_runs_caught_up():
    slow = [{"seconds": 10.0 * k, "val_psnr": 20.0 + k} for k in range(5)]
    fast = [{"seconds": 1.0 * k, "val_psnr": 22.0 + k} for k in range(5)]
    assert studies.seconds_to_the_worst({"slow": slow, "fast": fast}) == {"slow": 40.0, "fast": 2.0}
