"""Flags that the commands of this assignment share, and how a checkpoint's name becomes a model."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from a5_pointclouds.models import MODELS, build_model
from common.checkpoint import load_checkpoint, load_weights
from common.cli import ArgumentParser, UserError, add_common_flags, positive_int, resolve_device
from common.data.cloud_set import PointCloudSet, Splits, join_splits
from common.data.point_clouds import load_point_clouds

OUTPUT_DIR = "outputs/a5_pointclouds"


def add_data_flags(parser: argparse.ArgumentParser, num_points: int) -> None:
    """Flags of every command that reads clouds."""
    add_common_flags(parser, OUTPUT_DIR)
    parser.add_argument(
        "--main_dir",
        default=None,
        help="data set: the course's npy folders, a ModelNet OFF tree or a ShapeNetPart text tree "
        "(default: the embedded procedural set)",
    )
    parser.add_argument("--num_points", type=positive_int, default=num_points, help="points of each cloud")
    parser.add_argument("--num_seg_class", type=positive_int, default=6, help="part labels of the segmentation task")
    parser.add_argument("--exp_name", default="exp", help="name of the experiment: its folder is <task>_<exp_name>")
    parser.add_argument(
        "--checkpoint_dir",
        default=None,
        help="where checkpoints lie (default: <output_dir>/<task>_<exp_name>/checkpoints)",
    )


def evaluation_parser(description: str, example: str) -> ArgumentParser:
    """The parser of a command that evaluates a trained model."""
    parser = ArgumentParser(description, example)
    add_data_flags(parser, num_points=10_000)
    parser.add_argument("--load_checkpoint", default="best_model", help="name in the checkpoint folder, or a path")
    return parser


def add_split_flags(parser: argparse.ArgumentParser) -> None:
    """``--split`` and ``--i``."""
    parser.add_argument(
        "--split",
        choices=("train", "val", "test", "all"),
        default="test",
        help="clouds to evaluate on; all is for data that the model was not trained on",
    )
    parser.add_argument("--i", type=int, default=None, help="also show this cloud of the split")


def pick_split(args: argparse.Namespace, splits: Splits) -> PointCloudSet:
    """The split of ``--split``, with ``--i`` checked against it."""
    clouds = join_splits(splits) if args.split == "all" else getattr(splits, args.split)
    if args.i is not None and not 0 <= args.i < len(clouds):
        raise UserError(f"--i {args.i}: the {args.split} split has clouds 0 to {len(clouds) - 1}")
    return clouds


def check_batch_size(args: argparse.Namespace, clouds: int) -> None:
    """Raise UserError where a classifier would train on batches of one cloud: its batch norms need two."""
    batch, fewest = min(args.batch_size, clouds), 2 if args.task == "cls" else 1
    if batch < fewest:
        raise UserError(
            f"--batch_size {args.batch_size}: {clouds} training clouds make batches of {batch}; at least {fewest} "
            f"must be in a batch for --task {args.task}"
        )


def experiment_folder(args: argparse.Namespace, task: str) -> Path:
    """``<output_dir>/<task>_<exp_name>``."""
    if Path(args.exp_name).name != args.exp_name:
        raise UserError(f"--exp_name {args.exp_name}: a plain name is needed, without slashes")
    return Path(args.output_dir) / f"{task}_{args.exp_name}"


def checkpoint_folder(args: argparse.Namespace, task: str) -> Path:
    """``--checkpoint_dir``, or the experiment's own."""
    return Path(args.checkpoint_dir) / task if args.checkpoint_dir else experiment_folder(args, task) / "checkpoints"


def checkpoint_path(args: argparse.Namespace, task: str) -> Path:
    """The file that ``--load_checkpoint`` names: a path, or a name in the checkpoint folder, ``.pt`` or not."""
    given = Path(args.load_checkpoint)
    if given.is_file() or len(given.parts) > 1:
        return given
    return checkpoint_folder(args, task) / (given if given.suffix == ".pt" else f"{given}.pt")


