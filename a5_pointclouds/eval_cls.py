"""Evaluate a trained point-cloud classifier: accuracies, confusion matrix, GIFs of random and of failed clouds."""

import time
from collections.abc import Sequence

from a5_pointclouds.evaluate import Predictions, predict, report, write_evaluation
from a5_pointclouds.figures import classification_outputs
from a5_pointclouds.options import (
    add_split_flags,
    check_classes,
    evaluation_parser,
    experiment_folder,
    load_splits,
    load_trained,
    pick_split,
)
from common.cli import command
from common.outputs import make_folder, write_json


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate a classifier on a split."""
    started = time.time()
    parser = evaluation_parser(
        "Evaluate a trained classifier; half a minute on two cores.", "python -m a5_pointclouds.eval_cls --i 7"
    )
    add_split_flags(parser)
    args = parser.parse_args(argv)
    trained = load_trained(args, "cls")
    clouds = pick_split(args, load_splits(args, "cls"))
    check_classes(trained, clouds)
    folder = make_folder(experiment_folder(args, "cls") / f"eval_{args.split}", "--output_dir")
    result = predict(trained.model, clouds, args.num_points, trained.device, args.seed)
    metrics = report(result, clouds.class_names, args.split)
    write_json(folder / "objects.json", {"objects": _objects(result, clouds.class_names)})
    classification_outputs(result, clouds, folder, args.i)
    write_evaluation(folder, args, started, trained, clouds, metrics)


def _objects(result: Predictions, names: Sequence[str]) -> list[dict]:
    rows = zip(result.target.tolist(), result.predicted.tolist(), strict=True)
    return [{"index": i, "true": names[t], "predicted": names[p], "right": t == p} for i, (t, p) in enumerate(rows)]


if __name__ == "__main__":
    raise SystemExit(main())
