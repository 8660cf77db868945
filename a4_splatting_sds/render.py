"""Questions 1.1 and 1.3.1: films around Gaussians: colour, depth, silhouette; with and without colours by direction."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from a4_splatting_sds.files import check_target, load_gaussians, save_gaussians
from a4_splatting_sds.pictures import UP, around, beside, render_all, save_turntables
from a4_splatting_sds.scene import rasterizer_of
from a4_splatting_sds.spherical_harmonics import MOST_DEGREE
from a4_splatting_sds.train import BACKGROUNDS, OUTPUT_DIR, add_rasterizer_flags
from common.cli import (
    ArgumentParser,
    add_common_flags,
    command,
    frames_per_second,
    positive_float,
    positive_int,
    resolve_device,
)
from common.gif import save_gif
from common.outputs import make_folder, write_metrics, write_run

PRETRAINED = Path(__file__).parent / "pretrained" / "materials.ply"


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Render films; leave them, and how long a view took."""
    started = time.time()
    args = parser().parse_args(argv)
    device = resolve_device(args.device)
    gaussians = load_gaussians(args.data_path or PRETRAINED).to(device)
    if args.save_as:
        check_target(args.save_as)
        make_folder(Path(args.save_as).parent, "--save_as")
    folder = make_folder(Path(args.output_dir) / (args.exp_name or "render"), "--output_dir")
    rasterizer = rasterizer_of(args.rasterizer, args.gaussians_per_splat, device)
    size = (args.image_size, args.image_size)
    cameras = around(gaussians, args.num_frames, size, UP[args.up], args.elevation, args.zoom)
    background = torch.tensor(BACKGROUNDS[args.background], device=device)
    shown = gaussians.at_degree(args.sh_degree)
    begin = time.perf_counter()
    seen = render_all(shown, cameras, background, rasterizer, "rendering")
    metrics = {"seconds_per_view": (time.perf_counter() - begin) / len(cameras), "num_gaussians": len(gaussians)}
    made = save_turntables(folder, seen, args.fps)
    if shown.degree:
        plain = render_all(gaussians.at_degree(0), cameras, background, rasterizer, "without directions")
        films = {"degree 0": plain["image"], f"degree {shown.degree}": seen["image"]}
        save_gif(folder / "degrees.gif", beside(films), args.fps)
        made.append(folder / "degrees.gif")
    else:
        (folder / "degrees.gif").unlink(missing_ok=True)  # of what was rendered there before
    if args.save_as:
        made.append(save_gaussians(args.save_as, shown))
    metrics["seconds"] = time.time() - started
    write_metrics(folder, metrics)
    write_run(folder, vars(args), started, seed=args.seed, device=str(device), data=str(args.data_path or "pretrained"))
    print(f"{len(gaussians)} Gaussians, {1000 * metrics['seconds_per_view']:.0f} ms a view of {size[1]} x {size[0]}")
    print("\n".join(map(str, made)))


def elevation(text: str) -> float:
    """argparse type of an angle between -89 and 89 degrees."""
    value = float(text)
    if not -89 <= value <= 89:
        raise argparse.ArgumentTypeError(f"{text} is not between -89 and 89")
    return value


def parser() -> ArgumentParser:
    """The course's flags and ours."""
    p = ArgumentParser(
        "Films around Gaussians, of a file or of those that ship with the project; seconds on two cores.",
        "python -m a4_splatting_sds.render --data_path scene.ply --gaussians_per_splat 1024",
    )
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument("--out_path", dest="output_dir", default=argparse.SUPPRESS, help="the course's --output_dir")
    p.add_argument("--data_path", default=None, help=".ply or .splat file (default: the pretrained scene)")
    add_rasterizer_flags(p)
    p.add_argument("--sh_degree", type=int, choices=range(MOST_DEGREE + 1), default=MOST_DEGREE, help="at most")
    p.add_argument("--image_size", "--img_dim", type=positive_int, default=256, help="pixels")
    p.add_argument("--num_frames", type=positive_int, default=32, help="views around the scene")
    p.add_argument("--fps", type=frames_per_second, default=15, help="frames per second")
    p.add_argument("--elevation", type=elevation, default=30.0, help="of the camera, degrees, -89 to 89")
    p.add_argument("--zoom", type=positive_float, default=1.0, help="above 1 is nearer")
    p.add_argument("--up", choices=UP, default="z", help="which way is up")
    p.add_argument("--background", choices=BACKGROUNDS, default="black", help="behind everything")
    p.add_argument("--save_as", default=None, help="write the Gaussians to this .ply or .splat file too")
    p.add_argument("--exp_name", default=None, help="folder below --output_dir (default: render)")
    return p


if __name__ == "__main__":
    raise SystemExit(main())
