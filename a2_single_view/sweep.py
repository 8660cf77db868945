"""Question 2.5: the same model trained under several values of one flag, scored side by side."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from a2_single_view import eval_model, train_model
from a2_single_view.figures import f1_figure
from a2_single_view.train_model import OUTPUT_DIR
from common.cli import ArgumentParser, UserError, add_common_flags, command
from common.outputs import make_folder, write_json

RESERVED = ("help", "output_dir", "data_dir", "device", "exp_name", "load_checkpoint", "classes")


def is_scored(folder: Path, train: Sequence[str]) -> bool:
    """Whether a run of these arguments was trained in the folder and scored."""
    run = folder / "run.json"
    if not run.is_file() or not (folder / "eval" / "metrics.json").is_file():
        return False
    made, asked = json.loads(run.read_text())["arguments"], vars(train_model.parse(train))
    return all(made.get(key) == value for key, value in asked.items())


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Train and score a model for each value; what was scored already is not made again unless --again."""
    started = time.time()
    p = ArgumentParser(
        "One flag of train_model under several values; further flags go to train_model (--type is mesh where it is not "
        "given). Twenty minutes a value on two cores.",
        "python -m a2_single_view.sweep --param w_smooth --values 0.001 0.01 0.1 1 10 --type mesh --max_iter 1000",
    )
    p.add_argument("--param", default="w_smooth", help="flag of train_model, without its dashes")
    p.add_argument("--values", nargs="+", default=["0.001", "0.01", "0.1", "1", "10"], help="its values")
    add_common_flags(p, OUTPUT_DIR)
    p.add_argument("--again", action="store_true", help="make runs again whose scores are there")
    args, more = p.parse_known_args(argv)
    if "--type" not in more:
        more = ["--type", "mesh", *more]
    flags = {action.dest: action for action in train_model.parser()._actions}
    if args.param not in flags or args.param in RESERVED:
        raise UserError(f"--param {args.param}: train_model has no flag --{args.param} that can be varied")
    folder = make_folder(Path(args.output_dir) / f"sweep_{args.param}", "--output_dir")
    shared = ["--output_dir", str(folder), "--device", args.device]
    shared += ["--data_dir", args.data_dir] if args.data_dir else []
    seed = [] if args.param == "seed" else ["--seed", str(args.seed)]
    rows, runs = {}, {}
    for value in args.values:
        name = f"{args.param}_{value}"
        runs[value] = name, [*more, *seed, f"--{args.param}", value, *shared, "--exp_name", name]
        train_model.parse(runs[value][1])  # all values are looked at before the first is trained with
    for value, (name, train) in runs.items():
        if args.again or not is_scored(folder / name, train):
            print(f"== {args.param} = {value}")
            (folder / name / "eval" / "metrics.json").unlink(missing_ok=True)  # they would pass for the new run's
            evaluate = [*shared, "--exp_name", name, *(["--skip_bad"] if "--skip_bad" in more else [])]
            for main_of, flags_of in ((train_model.main, train), (eval_model.main, evaluate)):
                code = main_of(flags_of)
                if code:
                    raise SystemExit(code)
        rows[f"{args.param} = {value}"] = json.loads((folder / name / "eval" / "metrics.json").read_text())
    f1_figure(folder / "f1.png", rows)
    write_json(folder / "results.json", {**rows, "seconds": time.time() - started})
    for name, row in rows.items():
        print(f"{name}: F1@0.05 {row['f1@0.05']:.2f}, Chamfer {row['chamfer']:.5f}")


if __name__ == "__main__":
    raise SystemExit(main())
