"""Commands on a tiny set: what they leave, that they learn, go on, and refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from a2_single_view import compare, eval_model, features, figures, fit_data, interpret, retrieval, sweep, train_model
from a2_single_view.data.embedded import embedded_shape
from a2_single_view.model import TYPES
from common.checkpoint import load_checkpoint
from tests.a2_single_view.tree import make_tree, write_obj

FEW = ("--batch_size", 4, "--max_iter", 6, "--save_freq", 3)
SMALL = (*FEW, "--n_points", 200)


@pytest.mark.parametrize("kind", TYPES)
def test_training_and_evaluation(run, metrics, tmp_path, kind):
    result = run(train_model, "--type", kind, *(FEW if kind == "vox" else SMALL))
    assert (result.code, result.err.count("error")) == (0, 0)
    trained = metrics(kind)
    assert trained["steps"] == 6 and trained["train_loss"] > 0 and trained["parameters"] > 1e5
    assert trained["steps_per_second"] > 0 and 0 < trained["gemm_share"] < 1 and 0 <= trained["data_share"] < 1
    points = ("--n_points", 200) if kind == "point" else ()
    assert run(eval_model, "--type", kind, *points, "--views", 1, "--vis_freq", 3).code == 0
    scores = metrics(f"{kind}/eval")
    assert {"f1@0.01", "f1@0.05", "f1@0.05_1000_points", "chamfer", "precision@0.05"} <= set(scores)
    assert ("voxel_iou" in scores) == (kind in ("vox", "implicit"))
    assert 0 <= scores["f1@0.01"] <= scores["f1@0.05"] <= 100
    shown = Image.open(tmp_path / kind / "eval" / f"predicted_{kind}.gif")
    assert shown.n_frames == 12 and shown.size[0] == 480 and shown.size[1] > 320


def test_a_killed_run_goes_on_to_the_same_weights(run, tmp_path):
    run(train_model, "--type", "mesh", *SMALL, "--exp_name", "whole")
    run(
        train_model,
        "--type",
        "mesh",
        *SMALL[:2],
        "--max_iter",
        6,
        *SMALL[4:],
        "--max_minutes",
        1e-9,
        "--exp_name",
        "part",
    )
    assert load_checkpoint(tmp_path / "part" / "checkpoint.pt")["step"] == 1
    run(train_model, "--type", "mesh", *SMALL, "--load_checkpoint", "--exp_name", "part")
    one, two = (load_checkpoint(tmp_path / name / "checkpoint.pt")["weights"] for name in ("whole", "part"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_few_shapes_are_learnt_by_heart(run, metrics):
    flags = ("--type", "point", "--n_points", 500, "--batch_size", 8, "--max_iter", 80, "--lr", 2e-3)
    run(train_model, *flags, "--exp_name", "long")
    run(train_model, *flags[:-4], "--max_iter", 2, "--lr", 2e-3, "--exp_name", "short")
    assert metrics("long")["train_loss"] < 0.5 * metrics("short")["train_loss"]


def test_training_on_kept_features(run, metrics, tmp_path, data_dir):
    result = run(train_model, "--type", "point", *SMALL, "--load_feat")
    assert result.code == 2 and "run python -m a2_single_view.features first" in result.err
    run(train_model, "--type", "point", *SMALL, "--exp_name", "plain")
    result = run(features, "--checkpoint", tmp_path / "plain" / "checkpoint.pt")
    assert result.code == 0
    kept = Path(result.out.splitlines()[-2])
    try:
        assert run(train_model, "--type", "point", *SMALL, "--load_feat", "--exp_name", "kept").code == 0
        assert metrics("kept")["parameters"] < metrics("plain")["parameters"] - 1e6  # there is no encoder
        flags = ("--type", "point", "--n_points", 200, "--views", 1, "--exp_name", "kept")
        assert run(eval_model, *flags, "--load_feat").code == 0 and metrics("kept/eval")["chamfer"] > 0
        result = run(train_model, "--type", "point", *SMALL, "--load_feat", "--encoder_weights", "x.pth")
        assert result.code == 2 and "there is no encoder" in result.err
        run(train_model, "--type", "point", *SMALL, "--exp_name", "other", "--seed", 1)
        run(features, "--checkpoint", tmp_path / "other" / "checkpoint.pt")
        result = run(eval_model, *flags)
        assert result.code == 2 and "not those of the encoder" in result.err
        resumed = run(train_model, "--type", "point", *SMALL, "--load_feat", "--exp_name", "kept", "--resume")
        assert resumed.code == 2 and "other settings" in resumed.err
    finally:
        kept.unlink()
    result = run(features)
    assert result.code == 2 and "give --encoder_weights or --checkpoint" in result.err


def test_looking_into_a_model(run, metrics, tmp_path, monkeypatch):
    monkeypatch.setattr(interpret, "SHOWN", 2)  # of the four test shapes
    run(train_model, "--type", "point", *SMALL)
    assert run(interpret, "--type", "point").code == 0
    folder = tmp_path / "point" / "interpret"
    assert {path.name for path in folder.iterdir()} >= {
        "error.png", "worst.gif", "best.gif", "interpolation.gif", "occlusion.png", "metrics.json",
    }  # fmt: skip
    scores = metrics("point/interpret")
    assert scores["worst_f1@0.05"] < scores["best_f1@0.05"]


def test_a_sweep(run, tmp_path):
    result = run(sweep, "--param", "w_smooth", "--values", 0.1, 1, *SMALL)
    assert result.code == 0
    results = json.loads((tmp_path / "sweep_w_smooth" / "results.json").read_text())
    assert {"w_smooth = 0.1", "w_smooth = 1"} <= set(results)
    again = run(sweep, "--param", "w_smooth", "--values", 0.1, 1, *SMALL)
    assert "==" not in again.out and "F1@0.05" in again.out  # what is there is not made again
    late = run(sweep, "--param", "lr", "--values", 0.001, "fast", *SMALL)
    assert late.code == 2 and "==" not in late.out  # before anything is trained


@pytest.mark.parametrize("kind", ["vox", "point", "mesh"])
def test_fits(run, metrics, tmp_path, kind):
    iterations = {"vox": 120, "point": 150, "mesh": 40}[kind]
    assert run(fit_data, "--type", kind, "--max_iter", iterations, "--num_frames", 3, "--n_points", 500).code == 0
    name = "fit_mesh_sphere_to_chair" if kind == "mesh" else f"fit_{kind}"
    scores = metrics(name)
    bounds = {"vox": ("voxel_iou", 0.99, 1.01), "point": ("chamfer", 0, 2e-3), "mesh": ("chamfer", 0, 0.02)}
    key, low, high = bounds[kind]
    assert low <= scores[key] < high
    assert Image.open(tmp_path / name / f"{name}.gif").n_frames >= 3


def test_what_is_fitted_is_whole_and_lies_as_what_it_begins_as():
    """Thin parts of the voxels hold together; both tori lie, their hole upwards."""
    voxels = fit_data.voxels_of(fit_data.target_shape("chair", 0, 2), 0)
    assert ndimage.label(voxels)[1] == 1 and 0.02 < voxels.mean() < 0.2
    target = np.subtract(*fit_data.target_shape("torus", 0, 0).bounds()[::-1])
    start = fit_data.lying_torus()
    assert int(start.verts_packed().shape[0]) - len(start.edges_packed()) + len(start.faces_packed()) == 0
    extent = (start.verts_packed().amax(0) - start.verts_packed().amin(0)).numpy()
    np.testing.assert_allclose(extent[[0, 2]] / extent[[0, 2]].max(), target[[0, 2]] / target.max(), atol=0.01)
    assert extent[1] < 0.5 * extent[0] and target[1] < 0.5 * target[0]
    volume = torch.linalg.det(start.verts_packed()[start.faces_packed()]).sum() / 6
    assert volume > 0  # faces look outwards


def test_runs_side_by_side_and_beside_retrieval(run, metrics, tmp_path):
    for kind in ("point", "mesh"):
        run(train_model, "--type", kind, *SMALL)
        run(eval_model, "--type", kind, "--n_points", 200, "--views", 1)
    result = run(compare)
    assert result.code == 0 and list(json.loads((tmp_path / "compare" / "results.json").read_text())) == [
        "point",
        "mesh",
    ]
    assert len((tmp_path / "compare" / "table.md").read_text().splitlines()) == 4
    # Beside the image and the truth a column for each run, but for one whose checkpoint is gone.
    assert Image.open(tmp_path / "compare" / "predicted.png").width == 4 * figures.SIZE
    (tmp_path / "mesh" / "checkpoint.pt").rename(tmp_path / "kept.pt")
    assert run(compare).code == 0 and Image.open(tmp_path / "compare" / "predicted.png").width == 3 * figures.SIZE
    (tmp_path / "kept.pt").rename(tmp_path / "mesh" / "checkpoint.pt")
    run(eval_model, "--type", "mesh", "--views", 2)
    result = run(compare)
    assert result.code == 2 and "point on 1, mesh on 2" in result.err
    run(eval_model, "--type", "point", "--n_points", 200, "--views", 2)
    assert run(retrieval, "--type", "point", "--views", 2).code == 0
    scores = metrics("retrieval")
    assert scores["oracle_chamfer"] <= min(scores["blind_chamfer"], scores["by_features_chamfer"]) + 1e-4
    rows = json.loads((tmp_path / "retrieval" / "results.json").read_text())
    assert list(rows) == ["blind", "by_features", "oracle", "point", "mesh"]


def test_three_classes_scored_on_one(run, metrics, tmp_path):
    run(train_model, "--type", "point", *SMALL, "--classes", "chair", "car", "airplane", "--exp_name", "three")
    flags = ("--type", "point", "--n_points", 200, "--views", 1, "--exp_name", "three")
    assert run(eval_model, *flags, "--only", "chair").code == 0
    only = metrics("three/eval_chair")["f1@0.05"]
    result = run(compare, "--runs", "three", "--only", "chair")
    rows = json.loads((tmp_path / "compare_three" / "results.json").read_text())
    assert result.code == 0 and rows["three"]["f1@0.05"] == only
    result = run(compare, "--runs", "three")
    assert result.code == 2 and "run eval_model --exp_name three first" in result.err
    assert run(eval_model, *flags).code == 0 and metrics("three/eval")["f1@0.05"] != only
    assert run(eval_model, *flags, "--split", "val").code == 0 and metrics("three/eval_val")["f1@0.05"] != only
    result = run(eval_model, *flags, "--views", 25)
    assert result.code == 2 and "--views 25: there are 24 of each shape" in result.err
    result = run(eval_model, *flags, "--only", "dog")
    assert result.code == 2 and "trained on chair, car, airplane" in result.err


WRONG = [
    (compare, [], "holds no evaluated run"),
    (train_model, ["--type", "cloud"], "invalid choice: 'cloud'"),
    (train_model, ["--type", "vox", "--n_points", "100"], "--type vox has no points"),
    (train_model, ["--lr", "0"], "0 is not a finite number above 0"),
    (train_model, ["--w_smooth", "-1"], "-1 is not a finite number of at least 0"),
    (train_model, ["--encoder_weights", "none.pth"], "none.pth: no such file"),
    (train_model, ["--load_checkpoint", "--exp_name", "new"], "checkpoint"),
    (eval_model, ["--type", "point"], "checkpoint"),
    (sweep, ["--param", "w_smoth"], "train_model has no flag --w_smoth"),
    (fit_data, ["--target", "dog"], "invalid choice: 'dog'"),
]


@pytest.mark.parametrize("module, flags, words", WRONG)
def test_what_is_wrong_is_said_in_one_line(run, module, flags, words):
    result = run(module, *flags)
    assert result.code == 2 and words in result.err.splitlines()[-1] and "Traceback" not in result.err


def test_official_data_and_shapes_of_files(run, metrics, tmp_path):
    root = make_tree(tmp_path / "official")
    assert run(train_model, "--type", "point", *SMALL, data=root).code == 0
    flags = ("--type", "point", "--n_points", 200, "--views", 1)
    result = run(eval_model, *flags, data=root)
    assert result.code == 0 and "trained on other data" not in result.out
    meshes = tmp_path / "meshes"
    meshes.mkdir()
    for number in range(2):
        write_obj(meshes / f"{number}.obj", *embedded_shape("chair", 0, number).mesh[:2])
    (meshes / "2.obj").write_text("v 0 0 0\n")
    result = run(eval_model, *flags, "--shapes", meshes, data=root)
    assert result.code == 2 and "2.obj: holds no face" in result.err.splitlines()[-1]
    result = run(eval_model, *flags, "--shapes", meshes, "--skip_bad", "--level", 0.4, data=root)
    assert result.code == 0 and "1 of 3 shapes are left out" in result.err
    assert metrics("point/eval_of_meshes")["chamfer"] > 0
    for path in root.glob("single_view_official*/*"):  # else what was packed is taken
        path.unlink()
    (root / "r2n2" / "ShapeNetVox32" / "03001627" / "bb" / "model.binvox").write_bytes(b"#binvox 1")
    result = run(train_model, "--type", "point", *SMALL, data=root)
    assert result.code == 2 and "model.binvox" in result.err.splitlines()[-1] and "Traceback" not in result.err


def test_checkpoints_of_other_models_are_refused(run, tmp_path):
    run(train_model, "--type", "point", *SMALL)
    checkpoint = tmp_path / "point" / "checkpoint.pt"
    result = run(eval_model, "--type", "mesh", "--checkpoint", checkpoint)
    assert result.code == 2 and "its type is point, not mesh" in result.err
    result = run(eval_model, "--type", "point", "--n_points", 100)
    assert result.code == 2 and "its n_points is 200" in result.err
    result = run(train_model, "--type", "point", *SMALL[:-2], "--n_points", 100, "--load_checkpoint")
    assert result.code == 2 and "other settings" in result.err
