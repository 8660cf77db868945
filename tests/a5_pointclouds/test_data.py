"""Batches: a function of seed, epoch, rank and index, in which every cloud has its turn and labels follow points."""

import numpy as np
import pytest
import torch

from a5_pointclouds import data
from a5_pointclouds.data import TrainBatches, evaluation_batches, gather, loader, thinned

CLOUDS, POINTS = 37, 200


@pytest.fixture
def numbered(make_clouds):
    """Clouds labelled by their own number."""
    points = np.random.default_rng(0).standard_normal((CLOUDS, POINTS, 3))
    return make_clouds(points, np.arange(CLOUDS))


@pytest.fixture
def shells(make_clouds):
    """Points on spheres of radius 1, 10, 100 and 1,000, labelled by which: no rotation, stretch or jitter hides it."""
    generator = np.random.default_rng(0)
    points = generator.standard_normal((CLOUDS, POINTS, 3))
    labels = generator.integers(0, 4, (CLOUDS, POINTS))
    return make_clouds(points / np.linalg.norm(points, axis=2, keepdims=True) * 10.0 ** labels[..., None], labels)


@pytest.fixture
def as_rank(monkeypatch):
    """Pretend to be one of several processes."""

    def pretend(rank: int, ranks: int) -> None:
        monkeypatch.setattr(data.distributed, "rank", lambda: rank)
        monkeypatch.setattr(data.distributed, "world_size", lambda: ranks)

    return pretend


def shell_of(points: torch.Tensor) -> torch.Tensor:
    return points.norm(dim=-1).log10().round().long()


def batches_of(clouds, batch_size=8, num_points=160, mode="so3", seed=0, epoch=1) -> list:
    batches = TrainBatches(clouds, batch_size, num_points, mode, seed, epoch)
    return [batches[i] for i in range(len(batches))]


