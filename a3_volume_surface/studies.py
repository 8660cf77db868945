"""Comparisons: the same scene under several settings, one table and one figure each."""

import json
from collections.abc import Sequence
from pathlib import Path

from a3_volume_surface import surface_rendering_main, volume_rendering_main
from a3_volume_surface.command import OUTPUT_DIR
from a3_volume_surface.figures import training_figure
from common.cli import ArgumentParser, add_common_flags, command
from common.outputs import make_folder, write_json

HALF = "training.num_epochs=20"  # enough to tell settings apart
# Fixed sharpness, as the course's table has it.
FIXED = ("--config-name=volsdf_surface", HALF, "renderer.beta_end=null")
MLP = ("--config-name=nerf_lego", "implicit_function.type=nerf", "sampler.type=stratified", "sampler.min_depth=2.0")
MLP = (*MLP, "sampler.max_depth=6.0", "training.lr=0.001", "training.batch_size=512")

STEPS = 2000  # of each run with fewer views

# Study -> runs: a name, the command, its arguments.
Run = tuple[str, object, Sequence[str]]
STUDIES: dict[str, list[Run]] = {
    "alpha_beta": [
        (
            f"alpha {alpha}, beta {beta}",
            surface_rendering_main,
            (*FIXED, f"renderer.alpha={alpha}", f"renderer.beta={beta}"),
        )
        for alpha, beta in ((10, 0.05), (10, 0.1), (10, 0.5), (1, 0.05), (50, 0.05))
    ],
    "conversions": [
        (name, surface_rendering_main, (f"--config-name={name}_surface", HALF)) for name in ("volsdf", "neus", "naive")
    ],
    "views": [
        # An epoch takes a batch of each view: equal steps for all.
        (
            f"{kind} {count} views",
            module,
            (
                f"--config-name={config}",
                f"data.num_views={count}",
                f"training.num_epochs={STEPS // count}",
                f"training.render_interval={STEPS // count // 4}",
            ),
        )
        for count in (100, 20, 10, 5)
        for kind, module, config in (
            ("VolSDF", surface_rendering_main, "volsdf_surface"),
            ("NeRF", volume_rendering_main, "nerf_lego"),
        )
    ],
    "view_dependence": [
        (
            f"{'with' if flag else 'without'} direction",
            volume_rendering_main,
            ("--config-name=nerf_materials", f"implicit_function.view_dependence={str(flag).lower()}"),
        )
        for flag in (True, False)
    ],
    "variants": [
        ("grid", volume_rendering_main, ("--config-name=nerf_lego",)),
        ("MLP", volume_rendering_main, MLP),
        (
            "MLP, coarse and fine",
            volume_rendering_main,
            (*MLP, "sampler.n_pts_per_ray=48", "sampler.n_fine_per_ray=48"),
        ),
    ],
}
SHOWN = ("test_psnr", "test_ssim", "val_psnr", "train_loss", "chamfer", "accuracy", "completeness", "training_seconds")


def table(rows: dict[str, dict[str, float]]) -> str:
    """A Markdown table of the figures that some run has, a line a run."""
    columns = [name for name in SHOWN if any(name in row for row in rows.values())]
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, row in rows.items():
        cells = (f"{row[column]:.4f}" if column in row else "" for column in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run one study; a run whose metrics are there already is not made again unless --again."""
    parser = ArgumentParser(
        "Settings beside each other: about as many times ten minutes on two cores as there are runs.",
        "python -m a3_volume_surface.studies --study alpha_beta training.num_epochs=10",
    )
    add_common_flags(parser, OUTPUT_DIR)
    parser.add_argument("--study", choices=sorted(STUDIES), default="alpha_beta", help="what is compared")
    parser.add_argument("--again", action="store_true", help="make runs again whose results are there")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="for every run")
    args, unknown = parser.parse_known_intermixed_args(argv)  # overrides may stand between flags
    args = parser.parse_args(unknown) if unknown else args
    folder = make_folder(Path(args.output_dir) / f"study_{args.study}", "--output_dir")
    common = ["--device", args.device, "--seed", str(args.seed), "--output_dir", str(folder)]
    common += ["--data_dir", args.data_dir] if args.data_dir else []
    rows, histories = {}, {}
    for name, module, flags in STUDIES[args.study]:
        experiment = name.replace(" ", "_").replace(",", "")
        results = folder / experiment / "metrics.json"
        if args.again or not results.is_file():
            print(f"== {name}")
            code = module.main([*flags, *args.overrides, *common, "--exp_name", experiment])
            if code:
                raise SystemExit(code)
        rows[name] = json.loads(results.read_text())
        histories[name] = json.loads((folder / experiment / "history.json").read_text())["steps"]
    text = table(rows)
    print(text)
    (folder / "table.md").write_text(text)
    write_json(folder / "results.json", rows)
    training_figure(folder / "training.png", histories)


if __name__ == "__main__":
    raise SystemExit(main())
