"""Part A of the assignment: volumes, their optimisation, radiance fields."""

from collections.abc import Sequence

from a3_volume_surface.command import Job, parse
from a3_volume_surface.render_volume import render
from a3_volume_surface.train_box import train
from a3_volume_surface.train_nerf import train_nerf
from common.cli import UserError, command

DESCRIPTION = """Volume rendering, boxes from views, radiance fields.
On two cores: box, sphere 10 seconds; train_box, train_sphere half a minute; nerf_lego, nerf_materials, nerf_fern 5
minutes; *_highres 12 minutes; nerf_lego_mlp half an hour. --preset course takes the course's own numbers: hours
without a GPU."""
EXAMPLE = "python -m a3_volume_surface.volume_rendering_main --config-name=nerf_lego training.num_epochs=80"


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run one configuration."""
    job = Job(parse(argv, DESCRIPTION, EXAMPLE, "box"))
    runs = {"render": render, "train": train, "train_nerf": train_nerf}
    if job.cfg.type not in runs:
        raise UserError(f"type {job.cfg.type}: run it with python -m a3_volume_surface.surface_rendering_main")
    if job.cfg.type == "render" and job.cfg.renderer.type != "volume":
        raise UserError(
            f"renderer.type {job.cfg.renderer.type}: run it with python -m a3_volume_surface.surface_rendering_main"
        )
    runs[job.cfg.type](job)


if __name__ == "__main__":
    raise SystemExit(main())