def load_splits(args: argparse.Namespace, task: str) -> Splits:
    """The data set of the flags; prints which data it is."""
    splits = load_point_clouds(task, args.main_dir, args.data_dir, args.seed, args.num_seg_class)
    print(f"data: {splits.train.source}")
    stored = splits.train.points_per_cloud
    if args.num_points > stored:
        print(f"note: --num_points {args.num_points} is more than the {stored} of a cloud: drawn with replacement")
    return splits


@dataclass(frozen=True)
class Trained:
    """A trained model, what its checkpoint says of it, and where it came from."""

    model: torch.nn.Module
    classes: tuple[str, ...]
    path: Path
    device: torch.device


def load_trained(args: argparse.Namespace, task: str) -> Trained:
    """The model of ``--load_checkpoint``, in evaluation mode on ``--device``.

    Raises:
        UserError: no such file, damaged, or a checkpoint of another task or model.
    """
    device = resolve_device(args.device)
    path = checkpoint_path(args, task)
    contents = load_checkpoint(path)
    settings = contents.get("model", {})
    if settings.get("task") != task or settings.get("arch") not in MODELS:
        raise UserError(
            f"checkpoint {path}: it holds {settings.get('arch')}/{settings.get('task')}, not a {task} model "
            "of this assignment; name another with --load_checkpoint"
        )
    model = build_model(**settings)
    load_weights(model, contents, path)
    return Trained(model.to(device).eval(), tuple(contents["classes"]), path, device)


def fitting_weights(model: torch.nn.Module, contents: dict, path: Path) -> tuple[dict[str, torch.Tensor], int]:
    """A checkpoint's weights for a model whose last layer may have another number of outputs, and how many stay fresh.

    Raises:
        UserError: the checkpoint differs in anything but the last layer.
    """
    own, stored = model.state_dict(), contents["weights"]
    last = list(own)[-2:]  # weight and bias of the last layer
    wrong = [n for n in own if n not in last and (n not in stored or stored[n].shape != own[n].shape)]
    wrong += [n for n in stored if n not in own]
    if wrong:
        raise UserError(
            f"checkpoint {path}: its layers are not those of this model, as {wrong[0]}; train again, or use the "
            "version that made it"
        )
    fresh = [n for n in last if n not in stored or stored[n].shape != own[n].shape]
    return {n: own[n] if n in fresh else stored[n] for n in own}, len(fresh)


def check_classes(trained: Trained, clouds: PointCloudSet) -> None:
    """Raise UserError where the data has other classes than the model was trained on, or the same in another order."""
    same_names = set(clouds.class_names) == set(trained.classes) and tuple(clouds.class_names) != trained.classes
    if len(clouds.class_names) != len(trained.classes) or same_names:
        raise UserError(
            f"checkpoint {trained.path} knows {len(trained.classes)} classes ({', '.join(trained.classes)}), the data "
            f"has {len(clouds.class_names)} ({', '.join(clouds.class_names)}); use the data it was trained for"
        )


def merge_labels(label_map: str | None, trained: Trained, clouds: PointCloudSet) -> torch.Tensor:
    """The table (K,) int64 from a segmenter's labels to the data's, of ``--label_map``; the identity by default.

    Raises:
        UserError: not one whole number for each of the model's labels, or a label that the data does not have.
    """
    if label_map is None:
        check_classes(trained, clouds)
        return torch.arange(len(trained.classes))
    try:
        table = [int(part) for part in label_map.split(",")]
    except ValueError:
        raise UserError(f"--label_map {label_map}: whole numbers with commas between them are needed") from None
    known = len(clouds.class_names)
    if len(table) != len(trained.classes) or not all(0 <= value < known for value in table):
        raise UserError(
            f"--label_map {label_map}: needs {len(trained.classes)} numbers ({', '.join(trained.classes)}), each from "
            f"0 to {known - 1}"
        )
    return torch.tensor(table)
