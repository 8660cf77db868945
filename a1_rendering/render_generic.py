"""One picture of a point cloud, of a sampled sphere or of a sphere's mesh: the course's three representations."""

from collections.abc import Sequence

import numpy as np
import torch

from a1_rendering.deliverable import Deliverable, deliverable_parser
from a1_rendering.rgbd import shaded_plant
from a1_rendering.surfaces import SURFACES
from a1_rendering.torus_render import implicit_mesh
from common.cli import UserError, command, positive_int
from common.colors import height_colors
from common.mesh_views import turntable_mesh
from common.p3d import knn_points
from common.shapes.plant import plant
from common.visualize import render_points


def read_cloud(path: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Points and colours (N, 3) of an npz file with ``verts`` and ``rgb``, as the course's bridge.

    Raises:
        UserError: no such file, not an npz file, or arrays of another kind.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            verts, rgb = (torch.as_tensor(np.asarray(stored[name], np.float32)) for name in ("verts", "rgb"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"--cloud {path}: an npz file with the arrays verts and rgb is needed ({error})") from None
    if verts.dim() != 2 or verts.shape[1] != 3 or rgb.dim() != 2 or rgb.shape[1] < 3 or len(rgb) != len(verts):
        raise UserError(f"--cloud {path}: verts {tuple(verts.shape)} and rgb {tuple(rgb.shape)} must be (N, 3)")
    return verts, rgb[:, :3].clamp(0, 1)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Render the chosen representation."""
    parser = deliverable_parser(
        "A picture of a point cloud, a parametric or an implicit surface; about 2 seconds.",
        "python -m a1_rendering.render_generic --render parametric --num_samples 1000",
        image_size=256,
    )
    kinds = ("point_cloud", "parametric", "implicit")
    parser.add_argument("--render", choices=kinds, default="point_cloud", help="which representation")
    parser.add_argument("--num_samples", type=positive_int, default=100, help="parametric: values of each angle")
    parser.add_argument("--voxel_size", type=positive_int, default=64, help="implicit: grid corners along each side")
    parser.add_argument("--cloud", default=None, help="npz of verts and rgb (default: points on a procedural plant)")
    job = Deliverable("render_generic", parser.parse_args(argv))
    size = job.args.image_size
    if job.args.render == "point_cloud":
        if job.args.cloud:
            points, colors = read_cloud(job.args.cloud)
        else:
            points, colors = plant_points(job.args.seed)
        image = render_points(points.to(job.device), colors.to(job.device), size)
    elif job.args.render == "parametric":
        points = SURFACES["sphere"].points(job.args.num_samples).to(job.device)
        image = render_points(points, height_colors(points), size)
    else:
        mesh = implicit_mesh(SURFACES["sphere"], job.args.voxel_size).to(job.device)
        points, image = mesh.verts_packed(), turntable_mesh(mesh, 1, size)[0]
    job.png(f"{job.args.render}.png", image)
    job.finish(points=len(points))


def plant_points(seed: int, count: int = 50_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (count, 3) of the visible surface of a plant, coloured as the nearest corners of its shaded mesh."""
    points = torch.from_numpy(plant(seed).sample_surface(count, np.random.default_rng(seed))[0])
    mesh = shaded_plant(seed, torch.device("cpu"))
    nearest = knn_points(points[None], mesh.verts_packed()[None], K=1).idx[0, :, 0]
    return points, mesh.textures.verts_features_packed()[nearest]


if __name__ == "__main__":
    raise SystemExit(main())
