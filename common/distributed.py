"""One process or many: torchrun's environment, ranks, averages over ranks."""

import os

import torch
import torch.distributed as dist


def start(device: torch.device) -> torch.device:
    """Join the process group when torchrun started this process; returns the device of this rank."""
    if "LOCAL_RANK" not in os.environ or dist.is_initialized():
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def stop() -> None:
    """Leave the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, 0 when there is only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def total(value: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over all ranks, on every rank."""
    if dist.is_initialized():
        dist.all_reduce(value)
    return value


def from_first(value: float, device: torch.device) -> float:
    """Rank 0's value, on every rank: what depends on the clock must not differ between them."""
    if not dist.is_initialized():
        return value
    shared = torch.tensor(value, dtype=torch.float32, device=device)
    dist.broadcast(shared, 0)
    return shared.item()


def agree(value: bool, device: torch.device) -> bool:
    """True when it is true on any rank: decisions that every rank must take alike."""
    return bool(total(torch.tensor(float(value), device=device)).item() > 0)


def barrier() -> None:
    """Wait for every rank."""
    if dist.is_initialized():
        dist.barrier()
