"""Times of the p3d engine beside PyTorch3D's: `python -m tests.benchmarks.bench_p3d [--mesh cow.obj] [--only NAME]`.

Each line is the median of some calls after two to warm up. PyTorch3D's time of the same work is quoted, version 0.7.9
on two cores of an AMD EPYC, or, where pytorch3d is installed, measured here as well, in a process of its own. The
quoted times are of the course's cow (5,856 faces): give it by --mesh; else our own cow is rendered.

`--scaling figure.png` draws time and memory against the number of faces and of pixels instead.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys

import torch

import common.p3d as p3d
from tests.benchmarks import p3d_scaling, p3d_work
from tests.benchmarks.timing import median_ms

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


def measure(mesh_path: str | None, only: str, seconds: float) -> dict[str, float]:
    """Milliseconds of everything whose name contains `only`, by the engine in use."""
    from common.mesh_views import centred, cow, load_mesh

    torch.manual_seed(0)
    mesh = centred(load_mesh(mesh_path)) if mesh_path else cow()
    if p3d.BACKEND == "pytorch3d" and not isinstance(mesh.textures, p3d.TexturesUV):
        raise SystemExit("the mesh needs a texture image")
    work = p3d_work.everything(mesh)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", help="a textured mesh, such as the course's cow.obj (default: our own cow)")
    parser.add_argument("--only", default="", help="measure what has this in its name")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement (default: 1)")
    parser.add_argument("--scaling", metavar="PNG", help="draw time and memory against faces and pixels instead")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.scaling:
        p3d_scaling.draw(args.scaling)
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
