"""Surfaces from equations: parametric ones as points, implicit ones as meshes."""

from collections.abc import Sequence

import numpy as np

from a1_rendering.deliverable import Deliverable, deliverable_parser
from a1_rendering.surfaces import SURFACES, Surface, names
from common.cli import UserError, command, positive_int
from common.colors import height_colors
from common.mesh_views import painted, turntable_mesh
from common.p3d import Meshes, marching_cubes
from common.visualize import add_caption, turntable

SHOWN = ("torus", "superquadric")


def implicit_mesh(surface: Surface, resolution: int) -> Meshes:
    """The surface's zero level by marching cubes on a grid of ``resolution`` corners a side, coloured by height."""
    verts, faces = marching_cubes(surface.volume(resolution)[None], 0.0, return_local_coords=False)
    verts = verts[0] * (2 * surface.reach / (resolution - 1)) - surface.reach
    return painted(Meshes([verts], [faces[0]]), height_colors(verts))


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Sample or mesh each surface and render its turn."""
    example = "python -m a1_rendering.torus_render --function implicit --surface heart gyroid"
    parser = deliverable_parser(
        "Surfaces from equations; about a quarter of a minute a surface.", example, num_frames=50
    )
    parser.add_argument("--function", choices=("parametric", "implicit"), default="parametric", help="points or a mesh")
    parser.add_argument("--surface", nargs="+", default=list(SHOWN), choices=[*SURFACES, "all"], metavar="NAME",
                        help=f"which: {', '.join(SURFACES)}, or all")  # fmt: skip
    parser.add_argument("--num_samples", type=positive_int, default=500, help="parametric: values of each parameter")
    parser.add_argument("--voxel_size", type=positive_int, default=128, help="implicit: grid corners along each side")
    args = parser.parse_args(argv)
    chosen = names(args.function) if "all" in args.surface else args.surface
    for name in chosen:
        if name not in names(args.function):
            raise UserError(f"--surface {name}: has no {args.function} form; use {', '.join(names(args.function))}")
    if args.num_samples > 4000 or args.voxel_size > 512:
        raise UserError("--num_samples above 4000 or --voxel_size above 512 would fill the memory")
    if args.voxel_size < 2:
        raise UserError("--voxel_size must be at least 2")
    job = Deliverable("torus_render", args)
    metrics, made = {}, []
    for name in chosen:
        surface = SURFACES[name]
        if args.function == "parametric":
            points = surface.points(args.num_samples).to(job.device)
            frames = turntable(points, height_colors(points), args.num_frames, args.image_size)
            metrics[f"{name}_points"] = len(points)
        else:
            mesh = implicit_mesh(surface, args.voxel_size).to(job.device)
            frames = turntable_mesh(mesh, args.num_frames, args.image_size, bar=name)
            metrics[f"{name}_faces"] = len(mesh.faces_packed())
        print(f"{name}: {surface.equation}")
        made.append(frames)
        job.gif(f"{name}_{args.function}.gif", add_caption(frames, name), only=False)
    if args.output_file:
        job.gif("surfaces.gif", np.concatenate(made, axis=2))
    job.finish(**metrics)


if __name__ == "__main__":
    raise SystemExit(main())
