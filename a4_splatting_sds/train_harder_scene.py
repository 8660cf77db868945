"""Question 1.3.2: a harder scene, from Gaussians all over its box; the plain way against the improved one."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from a4_splatting_sds import train
from common.cli import ArgumentParser, UserError, command
from common.outputs import atomic_path, make_folder, write_json, write_metrics, write_run
from common.visualize import add_caption, save_png

# The course's starting point: round Gaussians of which none is added, absolute errors alone.
PLAIN = {"isotropic": True, "random_background": False, "ssim": 0.0, "density": "none", "sh_degree": 0}
IMPROVED = {"isotropic": False, "random_background": True, "density": "mcmc", "sh_degree": 3}


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Train both ways; leave both runs, a table and their held-out views below each other."""
    started = time.time()
    args = parser().parse_args(argv)
    for name in ("exp_name", *sorted(PLAIN | IMPROVED)):
        if getattr(args, name) != parser().get_default(name):
            flag = "fixed_background" if name == "random_background" else name
            raise UserError(f"--{flag} differs between the two ways here; use python -m a4_splatting_sds.train")
    folder = make_folder(Path(args.output_dir) / "harder", "--output_dir")
    rows, shown = {}, []
    for name, way in (("plain", PLAIN), ("improved", IMPROVED)):
        resume = args.resume and (folder / name / train.CHECKPOINT).exists()
        flags = {**vars(args), **way, "exp_name": name, "output_dir": str(folder), "resume": resume}
        rows[name] = train.run(argparse.Namespace(**flags))
        with Image.open(folder / name / "training_final_renders.gif") as film:
            shown.append(np.asarray(film.convert("RGB")))
    save_png(folder / "harder.png", np.concatenate([add_caption(s, n) for s, n in zip(shown, rows, strict=True)], 0))
    lines = ["| | PSNR | SSIM | Gaussians | seconds |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        cells = f"{row['psnr']:.2f} | {row['ssim']:.3f} | {row['num_gaussians']} | {row['training_seconds']:.0f}"
        lines.append(f"| {name} | {cells} |")
    with atomic_path(folder / "table.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    write_json(folder / "results.json", rows)
    metrics = {f"{name}_{key}": row[key] for name, row in rows.items() for key in ("psnr", "ssim")}
    write_metrics(folder, {**metrics, "seconds": time.time() - started})
    write_run(folder, vars(args), started, seed=args.seed)


def parser() -> ArgumentParser:
    """train's flags, other defaults."""
    p = train.parser(
        "A harder scene from random Gaussians, the plain way and the improved one; a quarter of an hour on two cores.",
        "python -m a4_splatting_sds.train_harder_scene --data_path materials",
    )
    p.set_defaults(data_path="materials", num_itrs=2000)
    for action in p._actions:
        if action.dest in ("exp_name", *PLAIN, *IMPROVED):  # what differs between the two ways cannot be asked for
            action.help = argparse.SUPPRESS
    return p


if __name__ == "__main__":
    raise SystemExit(main())
