"""The work that `bench_p3d` measures: functions without arguments, by the names of its table."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

import common.p3d as p3d

Work = dict[str, Callable[[], object]]


def rendering(mesh) -> Work:
    """Renders of a textured mesh, and silhouettes of a sphere."""
    R, T = p3d.look_at_view_transform(2.7, 0.0, 180.0)
    cameras, work = p3d.FoVPerspectiveCameras(R=R, T=T), {}

    def renderer(shader, *settings):
        return p3d.MeshRenderer(p3d.MeshRasterizer(cameras, p3d.RasterizationSettings(*settings)), shader)

    def add(name: str, render, mesh, channels: slice) -> None:
        def backward() -> None:
            moved = mesh.verts_packed().clone().requires_grad_()
            image = render(p3d.Meshes([moved], [mesh.faces_packed()], mesh.textures))
            image[..., channels].square().mean().backward()

        work.update({name: torch.no_grad()(partial(render, mesh)), f"{name}, backward": backward})

    lit = {"cameras": cameras, "lights": p3d.PointLights(location=[[1.0, 2.0, -3.0]])}
    hard, soft = p3d.HardPhongShader(**lit), p3d.SoftPhongShader(**lit)
    for name, shader, size in (("HardPhong", hard, 256), ("HardPhong", hard, 512), ("SoftPhong", soft, 512)):
        add(f"{name} {size} px", renderer(shader, size), mesh, slice(3))
    R, T = p3d.look_at_view_transform(2.7, 0.0, torch.tensor([0.0, 90.0, 180.0, 270.0]))
    four, render = p3d.FoVPerspectiveCameras(R=R, T=T), renderer(hard, 512)
    work["HardPhong 512 px, batch of 4"] = torch.no_grad()(lambda: render(mesh.extend(4), cameras=four))
    silhouette, sphere = p3d.SoftSilhouetteShader(p3d.BlendParams(sigma=1e-4)), p3d.ico_sphere(4)
    for label, blur in (("1e-4", 1e-4), ("9e-4", math.log(1.0 / 1e-4 - 1.0) * 1e-4)):
        add(f"silhouette K=50 blur {label}", renderer(silhouette, 128, blur, 50), sphere, slice(3, 4))
    return work


def clouds(mesh) -> Work:
    """Neighbours, distances and samples of point clouds."""
    a, b = torch.rand(1, 10_000, 3), torch.rand(1, 10_000, 3)
    low, high = mesh.verts_packed().aminmax(dim=0)
    near = p3d.Pointclouds([low + (high - low) * torch.rand(5000, 3)])
    turn = p3d.so3_exp_map(torch.tensor([[0.1, 0.2, -0.1]]))
    start = torch.rand(1, 2000, 3)

    def chamfer(count: int) -> Callable[[], object]:
        x, y = (torch.rand(8, count, 3).requires_grad_() for _ in range(2))
        return lambda: p3d.chamfer_distance(x, y)[0].backward()

    verts, faces = mesh.verts_packed(), mesh.faces_packed()
    herd = p3d.Meshes([verts] * 8, [faces] * 8)
    moved = verts.clone().requires_grad_()
    return {
        "knn 10k x 10k K=1": lambda: p3d.knn_points(a, b),
        "knn 10k x 10k K=8": lambda: p3d.knn_points(a, b, K=8),
        "chamfer 8 x 5,000, backward": chamfer(5000),
        "chamfer 8 x 10,000, backward": chamfer(10_000),
        "point to mesh, 5k points": lambda: p3d.point_mesh_face_distance(mesh, near),
        "ball query 10k r=0.1 K=32": lambda: p3d.ball_query(a, b, K=32, radius=0.1),
        "ball query 10k r=0.1 K=500": lambda: p3d.ball_query(a, b, K=500, radius=0.1),
        "farthest points 10k to 1k": lambda: p3d.sample_farthest_points(a, K=1000),
        "normals 10k, 50 neighbours": lambda: p3d.estimate_pointcloud_normals(a, 50),
        "ICP 2k": lambda: p3d.iterative_closest_point(start, start @ turn + 0.05),
        "sample 8 x 10k": lambda: p3d.sample_points_from_meshes(herd, 10_000),
        "sample 8 x 10k with normals": lambda: p3d.sample_points_from_meshes(herd, 10_000, True),
        "sample 8 x 10k, backward": lambda: (
            p3d.sample_points_from_meshes(p3d.Meshes([moved] * 8, [faces] * 8), 10_000).sum().backward()
        ),
    }


def surfaces(mesh) -> Work:
    """Losses of meshes and ways to make them."""
    sphere = p3d.ico_sphere(5)
    verts, faces = sphere.verts_packed(), sphere.faces_packed()
    losses = {
        f"laplacian {m}": lambda x, m=m: p3d.mesh_laplacian_smoothing(x, m) for m in ("uniform", "cot", "cotcurv")
    }
    losses |= {"edge loss": p3d.mesh_edge_loss, "normal consistency": p3d.mesh_normal_consistency}
    work = {}
    for name, loss in losses.items():

        def new(loss=loss) -> None:
            loss(p3d.Meshes([verts.clone().requires_grad_()], [faces])).backward()

        def moved(loss=loss) -> None:
            loss(sphere.offset_verts(torch.full_like(verts, 1e-3).requires_grad_())).backward()

        work |= {f"{name}, new mesh": new, f"{name}, moved mesh": moved}
    line = torch.linspace(-1, 1, 64)
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    ball = (x * x + y * y + z * z).sqrt() - 0.6
    rippled = (ball + 0.05 * (12 * x).sin() * (12 * y).sin() * (12 * z).sin())[None]
    voxels = (ball < 0.1).float()[::2, ::2, ::2][None].repeat(8, 1, 1, 1)
    features, places = torch.rand(8, 64, 32, 32), torch.rand(8, 2562, 3)
    corners = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1.0]])

    def boxes() -> Tensor:
        return (corners * (0.5 + torch.rand(64, 1, 3))) @ p3d.random_rotations(64).mT + torch.rand(64, 1, 3)

    first, second = boxes(), boxes()
    return work | {
        "marching cubes 64": lambda: p3d.marching_cubes(rippled, 0.0),
        "cubify 8 x 32": lambda: p3d.cubify(voxels, 0.5),
        "ico_sphere(5)": lambda: p3d.ico_sphere(5),
        "taubin smoothing, 10 steps": lambda: p3d.taubin_smoothing(sphere),
        "vert_align 8 x 64 x 32 x 32": lambda: p3d.vert_align(features, places),
        "subdivide the mesh": lambda: p3d.SubdivideMeshes()(p3d.Meshes(mesh.verts_list(), mesh.faces_list())),
        "box3d_overlap 64 x 64": lambda: p3d.box3d_overlap(first, second),
    }


def volumes_and_transforms() -> Work:
    """Ray marching, cameras and rotations."""
    R, T = p3d.look_at_view_transform(2.7, 10.0, 20.0)
    camera = p3d.FoVPerspectiveCameras(R=R, T=T)
    sampler = p3d.NDCMultinomialRaysampler(
        image_width=128, image_height=128, n_pts_per_ray=64, min_depth=0.1, max_depth=4.0
    )
    bundle, marcher = sampler(camera), p3d.EmissionAbsorptionRaymarcher()
    density, color = 0.1 * torch.rand(16384, 64, 1), torch.rand(16384, 64, 3)
    grid, colors = 0.1 * torch.rand(1, 1, 64, 64, 64), torch.rand(1, 3, 64, 64, 64)
    renderer = p3d.VolumeRenderer(sampler, marcher)
    rotations, vectors, points = p3d.random_rotations(100_000), torch.rand(100_000, 3), torch.rand(100_000, 3)

    def march() -> None:
        marcher(density.clone().requires_grad_(), color.clone().requires_grad_()).sum().backward()

    def volume(gradients: bool) -> Tensor:
        inside = [t.clone().requires_grad_(gradients) for t in (grid, colors)]
        return renderer(cameras=camera, volumes=p3d.Volumes(*inside, voxel_size=3 / 64))[0].square().mean()

    return {
        "NDC ray sampler 128 px, 64 points": lambda: sampler(camera),
        "points of its rays": lambda: p3d.ray_bundle_to_ray_points(bundle),
        "ray marcher 16,384 x 64": lambda: marcher(density, color),
        "ray marcher 16,384 x 64, backward": march,
        "volume renderer 64^3, 128 px": torch.no_grad()(lambda: volume(False)),
        "volume renderer 64^3, 128 px, backward": lambda: volume(True).backward(),
        "matrix_to_quaternion 100k": lambda: p3d.matrix_to_quaternion(rotations),
        "so3_log_map 100k": lambda: p3d.so3_log_map(rotations),
        "so3_exp_map 100k": lambda: p3d.so3_exp_map(vectors),
        "transform_points_screen 100k": lambda: camera.transform_points_screen(points, image_size=((128, 128),)),
        "look_at_view_transform 100": lambda: p3d.look_at_view_transform(2.7, torch.rand(100), torch.rand(100)),
    }


def everything(mesh) -> Work:
    return rendering(mesh) | clouds(mesh) | surfaces(mesh) | volumes_and_transforms()
