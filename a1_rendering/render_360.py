"""A full turn around a mesh."""

from collections.abc import Sequence

from a1_rendering.deliverable import Deliverable, chosen_mesh, deliverable_parser
from common.cli import command
from common.mesh_views import turntable_mesh


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Render the turn."""
    example = "python -m a1_rendering.render_360 --num_frames 100 --fps 15 --output_file turn.gif"
    parser = deliverable_parser(
        "A 360-degree GIF of a mesh; about a quarter of a minute.", example, num_frames=100, mesh=True
    )
    job = Deliverable("render_360", parser.parse_args(argv))
    mesh = chosen_mesh(job.args, job.device)
    frames = turntable_mesh(mesh, job.args.num_frames, job.args.image_size, bar="rendering")
    path = job.gif("360-render.gif", frames)
    job.finish(frames=len(frames), megabytes=path.stat().st_size / 1e6)


if __name__ == "__main__":
    raise SystemExit(main())
