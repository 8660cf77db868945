"""Make every deliverable of this assignment."""

from collections.abc import Sequence

from a3_volume_surface import surface_rendering_main, transmittance, volume_rendering_main
from common.cli import command
from common.deliverables import make_all

VOLUMES = ("box", "sphere", "train_box", "train_sphere", "nerf_lego", "nerf_materials")
SURFACES = (
    "torus_surface",
    "sphere_surface",
    "box_surface",
    "combination_surface",
    "many_primitives",
    "points_surface",
    "volsdf_surface",
)

# What is made, in order: a name, the command, its flags.
DELIVERABLES = (
    ("transmittance", transmittance, []),
    *((name, volume_rendering_main, [f"--config-name={name}"]) for name in VOLUMES),
    *((name, surface_rendering_main, [f"--config-name={name}"]) for name in SURFACES),
)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run every command with its defaults; stop at the first that fails."""
    description = "All deliverables of assignment 3; about half an hour on two cores. Comparisons: .studies."
    make_all("a3_volume_surface", DELIVERABLES, description, argv)


if __name__ == "__main__":
    raise SystemExit(main())
