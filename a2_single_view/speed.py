"""How fast training is: the arithmetic of a step, and the rate that the machine's matrix products reach."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048  # of the matrices whose product is timed


def flops_of(step: Callable[[], object]) -> int:
    """Floating-point operations of the convolutions and matrix products that ``step`` makes."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def gemm_rate(device: torch.device, repeats: int = 4) -> float:
    """Operations a second of a float32 matrix product of side 2,048, the best of a few."""
    one, two = torch.randn(2, SIDE, SIDE, device=device)
    best = float("inf")
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        product = one @ two
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    del product
    return 2.0 * SIDE**3 / best
