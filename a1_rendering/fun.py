"""A scene of our own: a room of procedural furniture and a cow, with soft shadows and depth of field, as a moving film.

Shadows are shadow maps (Williams 1978): the depth that the lamp sees says which points it reaches. Depth of field is an
average over places on the lens (Cook et al. 1984), which also smooths the edges.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from a1_rendering.deliverable import Deliverable, deliverable_parser
from a1_rendering.dolly_zoom import distance_for
from common.cli import command, non_negative_int
from common.mesh_views import centred, chequered_floor, cow, mesh_of_shape
from common.p3d import (
    FoVPerspectiveCameras,
    Meshes,
    MeshRasterizer,
    RasterizationSettings,
    interpolate_face_attributes,
    join_meshes_as_scene,
    look_at_view_transform,
)
from common.shapes import sample_shape
from common.shapes.plant import plant

SKY = torch.tensor([0.82, 0.88, 0.95])
LAMP, LAMP_SIZE, SHADOW_PIXELS = (3.5, 6.0, 3.0), 0.012, 1024
AMBIENT, DIFFUSE = 0.42, 0.68
FLOOR = 0.0


def placed(mesh: Meshes, height: float, x: float, z: float, turn: float = 0.0, lift: float = 0.0) -> Meshes:
    """The mesh scaled to a height, turned about the vertical by degrees and set on the floor at (x, z)."""
    verts = mesh.verts_packed()
    low, high = verts.amin(0), verts.amax(0)
    scale = height / float(high[1] - low[1])
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    spin = verts.new_tensor([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    foot = torch.stack(((low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2))
    moved = (verts - foot) * scale @ spin + verts.new_tensor([x, FLOOR + lift, z])
    return mesh.update_padded(moved[None])


def room(seed: int) -> tuple[Meshes, Meshes]:
    """The cow, and everything around it as one mesh."""
    chairs = [mesh_of_shape(sample_shape("chair", seed, index)) for index in range(6)]
    vases = [mesh_of_shape(sample_shape("vase", seed, index)) for index in range(3)]
    lamps = [mesh_of_shape(sample_shape("lamp", seed, index)) for index in range(2)]
    pieces = [chequered_floor(FLOOR, 7.0, 14, ((0.86, 0.82, 0.74), (0.62, 0.46, 0.36)))]
    for number, chair in enumerate(chairs):
        angle = 2 * np.pi * (number + 0.5) / len(chairs)
        x, z = 2.6 * np.sin(angle), 2.6 * np.cos(angle)
        pieces.append(placed(chair, 1.25, x, z, np.degrees(angle) + 180.0))
    spots = ((1.5, 3.6), (-3.7, 1.2), (3.9, -0.9))
    pieces += [placed(vase, 0.8, *spot) for vase, spot in zip(vases, spots, strict=True)]
    pieces += [placed(lamp, 1.7, *spot) for lamp, spot in zip(lamps, ((-2.2, 3.7), (0.2, -4.2)), strict=True)]
    pieces.append(placed(mesh_of_shape(plant(seed)), 1.3, -3.0, -2.2))
    return placed(centred(cow()), 1.3, 0.0, 0.0, 180.0), join_meshes_as_scene(pieces)


class Lighting:
    """A lamp with its shadow map over meshes that stand still."""

    def __init__(self, meshes: Sequence[Meshes], device: torch.device):
        R, T = look_at_view_transform(eye=(LAMP,), at=((0.0, 0.0, 0.0),), device=device)
        self.camera = FoVPerspectiveCameras(R=R, T=T, fov=75.0, znear=1.0, device=device)
        settings = RasterizationSettings(image_size=SHADOW_PIXELS)
        depth = None
        for mesh in meshes:
            fragments = MeshRasterizer(self.camera, settings)(mesh)
            z = torch.where(fragments.pix_to_face < 0, torch.inf, fragments.zbuf)[0, ..., 0]
            depth = z if depth is None else torch.minimum(depth, z)
        self.depth = depth

    def reached(self, points: Tensor, generator: torch.Generator, taps: int = 6) -> Tensor:
        """(N,) share of the lamp's light that reaches points (N, 3): of places around each, those the lamp sees."""
        ndc = self.camera.transform_points_ndc(points[None])[0, :, :2]
        depth = self.camera.get_world_to_view_transform().transform_points(points[None])[0, :, 2]
        total = torch.zeros_like(depth)
        for _ in range(taps):
            shift = LAMP_SIZE * (2 * torch.rand(len(ndc), 2, generator=generator) - 1).to(ndc)
            pixel = ((1 - ndc - shift) * (SHADOW_PIXELS / 2)).long()
            inside = ((pixel >= 0) & (pixel < SHADOW_PIXELS)).all(1)
            column, row = pixel.clamp(0, SHADOW_PIXELS - 1).unbind(1)
            total += (~inside | (depth < self.depth[row, column] + 0.03)).float()
        return total / taps


