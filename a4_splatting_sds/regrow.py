"""Other Gaussians in the place of those that are trained: parameters and what the optimiser knows of them."""

import torch
from torch import Tensor, nn

from a4_splatting_sds.gaussians import Gaussians


@torch.no_grad()
def regrow(
    gaussians: Gaussians, optimizer: torch.optim.Optimizer, index: Tensor, fresh: Tensor, changes: dict[str, Tensor]
) -> None:
    """Let the Gaussians be rows ``index`` of themselves, some of them changed.

    Args:
        optimizer: Adam, one group for each parameter, with the parameter's name as ``name``.
        index: (M,) rows of the N there were; one may occur often.
        fresh: (M,) bool, rows that the optimiser begins anew with.
        changes: name -> (M, ...) values that replace a parameter's.
    """
    for group in optimizer.param_groups:
        old = group["params"][0]
        new = nn.Parameter(changes.get(group["name"], old.detach()[index]).clone())
        state = optimizer.state.pop(old, {})
        for name in ("exp_avg", "exp_avg_sq"):
            if name in state:
                state[name] = torch.where(fresh.view(-1, *[1] * (old.dim() - 1)), 0.0, state[name][index])
        if state:
            optimizer.state[new] = state
        group["params"] = [new]
        setattr(gaussians, group["name"], new)


@torch.no_grad()
def forget(optimizer: torch.optim.Optimizer, name: str, values: Tensor) -> None:
    """Set a parameter to values of its shape, and let the optimiser begin anew with it."""
    for group in optimizer.param_groups:
        if group["name"] == name:
            parameter = group["params"][0]
            parameter.copy_(values)
            for key in ("exp_avg", "exp_avg_sq"):
                if key in optimizer.state.get(parameter, {}):
                    optimizer.state[parameter][key].zero_()