def same(left: list, right: list) -> bool:
    pairs = zip(left, right, strict=True)
    return all(torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


def test_batches_are_a_function_of_seed_epoch_rank_and_index(numbered, as_rank):
    first = batches_of(numbered)
    assert same(first, batches_of(numbered))
    batches = TrainBatches(numbered, 8, 160, "so3", 0, 1)
    assert same([batches[i] for i in (3, 0, 2, 1)], [first[i] for i in (3, 0, 2, 1)])
    assert not same(first[:1], batches_of(numbered, seed=1)[:1])
    assert not same(first[:1], batches_of(numbered, epoch=2)[:1])
    as_rank(1, 2)
    assert not same(first[:1], batches_of(numbered)[:1])


def test_no_two_batches_are_changed_alike(make_clouds, as_rank):
    alike = np.repeat(np.random.default_rng(0).standard_normal((1, POINTS, 3)), CLOUDS, 0)
    clouds = make_clouds(alike, np.arange(CLOUDS))
    seen = []
    for rank in range(2):
        as_rank(rank, 2)
        seen += [batches_of(clouds, 8, 20, epoch=epoch)[i][0] for epoch in range(2) for i in range(2)]
    assert len({tuple(points[0, 0].tolist()) for points in seen}) == len(seen) == 8


def test_neither_workers_nor_the_global_generators_matter(shells):
    torch.manual_seed(1)
    alone = list(loader(TrainBatches(shells, 4, 160, "so3", 0, 1), 0, False))
    torch.manual_seed(2)
    helped = list(loader(TrainBatches(shells, 4, 160, "so3", 0, 1), 2, False))
    assert len(alone) == 9 and same(alone, helped)


@pytest.mark.parametrize("batch_size", [1, 5, 8, 18, 19, 37, 100])
def test_every_cloud_is_used_once_in_an_epoch(numbered, batch_size):
    labels = [labels for _, labels in batches_of(numbered, batch_size)]
    assert {len(batch) for batch in labels} == {min(batch_size, CLOUDS)}
    used = torch.cat(labels).tolist()
    assert len(set(used)) == len(used) == max(1, CLOUDS // batch_size) * min(batch_size, CLOUDS)


def test_what_is_dropped_in_one_epoch_is_used_in_another(numbered):
    used = {i for epoch in range(9) for _, labels in batches_of(numbered, 8, epoch=epoch) for i in labels.tolist()}
    assert used == set(range(CLOUDS))


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_ranks_share_the_clouds(numbered, as_rank, ranks):
    used = []
    for rank in range(ranks):
        as_rank(rank, ranks)
        used.append([i for _, labels in batches_of(numbered, 1) for i in labels.tolist()])
    assert {len(part) for part in used} == {CLOUDS // ranks}
    everything = [i for part in used for i in part]
    assert len(set(everything)) == len(everything) == CLOUDS // ranks * ranks


def test_points_belong_to_their_cloud(numbered):
    points, labels = numbered.batch(np.arange(CLOUDS))
    flat = {tuple(np.round(p, 4)): int(label) for cloud, label in zip(points, labels, strict=True) for p in cloud}
    for batch, numbers in evaluation_batches(numbered, 50):
        for cloud, number in zip(batch.numpy(), numbers.tolist(), strict=True):
            assert {flat[tuple(np.round(p, 4))] for p in cloud} == {number}


@pytest.mark.parametrize("mode", ["none", "so2", "so3"])
def test_labels_follow_their_points_in_training(shells, mode):
    counts = []
    for epoch in range(6):
        for points, labels in batches_of(shells, 4, epoch=epoch, mode=mode):
            assert points.dtype == torch.float32 and labels.dtype == torch.int64
            assert points.shape == (*labels.shape, 3) and torch.equal(shell_of(points), labels)
            counts.append(labels.shape[1])
    assert max(counts) == 160 and min(counts) < 155


def test_some_clouds_are_cut(numbered, monkeypatch):
    shares = []
    cut = data.cut_region
    monkeypatch.setattr(data, "cut_region", lambda p, share, g: (shares.append(share), cut(p, share, g))[1])
    counts = [points.shape[1] for epoch in range(40) for points, _ in batches_of(numbered, 4, epoch=epoch)]
    whole = sum(count >= 128 for count in counts)
    assert 0.1 < len(shares) / whole < 0.2 and min(shares) >= 0.05 and max(shares) <= 0.3


@pytest.mark.parametrize(("share", "fewest"), [data.THINNED_CLS, data.THINNED_SEG])
def test_some_batches_are_thinned_log_evenly(share, fewest):
    generator = np.random.default_rng(0)
    counts = np.array([thinned(1024, generator, share, fewest) for _ in range(4000)])
    fewer = counts[counts < 1024]
    assert abs(len(fewer) / 4000 - share) < 0.03 and fewer.min() <= fewest + 1
    assert np.median(fewer) == pytest.approx((fewest * 1024) ** 0.5, rel=0.1)
    assert {thinned(20, generator, share, fewest) for _ in range(50)} == {20}


def test_gather_draws_without_replacement_while_it_can(numbered):
    rows = np.array([3, 0])
    points, labels = gather(numbered, rows, POINTS, np.random.default_rng(0))
    assert labels.tolist() == [3, 0]
    for k, row in enumerate(rows):
        np.testing.assert_array_equal(np.sort(points[k], axis=0), np.sort(numbered.points[row], axis=0))


def test_gather_draws_with_replacement_where_it_must(shells):
    points, labels = gather(shells, np.arange(CLOUDS), 3 * POINTS, np.random.default_rng(0))
    assert points.shape == (CLOUDS, 3 * POINTS, 3) and len(np.unique(points[0], axis=0)) > 0.9 * POINTS
    assert torch.equal(shell_of(torch.from_numpy(points)), torch.from_numpy(labels))


@pytest.mark.parametrize("clouds_at_once", [1, 5, 37, 100])
def test_evaluation_takes_every_cloud_once_in_order(numbered, monkeypatch, clouds_at_once):
    monkeypatch.setattr(data, "CHUNK_POINTS", clouds_at_once * 50)
    batches = list(evaluation_batches(numbered, 50))
    assert all(len(points) <= clouds_at_once and points.shape[1:] == (50, 3) for points, _ in batches)
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(CLOUDS))


def test_evaluation_follows_its_seed(shells):
    first, second, other = (list(evaluation_batches(shells, 90, seed)) for seed in (0, 0, 1))
    assert same(first, second) and not same(first, other)
    assert all(torch.equal(shell_of(points), labels) for points, labels in first)


def test_evaluation_of_clouds_larger_than_a_chunk(numbered, monkeypatch):
    monkeypatch.setattr(data, "CHUNK_POINTS", 10)
    assert [len(points) for points, _ in evaluation_batches(numbered, 50)] == [1] * CLOUDS


def test_a_split_is_drawn_from_its_own_rows(make_clouds):
    rows = np.array([1, 4, 5, 9, 12, 20])
    split = make_clouds(np.random.default_rng(0).standard_normal((CLOUDS, 30, 3)), np.arange(CLOUDS), rows)
    assert sorted(torch.cat([labels for _, labels in batches_of(split, 3, 24)]).tolist()) == rows.tolist()
    assert torch.cat([labels for _, labels in evaluation_batches(split, 9)]).tolist() == rows.tolist()
