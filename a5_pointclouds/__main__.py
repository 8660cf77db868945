"""Make every deliverable of this assignment: train, evaluate and test the robustness of both tasks."""

import time
from collections.abc import Sequence

from tqdm import tqdm

from a5_pointclouds import eval_cls, eval_seg, robustness, train
from a5_pointclouds.options import OUTPUT_DIR
from common.cli import ArgumentParser, add_common_flags, command

# What is made, in order: a name, the command, its flags.
DELIVERABLES = (
    ("classifier", train, ["--task", "cls"]),
    ("classifier, any rotation", train, ["--task", "cls", "--augment", "so3", "--exp_name", "so3"]),
    ("classifier's evaluation", eval_cls, []),
    (
        "classifier's robustness",
        robustness,
        ["--task", "cls", "--load_checkpoint", "best_model", "{output_dir}/cls_so3/checkpoints/best_model.pt"],
    ),
    ("segmenter", train, ["--task", "seg"]),
    ("segmenter's evaluation", eval_seg, []),
    ("segmenter's robustness", robustness, ["--task", "seg"]),
)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run every command with its defaults; stop at the first that fails."""
    parser = ArgumentParser(
        "All deliverables of assignment 5; about 35 minutes on two cores.", "python -m a5_pointclouds"
    )
    add_common_flags(parser, OUTPUT_DIR)
    args = parser.parse_args(argv)
    shared = ["--device", args.device, "--seed", str(args.seed), "--output_dir", args.output_dir]
    shared += ["--data_dir", args.data_dir] if args.data_dir else []
    times = {}
    for name, module, flags in tqdm(DELIVERABLES, desc="a5_pointclouds", unit="deliverable"):
        tqdm.write(f"== {name}")
        start = time.time()
        code = module.main([*(flag.format(output_dir=args.output_dir) for flag in flags), *shared])
        if code:
            raise SystemExit(code)
        times[name] = time.time() - start
    for name, seconds in times.items():
        print(f"{name:28s} {seconds / 60:6.1f} min")


if __name__ == "__main__":
    raise SystemExit(main())
