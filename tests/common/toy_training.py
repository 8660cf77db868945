"""A small experiment that the tests of the training loop run."""

import torch
from torch import nn
from torch.nn import functional

from common.training import Experiment, seed_everything

STEPS, RATES = 4, (0.01, 0.03)


def toy(scores=None, lr=RATES, make_batches=None, **changes) -> Experiment:
    """A network with dropout on random batches; validation gives ``scores`` in turn, or accuracy on fixed data."""
    seed_everything(0)
    model = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
    groups = [{"params": model[:4].parameters(), "lr": lr[0]}, {"params": model[4:].parameters(), "lr": lr[1]}]

    def batches(epoch: int):
        generator = torch.Generator().manual_seed(epoch)
        points = [torch.randn(8, 3, generator=generator) for _ in range(STEPS)]
        return [(x, (x[:, 0] > 0).long()) for x in points]

    def loss(model, batch):
        logits = model(batch[0])
        return functional.cross_entropy(logits, batch[1]), 8, (logits.argmax(1) == batch[1]).sum(), 8

    def validate():
        x, y = batches(0)[0]
        model.eval()
        right = (model(x).argmax(1) == y).double().mean().item()
        return {"accuracy": right if scores is None else scores.pop(0)}

    description = {"model": {"arch": "toy"}, "classes": ["left", "right"]}
    fields = {"loss": loss, "validate": validate, "description": description, "select": "accuracy", **changes}
    optimizer = torch.optim.AdamW(groups)
    return Experiment(model, optimizer, make_batches or batches, device=torch.device("cpu"), **fields)
