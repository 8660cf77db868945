"""Points sampled evenly over a mesh's surface, 10 to 10,000 of them, beside the mesh."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from a1_rendering.deliverable import Deliverable, chosen_mesh, deliverable_parser
from common.cli import UserError, command
from common.gif import save_gif
from common.mesh_views import turntable_mesh
from common.p3d import Meshes
from common.visualize import add_caption, turntable


def sample_surface(mesh: Meshes, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Points (count, 3) spread evenly by area over one mesh, and their colours (count, C).

    A face is drawn with the probability of its share of the area (stratified: one draw in each 1 / count of the area),
    then a place on it: with r1, r2 even in [0, 1], the barycentric coordinates 1 - sqrt(r1), sqrt(r1) (1 - r2),
    sqrt(r1) r2 are even over the triangle (Osada et al., "Shape distributions", 2002).
    """
    bounds = mesh.faces_areas_packed().double().cumsum(0)
    draws = (torch.arange(count) + torch.rand(count, generator=generator, dtype=torch.float64)) / count
    face = torch.searchsorted(bounds, draws.to(bounds) * bounds[-1]).clamp(max=len(bounds) - 1)
    r1, r2 = torch.rand(2, count, generator=generator).to(mesh.device)
    root = r1.sqrt()
    bary = torch.stack((1 - root, root * (1 - r2), root * r2), 1)
    corners = mesh.verts_packed()[mesh.faces_packed()[face]]
    points = (bary[:, None] @ corners)[:, 0]
    return points, mesh.textures.sample(face, bary, mesh.faces_packed())


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Sample and render."""
    example = "python -m a1_rendering.sample_mesh --counts 10 100 1000 10000"
    parser = deliverable_parser("Points sampled on a mesh; about ten seconds.", example, 256, num_frames=36, mesh=True)
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 100, 1000, 10000], help="how many points")
    args = parser.parse_args(argv)
    if not all(1 <= count <= 10_000_000 for count in args.counts):
        raise UserError(f"--counts {args.counts}: each must be from 1 to 10,000,000")
    job = Deliverable("sample_mesh", args)
    mesh = chosen_mesh(args, job.device)
    generator = torch.Generator().manual_seed(args.seed)
    columns = [add_caption(turntable_mesh(mesh, args.num_frames, args.image_size, start=0.0), "mesh")]
    for count in args.counts:
        points, colors = sample_surface(mesh, count, generator)
        frames = turntable(points, colors.clamp(0, 1), args.num_frames, args.image_size)
        columns.append(add_caption(frames, f"{count:,} points"))
        save_gif(job.folder / f"samples_{count}.gif", columns[-1], args.fps)
    job.gif("samples.gif", np.concatenate(columns, axis=2))
    job.finish()


if __name__ == "__main__":
    raise SystemExit(main())
