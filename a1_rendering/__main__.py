"""Make every deliverable of this assignment."""

from collections.abc import Sequence

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
from common.cli import command
from common.deliverables import make_all

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
    make_all("a1_rendering", DELIVERABLES, "All deliverables of assignment 1; about 5 minutes on two cores.", argv)


if __name__ == "__main__":
    raise SystemExit(main())
