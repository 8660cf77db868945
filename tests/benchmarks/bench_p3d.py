"""Times of the p3d engine beside PyTorch3D's: `python -m tests.benchmarks.bench_p3d [--mesh cow.obj] [--only NAME]`.

Each line is the median of some calls after two to warm up. PyTorch3D's time of the same work is quoted, version 0.7.9
on two cores of an AMD EPYC, or, where pytorch3d is installed, measured here as well, in a process of its own. The
quoted times are of the course's cow (5,856 faces): give it by --mesh; else our own cow is rendered.

`--scaling figure.png` draws time and memory against the number of faces and of pixels instead.
"""

import argparse
import importlib.util
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

import common.p3d as p3d

# What is measured: name -> PyTorch3D's median in ms, torch 2.13, CPU, two threads.
QUOTED = {
    "HardPhong 256 px": 1074.3,
    "HardPhong 256 px, backward": 1380.8,
    "HardPhong 512 px": 4204.9,
    "HardPhong 512 px, backward": 5375.0,
    "SoftPhong 512 px": 4093.7,
    "SoftPhong 512 px, backward": 5409.7,
    "HardPhong 512 px, batch of 4": 16278.7,
    "silhouette K=50 blur 1e-4": 283.4,
    "silhouette K=50 blur 1e-4, backward": 1899.1,
    "silhouette K=50 blur 9e-4, backward": 5763.0,
    "knn 10k x 10k K=1": 329.9,
    "knn 10k x 10k K=8": 352.9,
    "chamfer 8 x 5,000, backward": 1351.8,
    "chamfer 8 x 10,000, backward": 5283.7,
    "point to mesh, 5k points": 2010.0,
    "ball query 10k r=0.1 K=32": 258.1,
    "ball query 10k r=0.1 K=500": 466.1,
    "farthest points 10k to 1k": 34.3,
    "normals 10k, 50 neighbours": 534.7,
    "ICP 2k": 265.0,
    "sample 8 x 10k": 10.9,
    "sample 8 x 10k with normals": 10.8,
    "sample 8 x 10k, backward": 14.8,
    "laplacian uniform, new mesh": 12.9,
    "laplacian uniform, moved mesh": 5.4,
    "laplacian cot, new mesh": 24.6,
    "laplacian cot, moved mesh": 24.1,
    "laplacian cotcurv, new mesh": 24.7,
    "laplacian cotcurv, moved mesh": 23.5,
    "edge loss, new mesh": 8.5,
    "edge loss, moved mesh": 2.6,
    "normal consistency, new mesh": 13.9,
    "normal consistency, moved mesh": 11.5,
    "marching cubes 64": 5.1,
    "cubify 8 x 32": 17.3,
    "NDC ray sampler 128 px, 64 points": 1.1,
    "points of its rays": 2.9,
    "ray marcher 16,384 x 64": 3.3,
    "ray marcher 16,384 x 64, backward": 13.9,
    "volume renderer 64^3, 128 px": 53.3,
    "volume renderer 64^3, 128 px, backward": 147.4,
    "ico_sphere(5)": 7.9,
    "taubin smoothing, 10 steps": 137.9,
    "matrix_to_quaternion 100k": 6.1,
    "so3_log_map 100k": 7.3,
    "so3_exp_map 100k": 5.1,
    "transform_points_screen 100k": 2.5,
    "look_at_view_transform 100": 0.2,
    "vert_align 8 x 64 x 32 x 32": 1.5,
    "subdivide the mesh": 4.3,
    "box3d_overlap 64 x 64": 194.6,
}
Work = dict[str, Callable[[], object]]


def without_gradients(function: Callable[[], object]) -> Callable[[], object]:
    def work() -> object:
        with torch.no_grad():
            return function()

    return work


