"""Make every deliverable of this assignment."""

import time
from collections.abc import Sequence

from tqdm import tqdm

from a1_rendering import (
    camera_transforms,
    dolly_zoom,
    fun,
    mesh_practice,
    pcl_render,
    render_360,
    render_generic,
    render_mesh,
    retexturing_mesh,
    sample_mesh,
    torus_render,
    tradeoffs,
)
from a1_rendering.deliverable import OUTPUT_DIR
from common.cli import ArgumentParser, add_common_flags, command

# What is made, in order: a name, the command, its flags.
DELIVERABLES = (
    ("first mesh", render_mesh, []),
    ("360-degree render", render_360, []),
    ("dolly zoom", dolly_zoom, []),
    ("tetrahedron", mesh_practice, ["--shape", "tetrahedron"]),
    ("cube", mesh_practice, ["--shape", "cube"]),
    ("re-texturing", retexturing_mesh, []),
    ("camera transforms", camera_transforms, []),
    ("point clouds from RGB-D", pcl_render, []),
    ("point cloud", render_generic, ["--render", "point_cloud"]),
    ("parametric surfaces", torus_render, ["--function", "parametric"]),
    ("implicit surfaces", torus_render, ["--function", "implicit"]),
    ("mesh against points", tradeoffs, []),
    ("something fun", fun, ["--function", "full"]),
    ("something fun, dolly zoom", fun, ["--function", "dolly"]),
    ("sampled points", sample_mesh, []),
)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run every command with its defaults; stop at the first that fails."""
    parser = ArgumentParser("All deliverables of assignment 1; about 6 minutes on two cores.", "python -m a1_rendering")
    add_common_flags(parser, OUTPUT_DIR)
    args = parser.parse_args(argv)
    shared = ["--device", args.device, "--seed", str(args.seed), "--output_dir", args.output_dir]
    times = {}
    for name, module, flags in tqdm(DELIVERABLES, desc="a1_rendering", unit="deliverable"):
        tqdm.write(f"== {name}")
        start = time.time()
        code = module.main([*flags, *shared])
        if code:
            raise SystemExit(code)
        times[name] = time.time() - start
    for name, seconds in times.items():
        print(f"{name:28s} {seconds:7.1f} s")


if __name__ == "__main__":
    raise SystemExit(main())
