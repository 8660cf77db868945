"""Question 1.3.2: a harder scene, from Gaussians all over its box; the plain way against the improved one."""

import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from a4_splatting_sds import train
from common.cli import ArgumentParser, add_common_flags, command, positive_int
from common.outputs import make_folder, write_json, write_metrics, write_run
from common.visualize import add_caption, save_png

# The course's starting point: round Gaussians of which none is added, absolute errors alone.
PLAIN = ["--isotropic", "--fixed_background", "--ssim", "0", "--density", "none"]
IMPROVED = ["--density", "mcmc", "--sh_degree", "3"]


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Train both ways; leave both runs, a table and their held-out views side by side."""
    import numpy as np

    started = time.time()
    args, more = parser().parse_known_args(argv)
    folder = make_folder(Path(args.output_dir) / "harder", "--output_dir")
    shared = [
        "--data_path",
        args.data_path,
        "--init",
        "random",
        "--num_itrs",
        str(args.num_itrs),
        "--seed",
        str(args.seed),
    ]
    shared += ["--device", args.device, "--output_dir", str(folder), *more]
    shared += ["--data_dir", args.data_dir] if args.data_dir else []
    rows, shown = {}, []
    for name, flags in (("plain", PLAIN), ("improved", IMPROVED)):
        rows[name] = train.run(train.parser().parse_args([*shared, *flags, "--exp_name", name]))
        with Image.open(folder / name / "training_final_renders.gif") as film:
            shown.append(np.asarray(film.convert("RGB")))
    save_png(folder / "harder.png", np.concatenate([add_caption(s, n) for s, n in zip(shown, rows, strict=True)], 0))
    lines = ["| | PSNR | SSIM | Gaussians | seconds |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        cells = f"{row['psnr']:.2f} | {row['ssim']:.3f} | {row['num_gaussians']} | {row['training_seconds']:.0f}"
        lines.append(f"| {name} | {cells} |")
    (folder / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    write_json(folder / "results.json", rows)
    metrics = {f"{name}_{key}": row[key] for name, row in rows.items() for key in ("psnr", "ssim")}
    write_metrics(folder, {**metrics, "seconds": time.time() - started})
    write_run(folder, vars(args), started, seed=args.seed)


def parser() -> ArgumentParser:
    """Flags; all others are train's."""
    p = ArgumentParser(
        "A harder scene from random Gaussians, the plain way and the improved one; other flags are train's.",
        "python -m a4_splatting_sds.train_harder_scene --data_path materials",
    )
    add_common_flags(p, train.OUTPUT_DIR)
    p.add_argument("--data_path", default="materials", help="as train's")
    p.add_argument("--num_itrs", type=positive_int, default=3000, help="steps of each")
    return p


if __name__ == "__main__":
    raise SystemExit(main())
