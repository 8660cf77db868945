"""Damaged files: the readers give a mesh or a ValueError, soon, and in memory of the file's own scale."""

import collections

from tests.benchmarks.fuzz_readers import fuzz

FILES = 400  # the benchmark reads more: python -m tests.benchmarks.fuzz_readers --files 10000


def test_damaged_files(tmp_path):
    outcomes, wrong = fuzz(FILES, seed=7, folder=tmp_path)
    assert wrong == []
    assert outcomes.total() == FILES
    kinds = collections.Counter(outcome for _, outcome in outcomes.elements())
    assert kinds.keys() == {"read", "ValueError"} and min(kinds.values()) > FILES // 10
