"""Ours beside a peer's rasteriser: `python -m tests.benchmarks.bench_splatting --torch_splatting FOLDER`.

The folder is a copy of github.com/hbb1/torch-splatting, whose `GaussRenderer` composites tiles of 64 x 64 pixels in
plain PyTorch. Both are given the same projected Gaussians and make a picture on white and its gradients with respect to
them; the median time of each is printed, and by how much the pictures differ (the peer keeps what covers less than
1/255). The peer is written for CUDA; here its device is the CPU.
"""

import argparse
import types
from pathlib import Path

import torch
from torch import Tensor

from a4_splatting_sds.benchmark import cloud
from a4_splatting_sds.scene import project
from a4_splatting_sds.tiles import composite_tiles
from tests.benchmarks.timing import median_ms

RUNS = ((1_000, 256), (5_000, 256), (20_000, 256), (20_000, 512))  # Gaussians, pixels a side


def peer_renderer(folder: Path, size: int):
    """The peer's renderer for pictures of ``size`` x ``size`` pixels on white."""
    source = (folder / "gaussian_splatting" / "gauss_render.py").read_text().replace("cuda", "cpu")
    lines = [line for line in source.splitlines() if not line.startswith(("from einops", "from .utils", "import pdb"))]
    module = types.ModuleType("gauss_render")
    exec("\n".join(lines), module.__dict__)
    renderer = module.GaussRenderer(white_bkgd=True)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    renderer.pix_coord = torch.stack((columns, rows), -1)
    return renderer


def compare(folder: Path, count: int, size: int, seconds: float) -> tuple[float, float, float]:
    """Milliseconds of ours and of the peer's, forward and backward, and the mean difference of their pictures."""
    gaussians, camera = cloud(count, size)
    with torch.no_grad():
        splats = project(gaussians, camera)
    given = (splats.means_2D, splats.cov_2D, splats.opacities, splats.colours)
    means, cov, opacities, colours = (x.clone().requires_grad_() for x in given)
    renderer, lens = peer_renderer(folder, size), types.SimpleNamespace(image_width=size, image_height=size)

    def ours() -> Tensor:
        image, behind = composite_tiles(means, cov, opacities, colours, (size, size))
        return image + behind[..., None]

    def peers() -> Tensor:
        return renderer.render(lens, means - 0.5, cov, colours, opacities[:, None], splats.depths)["render"]

    times = [median_ms(lambda make=make: make().square().mean().backward(), seconds) for make in (ours, peers)]
    with torch.no_grad():
        return *times, float((ours() - peers()).abs().mean())


def main() -> None:
    """Measure and print."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--torch_splatting", type=Path, required=True, help="copy of github.com/hbb1/torch-splatting")
    p.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    args = p.parse_args()
    for count, size in RUNS:
        ours, peers, apart = compare(args.torch_splatting, count, size, args.seconds)
        print(
            f"{count} Gaussians, {size} x {size}: {ours:.1f} ms, torch-splatting {peers:.0f} ms, {peers / ours:.1f} "
            f"times as long; pictures differ by {apart:.5f} on average",
            flush=True,
        )


if __name__ == "__main__":
    main()
