"""What the commands of this assignment share: their flags, where a deliverable goes, and what is written beside it."""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from common.cli import (
    ArgumentParser,
    UserError,
    add_common_flags,
    frames_per_second,
    positive_int,
    resolve_device,
)
from common.gif import save_gif
from common.mesh_views import centred, cow, load_mesh
from common.outputs import make_folder, write_metrics, write_run
from common.p3d import Meshes
from common.visualize import save_png

OUTPUT_DIR = "outputs/a1_rendering"
LARGEST_IMAGE = 8192  # pixels along a side


class Deliverable:
    """A command's arguments, device, folder and start time; :meth:`finish` leaves metrics.json and run.json.

    Args:
        name: of the folder below ``--output_dir``.
        args: parsed by :func:`deliverable_parser`.
    """

    def __init__(self, name: str, args: argparse.Namespace):
        self.started, self.args, self.device = time.time(), args, resolve_device(args.device)
        torch.manual_seed(args.seed)
        self.folder = make_folder(Path(args.output_dir) / name, "--output_dir")
        self.metrics: dict[str, float] = {}

    def path(self, default: str) -> Path:
        """``--output_file``, or a name in the deliverable's folder.

        Raises:
            UserError: its folder does not exist.
        """
        if not getattr(self.args, "output_file", None):
            return self.folder / default
        path = Path(self.args.output_file)
        make_folder(path.parent, "--output_file")
        if path.suffix.lower() != Path(default).suffix:
            raise UserError(f"--output_file {path}: its name must end in {Path(default).suffix}")
        return path

    def gif(self, default: str, frames: np.ndarray, only: bool = True) -> Path:
        """Write frames (T, H, W, 3) uint8; ``only``: this is what ``--output_file`` names."""
        path = self.path(default) if only else self.folder / default
        save_gif(path, frames, self.args.fps)
        print(
            f"{path}: {len(frames)} frames of {frames.shape[2]} x {frames.shape[1]}, {path.stat().st_size / 1e6:.1f} MB"
        )
        return path

    def png(self, default: str, image: np.ndarray, only: bool = True) -> Path:
        """Write one picture (H, W, 3) uint8."""
        path = self.path(default) if only else self.folder / default
        save_png(path, image)
        print(f"{path}: {image.shape[1]} x {image.shape[0]}")
        return path

    def finish(self, **metrics: float) -> None:
        """Write metrics.json and run.json."""
        seconds = time.time() - self.started
        write_metrics(self.folder, {**metrics, "seconds": seconds})
        source = getattr(self.args, "mesh", None) or "procedural"
        write_run(
            self.folder,
            vars(self.args),
            self.started,
            seed=self.args.seed,
            device=str(self.device),
            data={"source": str(source)},
        )
        print(f"{seconds:.1f} s")


def deliverable_parser(
    description: str,
    example: str,
    image_size: int = 512,
    num_frames: int | None = None,
    fps: float = 15,
    mesh: bool = False,
) -> ArgumentParser:
    """Flags of a command; those for frames where ``num_frames`` is given, ``--mesh`` where it draws one."""
    parser = ArgumentParser(description, example)
    add_common_flags(parser, OUTPUT_DIR)
    parser.add_argument("--image_size", type=_image_size, default=image_size, help="pixels along each side")
    parser.add_argument("--output_file", "--output_path", default=None, help="where the result goes, by name")
    if num_frames:
        parser.add_argument("--num_frames", type=positive_int, default=num_frames, help="frames of the GIF")
        parser.add_argument("--fps", type=frames_per_second, default=fps, help="frames per second, at most 50")
    if mesh:
        parser.add_argument(
            "--mesh", "--cow_path", default=None, help="obj, ply, off, glb or gltf file (default: a procedural cow)"
        )
    return parser


def chosen_mesh(args: argparse.Namespace, device: torch.device, radius: float = 1.0) -> Meshes:
    """The mesh of ``--mesh``, or the procedural cow, centred and of a radius."""
    return centred(load_mesh(args.mesh, device) if args.mesh else cow(device), radius)


def _image_size(text: str) -> int:
    size = positive_int(text)
    if size > LARGEST_IMAGE:
        raise argparse.ArgumentTypeError(f"{size} pixels is more than {LARGEST_IMAGE}, the largest image drawn")
    return size
