"""The `materials` scene: balls from matte to mirror-like under an environment light, strongly view-dependent."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from common.p3d import Meshes, PerspectiveCameras, TexturesVertex, ico_sphere, join_meshes_as_scene
from common.scenes.sky_light import visible_surface

RADIUS, SPACING = 0.28, 0.64
SUBDIVISIONS = 5


@dataclass(frozen=True)
class Balls:
    """M balls: centres (M, 3), albedo (M, 3), metalness (M,) and roughness (M,), the last two in [0, 1]."""

    centres: Tensor
    albedo: Tensor
    metalness: Tensor
    roughness: Tensor


# Lobes of the environment: direction, sharpness, colour. A lobe of sharpness s is exp(s (cos - 1)).
LOBES = torch.tensor(
    [
        [0.6, -0.5, 0.7, 60.0, 5.0, 4.6, 4.0],
        [-0.8, 0.3, 0.5, 25.0, 0.9, 1.5, 2.6],
        [0.1, 0.9, 0.25, 18.0, 2.2, 0.8, 0.4],
        [-0.4, -0.8, 0.1, 35.0, 0.5, 1.8, 0.8],
        [0.9, 0.4, 0.05, 30.0, 1.6, 0.5, 1.4],
    ]
)
SKY, HORIZON, GROUND = (0.55, 0.68, 0.92), (0.80, 0.78, 0.74), (0.22, 0.19, 0.17)


def balls() -> Balls:
    """Twelve balls in rows of four: from left to right rougher, from front to back more like metal."""
    colors = torch.tensor(
        [
            [[0.85, 0.20, 0.15], [0.15, 0.55, 0.80], [0.90, 0.75, 0.20], [0.30, 0.65, 0.30]],
            [[0.55, 0.25, 0.65], [0.92, 0.92, 0.92], [0.10, 0.12, 0.14], [0.85, 0.45, 0.20]],
            [[0.95, 0.95, 0.95], [1.00, 0.78, 0.34], [0.95, 0.64, 0.54], [0.60, 0.75, 0.90]],
        ]
    )
    rows, columns = torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing="ij")
    centres = torch.stack(((columns - 1.5) * SPACING, (rows - 1.0) * SPACING, 0.08 * ((rows + columns) % 2)), -1)
    roughness = torch.tensor([0.05, 0.15, 0.30, 0.90]).expand(3, 4)
    metalness = torch.tensor([0.0, 0.6, 1.0])[:, None].expand(3, 4)
    return Balls(centres.reshape(-1, 3), colors.reshape(-1, 3), metalness.reshape(-1), roughness.reshape(-1))


def balls_mesh(scene: Balls) -> Meshes:
    """All balls as one mesh, the faces ball by ball."""
    ball = ico_sphere(SUBDIVISIONS)
    meshes = []
    for centre, albedo in zip(scene.centres, scene.albedo, strict=True):
        verts = RADIUS * ball.verts_packed() + centre
        meshes.append(Meshes([verts], ball.faces_list(), TexturesVertex([albedo.expand(len(verts), 3)])))
    return join_meshes_as_scene(meshes)


def environment(directions: Tensor, roughness: Tensor) -> Tensor:
    """Light (N, 3) from directions (N, 3), averaged over a lobe as wide as the roughness (N,) makes it.

    Convolving two spherical Gaussians gives about a third one, of sharpness s t / (s + t) and amplitude s / (s + t)
    of the first's (Wang et al., SIGGRAPH Asia 2009).
    """
    lobes = LOBES.to(directions)
    axes, sharpness, colors = functional.normalize(lobes[:, :3], dim=1), lobes[:, 3], lobes[:, 4:]
    own = (2.0 / roughness.clamp(min=0.03) ** 4)[:, None]
    share = own / (own + sharpness)
    light = (share * torch.exp(sharpness * share * (directions @ axes.T - 1.0))) @ colors
    sky, horizon, ground = (directions.new_tensor(color) for color in (SKY, HORIZON, GROUND))
    height = directions[:, 2:] / (0.15 + 0.85 * roughness[:, None])
    up = torch.lerp(horizon, sky, height.clamp(0.0, 1.0))
    return light + torch.lerp(up, ground, (-3.0 * height).clamp(0.0, 1.0))


def _ambient(scene: Balls, points: Tensor, normals: Tensor, owner: Tensor) -> Tensor:
    """Share (N,) of the light around that other balls leave: sum of cos (r / d)^2 over them (Quilez 2006)."""
    to = scene.centres - points[:, None]
    distance = to.norm(dim=-1)
    cosine = ((to * normals[:, None]).sum(-1) / distance).clamp(min=0.0)
    blocked = cosine * (RADIUS / distance) ** 2
    blocked.scatter_(1, owner[:, None], 0.0)
    return (1.0 - blocked.sum(1)).clamp(min=0.0)


def shade(scene: Balls, points: Tensor, normals: Tensor, owner: Tensor, toward: Tensor, bounces: int = 2) -> Tensor:
    """Light (N, 3) that leaves points (N, 3) of balls ``owner`` (N,) in unit directions ``toward`` (N, 3).

    Diffuse light, and a mirror image blurred by the roughness in which other balls are seen too (Schlick's Fresnel).
    """
    albedo, metal, rough = scene.albedo[owner], scene.metalness[owner][:, None], scene.roughness[owner]
    open_share = _ambient(scene, points, normals, owner)[:, None]
    diffuse = (1.0 - metal) * albedo * 0.75 * environment(normals, torch.ones_like(rough)) * open_share
    cosine = (normals * toward).sum(1, keepdim=True).clamp(0.0, 1.0)
    base = torch.lerp(torch.full_like(albedo, 0.05), albedo, metal)
    fresnel = base + (1.0 - rough[:, None]) * (1.0 - base) * (1.0 - cosine) ** 5
    mirrored = 2.0 * cosine * normals - toward
    image = environment(mirrored, rough) * torch.lerp(torch.ones_like(open_share), open_share, rough[:, None])
    if bounces > 0:
        hit, other, place = _other_ball(scene, points, mirrored, owner)
        clear = hit & (rough < 0.5)
        if clear.any():
            normal = (place[clear] - scene.centres[other[clear]]) / RADIUS
            image[clear] = shade(scene, place[clear], normal, other[clear], -mirrored[clear], bounces - 1)
    return diffuse + fresnel * image


def _other_ball(scene: Balls, points: Tensor, directions: Tensor, owner: Tensor):
    """The nearest other ball on each ray: hit (N,) bool, its number (N,) and the place (N, 3)."""
    to = scene.centres - points[:, None]
    along = (to * directions[:, None]).sum(-1)
    inside = RADIUS**2 - (to.square().sum(-1) - along**2)
    distance = torch.where((inside > 0) & (along > 0), along - inside.clamp(min=0.0).sqrt(), torch.inf)
    distance.scatter_(1, owner[:, None], torch.inf)
    nearest, number = distance.min(1)
    return nearest.isfinite(), number, points + nearest.nan_to_num(posinf=0.0)[:, None] * directions


@torch.no_grad()
def render_balls(cameras: PerspectiveCameras, size: int, smooth: int = 4) -> tuple[Tensor, Tensor]:
    """Premultiplied colours (N, size, size, 3) and coverage (N, size, size), in [0, 1]."""
    scene = balls()
    mesh = balls_mesh(scene)
    faces = len(mesh.faces_packed()) // len(scene.centres)
    images, alphas = [], []
    for camera in tqdm(list(cameras), desc="rendering materials", unit="view", leave=False):
        fine = size * smooth
        seen, points, _, _, face = visible_surface(mesh, camera, (fine, fine))
        owner = face // faces
        normals = functional.normalize(points - scene.centres[owner], dim=1)
        toward = functional.normalize(camera.get_camera_center() - points, dim=1)
        color = torch.zeros(fine, fine, 4)
        color[..., :3][seen] = shade(scene, points, normals, owner, toward).clamp(0.0, 1.0)
        color[..., 3][seen] = 1.0
        color = color.view(size, smooth, size, smooth, 4).mean((1, 3))
        images.append(color[..., :3])
        alphas.append(color[..., 3])
    return torch.stack(images), torch.stack(alphas)


def points_of_balls(count: int, generator: torch.Generator) -> Tensor:
    """(count, 3) points spread evenly over the balls."""
    scene = balls()
    direction = functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    owner = torch.randint(len(scene.centres), (count,), generator=generator)
    return scene.centres[owner] + RADIUS * direction
