"""What the two commands of this assignment share: flags, the configuration, the folder, what is left in it."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from a3_volume_surface.config import FOLDER, load_config
from a3_volume_surface.model import check_parts
from common.cli import ArgumentParser, UserError, add_common_flags, frames_per_second, positive_int, resolve_device
from common.gif import save_gif
from common.outputs import make_folder, write_json, write_metrics, write_run
from common.training import seed_everything
from common.visualize import save_png

OUTPUT_DIR = "outputs/a3_volume_surface"
# Settings of training that a resumed run may change.
MAY_DIFFER = {"num_epochs", "max_minutes", "resume", "checkpoint_path", "checkpoint_interval", "render_interval"}


class Job:
    """One run: its arguments, configuration ``cfg``, device and folder; :meth:`finish` leaves metrics and run.json."""

    def __init__(self, args: argparse.Namespace):
        self.started, self.args = time.time(), args
        self.device = resolve_device(args.device)
        self.preset = args.preset if args.preset != "auto" else ("course" if self.device.type == "cuda" else "laptop")
        self.cfg: SimpleNamespace = load_config(args.config_name, args.overrides, self.preset, args.config_path)
        check_parts(self.cfg)
        self.seed = args.seed if args.seed is not None else self.cfg.seed
        seed_everything(self.seed)
        name = args.exp_name or Path(args.config_name).stem
        self.folder = make_folder(Path(args.output_dir) / name, "--output_dir")
        self.data: dict = {}

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of what is rendered.

        Raises:
            UserError: the configuration leaves it to the pictures, and there are none.
        """
        if self.cfg.data.image_size is None:
            raise UserError("data.image_size: needed, as there are no pictures whose size to take")
        return self.cfg.data.image_size

    @property
    def checkpoint(self) -> Path:
        """Where this run's checkpoint goes: in its folder, under the name that the configuration gives."""
        return self.folder / f"{Path(self.cfg.training.checkpoint_path or 'checkpoint').name}.pt"

    @property
    def resume(self) -> bool:
        """Whether to go on from the checkpoint: asked for by flag, or by the configuration where there is one."""
        return self.args.resume or (self.cfg.training.resume and self.checkpoint.exists())

    @property
    def description(self) -> dict:
        """What a checkpoint says of this run: all that its weights depend on but how long it trains."""
        cfg = plain(self.cfg)
        training = {key: value for key, value in cfg["training"].items() if key not in MAY_DIFFER}
        parts = {key: cfg[key] for key in ("data", "renderer", "sampler", "implicit_function")}
        return {**parts, "training": training, "seed": self.seed, "used": self.data}

    def gif(self, name: str, frames: np.ndarray) -> None:
        """Write frames (T, H, W, 3) uint8."""
        save_gif(self.folder / name, frames, self.args.fps)
        print(f"{self.folder / name}: {len(frames)} frames")

    def png(self, name: str, image: np.ndarray) -> None:
        """Write one picture (H, W, 3) uint8."""
        save_png(self.folder / name, image)
        print(self.folder / name)

    def finish(self, history: list[dict] | None = None, **metrics: float) -> None:
        """Write metrics.json, run.json and, of training, history.json."""
        seconds = time.time() - self.started
        if history is not None:
            write_json(self.folder / "history.json", {"steps": history})
        settings = {**vars(self.args), "preset": self.preset, "config": plain(self.cfg)}
        write_run(self.folder, settings, self.started, seed=self.seed, device=str(self.device), data=self.data)
        write_metrics(self.folder, {**metrics, "seconds": seconds})  # last: where it is, the run is whole
        print(", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        print(f"{seconds:.1f} s")


def plain(value):
    """Nested namespaces as nested dicts."""
    if isinstance(value, SimpleNamespace):
        return {key: plain(part) for key, part in vars(value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


def parse(argv: Sequence[str] | None, description: str, example: str, default: str) -> argparse.Namespace:
    """The flags of a command; ``default`` is the configuration that it runs without any."""
    parser = ArgumentParser(description, example)
    add_common_flags(parser, OUTPUT_DIR)
    parser.set_defaults(seed=None)
    known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml")))
    parser.add_argument("--config-name", "--config_name", default=default, help=f"one of {known}, or a path")
    parser.add_argument("--config-path", "--config_path", "--config-dir", default=None, help="folder of configurations")
    parser.add_argument(
        "--preset", choices=("auto", "laptop", "course"), default="auto", help="auto: course on CUDA, else laptop"
    )
    parser.add_argument(
        "--exp_name", default=None, help="of the folder below --output_dir (default: the configuration's)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from this experiment's checkpoint")
    parser.add_argument("--num_frames", type=positive_int, default=20, help="frames of the GIFs")
    parser.add_argument("--fps", type=frames_per_second, default=15, help="frames per second, at most 50")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="as training.lr=1e-3")
    args, unknown = parser.parse_known_intermixed_args(argv)  # overrides may stand between flags
    return parser.parse_args(unknown) if unknown else args
