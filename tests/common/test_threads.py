"""How waiting threads are told to wait: before torch starts them, and not against the user's word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "given, expected",
    [({}, "10000 None"), ({"OMP_WAIT_POLICY": "passive"}, "None passive"), ({"GOMP_SPINCOUNT": "5"}, "5 None")],
)
def test_threads_spin_for_a_moment_unless_told_otherwise(given, expected):
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    show = "import common, os, sys; print(*map(os.environ.get, ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')))"
    guard = "; assert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", show + guard], env=clean | given, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == expected and not done.stderr
