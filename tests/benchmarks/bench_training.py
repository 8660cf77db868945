"""Time of a training step of PointNet, plain and ours: `python -m tests.benchmarks.bench_training [--repeats 15]`.

The plain network is what the paper's definition becomes in torch: Conv1d, BatchNorm1d and ReLU over all points, and a
max; the same widths, batch and optimiser. Both take turns, so that a busy machine slows both, and medians are printed.

The nominal work of a step is 3 x 2 x the multiply-adds of the plain network's forward pass: forward once, backward to
inputs and to weights, a multiplication and an addition each; norms, activations and the optimiser count nothing. Ours
are credited with the same work, though they execute less of it (only the points that win the max send gradients back,
and the segmenter's global feature enters once a cloud instead of once a point) and a little more elsewhere (the second
moments of each layer's input): nominal GFLOP/s compares useful work done, not how busy the machine is. The shares are
of the rate of a 2048 x 2048 x 2048 fp32 product; the product of the widest layer is measured beside it.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from a5_pointclouds.layers import Cells
from a5_pointclouds.models import PointNetClassifier, PointNetSegmenter

WIDTHS = (3, 64, 64, 64, 128, 1024)
SEG_WIDTHS = (3, 64, 64, 64, 128, 512)
SEG_MIX = (sum(SEG_WIDTHS[1:]) + len(PointNetSegmenter.cells) * 128, 192, 128)
CLASSES = {"cls": 3, "seg": 6}


def shared(inputs: int, outputs: int) -> nn.Sequential:
    """One plain shared layer: (B, inputs, N) to (B, outputs, N)."""
    return nn.Sequential(nn.Conv1d(inputs, outputs, 1, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())


class PlainClassifier(nn.Module):
    """Logits (B, K) of clouds (B, N, 3)."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.layers = nn.Sequential(*(shared(a, b) for a, b in zip(WIDTHS, WIDTHS[1:], strict=False)))
        self.head = PointNetClassifier(num_classes).head

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> (B, K)."""
        return self.head(self.layers(points.mT).amax(2))


class PlainSegmenter(nn.Module):
    """Logits (B, N, K) of the points of clouds (B, N, 3)."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.layers = nn.ModuleList(shared(a, b) for a, b in zip(SEG_WIDTHS, SEG_WIDTHS[1:], strict=False))
        self.near = nn.ModuleList(nn.Sequential(shared(3, 64), shared(64, 64)) for _ in PointNetSegmenter.cells)
        self.mix = nn.Sequential(*(shared(a, b) for a, b in zip(SEG_MIX, SEG_MIX[1:], strict=False)))
        self.classify = nn.Sequential(nn.Dropout(0.3), nn.Conv1d(SEG_MIX[-1], num_classes, 1))

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> (B, N, K)."""
        local = [points.mT]
        for layer in self.layers:
            local.append(layer(local[-1]))
        near = []
        for size, layers in zip(PointNetSegmenter.cells, self.near, strict=True):
            cells = Cells(points, size)
            around = layers((points - cells.means(points)).mT)
            near.append(cells.means(torch.cat([around, local[2]], 1).mT).mT)
        cloud = local[-1].amax(2, keepdim=True).expand_as(local[-1])
        return self.classify(self.mix(torch.cat([*local[1:-1], *near, cloud], 1))).mT


MODELS = {"cls": (PlainClassifier, PointNetClassifier), "seg": (PlainSegmenter, PointNetSegmenter)}


def products(*widths: int) -> int:
    """Multiply-adds of layers between these widths, for one row."""
    return sum(a * b for a, b in zip(widths, widths[1:], strict=False))


def nominal_work(task: str, clouds: int, points: int) -> float:
    """Operations of a training step of the plain network, as the module's text counts them."""
    if task == "cls":
        forward = clouds * (points * products(*WIDTHS) + products(1024, 512, 256, CLASSES[task]))
    else:
        near = len(PointNetSegmenter.cells) * products(3, 64, 64)
        forward = clouds * points * (products(*SEG_WIDTHS) + near + products(*SEG_MIX, CLASSES[task]))
    return 3 * 2 * forward


def training_step(model: nn.Module, points: Tensor, labels: Tensor) -> Callable[[], None]:
    """A function that makes one step."""
    optimizer = torch.optim.AdamW(model.train().parameters(), 1e-3)

    def step() -> None:
        loss = functional.cross_entropy(model(points).flatten(0, -2), labels.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def medians(works: list[Callable[[], object]], repeats: int, device: torch.device) -> list[float]:
    """Median seconds of each, taken in turn after one round to warm up."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats + 1):
        for work, spent in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            spent.append(time.perf_counter() - start)
    return [statistics.median(spent[1:]) for spent in times]


def gemm_rate(rows: int, inner: int, columns: int, repeats: int, device: torch.device) -> float:
    """GFLOP/s of (rows, inner) @ (inner, columns) in fp32."""
    a, b = torch.randn(rows, inner, device=device), torch.randn(inner, columns, device=device)
    out = torch.empty(rows, columns, device=device)
    (seconds,) = medians([lambda: torch.mm(a, b, out=out)], repeats, device)
    return 2e-9 * rows * inner * columns / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="steps of which the median is taken (default: 15)")
    parser.add_argument("--batch_size", type=int, default=32, help="clouds in a step (default: 32)")
    parser.add_argument("--num_points", type=int, default=1024, help="points of a cloud (default: 1024)")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    rows = args.batch_size * args.num_points
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, median of {args.repeats}")
    gemm = gemm_rate(2048, 2048, 2048, args.repeats, device)
    wide = gemm_rate(rows, *WIDTHS[-2:], args.repeats, device)
    print(f"fp32 product 2048 x 2048 x 2048: {gemm:.1f} GFLOP/s; {rows} x 128 x 1024, the widest layer: {wide:.1f}")
    print(f"training step of {args.batch_size} clouds x {args.num_points} points")
    print(f"{'':12s}{'ms/step':>10s}{'clouds/s':>10s}{'nominal GFLOP/s':>17s}{'share':>8s}")
    points = torch.randn(args.batch_size, args.num_points, 3, device=device)
    for task, kinds in MODELS.items():
        shape = (args.batch_size,) if task == "cls" else (args.batch_size, args.num_points)
        labels = torch.randint(CLASSES[task], shape, device=device)
        steps = [training_step(kind(CLASSES[task]).to(device), points, labels) for kind in kinds]
        work = 1e-9 * nominal_work(task, args.batch_size, args.num_points)
        for name, seconds in zip(("plain", "ours"), medians(steps, args.repeats, device), strict=True):
            print(f"{task + ' ' + name:12s}{1e3 * seconds:10.1f}{args.batch_size / seconds:10.1f}{work / seconds:17.1f}"
                  f"{work / seconds / gemm:8.0%}")  # fmt: skip


if __name__ == "__main__":
    main()
