"""A mesh painted from front to back in a blend of two colours."""

from collections.abc import Sequence

import torch

from a1_rendering.deliverable import Deliverable, chosen_mesh, deliverable_parser
from common.cli import UserError, command
from common.mesh_views import painted, turntable_mesh
from common.p3d import Meshes


def gradient(mesh: Meshes, color1: Sequence[float], color2: Sequence[float], axis: int = 2) -> Meshes:
    """The mesh with ``color1`` where the coordinate on ``axis`` is least, ``color2`` where it is greatest, blended."""
    place = mesh.verts_packed()[:, axis]
    share = ((place - place.min()) / (place.max() - place.min()).clamp(min=1e-12))[:, None]
    one, two = (torch.tensor(c, dtype=torch.float32, device=mesh.device) for c in (color1, color2))
    return painted(mesh, torch.lerp(one, two, share))


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Paint and render."""
    example = "python -m a1_rendering.retexturing_mesh --color1 0 1 1 --color2 1 1 0"
    parser = deliverable_parser(
        "A mesh painted from front to back; about ten seconds.", example, num_frames=50, mesh=True
    )
    parser.add_argument("--color1", type=float, nargs=3, default=(0.0, 1.0, 1.0), help="RGB in [0, 1] of the front")
    parser.add_argument("--color2", type=float, nargs=3, default=(1.0, 1.0, 0.0), help="RGB in [0, 1] of the back")
    args = parser.parse_args(argv)
    for flag in ("color1", "color2"):
        if not all(0 <= c <= 1 for c in getattr(args, flag)):
            raise UserError(f"--{flag} {getattr(args, flag)}: three numbers from 0 to 1 are needed")
    job = Deliverable("retexturing_mesh", args)
    mesh = gradient(chosen_mesh(args, job.device), args.color1, args.color2)
    print(f"color1 = {list(args.color1)} at the front, color2 = {list(args.color2)} at the back")
    job.gif("retexture_mesh.gif", turntable_mesh(mesh, args.num_frames, args.image_size, bar="rendering"))
    job.finish()


if __name__ == "__main__":
    raise SystemExit(main())
