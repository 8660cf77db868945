"""Ranks, sums and agreement: alone, and in two processes over Gloo."""

import json

import torch

from common import distributed

CPU = torch.device("cpu")
SCRIPT = """
import json, os, sys, torch
from common import distributed
device = distributed.start(torch.device("cpu"))
rank = distributed.rank()
distributed.barrier()
said = {"device": str(device), "rank": rank, "world_size": distributed.world_size(),
        "total": distributed.total(torch.tensor([1.0, 10.0 * rank])).tolist(),
        "any": [distributed.agree(rank == 1, device), distributed.agree(False, device)],
        "first": distributed.from_first(float(rank + 3), device),
        "again": str(distributed.start(device))}
open(f"{sys.argv[1]}/{rank}.json", "w").write(json.dumps(said))
distributed.stop()
assert distributed.world_size() == 1
"""


def test_one_process_alone(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert distributed.start(CPU) is CPU
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    assert distributed.total(torch.tensor(3.0)).item() == 3 and distributed.from_first(0.1, CPU) == 0.1
    assert distributed.agree(True, CPU) is True and distributed.agree(False, CPU) is False
    distributed.barrier()
    distributed.stop()


def test_two_processes(two_ranks, tmp_path):
    two_ranks("-c", SCRIPT, tmp_path)
    for rank in range(2):
        said = json.loads((tmp_path / f"{rank}.json").read_text())
        assert said["device"] == said["again"] == "cpu" and said["rank"] == rank and said["world_size"] == 2
        assert said["total"] == [2, 10] and said["any"] == [True, False] and said["first"] == 3
