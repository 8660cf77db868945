"""The dolly zoom: the camera moves in while its field of view widens, and the subject keeps its size."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from a1_rendering.deliverable import Deliverable, chosen_mesh, deliverable_parser
from a1_rendering.mesh_practice import flat_mesh
from a1_rendering.polyhedra import polyhedron
from common.cli import UserError, command, positive_float
from common.mesh_views import chequered_floor, render_together, render_views
from common.p3d import AmbientLights, FoVPerspectiveCameras, Meshes, PointLights, join_meshes_as_scene
from common.visualize import add_caption

SUBJECT_SIZE = 0.6  # of the picture's height; near by, the head is far above the middle
STEPS = 60  # halvings of the distance's bracket


def subject_height(verts: Tensor, fov: float, distance: float) -> float:
    """Height in the picture, in shares of it, of points (V, 3) seen from (0, 0, -distance) towards +z.

    A point at height y and depth z projects to y / (z tan(fov / 2)); infinite if a point is not in front of the camera.
    """
    depth = verts[:, 2] + distance
    if float(depth.min()) <= 1e-3:
        return float("inf")
    projected = verts[:, 1] / depth / np.tan(np.radians(fov / 2))
    return float(projected.max() - projected.min()) / 2


def distance_for(verts: Tensor, fov: float, size: float = SUBJECT_SIZE) -> float:
    """The distance at which the subject (V, 3) has the given height in the picture.

    The textbook's w / (2 tan(fov / 2)) holds for a flat subject; one with depth grows as its near parts come close.
    The height falls with the distance, so halving finds it.
    """
    low, high = -float(verts[:, 2].min()), 1e4
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if subject_height(verts, fov, middle) > size else (low, middle)
    return high


def stage(mesh: Meshes) -> Meshes:
    """The subject on a wide chequered floor with pillars behind, so that the change of perspective shows."""
    low = float(mesh.verts_packed()[:, 1].min())
    pieces = [chequered_floor(low, 9.6, 24, ((0.45, 0.52, 0.6), (0.75, 0.78, 0.82)))]
    verts, polygons = polyhedron("cube")
    for n, x in enumerate(np.linspace(-6, 6, 7)):
        half, color = 1.3 + 0.25 * (n % 2), ((0.85, 0.45, 0.3), (0.3, 0.6, 0.55))[n % 2]
        pillar = verts / verts.max() * (0.25, half, 0.25) + (x, low + half, 4.75)
        pieces.append(flat_mesh(pillar, polygons, color))
    return join_meshes_as_scene(pieces).to(mesh.device)


def silhouette_height(mesh: Meshes, cameras: FoVPerspectiveCameras, image_size: int) -> float:
    """Share of the picture's height that the mesh's silhouette covers, from the rows of pixels it is seen in."""
    depth = render_together([mesh], 4 * image_size, cameras, AmbientLights(device=mesh.device))[1]
    rows = torch.isfinite(depth).any(1).nonzero()
    return float(rows.max() - rows.min() + 1) / (4 * image_size)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Solve for the distances, render, and measure the subject's size in the frames."""
    example = "python -m a1_rendering.dolly_zoom --num_frames 20 --output_file dolly.gif"
    parser = deliverable_parser(
        "The dolly zoom; about a quarter of a minute.", example, num_frames=30, fps=10, mesh=True
    )
    parser.add_argument("--duration", type=positive_float, default=None, help="seconds of the GIF, in place of --fps")
    parser.add_argument(
        "--fov", type=float, nargs=2, default=(5.0, 120.0), help="field of view, degrees, first and last"
    )
    args = parser.parse_args(argv)
    if not all(1 <= fov <= 150 for fov in args.fov):
        raise UserError(f"--fov {args.fov[0]} {args.fov[1]}: both must be from 1 to 150 degrees")
    if args.duration:
        args.fps = min(args.num_frames / args.duration, 50.0)
    job = Deliverable("dolly_zoom", args)
    mesh = chosen_mesh(args, job.device)
    verts = mesh.verts_packed()
    fovs = np.linspace(*args.fov, args.num_frames)
    distances = [distance_for(verts, fov) for fov in fovs]
    scene = [mesh, stage(mesh)]
    frames, heights = [], []
    for fov, distance in zip(fovs, distances, strict=True):
        T = torch.tensor([[0.0, 0.0, distance]], dtype=torch.float32)
        cameras = FoVPerspectiveCameras(fov=float(fov), T=T, znear=0.02, zfar=2e4, device=job.device)
        lights = PointLights(location=[[2.0, 6.0, -6.0]], specular_color=((0.05,) * 3,), device=job.device)
        frames.append(render_views(scene, cameras, args.image_size, lights)[0])
        heights.append(silhouette_height(mesh, cameras, args.image_size))
    frames = np.stack([add_caption(f[None], f"field of view {v:.0f}")[0] for f, v in zip(frames, fovs, strict=True)])
    job.gif("dolly.gif", frames)
    spread = max(heights) / min(heights) - 1
    print(f"the subject's height in the frames varies by {100 * spread:.2f} %")
    job.finish(size_variation=spread, nearest=min(distances), farthest=max(distances))


if __name__ == "__main__":
    raise SystemExit(main())
