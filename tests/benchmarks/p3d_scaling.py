"""Time and memory of a render against the number of faces and of pixels: `bench_p3d --scaling figure.png`.

`python -m tests.benchmarks.p3d_scaling FACES PIXELS` measures one point.
"""

import json
import math
import resource
import subprocess
import sys

import torch

import common.p3d as p3d
from tests.benchmarks.timing import median_ms


def scaling_point(faces: int, pixels: int) -> tuple[float, float]:
    """Seconds of a render of a sphere with about so many faces at so many pixels, and the process's peak in GiB."""
    level = max(round(math.log(faces / 20, 4)), 0)
    sphere = p3d.ico_sphere(level)
    R, T = p3d.look_at_view_transform(2.7, 0.0, 0.0)
    settings = p3d.RasterizationSettings(image_size=pixels)
    rasterizer = p3d.MeshRasterizer(p3d.FoVPerspectiveCameras(R=R, T=T), settings)
    seconds = median_ms(torch.no_grad()(lambda: rasterizer(sphere)), 1.0) / 1e3
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def draw(path: str) -> None:
    """Time and memory against faces and against pixels, each point in a process of its own."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6), layout="constrained")
    levels = [20 * 4**level for level in range(3, 9)]
    sizes = (128, 256, 512, 1024, 2048)
    series = (
        ("faces, at 512 x 512 pixels", levels, [(faces, 512) for faces in levels]),
        ("pixels, of 20,480 faces", [size * size for size in sizes], [(20_480, size) for size in sizes]),
    )
    for column, (label, xs, points) in enumerate(series):
        results = []
        for faces, pixels in points:
            command = [sys.executable, "-m", "tests.benchmarks.p3d_scaling", str(faces), str(pixels)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{faces:>9} faces, {pixels:>4} px: {results[-1][0]:7.3f} s, {results[-1][1]:5.2f} GiB", flush=True)
        for row, (name, limit) in enumerate((("seconds", None), ("peak memory of the process, GiB", 0))):
            axes[row, column].plot(xs, [r[row] for r in results], "o-")
            axes[row, column].set(xscale="log", xlabel=label, ylabel=name)
            axes[row, column].set_yscale("linear" if row else "log")
            axes[row, column].set_ylim(bottom=limit)
            axes[row, column].grid(alpha=0.3)
        slope = results[-1][0] / xs[-1]
        axes[0, column].plot(xs, [slope * x for x in xs], "--", color="gray", label="linear")
        axes[0, column].legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    print(json.dumps(scaling_point(*map(int, sys.argv[1:]))))
