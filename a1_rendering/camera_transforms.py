"""Relative camera transforms: four (R, T) pairs, each checked against the same view described as a place to stand.

Extrinsics are X_view = X_world R_0 + T_0 with the course's camera, R_0 = I and T_0 = (0, 0, 3). A relative transform
makes them R = R_relative R_0 and T = R_relative T_0 + T_relative (T's as columns), as in the course's script.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from a1_rendering.deliverable import Deliverable, chosen_mesh, deliverable_parser
from common.cli import command
from common.mesh_views import render_views
from common.p3d import FoVPerspectiveCameras, PointLights, look_at_view_transform
from common.visualize import add_caption, image_grid

T_0 = torch.tensor([0.0, 0.0, 3.0])


def about(axis: str, degrees: float) -> Tensor:
    """(3, 3) rotation matrix about an axis, in the course's form: anticlockwise for columns, as seen from its tip."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rows = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return torch.tensor(rows[axis], dtype=torch.float32)


@dataclass(frozen=True)
class Relative:
    """A relative transform in words and numbers, and the same view told as eye, point looked at and up."""

    words: str
    R: Tensor
    T: tuple[float, float, float]
    eye: tuple[float, float, float]
    at: tuple[float, float, float]
    up: tuple[float, float, float]


SAME = torch.eye(3)
TRANSFORMS = (
    Relative("roll by -90 degrees", about("z", -90), (0, 0, 0), (0, 0, -3), (0, 0, 0), (1, 0, 0)),
    Relative("two units farther away", SAME, (0, 0, 2), (0, 0, -5), (0, 0, 0), (0, 1, 0)),
    Relative("aside and up by half a unit", SAME, (0.5, -0.5, 0), (-0.5, 0.5, -3), (-0.5, 0.5, 0), (0, 1, 0)),
    Relative("a quarter turn around the mesh", about("y", 90), (-3, 0, 3), (-3, 0, 0), (0, 0, 0), (0, 1, 0)),
)


def extrinsics(relative: Relative) -> tuple[Tensor, Tensor]:
    """R (1, 3, 3) and T (1, 3) of a relative transform."""
    return relative.R[None], (relative.R @ T_0 + torch.tensor(relative.T, dtype=torch.float32))[None]


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures, dB; at most 99."""
    error = np.mean((one.astype(float) - two.astype(float)) ** 2) / 255.0**2
    return float(min(-10 * np.log10(max(error, 1e-12)), 99.0))


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Render every transform beside its target view."""
    parser = deliverable_parser(
        "Relative camera transforms; about 5 seconds.",
        "python -m a1_rendering.camera_transforms",
        image_size=256,
        mesh=True,
    )
    job = Deliverable("camera_transforms", parser.parse_args(argv))
    mesh = chosen_mesh(job.args, job.device, 1.3)
    size = job.args.image_size

    def view(R: Tensor, T: Tensor) -> np.ndarray:
        lights = PointLights(location=[[0.0, 0.0, -3.0]], device=job.device)
        return render_views(mesh, FoVPerspectiveCameras(R=R, T=T, device=job.device), size, lights)[0]

    first = view(torch.eye(3)[None], T_0[None])
    rows, metrics = [add_caption(np.stack([first, first]), "the camera to start from")], {}
    job.png("transform_none.png", first, only=False)
    for number, relative in enumerate(TRANSFORMS, 1):
        R, T = look_at_view_transform(eye=(relative.eye,), at=(relative.at,), up=(relative.up,))
        ours, target = view(*extrinsics(relative)), view(R, T)
        metrics[f"psnr_{number}"] = psnr(ours, target)
        print(
            f"{number}. {relative.words}: R_relative = {relative.R.round().int().tolist()}, T_relative = {relative.T}"
        )
        print(f"   stands at {relative.eye}, looks at {relative.at}: PSNR {metrics[f'psnr_{number}']:.1f} dB")
        job.png(f"transform{number}.png", ours, only=False)
        rows.append(
            np.stack(
                [add_caption(ours[None], f"{number}. R, T relative")[0], add_caption(target[None], "target view")[0]]
            )
        )
    job.png("transforms.png", image_grid([image for row in rows for image in row], 2))
    job.finish(**metrics)


if __name__ == "__main__":
    raise SystemExit(main())
