"""Point clouds from two RGB-D views: each alone, and both together."""

from collections.abc import Sequence

import numpy as np
import torch

from a1_rendering.deliverable import Deliverable, deliverable_parser
from a1_rendering.rgbd import read_rgbd, rendered_views, shaded_plant
from common.cli import command
from common.gif import save_gif
from common.visualize import add_caption, image_grid, turntable


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Unproject, render, and measure how far the points lie from the surface where it is known."""
    example = "python -m a1_rendering.pcl_render --image_size 512 --rgbd rgbd_data.pkl"
    parser = deliverable_parser("Point clouds from RGB-D views; about 15 seconds.", example, 384, num_frames=36)
    parser.add_argument(
        "--rgbd", default=None, help="the course's rgbd_data.pkl (default: two views of a procedural plant)"
    )
    args = parser.parse_args(argv)
    job = Deliverable("pcl_render", args)
    if args.rgbd:
        views = read_rgbd(args.rgbd)
    else:
        views = rendered_views(shaded_plant(args.seed, job.device), 400)
    clouds = [view.points() for view in views]
    clouds.append(tuple(torch.cat(parts) for parts in zip(*clouds, strict=True)))
    flip = points_down(views) if args.rgbd else False
    names, columns = ("first view", "second view", "union"), []
    for name, (points, colors) in zip(names, clouds, strict=True):
        points = points * points.new_tensor([-1.0, -1.0, 1.0]) if flip else points
        frames = add_caption(
            turntable(points, colors, args.num_frames, args.image_size), f"{name}: {len(points):,} points"
        )
        columns.append(frames)
        save_gif(job.folder / f"{name.replace(' ', '_')}.gif", frames, args.fps)
    job.png(
        "views.png",
        image_grid([(255 * v.rgb.clamp(0, 1).cpu().numpy()).round().astype(np.uint8) for v in views], 2),
        only=False,
    )
    job.gif("point_clouds.gif", np.concatenate(columns, axis=2))
    job.finish(**{f"points_{k}": len(points) for k, (points, _) in zip(("1", "2", "union"), clouds, strict=True)})


def points_down(views) -> bool:
    """Whether the pictures' upward direction points to -y in the world, as in data whose y axis points down."""
    return float(torch.stack([view.camera.R[0, :, 1] for view in views]).mean(0)[1]) < 0


if __name__ == "__main__":
    raise SystemExit(main())
