"""Evaluate a trained part segmenter: accuracies and IoU, best and worst clouds beside their ground truth."""

import time
from collections.abc import Sequence

import torch

from a5_pointclouds.evaluate import Predictions, predict, report, write_evaluation
from a5_pointclouds.figures import segmentation_outputs
from a5_pointclouds.options import (
    Trained,
    add_split_flags,
    evaluation_parser,
    experiment_folder,
    load_splits,
    load_trained,
    merge_labels,
    pick_split,
)
from common.cli import command
from common.metrics import shape_ious
from common.outputs import make_folder, write_json


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate a segmenter on a split."""
    started = time.time()
    parser = evaluation_parser(
        "Evaluate a trained segmenter; a minute on two cores.", "python -m a5_pointclouds.eval_seg --i 7"
    )
    add_split_flags(parser)
    parser.add_argument(
        "--label_map",
        default=None,
        help="data label of each of the model's labels, as 0,1,2,3,2,0 for data without base and headrest",
    )
    args = parser.parse_args(argv)
    trained = load_trained(args, "seg")
    clouds = pick_split(args, load_splits(args, "seg"))
    table = merge_labels(args.label_map, trained, clouds)
    folder = make_folder(experiment_folder(args, "seg") / f"eval_{args.split}", "--output_dir")
    result = predict(trained.model, clouds, args.num_points, trained.device, args.seed)
    result = Predictions(table[result.predicted], result.target, result.num_classes)
    metrics = report(result, clouds.class_names, args.split)
    write_json(folder / "objects.json", {"objects": _objects(result)})
    segmentation_outputs(result, clouds, folder, labeller(trained, table), args.i)
    write_evaluation(folder, args, started, trained, clouds, metrics)


def labeller(trained: Trained, table: torch.Tensor):
    """A function from points (N, 3) to labels (N,) by the model, its labels renumbered by ``table`` (K,)."""

    @torch.inference_mode()
    def label(points: torch.Tensor) -> torch.Tensor:
        return table[trained.model(points[None].to(trained.device)).argmax(-1)[0].cpu()]

    return label


def _objects(result: Predictions) -> list[dict]:
    ious = shape_ious(result.predicted, result.target, result.num_classes).tolist()
    accuracies = result.object_accuracy.tolist()
    return [
        {"index": i, "accuracy": a, "mean_iou": iou} for i, (a, iou) in enumerate(zip(accuracies, ious, strict=True))
    ]


if __name__ == "__main__":
    raise SystemExit(main())
