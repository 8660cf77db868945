"""How fast training is: the arithmetic of a step, and the rate that the machine's matrix products reach."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048  # of the matrices whose product is timed


def flops_of(step: Callable[[], object]) -> int:
    """Floating-point operations of the convolutions and dense matrix products that ``step`` makes."""
    mapping = {op: _of_product for op in (torch.ops.aten.mm, torch.ops.aten.addmm)}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        step()
    return counter.get_total_flops()


def _of_product(*given, out_val=None, **_) -> int:
    """Of a matrix product of dense factors, the last of two or three that are given; none of a sparse one's."""
    one, two = given[-2:]
    return 2 * one.shape[0] * one.shape[1] * two.shape[1] if one.layout == torch.strided else 0


_of_product._get_raw = True  # it is given tensors, not their shapes


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
