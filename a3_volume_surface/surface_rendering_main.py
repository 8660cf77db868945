"""Part B of the assignment: sphere tracing, neural signed distances, VolSDF and its kin."""

from collections.abc import Sequence

from a3_volume_surface.command import Job, parse
from a3_volume_surface.render_surface import render
from a3_volume_surface.train_images import train_images
from a3_volume_surface.train_points import train_points
from common.cli import UserError, command

DESCRIPTION = """Sphere tracing, signed distances from points, VolSDF and NeuS.
On two cores: torus_surface, sphere_surface, box_surface, combination_surface and many_primitives seconds to a minute;
points_surface 4 minutes; volsdf_surface, neus_surface and naive_surface 12 minutes. --preset course takes the course's
own numbers: hours without a GPU."""
EXAMPLE = "python -m a3_volume_surface.surface_rendering_main --config-name=volsdf_surface renderer.beta=0.1"


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run one configuration."""
    job = Job(parse(argv, DESCRIPTION, EXAMPLE, "torus_surface"))
    runs = {"render": render, "train_points": train_points, "train_images": train_images}
    if job.cfg.type not in runs or (job.cfg.type == "render" and job.cfg.renderer.type == "volume"):
        raise UserError(f"type {job.cfg.type}: run it with python -m a3_volume_surface.volume_rendering_main")
    runs[job.cfg.type](job)


if __name__ == "__main__":
    raise SystemExit(main())
