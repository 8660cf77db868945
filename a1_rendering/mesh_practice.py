"""Meshes made by hand: the regular solids and others, in one colour, with their edges drawn."""

from collections.abc import Sequence

import numpy as np
import torch

from a1_rendering.deliverable import Deliverable, deliverable_parser
from a1_rendering.polyhedra import CORNERS, polyhedron, triangles
from common.cli import command
from common.mesh_views import painted, render_views, turntable_cameras
from common.p3d import Meshes, join_meshes_as_scene
from common.shapes.primitives import Tube

COLOR, EDGE = (0.35, 0.6, 0.85), (0.15, 0.2, 0.3)


def flat_mesh(verts: np.ndarray, polygons: list[list[int]], color: tuple[float, float, float] = COLOR) -> Meshes:
    """A mesh whose faces look flat: every polygon has corners of its own."""
    own = np.concatenate([verts[p] for p in polygons])
    start = np.cumsum([0] + [len(p) for p in polygons])
    faces = triangles([list(range(start[k], start[k + 1])) for k in range(len(polygons))])
    return painted(Meshes([torch.from_numpy(own).float()], [torch.from_numpy(faces)]), color)


def edge_mesh(verts: np.ndarray, polygons: list[list[int]], radius: float = 0.012) -> Meshes:
    """Thin tubes along the edges."""
    edges = {tuple(sorted(e)) for p in polygons for e in zip(p, p[1:] + p[:1], strict=True)}
    tubes = []
    for a, b in sorted(edges):
        corners, faces, _ = Tube((tuple(verts[a]), tuple(verts[b])), radius).mesh()
        tubes.append(Meshes([torch.from_numpy(corners).float()], [torch.from_numpy(faces)]))
    return painted(join_meshes_as_scene(tubes), EDGE)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Build, count, render."""
    example = "python -m a1_rendering.mesh_practice --shape icosahedron --num_frames 50 --fps 15"
    parser = deliverable_parser("A polyhedron made by hand, turning; about ten seconds.", example, num_frames=50)
    parser.add_argument("--shape", choices=sorted(CORNERS), default="tetrahedron", help="which polyhedron")
    job = Deliverable("mesh_practice", parser.parse_args(argv))
    verts, polygons = polyhedron(job.args.shape)
    faces = triangles(polygons)
    edges = sum(map(len, polygons)) // 2
    print(f"{job.args.shape}: vertices = {len(verts)}, faces = {len(faces)} triangles ({len(polygons)} polygons)")
    meshes = [m.to(job.device) for m in (flat_mesh(verts, polygons), edge_mesh(verts, polygons))]
    cameras = turntable_cameras(meshes[0], job.args.num_frames, elev=20.0)
    job.gif(f"{job.args.shape}.gif", render_views(meshes, cameras, job.args.image_size))
    job.finish(vertices=len(verts), faces=len(faces), polygons=len(polygons), edges=edges)


if __name__ == "__main__":
    raise SystemExit(main())
