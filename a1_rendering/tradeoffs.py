"""Meshes against point clouds, measured: time to make, time to render, memory and error, as either gets finer."""

import time
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
import torch
from torch import Tensor

from a1_rendering.deliverable import Deliverable, deliverable_parser
from a1_rendering.sample_mesh import sample_surface
from a1_rendering.surfaces import SURFACES, R, r
from a1_rendering.torus_render import implicit_mesh
from common.cli import command
from common.colors import height_colors
from common.mesh_views import FIELD_OF_VIEW, render_together, turntable_cameras
from common.outputs import atomic_path
from common.p3d import (
    AlphaCompositor,
    AmbientLights,
    FoVPerspectiveCameras,
    Pointclouds,
    PointsRasterizationSettings,
    PointsRasterizer,
    PointsRenderer,
    knn_points,
    look_at_view_transform,
)

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

RESOLUTIONS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
COUNTS = (300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def torus_distance(points: Tensor) -> Tensor:
    """Distance (N,) of points (N, 3) from the torus: |sqrt((sqrt(x^2 + y^2) - R)^2 + z^2) - r|."""
    x, y, z = points.unbind(1)
    return (torch.hypot(torch.hypot(x, y) - R, z) - r).abs()


def gap(points: Tensor, reference: Tensor) -> float:
    """How far the surface is from the representation: root mean square distance from surface points to the nearest."""
    return float(knn_points(reference[None], points[None], K=1).dists.mean().sqrt())


def timed(work: Callable[[], object], repeats: int = 5) -> tuple[object, float]:
    """A result and the median time in milliseconds, after one run to warm up."""
    result, times = work(), []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return result, float(np.median(times))


@torch.no_grad()
def measure_mesh(resolution: int, image_size: int) -> dict[str, float]:
    """One mesh of the torus: bytes, milliseconds to make and to render, root mean square distance between surfaces."""
    mesh, making = timed(lambda: implicit_mesh(SURFACES["torus"], resolution))
    camera = turntable_cameras(mesh, 1, elev=40.0)
    _, rendering = timed(lambda: render_together([mesh], image_size, camera, AmbientLights()))
    dense = sample_surface(mesh, 200_000)[0]
    size = mesh.verts_packed().nbytes + mesh.faces_packed().int().nbytes
    error = float(torus_distance(dense).square().mean().sqrt())
    return {"count": len(mesh.faces_packed()), "bytes": size, "make_ms": making, "render_ms": rendering, "error": error}


@torch.no_grad()
def measure_points(count: int, image_size: int, reference: Tensor) -> dict[str, float]:
    """One cloud of the torus, likewise; its error is how far the surface is from the nearest point."""
    side = max(round(count**0.5), 2)
    points, making = timed(lambda: SURFACES["torus"].points(side))
    clouds = Pointclouds([points], features=[height_colors(points)])
    T = look_at_view_transform(4.4, 40.0, 180.0)
    camera = FoVPerspectiveCameras(R=T[0], T=T[1], fov=FIELD_OF_VIEW)
    settings = PointsRasterizationSettings(image_size=image_size, radius=min(0.6 / side * 2, 0.1))
    renderer = PointsRenderer(PointsRasterizer(camera, settings), AlphaCompositor((1, 1, 1)))
    _, rendering = timed(lambda: renderer(clouds))
    error = gap(points, reference)
    return {"count": len(points), "bytes": points.nbytes, "make_ms": making, "render_ms": rendering, "error": error}


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Measure both over a range of sizes, draw the curves, say what follows."""
    parser = deliverable_parser(
        "Mesh against point cloud, measured; about a quarter of a minute.", "python -m a1_rendering.tradeoffs", 256
    )
    job = Deliverable("tradeoffs", parser.parse_args(argv))
    generator = np.random.default_rng(job.args.seed)
    reference = torus_points(20_000, generator)
    rows = {
        "mesh": [measure_mesh(n, job.args.image_size) for n in RESOLUTIONS],
        "points": [measure_points(n, job.args.image_size, reference) for n in COUNTS],
    }
    _figure(rows, job.path("tradeoffs.png"))
    text = summary(rows)
    print(text)
    with atomic_path(job.folder / "tradeoffs.txt") as temporary:
        temporary.write_text(text + "\n")
    flat = {
        f"{kind}_{row['count']}_{name}": row[name]
        for kind in rows
        for row in rows[kind]
        for name in row
        if name != "count"
    }
    job.finish(**flat)


def torus_points(count: int, generator: np.random.Generator) -> Tensor:
    """Points (count, 3) spread evenly by area over the torus: its area element grows as R + r cos v."""
    u, v, keep = (generator.random(4 * count) for _ in range(3))
    v = 2 * np.pi * v
    v, u = (a[keep < (R + r * np.cos(v)) / (R + r)][:count] for a in (v, u))
    ring = R + r * np.cos(v)
    points = np.stack([ring * np.cos(2 * np.pi * u), ring * np.sin(2 * np.pi * u), r * np.sin(v)], 1)
    return torch.from_numpy(points).float()


def summary(rows: dict[str, list[dict[str, float]]]) -> str:
    """What the figures say, computed from them."""
    lines = ["Error: root mean square distance between the torus (R = 1, r = 0.4) and what stands for it."]
    for target in (0.03, 0.01, 0.003):
        for kind in ("mesh", "points"):
            good = [row for row in rows[kind] if row["error"] <= target]
            if good:
                row = good[0]
                what = "faces" if kind == "mesh" else "points"
                lines.append(
                    f"error <= {target}: {kind} with {row['count']:,} {what}, {row['bytes'] / 1e3:,.0f} kB, "
                    f"made in {row['make_ms']:.1f} ms, rendered in {row['render_ms']:.1f} ms"
                )
            else:
                lines.append(f"error <= {target}: {kind} not reached, best {rows[kind][-1]['error']:.4f}")
    slopes = {
        kind: np.polyfit(np.log([x["count"] for x in rows[kind]]), np.log([x["error"] for x in rows[kind]]), 1)[0]
        for kind in rows
    }
    lines.append(
        f"The error falls as count^{slopes['mesh']:.2f} for the mesh, whose faces follow the surface to second order, "
        f"and as count^{slopes['points']:.2f} for points, which only have their spacing. Points are made without any "
        "grid and carry no faces; a mesh has a closed surface, normals and texture."
    )
    return "\n".join(lines)


def _figure(rows: dict[str, list[dict[str, float]]], path) -> None:
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.6))
    titles = (("count", "error", "error against faces or points"), ("bytes", "error", "error against memory (bytes)"),
              ("count", "make_ms", "time to make (ms)"), ("count", "render_ms", "time to render (ms)"))  # fmt: skip
    for axis, (x, y, title) in zip(axes, titles, strict=True):
        for kind, style in (("mesh", "o-"), ("points", "s--")):
            axis.loglog([row[x] for row in rows[kind]], [row[y] for row in rows[kind]], style, label=kind, markersize=4)
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=8)
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    plt.close(figure)


if __name__ == "__main__":
    raise SystemExit(main())
