"""One picture of a textured mesh, with the course's camera and light."""

from collections.abc import Sequence

import torch

from a1_rendering.deliverable import Deliverable, chosen_mesh, deliverable_parser
from common.cli import command
from common.mesh_views import render_views
from common.p3d import FoVPerspectiveCameras, PointLights


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Render, in about a second."""
    parser = deliverable_parser("Render a mesh; about a second.", "python -m a1_rendering.render_mesh", mesh=True)
    job = Deliverable("render_mesh", parser.parse_args(argv))
    mesh = chosen_mesh(job.args, job.device, 1.3)
    cameras = FoVPerspectiveCameras(R=torch.eye(3)[None], T=torch.tensor([[0.0, 0.0, 3.0]]), fov=60, device=job.device)
    lights = PointLights(location=[[0.0, 0.0, -3.0]], device=job.device)
    job.png("mesh.png", render_views(mesh, cameras, job.args.image_size, lights)[0])
    job.finish(vertices=len(mesh.verts_packed()), faces=len(mesh.faces_packed()))


if __name__ == "__main__":
    raise SystemExit(main())
