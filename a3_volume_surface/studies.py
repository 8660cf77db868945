"""Comparisons: the same scene under several settings, one table and one figure each."""

import json
from collections.abc import Sequence
from pathlib import Path

from a3_volume_surface import surface_rendering_main, volume_rendering_main
from a3_volume_surface.command import OUTPUT_DIR, parse
from a3_volume_surface.figures import training_figure
from common.cli import ArgumentParser, add_common_flags, command
from common.outputs import make_folder, write_json

SHORT = "training.num_epochs=10"  # enough to tell settings apart
# Fixed sharpness, as the course's table has it.
FIXED = ("--config-name=volsdf_surface", SHORT, "renderer.beta_end=null")
# The course's network and numbers for half an hour: a small part of its 25,000 steps; --resume would go on.
MLP = ("--config-name=nerf_lego", "--preset", "course", "training.resume=false", "training.max_minutes=30")
STEPS = 1000  # of each run with fewer views

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
        *(
            (name, surface_rendering_main, (f"--config-name={name}_surface", SHORT))
            for name in ("volsdf", "neus", "naive")
        ),
        *(
            (
                f"naive, s {s}",
                surface_rendering_main,
                ("--config-name=naive_surface", SHORT, "renderer.s_end=null", f"renderer.s={s}"),
            )
            for s in (10, 50)
        ),
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
    "culling": [
        (
            f"{'with' if flag else 'without'} culling",
            surface_rendering_main,
            ("--config-name=many_primitives", f"renderer.culling={str(flag).lower()}", "--num_frames", "3"),
        )
        for flag in (True, False)
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
        ("MLP where something is", volume_rendering_main, ("--config-name=nerf_lego_mlp",)),
        (
            "MLP, coarse and fine",
            volume_rendering_main,
            (*MLP, "sampler.n_pts_per_ray=64", "sampler.n_fine_per_ray=64"),
        ),
    ],
}
SHOWN = (
    "test_psnr",
    "test_ssim",
    "train_psnr",
    "train_loss",
    "frames_per_second",
    "chamfer",
    "accuracy",
    "completeness",
    "training_seconds",
)
CAUGHT_UP = "seconds_to_the_worst"  # until a run was as good on validation views as the worst one is at its end


def table(rows: dict[str, dict[str, float]]) -> str:
    """A Markdown table of the figures that some run has, a line a run."""
    columns = [name for name in (*SHOWN, CAUGHT_UP) if any(name in row for row in rows.values())]
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, row in rows.items():
        cells = (f"{row[column]:.4f}" if column in row else "" for column in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def is_made(results: Path, wanted: Sequence[str]) -> bool:
    """Whether the results of a run with these arguments are there."""
    run = results.with_name("run.json")
    if not results.is_file() or not run.is_file():
        return False
    made, asked = json.loads(run.read_text())["arguments"], vars(parse(wanted, "", "", ""))
    return all(made.get(key) == asked[key] for key in ("config_name", "preset", "overrides", "seed", "num_frames"))


def seconds_to_the_worst(histories: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """When each run was first seen as good on validation views as the worst is at its end, seconds of training."""
    worst = min(rows[-1]["val_psnr"] for rows in histories.values())
    return {name: next(row["seconds"] for row in rows if row["val_psnr"] >= worst) for name, rows in histories.items()}


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
        preset = [] if "--preset" in flags else ["--preset", "laptop"]  # the same runs with a GPU and without
        wanted = [*flags, *preset, *args.overrides, *common, "--exp_name", experiment]
        if args.again or not is_made(results, wanted):
            print(f"== {name}")
            code = module.main(wanted)
            if code:
                raise SystemExit(code)
        rows[name] = json.loads(results.read_text())
        if (folder / experiment / "history.json").is_file():
            histories[name] = json.loads((folder / experiment / "history.json").read_text())["steps"]
    if histories and all(history and "val_psnr" in history[-1] for history in histories.values()):
        for name, seconds in seconds_to_the_worst(histories).items():
            rows[name][CAUGHT_UP] = seconds
    text = table(rows)
    print(text)
    (folder / "table.md").write_text(text)
    write_json(folder / "results.json", rows)
    if histories:
        training_figure(folder / "training.png", histories)


if __name__ == "__main__":
    raise SystemExit(main())
