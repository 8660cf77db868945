"""The `fern` scene: a potted plant before a wall, seen from the front only; pictures are full to their edges."""

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from common.mesh_views import mesh_of_shape
from common.p3d import Meshes, PerspectiveCameras, TexturesVertex, join_meshes_as_scene, look_at_view_transform
from common.scenes.sky_light import SkyLight, visible_surface
from common.shapes import sample_shape
from common.shapes.plant import plant

FOCAL, DISTANCE, SMOOTH = 2.8, 3.4, 3
SUN = (0.6, -0.9, 1.1)
FLOOR, WALL = -0.95, 1.1  # z of the floor, y of the wall
LOW, HIGH = (-3.1, -1.5, FLOOR), (3.1, WALL, 2.2)  # of the room: pictures of 4 x 3 show nothing beyond


def forward_cameras(count: int, seed: int) -> PerspectiveCameras:
    """Cameras at random places of a sheet before the plant, all looking at it: x to the right, z up, from -y."""
    generator = torch.Generator().manual_seed(seed)
    spread = 2 * torch.rand(count, 3, generator=generator) - 1
    eye = torch.stack((0.65 * spread[:, 0], -DISTANCE + 0.25 * spread[:, 2], 0.3 + 0.45 * spread[:, 1]), 1)
    R, T = look_at_view_transform(eye=eye, at=((0.0, 0.0, 0.0),), up=((0.0, 0.0, 1.0),))
    return PerspectiveCameras(focal_length=FOCAL, R=R, T=T)


def _boards(low, high, across: int, along: int, color, seed: int, count: int = 12) -> Meshes:
    """A rectangle of boards of slightly different colours: two axes vary, the third is the same in both corners."""
    generator = np.random.default_rng(seed)
    low, high = np.asarray(low, float), np.asarray(high, float)
    verts, colors = [], []
    for k in range(count):
        start, stop = low.copy(), high.copy()
        start[across] = low[across] + (high - low)[across] * k / count
        stop[across] = low[across] + (high - low)[across] * (k + 1) / count
        cuts = np.sort(generator.random(3)) * (high - low)[along] + low[along]
        for begin, end in zip([low[along], *cuts], [*cuts, high[along]], strict=True):
            corner = np.tile(start, (4, 1))
            corner[:, across] = start[across], stop[across], stop[across], start[across]
            corner[:, along] = begin, begin, end, end
            verts.append(corner)
            colors.append(np.tile(np.clip(np.asarray(color) * generator.uniform(0.7, 1.15), 0, 1), (4, 1)))
    faces = np.concatenate([[(0, 1, 2), (0, 2, 3)] + np.full((1, 3), 4 * n) for n in range(len(verts))])
    features = TexturesVertex([torch.from_numpy(np.concatenate(colors)).float()])
    return Meshes([torch.from_numpy(np.concatenate(verts)).float()], [torch.from_numpy(faces)], features)


def fern_mesh(seed: int = 0) -> Meshes:
    """The plant, two vases, the floor and the wall as one mesh."""
    pieces = [_upright(mesh_of_shape(plant(seed)), 2.0, 0.0, 0.0)]
    pieces += [_upright(mesh_of_shape(sample_shape("vase", seed, n)), 0.75, x, 0.55) for n, x in ((1, -0.95), (2, 1.0))]
    pieces.append(_boards(LOW, (*HIGH[:2], FLOOR), 1, 0, (0.62, 0.45, 0.30), 1))
    pieces.append(_boards((LOW[0], WALL, FLOOR), HIGH, 2, 0, (0.60, 0.66, 0.72), 2))
    return join_meshes_as_scene(pieces)


def _upright(mesh: Meshes, height: float, x: float, y: float) -> Meshes:
    """A mesh with y up turned to z up, of a height, its foot on the floor at (x, y)."""
    verts = mesh.verts_packed() @ torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    low, high = verts.amin(0), verts.amax(0)
    verts = (verts - torch.stack(((low + high)[0] / 2, (low + high)[1] / 2, low[2]))) * (
        height / float((high - low)[2])
    )
    return mesh.update_padded((verts + torch.tensor([x, y, FLOOR]))[None])


@torch.no_grad()
def render_fern(cameras: PerspectiveCameras, size: tuple[int, int]) -> tuple[Tensor, None]:
    """Colours (N, H, W, 3) in [0, 1] of pictures of a height and width; they show something everywhere."""
    mesh = fern_mesh()
    light = SkyLight(mesh, SUN, reach=4.2, pixels=768)
    height, width = size
    images = []
    for camera in tqdm(list(cameras), desc="rendering fern", unit="view", leave=False):
        seen, points, normals, colors, _ = visible_surface(mesh, camera, (height * SMOOTH, width * SMOOTH))
        picture = torch.tensor([0.75, 0.82, 0.90]).repeat(height * SMOOTH, width * SMOOTH, 1)
        picture[seen] = light.shade(points, normals, colors, camera.get_camera_center(), gloss=0.05)
        images.append(picture.view(height, SMOOTH, width, SMOOTH, 3).mean((1, 3)))
    return torch.stack(images), None
