"""Batches of clouds for training and evaluation, the same for any number of workers."""

import signal
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from a5_pointclouds.augment import augment, cut_region
from common import distributed
from common.data.cloud_set import PointCloudSet, choose_columns

Batch = tuple[torch.Tensor, torch.Tensor]  # points (B, N, 3) float32; labels (B,) or (B, N) int64
# Of training batches, the share that is thinned, and to how few points: sparse scans are known too. Labels of single
# points need a denser cloud than the class of the whole.
THINNED_CLS, THINNED_SEG = (0.5, 24), (0.25, 128)
CHUNK_POINTS = 160_000  # points that evaluation pushes through a model at once


class TrainBatches(Dataset):
    """The batches of one epoch: item i is a whole batch, a function of (seed, epoch, rank, i) alone.

    Most have ``num_points`` points a cloud, some fewer, log-evenly down to few: ``THINNED_CLS`` or ``THINNED_SEG``.
    """

    def __init__(self, clouds: PointCloudSet, batch_size: int, num_points: int, mode: str, seed: int, epoch: int):
        self.clouds, self.num_points, self.mode = clouds, num_points, mode
        self.stream = (seed, epoch, distributed.rank())
        order = np.random.default_rng([seed, epoch]).permutation(len(clouds))
        ranks = distributed.world_size()
        own = order[: len(order) // ranks * ranks][distributed.rank() :: ranks]
        count = max(1, len(own) // batch_size)  # an incomplete last batch is dropped; next epoch shuffles anew
        self.rows = np.array_split(own[: max(count * batch_size, min(len(own), batch_size))], count)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        generator = np.random.default_rng([*self.stream, index])
        count = thinned(self.num_points, generator, *(THINNED_CLS if self.clouds.labels.ndim == 1 else THINNED_SEG))
        points, labels = gather(self.clouds, np.sort(self.rows[index]), count, generator)
        if generator.random() < 0.15 and count >= 128:
            kept = cut_region(points, generator.uniform(0.05, 0.3), generator)
            points = np.take_along_axis(points, kept[..., None], 1)
            labels = np.take_along_axis(labels, kept, 1) if labels.ndim == 2 else labels
        points = augment(points, self.mode, generator)
        return torch.from_numpy(points.astype(np.float32, copy=False)), torch.from_numpy(labels.astype(np.int64))


def thinned(num_points: int, generator: np.random.Generator, share: float, fewest: int) -> int:
    """How many points a training batch keeps: all, or for a ``share`` of them a random number from ``fewest`` on."""
    if num_points <= fewest or generator.random() >= share:
        return num_points
    return int(np.exp(generator.uniform(np.log(fewest), np.log(num_points))))


def gather(clouds: PointCloudSet, rows: np.ndarray, count: int, generator: np.random.Generator):
    """Clouds of split rows with ``count`` points each, the same random choice of stored points for all of them.

    Drawn without replacement where the clouds hold enough, with replacement where they hold fewer.
    Returns numpy points (B, count, 3) float32 and labels (B,) or (B, count) int64.
    """
    columns = choose_columns(count, clouds.points_per_cloud, generator)
    return clouds.batch(rows, np.broadcast_to(columns, (len(rows), count)))


def loader(batches: TrainBatches, num_workers: int, pin_memory: bool) -> DataLoader:
    """A loader over whole batches; workers change the speed, never the content."""
    return DataLoader(
        batches, batch_size=None, num_workers=num_workers, pin_memory=pin_memory, worker_init_fn=_leave_ctrl_c
    )


def _leave_ctrl_c(_: int) -> None:
    """In a loader process: Ctrl-C reaches every process of a terminal, but the training one decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def evaluation_batches(clouds: PointCloudSet, num_points: int, seed: int = 0) -> Iterator[Batch]:
    """Every cloud of a split once, in order, in batches of bounded size; ``num_points`` points chosen by ``seed``."""
    step = max(1, CHUNK_POINTS // num_points)
    for start in range(0, len(clouds), step):
        rows = np.arange(start, min(start + step, len(clouds)))
        points, labels = gather(clouds, rows, num_points, np.random.default_rng([seed, start]))
        yield torch.from_numpy(points), torch.from_numpy(labels)
