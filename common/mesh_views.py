"""Pictures and turntables of meshes, smoothed at the edges; and meshes from files, or of the procedural world."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from common.cli import UserError
from common.p3d import (
    IO,
    BlendParams,
    CamerasBase,
    FoVPerspectiveCameras,
    HardPhongShader,
    Meshes,
    MeshRasterizer,
    MeshRendererWithFragments,
    PointLights,
    RasterizationSettings,
    TexturesUV,
    TexturesVertex,
    look_at_view_transform,
)
from common.shapes import Shape
from common.shapes.cow import cow_mesh

WHITE = (1.0, 1.0, 1.0)
GREY = (0.7, 0.7, 0.7)
FIELD_OF_VIEW = 40.0  # degrees
FORMATS = (".obj", ".ply", ".off", ".glb", ".gltf")


def load_mesh(path: str | Path, device: torch.device | str = "cpu") -> Meshes:
    """One mesh from an obj, ply, off, glb or gltf file, with its texture or in grey.

    Raises:
        UserError: no such file, a file of another kind, damaged, without a face, or with corners that are not finite.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: a mesh is read from {', '.join(FORMATS)} files")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        mesh = IO().load_mesh(path, device=device)
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: {error}") from None
    if mesh.isempty():
        raise UserError(f"{path}: holds no face")
    if not mesh.verts_packed().isfinite().all():
        raise UserError(f"{path}: holds corners that are not finite")
    return mesh if mesh.textures is not None else painted(mesh, GREY)


def cow(device: torch.device | str = "cpu") -> Meshes:
    """The textured cow of the procedural world."""
    verts, faces, uvs, corners, texture = cow_mesh()
    maps = TexturesUV(torch.from_numpy(texture)[None], torch.from_numpy(corners)[None], torch.from_numpy(uvs)[None])
    return Meshes([torch.from_numpy(verts)], [torch.from_numpy(faces.copy())], maps).to(device)


def mesh_of_shape(shape: Shape, device: torch.device | str = "cpu") -> Meshes:
    """A shape of the procedural world in the colours of its materials."""
    verts, faces, _, _ = shape.mesh
    colors = TexturesVertex([torch.from_numpy(shape.vertex_colors())])
    return Meshes([torch.from_numpy(verts).float()], [torch.from_numpy(faces)], colors).to(device)


def painted(mesh: Meshes, color: Sequence[float] | Tensor) -> Meshes:
    """The mesh in one RGB colour, or one for each packed vertex (V, 3)."""
    color = torch.as_tensor(color, dtype=torch.float32, device=mesh.device)
    colors = color.expand(len(mesh.verts_packed()), 3).split(mesh.num_verts_per_mesh().tolist())
    return Meshes(mesh.verts_list(), mesh.faces_list(), TexturesVertex(list(colors)))


def centred(mesh: Meshes, radius: float = 1.0) -> Meshes:
    """The mesh moved and scaled: its bounding box has its middle at the origin and a half diagonal of ``radius``."""
    verts = mesh.verts_packed()
    scale = 2 * radius / (verts.amax(0) - verts.amin(0)).norm().clamp(min=1e-12)
    return mesh.offset_verts(-_middle(mesh)).scale_verts(float(scale))


def _middle(mesh: Meshes) -> Tensor:
    """(3,): of the mesh's bounding box."""
    verts = mesh.verts_packed()
    return (verts.amin(0) + verts.amax(0)) / 2


def chequered_floor(height: float, reach: float, cells: int, colors: Sequence[Sequence[float]]) -> Meshes:
    """A level square of cells x cells in two colours in turn, from -reach to reach on x and z."""
    ticks, place = torch.linspace(-reach, reach, cells + 1), torch.arange(cells)
    corner_x, corner_z = torch.tensor([[0, 1, 1, 0], [0, 0, 1, 1]])
    x, z = torch.broadcast_tensors(ticks[place[:, None, None] + corner_x], ticks[place[:, None] + corner_z])
    verts = torch.stack((x, torch.full_like(x, height), z), -1).view(-1, 3)
    faces = 4 * torch.arange(cells**2)[:, None, None] + torch.tensor([[0, 2, 1], [0, 3, 2]])
    color = torch.tensor(colors)[(place[:, None] + place) % 2].view(-1, 3).repeat_interleave(4, 0)
    return Meshes([verts], [faces.view(-1, 3)], TexturesVertex([color]))


