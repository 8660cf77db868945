"""Make every deliverable of this assignment."""

from collections.abc import Sequence

from a4_splatting_sds import benchmark, render, train, train_harder_scene
from common.cli import command
from common.deliverables import make_all

# What is made, in order: a name, the command, its flags.
DELIVERABLES = (
    ("render the pretrained scene", render, []),
    ("train", train, ["--data_path", "lego"]),
    ("render what was trained", render, ["--data_path", "{output_dir}/train_lego/gaussians.ply", "--exp_name", "lego"]),
    ("train a harder scene", train_harder_scene, []),
    ("time and memory", benchmark, ["--skip_reference"]),
)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run every command with its defaults; stop at the first that fails."""
    make_all(
        "a4_splatting_sds",
        DELIVERABLES,
        "All deliverables of assignment 4, question 1, in a quarter of an hour on two cores.",
        argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
