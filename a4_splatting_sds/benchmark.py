"""How long the rasterisers take, and how much memory, as Gaussians and pixels become more."""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from a4_splatting_sds.gaussians import Gaussians
from a4_splatting_sds.projection import Pinhole
from a4_splatting_sds.scene import rasterizer_of, render
from a4_splatting_sds.train import OUTPUT_DIR
from common.cli import ArgumentParser, UserError, add_common_flags, command, resolve_device
from common.outputs import atomic_path, make_folder, write_json, write_metrics, write_run

COUNTS, SIZES = (1_000, 10_000, 100_000, 1_000_000), (64, 128, 256, 512, 1024)
AT = (5_000, 256)  # Gaussians and pixels a side at which the rasterisers are compared


def cloud(count: int, size: int, seed: int = 0) -> tuple[Gaussians, Pinhole]:
    """Gaussians in a ball, as wide in the picture as trained ones are where there are that many; their camera."""
    g = torch.Generator().manual_seed(seed)
    means = torch.nn.functional.normalize(torch.randn(count, 3, generator=g), dim=1)
    means = means * torch.rand(count, 1, generator=g) ** (1 / 3)
    width = 1.5 / math.sqrt(count)  # so that all together cover the picture a few times, however many they are
    gaussians = Gaussians(
        means=means,
        log_scales=math.log(width) + 0.5 * torch.randn(count, 3, generator=g),
        quats=torch.randn(count, 4, generator=g),
        opacity_logits=torch.randn(count, generator=g),
        sh_dc=torch.randn(count, 1, 3, generator=g),
        sh_rest=torch.zeros(count, 0, 3),
    )
    half = torch.tensor([size / 2.0, size / 2.0])
    return gaussians, Pinhole(torch.eye(3), torch.tensor([0.0, 0.0, 2.5]), 2.2 * half, half, (size, size))


def measure(name: str, count: int, size: int, repeats: int, device: torch.device, backward: bool = True) -> dict:
    """Seconds, the least of some repeats, of one picture; and by how much the process's peak of memory rose."""
    gaussians, camera = cloud(count, size)
    gaussians = gaussians.to(device)
    camera = Pinhole(*(x.to(device) for x in (camera.R, camera.t, camera.focal, camera.centre)), camera.size)
    rasterizer = rasterizer_of(name, per_splat=count)
    before, times = peak(device), []
    for _ in range(repeats):
        begin = time.perf_counter()
        with torch.set_grad_enabled(backward):
            image = render(gaussians, camera, 0.0, rasterizer, depth=False).image
        if backward:
            gaussians.zero_grad()
            image.square().mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return {"seconds": min(times), "megabytes": (peak(device) - before) / 1e6}


def peak(device: torch.device) -> float:
    """Bytes that were held at most so far."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")
    if status.exists():  # as the other number may begin with what the parent process held
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024.0 * int(line.split()[1])
    scale = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale)


def measure_alone(name: str, count: int, size: int, repeats: int, device: str, backward: bool = True) -> dict:
    """`measure` in a process of its own, whose peak of memory is then its alone."""
    flags = ["--one", name, str(count), str(size), str(repeats), str(int(backward)), "--device", device]
    done = subprocess.run([sys.executable, "-m", "a4_splatting_sds.benchmark", *flags], capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise UserError(f"{name}, {count} Gaussians, {size} pixels: {last[0]}; is there memory enough?")
    return json.loads(done.stdout.splitlines()[-1])


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Measure; leave a table and a figure."""
    started = time.time()
    args = parser().parse_args(argv)
    device = resolve_device(args.device)
    if args.one:
        name, *numbers = args.one
        count, size, repeats, backward = map(int, numbers)
        print(json.dumps(measure(name, count, size, repeats, device, bool(backward))))
        return
    folder = make_folder(Path(args.output_dir) / "benchmark", "--output_dir")
    by_count = {n: measure_alone("fast", n, AT[1], 3, args.device) for n in COUNTS}
    by_size = {s: measure_alone("fast", AT[0], s, 3, args.device) for s in SIZES}
    rows = {"fast": measure_alone("fast", *AT, 5, args.device)}
    view = measure_alone("fast", 100_000, 512, 3, args.device, backward=False)
    _figure(folder / "scaling.png", by_count, by_size)
    write_json(folder / "results.json", {"by_count": by_count, "by_size": by_size, **rows, "view": view})
    if not args.skip_reference:  # it takes 20 GB
        try:
            rows["reference"] = measure_alone("reference", *AT, 1, args.device)
        except UserError as error:
            print(f"the plain form is left out: {error}", file=sys.stderr)
    metrics = {f"{name}_{key}": value for name, row in rows.items() for key, value in row.items()}
    if "reference" in rows:
        metrics["speedup"] = rows["reference"]["seconds"] / rows["fast"]["seconds"]
        metrics["memory_ratio"] = rows["fast"]["megabytes"] / rows["reference"]["megabytes"]
    metrics["view_of_100000_seconds"] = view["seconds"]
    write_json(folder / "results.json", {"by_count": by_count, "by_size": by_size, **rows, "view": view})
    write_metrics(folder, {**metrics, "seconds": time.time() - started})
    write_run(folder, vars(args), started, device=str(device))
    print("\n".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    print(folder / "scaling.png")


def _figure(path: Path, by_count: dict[int, dict], by_size: dict[int, dict]) -> None:
    """Time and memory against Gaussians and against pixels, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.4), layout="constrained")
    lines = ((by_count, "Gaussians, 256 x 256 pixels", 1), (by_size, "pixels, 5,000 Gaussians", 2))
    for axes, (rows, label, power) in zip(figure.subplots(1, 2), lines, strict=True):
        x = [n**power for n in rows]
        axes.loglog(x, [row["seconds"] for row in rows.values()], "o-", label="seconds, forward and backward")
        axes.loglog(x, [max(row["megabytes"], 1) / 1e3 for row in rows.values()], "s--", label="gigabytes at most")
        low, high = axes.get_ylim()  # whole decades, so that each has its label
        axes.set_ylim(10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high)))
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def parser() -> ArgumentParser:
    """Flags."""
    p = ArgumentParser(
        "Time and memory of the rasterisers; two minutes on two cores.", "python -m a4_splatting_sds.benchmark"
    )
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument("--skip_reference", action="store_true", help="leave the plain one out, which takes 20 GB")
    p.add_argument("--one", nargs=5, default=None, help=argparse.SUPPRESS)
    return p


if __name__ == "__main__":
    raise SystemExit(main())
