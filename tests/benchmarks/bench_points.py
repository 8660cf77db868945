"""Time of rendering point clouds: `python -m tests.benchmarks.bench_points [--repeats 15]`.

Rasterise and alpha-composite 10,000 and 100,000 points on a bumpy sphere that fills the view, four feature channels,
256 x 256 pixels, radius 0.01, 8 points per pixel; forward, and forward with gradients to points and features. The
median is printed beside the time of PyTorch3D 0.7.9 for the same work on two cores of an AMD EPYC, or, where pytorch3d
is installed, beside its time measured here.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from common.p3d import compositing, pointclouds, rasterize_points

# PyTorch3D 0.7.9, torch 2.13, CPU, two threads, ms: (points, pass) -> median.
QUOTED = {
    (10_000, "forward"): 1146.4,
    (10_000, "forward + backward"): 1162.5,
    (100_000, "forward"): 11778.4,
    (100_000, "forward + backward"): 11771.0,
}
PASSES = ("forward", "forward + backward")
RADIUS = 0.01


def bumpy_sphere(count: int) -> Tensor:
    """(count, 3) points: x and y in NDC, within 0.9 of the centre, depth from 1.8 to 3.6."""
    generator = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    radius = 0.8 + 0.1 * torch.sin(6 * direction[:, :1]) * torch.sin(5 * direction[:, 1:2])
    return direction * radius + torch.tensor([0.0, 0.0, 2.7])


def render(engine: tuple, points: Tensor, features: Tensor) -> Tensor:
    """Image (1, C, 256, 256) by an engine's (Pointclouds, rasterize_points, alpha_composite)."""
    Pointclouds, rasterize, composite = engine
    clouds = Pointclouds([points], features=[features])
    idx, _, dists = rasterize(clouds, 256, RADIUS, 8)
    alphas = 1.0 - dists / (RADIUS * RADIUS)
    return composite(idx.long().permute(0, 3, 1, 2), alphas.permute(0, 3, 1, 2), clouds.features_packed().t())


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Median time of `repeats` calls after one to warm up. On a busy machine threads wait for each other: be alone."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def measure(engine: tuple, count: int, repeats: int) -> dict[str, float]:
    """Milliseconds of both passes."""
    points = bumpy_sphere(count).requires_grad_()
    features = torch.rand(count, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def forward() -> None:
        with torch.no_grad():
            render(engine, points, features)

    def forward_and_backward() -> None:
        points.grad = features.grad = None
        render(engine, points, features).square().mean().backward()

    return {name: median_ms(work, repeats) for name, work in zip(PASSES, (forward, forward_and_backward), strict=True)}


def installed_pytorch3d() -> tuple | None:
    if importlib.util.find_spec("pytorch3d") is None:
        return None
    from pytorch3d.renderer.compositing import alpha_composite
    from pytorch3d.renderer.points import rasterize_points as rasterize
    from pytorch3d.structures import Pointclouds

    return Pointclouds, rasterize, alpha_composite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="timed calls of ours (default: 15)")
    args = parser.parse_args()
    ours = (pointclouds.Pointclouds, rasterize_points, compositing.alpha_composite)
    theirs = installed_pytorch3d()
    print(f"{torch.get_num_threads()} threads; PyTorch3D {'measured here' if theirs else 'quoted'}")
    for count in (10_000, 100_000):
        peer = measure(theirs, count, 3) if theirs else {name: QUOTED[count, name] for name in PASSES}
        for name, ms in measure(ours, count, args.repeats).items():
            print(
                f"{count:>7} points, {name:<18}: {ms:7.1f} ms, PyTorch3D {peer[name]:8.1f} ms: {peer[name] / ms:.0f}x"
            )


if __name__ == "__main__":
    main()
