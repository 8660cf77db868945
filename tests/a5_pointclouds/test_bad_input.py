"""A user's mistake ends every command with exit code 2 and one line that says what is wrong."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch

from a5_pointclouds import cross_validate, eval_cls, eval_seg, figures, robustness, train

COMMANDS = [(train, "cls"), (train, "seg"), (eval_cls, "cls"), (eval_seg, "seg"), (robustness, "seg")]
COMMANDS.append((cross_validate, "cls"))
NAMES = [f"{module.__name__.split('.')[1]}-{task}" for module, task in COMMANDS]
every_command = pytest.mark.parametrize(("module", "task"), COMMANDS, ids=NAMES)
trained_only = pytest.mark.parametrize(("module", "task"), COMMANDS[2:], ids=NAMES[2:])


@pytest.fixture
def refused(run, trained, tmp_path):
    """The one line with which a command refuses some flags; elsewhere than here it writes nothing."""

    def refuse(module, task: str, *flags: object, output_dir: Path | None = None) -> str:
        named = [] if module in (eval_cls, eval_seg) else ["--task", task]
        if module is not train and "--load_checkpoint" not in flags:
            named += ["--load_checkpoint", trained[0] / f"{task}_exp" / "checkpoints" / "best_model.pt"]
        return run(module, output_dir or tmp_path / "out", *named, *flags).complaint

    return refuse


@every_command
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--num_points", 0), "argument --num_points: 0 is not at least 1"),
        (("--num_points", "ten"), "argument --num_points: ten is not a whole number"),
        (("--device", "tpu"), "--device tpu: unknown device; use auto, cpu, cuda, cuda:N or mps"),
        (("--device", "cuda:99"), "--device cuda:99: this machine shows"),
        (("--seed", -1), "argument --seed: -1 is not at least 0"),
        (("--num_seg_class", 0), "argument --num_seg_class: 0 is not at least 1"),
        (("--num_pionts", 9), "unrecognized arguments: --num_pionts 9 (did you mean --num_points?)"),
        (("--main_dir", "no/such/folder"), "--main_dir no/such/folder: no such folder"),
    ],
)
def test_flags_of_every_command(refused, module, task, flags, said):
    assert said in refused(module, task, *flags)


@every_command
def test_an_empty_data_folder(refused, tmp_path, module, task):
    (tmp_path / "empty").mkdir()
    assert "an empty folder for --task" in refused(module, task, "--main_dir", tmp_path / "empty")


@pytest.mark.parametrize("module", [train, robustness, cross_validate])
def test_an_unknown_task(run, tmp_path, module):
    assert "argument --task: invalid choice: 'detect'" in run(module, tmp_path, "--task", "detect").complaint


def damaged(name: str, array: np.ndarray, split: int = 0):
    """A change of the cls (0) or seg (1) files: an array in place of another."""
    return lambda folder: np.save(folder / ("cls", "seg")[split] / f"{name}.npy", array)


def with_value(name: str, index: tuple, value: float, split: int = 0):
    def change(folder: Path) -> None:
        path = folder / ("cls", "seg")[split] / f"{name}.npy"
        array = np.load(path).astype(np.float64)
        array[index] = value
        np.save(path, array)

    return change


def truncated(folder: Path) -> None:
    path = folder / "cls" / "data_train.npy"
    path.write_bytes(path.read_bytes()[:5000])


def removed(folder: Path) -> None:
    (folder / "cls" / "label_test.npy").unlink()


DAMAGE = {
    "rank": (damaged("data_train", np.zeros((30, 384))), "cls", "clouds are an array (clouds, points, 3)"),
    "width": (damaged("data_test", np.zeros((6, 128, 2))), "cls", "clouds are an array (clouds, points, 3)"),
    "dtype": (damaged("data_train", np.zeros((30, 128, 3), complex)), "cls", "holds values of type complex128"),
    "text": (damaged("label_train", np.full(30, "chair")), "cls", "not numbers"),
    "pickle": (damaged("data_train", np.array([{}], object)), "cls", "holds pickled Python objects, never loaded"),
    "length": (damaged("label_train", np.zeros(29)), "cls", "labels of shape (29,), but its clouds need (30,)"),
    "label": (with_value("label_train", (4,), 99), "cls", "label 99.0 of cloud 4 is not a whole number"),
    "half": (with_value("label_test", (2,), 0.5), "cls", "label 0.5 of cloud 2 is not a whole number"),
    "part": (with_value("label_train", (7, 9), 3, 1), "seg", "label 3.0 of cloud 7, point 9 is not a whole number"),
    "nan": (with_value("data_train", (5, 17, 1), np.nan), "cls", "cloud 5, point 17 is NaN or infinite"),
    "infinite": (with_value("data_test", (5, 17, 1), np.inf, 1), "seg", "cloud 5, point 17 is NaN or infinite"),
    "truncated": (truncated, "cls", "the file is truncated or damaged"),
    "missing": (removed, "cls", "label_test.npy is missing beside the other files"),
}


@pytest.mark.parametrize(("change", "task", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_data(refused, own_tiny, tmp_path, change, task, said):
    change(own_tiny)
    line = refused(train, task, "--main_dir", own_tiny)
    assert said in line and str(own_tiny) in line
    assert not list((tmp_path / "out").rglob("*.pt"))


@trained_only
def test_checkpoints_that_cannot_be_used(refused, trained, tmp_path, module, task):
    assert "no such file; train first" in refused(module, task, "--load_checkpoint", tmp_path / "absent.pt")
    whole = (trained[0] / f"{task}_exp" / "checkpoints" / "best_model.pt").read_bytes()
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    assert "damaged or not a checkpoint" in refused(module, task, "--load_checkpoint", tmp_path / "half.pt")
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    assert "not written by this project" in refused(module, task, "--load_checkpoint", tmp_path / "other.pt")
    other = trained[0] / f"{'seg' if task == 'cls' else 'cls'}_exp" / "checkpoints" / "best_model.pt"
    assert f"{other}: " in refused(module, task, "--load_checkpoint", other)


@pytest.mark.parametrize(("module", "task"), COMMANDS[2:5], ids=NAMES[2:5])
def test_data_of_other_classes(refused, own_tiny, module, task):
    np.save(own_tiny / "cls" / "label_train.npy", np.arange(30) % 4)
    line = refused(module, task, "--main_dir", own_tiny, "--num_seg_class", 4)
    assert "knows 3 classes" in line and "has 4 (" in line


def test_a_checkpoint_to_start_from_must_be_of_this_model(refused, trained, tmp_path):
    given = trained[0] / "cls_exp" / "checkpoints" / "best_model.pt"
    assert "another --task than this run's seg" in refused(train, "seg", "--load_checkpoint", given)
    line = refused(train, "cls", "--augment", "so3", "--load_checkpoint", given)
    assert "another --frame than this run's principal" in line
    assert "no such file" in refused(train, "cls", "--load_checkpoint", "absent")


@every_command
def test_an_output_folder_that_cannot_be(refused, tmp_path, module, task):
    (tmp_path / "file").write_text("")
    line = refused(module, task, output_dir=tmp_path / "file")
    assert f"--output_dir {tmp_path / 'file'}" in line and "cannot write there" in line


def test_a_checkpoint_folder_that_cannot_be(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "--checkpoint_dir" in refused(train, "cls", "--checkpoint_dir", tmp_path / "file")


@every_command
def test_names_of_experiments(refused, module, task, trained):
    if module is train:
        assert "--exp_name ../x: a plain name is needed" in refused(module, task, "--exp_name", "../x")
    else:
        flags = ("--exp_name", "../x", "--load_checkpoint", "best_model")
        assert "--exp_name ../x: a plain name is needed" in refused(module, task, *flags)


@pytest.mark.parametrize(("module", "task"), COMMANDS[2:4], ids=NAMES[2:4])
@pytest.mark.parametrize("index", [-1, 6])
def test_clouds_that_are_not_there(refused, module, task, index):
    assert f"--i {index}: the test split has clouds 0 to 5" in refused(module, task, "--i", index)


@pytest.mark.parametrize("label_map", ["0,1", "0,1,7", "a,b,c"])
def test_label_maps(refused, label_map):
    assert f"--label_map {label_map}: " in refused(eval_seg, "seg", "--label_map", label_map)


@pytest.mark.parametrize("folds", [1, 37, 10**9])
def test_numbers_of_folds(refused, folds):
    assert f"--folds {folds}: from 2 to the number of clouds, 36" in refused(cross_validate, "cls", "--folds", folds)


@pytest.mark.parametrize("module", [train, cross_validate])
def test_batches_of_one_cloud(refused, module):
    line = refused(module, "cls", "--batch_size", 1)
    assert "--batch_size 1: " in line and "at least 2 must be in a batch" in line


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--num_workers", -1), "--num_workers: -1 is not at least 0"),
        (("--checkpoint_every", -2), "--checkpoint_every: -2 is not at least 0"),
        (("--num_epochs", 0), "--num_epochs: 0 is not at least 1"),
        (("--lr", "nan"), "--lr: nan is not a finite number above 0"),
        (("--max_minutes", 0), "--max_minutes: 0 is not a finite number above 0"),
        (("--augment", "so4"), "--augment: invalid choice: 'so4'"),
        (("--arch", "pointnet3"), "--arch: invalid choice: 'pointnet3'"),
        (("--resume",), "--resume: nothing to resume"),
    ],
)
def test_flags_of_training(refused, flags, said):
    assert said in refused(train, "cls", *flags)


def test_a_disk_that_fills_up_at_the_end(refused, monkeypatch, tmp_path):
    def full(path, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(figures, "save_gif", full)
    line = refused(eval_cls, "cls", "--num_points", 32)
    assert "No space left on device" in line
    assert not list((tmp_path / "out").rglob("metrics.json")) and not list((tmp_path / "out").rglob(".*"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("train", "--main_dir", "absent"), "error: --main_dir absent: no such folder"),
        (("eval_cls", "--num_points", "0"), "error: argument --num_points: 0 is not at least 1"),
    ],
)
def test_a_process_ends_with_the_code_and_the_line_alone(start, tmp_path, flags, said):
    name, *flags = flags
    process = start("-m", f"a5_pointclouds.{name}", "--output_dir", tmp_path / "out", *flags)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and out == "" and said in err and err.count("\n") == 1