def mesh_renderer(
    image_size: int | tuple[int, int], background: Sequence[float] = WHITE, **settings
) -> MeshRendererWithFragments:
    """Phong shading of the nearest faces; cameras and lights are given to its calls."""
    raster = RasterizationSettings(image_size=image_size, **settings)
    shader = HardPhongShader(blend_params=BlendParams(background_color=background))
    return MeshRendererWithFragments(MeshRasterizer(raster_settings=raster), shader)


def render_together(meshes: Sequence[Meshes], image_size: int, cameras: CamerasBase, lights, background=WHITE):
    """One picture of several meshes, whatever kinds of textures they have; the nearest face of all counts.

    Returns:
        RGB (H, W, 3) float, and depth (H, W), infinite where there is nothing.
    """
    renderer = mesh_renderer(image_size, background)
    picture, depth = None, None
    for mesh in meshes:
        image, fragments = renderer(mesh, cameras=cameras, lights=lights)
        rgb, z = image[0, ..., :3], fragments.zbuf[0, ..., 0]
        z = z.masked_fill(z < 0, torch.inf)
        if picture is None:
            picture, depth = rgb, z
        else:
            nearer = z < depth
            picture, depth = torch.where(nearer[..., None], rgb, picture), torch.where(nearer, z, depth)
    return picture, depth


def fitting_distance(mesh: Meshes, fov: float = FIELD_OF_VIEW, margin: float = 1.08) -> float:
    """From where a ball around the mesh (about its bounding box's middle) fills the picture."""
    reach = (mesh.verts_packed() - _middle(mesh)).norm(dim=1).max()
    return float(margin * reach / np.sin(np.radians(fov / 2)))


@torch.no_grad()
def render_views(
    mesh: Meshes | Sequence[Meshes],
    cameras: CamerasBase,
    image_size: int = 256,
    lights: PointLights | None = None,
    background: Sequence[float] = WHITE,
    smooth: int = 2,
    bar: str | None = None,
) -> np.ndarray:
    """One picture from each camera.

    Args:
        mesh: one mesh, or several that are seen together.
        cameras: N cameras.
        lights: by default a lamp beside each camera, a little above it.
        smooth: pictures are rendered so many times as large and averaged down: no jagged edges.
        bar: words for a progress bar.

    Returns:
        (N, H, W, 3) uint8.
    """
    meshes = [mesh] if isinstance(mesh, Meshes) else mesh
    frames = []
    for index in tqdm(range(len(cameras)), desc=bar, disable=bar is None, unit="view"):
        camera = cameras[index]
        lamp = lights if lights is not None else headlight(camera)
        image = render_together(meshes, image_size * smooth, camera, lamp, background)[0]
        cells = image.view(image_size, smooth, image_size, smooth, 3)
        image = sum(cells[:, i, :, j] for i in range(smooth) for j in range(smooth)) / smooth**2
        frames.append((255 * image.clamp(0, 1)).round().byte().cpu().numpy())
    return np.stack(frames)


def headlight(camera: CamerasBase) -> PointLights:
    """A lamp above the camera's left shoulder."""
    centre = camera.get_camera_center()
    up, left = camera.R[:, :, 1], camera.R[:, :, 0]
    reach = centre.norm(dim=1, keepdim=True)
    return PointLights(
        location=centre + 0.5 * reach * up + 0.35 * reach * left,
        ambient_color=((0.45,) * 3,),
        diffuse_color=((0.5,) * 3,),
        specular_color=((0.12,) * 3,),
        device=camera.device,
    )


def turntable_cameras(
    mesh: Meshes, num_frames: int, dist: float | None = None, elev: float = 15.0, start: float = 180.0
) -> FoVPerspectiveCameras:
    """Cameras on a circle around the middle of the mesh's bounding box, from azimuth ``start`` on."""
    azim = start + torch.arange(num_frames) * (360.0 / num_frames)
    dist = dist or fitting_distance(mesh)
    R, T = look_at_view_transform(dist, elev, azim, at=_middle(mesh)[None], device=mesh.device)
    return FoVPerspectiveCameras(R=R, T=T, fov=FIELD_OF_VIEW, znear=0.05, device=mesh.device)


def turntable_mesh(
    mesh: Meshes, num_frames: int = 30, image_size: int = 256, start: float = 180.0, **more
) -> np.ndarray:
    """Frames (num_frames, H, W, 3) uint8 of a full turn; further arguments as for `render_views`."""
    return render_views(mesh, turntable_cameras(mesh, num_frames, start=start), image_size, **more)