def shade(meshes: Sequence[Meshes], camera: FoVPerspectiveCameras, size: int, light: Lighting, generator) -> Tensor:
    """One picture (H, W, 3) with shadows."""
    picture, nearest = SKY.to(light.depth).expand(size, size, 3).clone(), None
    for mesh in meshes:
        fragments = MeshRasterizer(camera, RasterizationSettings(image_size=size))(mesh)
        seen = fragments.pix_to_face[0, ..., 0] >= 0
        depth = torch.where(seen, fragments.zbuf[0, ..., 0], torch.inf)
        seen = depth < (torch.inf if nearest is None else nearest)
        nearest = depth if nearest is None else torch.minimum(depth, nearest)
        face, bary = fragments.pix_to_face[0, ..., 0][seen], fragments.bary_coords[0, ..., 0, :][seen]
        corners = torch.cat((mesh.verts_packed(), mesh.verts_normals_packed()), 1)[mesh.faces_packed()]
        points, normals = interpolate_face_attributes(face[:, None], bary[:, None], corners)[:, 0].split(3, 1)
        texels = mesh.textures.sample(face, bary, mesh.faces_packed())
        to_lamp = torch.nn.functional.normalize(points.new_tensor(LAMP) - points, dim=1)
        normals = torch.nn.functional.normalize(normals, dim=1)
        facing = (normals * to_lamp).sum(1).clamp(min=0)
        lit = AMBIENT + DIFFUSE * facing * light.reached(points + 0.02 * normals, generator)
        fade = ((points[:, [0, 2]].norm(dim=1) - 4.5) / 2.5).clamp(0, 1)[:, None]  # the floor ends in haze
        picture[seen] = torch.lerp(texels * lit[:, None], SKY.to(texels), fade)
    return picture.clamp(0, 1)


@torch.no_grad()
def film(
    eyes: Tensor, targets: Tensor, fovs: Sequence[float], seed: int, size: int, samples: int, aperture: float, device
):
    """Frames (T, H, W, 3) uint8 from eyes (T, 3) to targets (T, 3), sharp where the targets are."""
    meshes = [mesh.to(device) for mesh in room(seed)]
    light = Lighting(meshes, device)
    generator = torch.Generator().manual_seed(seed)
    lens = aperture * (2 * torch.rand(samples, 2, generator=generator) - 1)
    frames = []
    for eye, at, fov in tqdm(list(zip(eyes, targets, fovs, strict=True)), desc="filming", unit="frame"):
        R, _ = look_at_view_transform(eye=eye[None], at=at[None])
        total = 0
        for offset in lens:
            moved = eye + R[0, :, 0] * offset[0] + R[0, :, 1] * offset[1]
            R_s, T_s = look_at_view_transform(eye=moved[None], at=at[None], device=device)
            camera = FoVPerspectiveCameras(R=R_s, T=T_s, fov=float(fov), znear=0.1, device=device)
            total = total + shade(meshes, camera, size, light, generator)
        frames.append((255 * total / samples).round().byte().cpu().numpy())
    return np.stack(frames)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Film the room: once around it, or with the dolly zoom."""
    example = "python -m a1_rendering.fun --function dolly --image_size 512 --output_file dolly.gif"
    parser = deliverable_parser(
        "A film of a room with shadows and depth of field; about a minute and a half.", example, 384, 60
    )
    parser.add_argument("--function", choices=("full", "dolly"), default="full", help="once around, or the dolly zoom")
    parser.add_argument("--samples", type=non_negative_int, default=8, help="places on the lens, 0 or 1 for a pinhole")
    args = parser.parse_args(argv)
    job = Deliverable("fun", args)
    share = torch.linspace(0, 1, args.num_frames + 1)[:-1]
    middle = torch.tensor([0.0, 0.65, 0.0]).expand(args.num_frames, 3)
    if args.function == "full":
        angle, height = 2 * np.pi * share, 2.4 + 0.9 * torch.sin(2 * np.pi * share)
        eyes = torch.stack((6.2 * torch.sin(angle), height, 6.2 * torch.cos(angle)), 1)
        fovs = [46.0] * args.num_frames
    else:
        verts = room(args.seed)[0].verts_packed() - middle[0]
        fovs = (20.0 + 75.0 * (0.5 - 0.5 * torch.cos(2 * np.pi * share))).tolist()
        spans = [distance_for(verts * verts.new_tensor([1.0, 1.0, -1.0]), fov, 0.5) for fov in fovs]
        eyes = middle + torch.tensor([[0.0, 0.0, span] for span in spans])
    aperture = 0.05 if args.samples > 1 else 0.0
    frames = film(eyes, middle, fovs, args.seed, args.image_size, max(args.samples, 1), aperture, job.device)
    job.gif(f"room_{args.function}.gif", frames)
    job.finish()


if __name__ == "__main__":
    raise SystemExit(main())
