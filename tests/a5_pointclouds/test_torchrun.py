"""Two processes train one model: by torchrun to the same outputs, with the same weights and with shared clouds."""

import torch

from common.checkpoint import load_checkpoint

FLAGS = ("--device", "cpu", "--num_epochs", 2, "--num_points", 64, "--batch_size", 5)
# Trains as train.main does, and keeps what each rank has at the end and which clouds it trained on.
SCRIPT = """
import sys, torch
from a5_pointclouds import train
from common import distributed
rows, fit, build = [], train.fit, train.build_experiment

def watched_build(*arguments):
    experiment = build(*arguments)
    batches = experiment.batches

    def watched_batches(epoch):
        loader = batches(epoch)
        rows.append([row for batch in loader.dataset.rows for row in batch.tolist()])
        return loader

    experiment.batches = watched_batches
    return experiment

def watched_fit(experiment, *arguments, **named):
    progress = fit(experiment, *arguments, **named)
    kept = {"weights": dict(experiment.model.module.named_parameters()), "rows": rows,
            "rates": [row["lr"] for row in progress.history]}
    torch.save(kept, f"{sys.argv[1]}/{distributed.rank()}.pt")
    return progress

train.build_experiment, train.fit, train.finish = watched_build, watched_fit, lambda *_: None
raise SystemExit(train.main(sys.argv[2:]))
"""


def test_torchrun_trains_to_the_end(start, tiniest, tmp_path, read_json):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "a5_pointclouds.train")
    flags = ("--main_dir", tiniest, "--output_dir", tmp_path, *FLAGS)
    process = start(*launcher, *flags, GLOO_SOCKET_IFNAME="lo")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.count("test accuracy") == 1 and out.count("epoch 2: ") == 1  # of rank 0 alone
    metrics = read_json(tmp_path / "cls_exp" / "metrics.json")
    assert metrics["epochs"] == 2 and metrics["parameters"] == 808_003
    last = load_checkpoint(tmp_path / "cls_exp" / "checkpoints" / "last.pt")
    assert not any(name.startswith("module.") for name in last["weights"])


def test_ranks_share_the_clouds_and_keep_the_same_weights(two_ranks, tiniest, tmp_path):
    """Also where the learning rate follows the clock, which no two processes read alike."""
    two_ranks("-c", SCRIPT, tmp_path, "--main_dir", tiniest, "--output_dir", tmp_path, *FLAGS, "--max_minutes", 0.005)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert first["weights"].keys() == second["weights"].keys()
    assert all(torch.equal(first["weights"][name], second["weights"][name]) for name in first["weights"])
    assert first["rates"] == second["rates"]
    for one, other in zip(first["rows"], second["rows"], strict=True):
        assert len(one) == len(other) == 10 and not set(one) & set(other)