def rendering(mesh) -> Work:
    """Renders of a textured mesh, and silhouettes of a sphere."""
    R, T = p3d.look_at_view_transform(2.7, 0.0, 180.0)
    cameras, work = p3d.FoVPerspectiveCameras(R=R, T=T), {}
    verts, faces, textures = mesh.verts_packed(), mesh.faces_packed(), mesh.textures

    def renderer(size: int, shader: type):
        lights = p3d.PointLights(location=[[1.0, 2.0, -3.0]])
        rasterizer = p3d.MeshRasterizer(cameras, p3d.RasterizationSettings(image_size=size))
        return p3d.MeshRenderer(rasterizer, shader(cameras=cameras, lights=lights))

    for size, name in ((256, "HardPhong"), (512, "HardPhong"), (512, "SoftPhong")):
        render = renderer(size, getattr(p3d, f"{name}Shader"))

        def backward(render=render) -> None:
            moved = verts.clone().requires_grad_()
            render(p3d.Meshes([moved], [faces], textures))[..., :3].square().mean().backward()

        work[f"{name} {size} px"] = without_gradients(lambda render=render: render(mesh))
        work[f"{name} {size} px, backward"] = backward
    views = p3d.look_at_view_transform(2.7, 0.0, torch.tensor([0.0, 90.0, 180.0, 270.0]))
    four, hard = p3d.FoVPerspectiveCameras(R=views[0], T=views[1]), renderer(512, p3d.HardPhongShader)
    work["HardPhong 512 px, batch of 4"] = without_gradients(lambda: hard(mesh.extend(4), cameras=four))
    sphere = p3d.ico_sphere(4)
    for label, blur in (("1e-4", 1e-4), ("9e-4", math.log(1.0 / 1e-4 - 1.0) * 1e-4)):
        settings = p3d.RasterizationSettings(image_size=128, blur_radius=blur, faces_per_pixel=50)
        shader = p3d.SoftSilhouetteShader(p3d.BlendParams(sigma=1e-4))
        soft = p3d.MeshRenderer(p3d.MeshRasterizer(cameras, settings), shader)

        def backward(soft=soft) -> None:
            moved = sphere.verts_packed().clone().requires_grad_()
            soft(p3d.Meshes([moved], [sphere.faces_packed()]))[..., 3].square().mean().backward()

        work[f"silhouette K=50 blur {label}"] = without_gradients(lambda soft=soft: soft(sphere))
        work[f"silhouette K=50 blur {label}, backward"] = backward
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
        "volume renderer 64^3, 128 px": without_gradients(lambda: volume(False)),
        "volume renderer 64^3, 128 px, backward": lambda: volume(True).backward(),
        "matrix_to_quaternion 100k": lambda: p3d.matrix_to_quaternion(rotations),
        "so3_log_map 100k": lambda: p3d.so3_log_map(rotations),
        "so3_exp_map 100k": lambda: p3d.so3_exp_map(vectors),
        "transform_points_screen 100k": lambda: camera.transform_points_screen(points, image_size=((128, 128),)),
        "look_at_view_transform 100": lambda: p3d.look_at_view_transform(2.7, torch.rand(100), torch.rand(100)),
    }


def median_ms(work: Callable[[], object], seconds: float) -> float:
    """Median time of calls, 3 to 25 of them in about so many seconds. On a busy machine threads wait: be alone."""
    for _ in range(2):
        start = time.perf_counter()
        work()
    times, count = [], min(max(int(seconds / (time.perf_counter() - start)), 3), 25)
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def measure(mesh_path: str | None, only: str, seconds: float) -> dict[str, float]:
    """Milliseconds of everything whose name contains `only`, by the engine in use."""
    from common.mesh_views import centred, cow, load_mesh

    torch.manual_seed(0)
    mesh = centred(load_mesh(mesh_path)) if mesh_path else cow()
    if p3d.BACKEND == "pytorch3d" and not isinstance(mesh.textures, p3d.TexturesUV):
        raise SystemExit("the mesh needs a texture image")
    work = rendering(mesh) | clouds(mesh) | surfaces(mesh) | volumes_and_transforms()
    times = {}
    for name in QUOTED:
        if only in name:
            times[name] = median_ms(work[name], seconds)
            if p3d.BACKEND == "torch":
                print(f"{name:<40} {times[name]:9.2f} ms", flush=True)
    return times


