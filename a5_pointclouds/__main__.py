"""Make every deliverable of this assignment: train, evaluate and test the robustness of both tasks."""

from collections.abc import Sequence

from a5_pointclouds import eval_cls, eval_seg, robustness, train
from common.cli import command
from common.deliverables import make_all

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
    make_all("a5_pointclouds", DELIVERABLES, "All deliverables of assignment 5; about 35 minutes on two cores.", argv)


if __name__ == "__main__":
    raise SystemExit(main())
