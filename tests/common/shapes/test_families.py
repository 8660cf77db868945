"""The procedural world: surfaces, labels, repeatability, and that telling its classes apart is no toy."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common.data.embedded import CLASSES, load_embedded, make_cloud
from common.shapes import sample_shape
from common.shapes.families import FAMILIES, STYLES
from common.shapes.shape import CONTACT

EVERY_STYLE = [(family, style) for family in FAMILIES for style in STYLES[family]]


@pytest.mark.parametrize(("family", "style"), EVERY_STYLE)
def test_sampled_points_lie_on_the_visible_surface(family, style):
    for index in range(3):
        shape = sample_shape(family, 5, index, style)
        points, labels = shape.sample_surface(600, np.random.default_rng(index))
        assert points.shape == (600, 3) and points.dtype == np.float32 and labels.dtype == np.uint8
        points = torch.from_numpy(points).double()
        distances = torch.stack([part.sdf(points) for part in shape.parts])
        size = np.ptp(shape.mesh[0], axis=0).max()
        assert distances.amin(0).abs().max() < 2.5e-3 * size
        owner = torch.tensor([part.label for part in shape.parts])
        own = distances.masked_fill(owner[:, None] != torch.from_numpy(labels)[None], torch.inf).abs().amin(0)
        assert own.max() < 2.5e-3 * size  # each point is on a part of its own label
        covered = torch.stack([part.contains(points, 20 * CONTACT + 2.5e-3 * size) for part in shape.parts]).any(0)
        assert not covered.any()


@pytest.mark.parametrize(("family", "style"), EVERY_STYLE)
def test_captions_name_the_style_with_the_right_article(family, style):
    caption = sample_shape(family, 1, 0, style).caption
    first, noun = caption.split()[:2]
    assert first == ("an" if noun[0] in "aeiou" else "a") and style.split()[0] in caption


def test_every_part_label_of_chairs_occurs():
    seen = {part.label for index in range(300) for part in sample_shape("chair", 0, index).parts}
    assert seen == set(range(6))


def test_the_same_seed_gives_the_same_cloud_and_another_index_another():
    for task in ("cls", "seg"):
        points, labels = make_cloud(task, 3, 4, 200)
        again, same = make_cloud(task, 3, 4, 200)
        assert np.array_equal(points, again) and np.array_equal(labels, same)
        assert not np.array_equal(points, make_cloud(task, 3, 7, 200)[0])
        assert not np.array_equal(points, make_cloud(task, 4, 4, 200)[0])


def moments(points):
    """Extents, eigenvalues of the covariance, height of the centroid: (N, 7)."""
    centred = points - points.mean(1, keepdims=True)
    covariance = np.einsum("npi,npj->nij", centred, centred) / points.shape[1]
    height = points[:, :, 1].mean(1) - points[:, :, 1].min(1)
    return np.column_stack([np.ptp(points, axis=1), np.linalg.eigvalsh(covariance), height])


def test_global_moments_do_not_tell_the_classes_apart():
    clouds = [make_cloud("cls", 0, index, 600) for index in range(600)]
    features, labels = moments(np.stack([points for points, _ in clouds])), np.array([label for _, label in clouds])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=100, max_iter=5000)).fit(features[:400], labels[:400])
    assert 0.5 < model.score(features[400:], labels[400:]) < 0.85


def test_embedded_splits_are_disjoint_normalised_and_kept(tmp_path):
    sizes = {"train": 6, "val": 3, "test": 3}
    splits = load_embedded("cls", str(tmp_path / "one"), 1, sizes, 300)
    again = load_embedded("cls", str(tmp_path / "two"), 1, sizes, 300)
    assert splits.train.fingerprint == again.train.fingerprint
    rows = np.concatenate([split.indices for split in splits])
    assert sorted(rows) == list(range(12)) and [len(split) for split in splits] == [6, 3, 3]
    points, labels = splits.train.batch(np.arange(6))
    assert np.abs(points.mean(1)).max() < 1e-5 and np.allclose(np.linalg.norm(points, axis=2).max(1), 1, atol=1e-5)
    assert labels.tolist() == [0, 1, 2] * 2 and splits.train.class_names == CLASSES
    kept = (tmp_path / "one").rglob("points.npy").__next__()
    before = kept.stat().st_mtime_ns
    load_embedded("cls", str(tmp_path / "one"), 1, sizes, 300)
    assert kept.stat().st_mtime_ns == before
    next((tmp_path / "one").rglob("done.json")).unlink()  # a set whose making was interrupted is made again
    load_embedded("cls", str(tmp_path / "one"), 1, sizes, 300)
    assert kept.stat().st_mtime_ns != before