def of_pytorch3d(arguments: list[str]) -> dict[str, float] | None:
    """The times of the installed pytorch3d, measured in a process of its own."""
    if importlib.util.find_spec("pytorch3d") is None:
        return None
    command = [sys.executable, "-m", "tests.benchmarks.bench_p3d", "--json", *arguments]
    environment = os.environ | {"P3D_BACKEND": "pytorch3d"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def scaling_point(faces: int, pixels: int) -> tuple[float, float]:
    """Seconds of a render of a sphere with about so many faces at so many pixels, and the process's peak in GiB."""
    level = max(round(math.log(faces / 20, 4)), 0)
    sphere = p3d.ico_sphere(level)
    R, T = p3d.look_at_view_transform(2.7, 0.0, 0.0)
    settings = p3d.RasterizationSettings(image_size=pixels)
    rasterizer = p3d.MeshRasterizer(p3d.FoVPerspectiveCameras(R=R, T=T), settings)
    seconds = median_ms(without_gradients(lambda: rasterizer(sphere)), 1.0) / 1e3
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def draw_scaling(path: str) -> None:
    """Time and memory against faces and against pixels, each point in a process of its own."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6), layout="constrained")
    levels = [20 * 4**level for level in range(3, 9)]
    sizes = (128, 256, 512, 1024, 2048)
    series = (
        ("faces, at 512 x 512 pixels", levels, [(faces, 512) for faces in levels]),
        ("pixels, of 20,480 faces", [size * size for size in sizes], [(20_480, size) for size in sizes]),
    )
    for column, (label, xs, points) in enumerate(series):
        results = []
        for faces, pixels in points:
            command = [sys.executable, "-m", "tests.benchmarks.bench_p3d", "--point", str(faces), str(pixels)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{faces:>9} faces, {pixels:>4} px: {results[-1][0]:7.3f} s, {results[-1][1]:5.2f} GiB", flush=True)
        for row, (name, limit) in enumerate((("seconds", None), ("peak memory of the process, GiB", 0))):
            axes[row, column].plot(xs, [r[row] for r in results], "o-")
            axes[row, column].set(xscale="log", xlabel=label, ylabel=name)
            axes[row, column].set_yscale("linear" if row else "log")
            axes[row, column].set_ylim(bottom=limit)
            axes[row, column].grid(alpha=0.3)
        slope = results[-1][0] / xs[-1]
        axes[0, column].plot(xs, [slope * x for x in xs], "--", color="gray", label="linear")
        axes[0, column].legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", help="a textured mesh, such as the course's cow.obj (default: our own cow)")
    parser.add_argument("--only", default="", help="measure what has this in its name")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement (default: 1)")
    parser.add_argument("--scaling", metavar="PNG", help="draw time and memory against faces and pixels instead")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--point", nargs=2, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        print(json.dumps(scaling_point(*args.point)))
    elif args.scaling:
        draw_scaling(args.scaling)
    elif args.json:
        print(json.dumps(measure(args.mesh, args.only, args.seconds)))
    else:
        ours = measure(args.mesh, args.only, args.seconds)
        theirs = of_pytorch3d([*(["--mesh", args.mesh] if args.mesh else []), "--only", args.only])
        print(f"\n{torch.get_num_threads()} threads; PyTorch3D {'measured here' if theirs else 'quoted'}")
        for name, ms in ours.items():
            peer = (theirs or QUOTED)[name]
            print(f"{name:<40} {ms:9.2f} ms   PyTorch3D {peer:9.2f} ms: {peer / ms:7.1f}x")


if __name__ == "__main__":
    main()
