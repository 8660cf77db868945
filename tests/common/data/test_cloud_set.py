"""What a set of point clouds promises, and choosing points."""

import numpy as np
import pytest

from common.cli import UserError
from common.data.cloud_cache import normalise
from common.data.point_clouds import PointCloudSet, choose_columns, point_cloud_set


def small_set(seg=False, indices=None):
    points = np.arange(5 * 6 * 3, dtype=np.float64).reshape(5, 6, 3)
    labels = np.arange(30).reshape(5, 6) % 4 if seg else np.arange(5)
    return point_cloud_set(points, labels, ("a",) * 5, "made here", indices)


@pytest.mark.parametrize("indices", [None, np.array([4, 2, 1])])
@pytest.mark.parametrize("seg", [False, True])
def test_batches_gather_rows_and_columns(seg, indices):
    data = small_set(seg, indices)
    rows = np.array([2, 0])
    file_rows = rows if indices is None else indices[rows]
    columns = np.array([[5, 0, 0, 1], [1, 2, 3, 4]])
    for asked, wanted in ((None, [range(6)] * 2), (slice(1, 6, 2), [[1, 3, 5]] * 2), (columns, columns)):
        points, labels = data.batch(rows, asked)
        assert points.dtype == np.float32 and points.flags.c_contiguous and points.flags.writeable
        assert labels.dtype == np.int64
        for k, (row, chosen) in enumerate(zip(file_rows, wanted, strict=True)):
            np.testing.assert_array_equal(points[k], data.points[row][list(chosen)])
            np.testing.assert_array_equal(labels[k], data.labels[row][list(chosen)] if seg else data.labels[row])
    assert data.batch([])[0].shape[0] == 0
    with pytest.raises(ValueError, match="zip"):
        data.batch([0], columns)
    with pytest.raises(IndexError):
        data.cloud(len(data))


def test_a_batch_reads_only_its_rows():
    class Recorder(np.ndarray):
        read = []

        def __getitem__(self, key):
            if self.ndim == 3:
                Recorder.read.append(int(key))
            return np.asarray(self)[key]

    whole = small_set()
    data = PointCloudSet(whole.points.view(Recorder), whole.labels, whole.class_names, "", "", np.array([4, 2, 1]))
    data.batch([2, 0], slice(0, 2))
    assert Recorder.read == [1, 4]


def test_fingerprints_tell_contents_apart():
    base = small_set()
    points, labels = base.points.copy(), base.labels.copy()
    assert point_cloud_set(points, labels, ("x",), "elsewhere").fingerprint == base.fingerprint
    assert small_set(indices=np.arange(5)).fingerprint == base.fingerprint
    points[3, 2, 1] += 1e-6
    labels[4] = 0
    others = [
        point_cloud_set(points, base.labels, ("x",), ""),
        point_cloud_set(base.points, labels, ("x",), ""),
        small_set(indices=np.array([0, 1, 2, 3])),
        small_set(indices=np.array([0, 1, 2, 4])),
        small_set(seg=True),
    ]
    digests = [base.fingerprint, *(other.fingerprint for other in others)]
    assert len(set(digests)) == len(digests) and all(len(digest) == 16 for digest in digests)


def test_choose_columns():
    rng = np.random.default_rng(0)
    chosen = choose_columns(100, 100, rng)
    assert chosen.dtype == np.int64 and sorted(chosen) == list(range(100))
    assert len(set(choose_columns(30, 100, rng))) == 30
    more = choose_columns(500, 100, rng)
    assert len(more) == 500 and more.min() >= 0 and more.max() < 100
    with pytest.raises(UserError, match="--num_points 0"):
        choose_columns(0, 100, rng)


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e3, 1e200])
def test_normalised_clouds_are_centred_with_radius_one(scale):
    points = np.random.default_rng(0).normal(size=(40, 3)) + 5
    done = normalise(points * scale)
    assert abs(done.mean(axis=0)).max() < 1e-12
    assert np.linalg.norm(done, axis=1).max() == pytest.approx(1)
    np.testing.assert_allclose(done, normalise(points), atol=1e-12)
