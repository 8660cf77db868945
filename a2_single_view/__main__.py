"""Make every deliverable of this assignment."""

from collections.abc import Sequence

from a2_single_view import compare, eval_model, fit_data, interpret, retrieval, train_model
from a2_single_view.data import CLASSES
from a2_single_view.model import TYPES
from common.cli import command
from common.deliverables import make_all

THREE = ["--type", "point", "--exp_name", "point_3c", "--classes", *CLASSES]
# What is made, in order: a name, the command, its flags.
DELIVERABLES = (
    *((f"fit, {kind}", fit_data, ["--type", kind]) for kind in ("vox", "point", "mesh")),
    ("fit, torus from a sphere", fit_data, ["--type", "mesh", "--target", "torus"]),
    ("fit, torus from a torus", fit_data, ["--type", "mesh", "--target", "torus", "--source", "torus"]),
    *(
        (f"{words}, {kind}", module, ["--type", kind])
        for kind in TYPES
        for words, module in (("train", train_model), ("evaluate", eval_model))
    ),
    ("compare", compare, []),
    ("train on three classes, point", train_model, THREE),
    ("evaluate on chairs", eval_model, ["--type", "point", "--exp_name", "point_3c", "--only", "chair"]),
    ("compare one class and three", compare, ["--runs", "point", "point_3c", "--only", "chair"]),
    ("interpret", interpret, ["--type", "point"]),
    ("retrieval", retrieval, ["--type", "point"]),
)


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run every command with its defaults; stop at the first that fails."""
    description = "All deliverables of assignment 2, in three hours on two cores, but sweeps of a flag: .sweep."
    make_all("a2_single_view", DELIVERABLES, description, argv)


if __name__ == "__main__":
    raise SystemExit(main())
