"""Batches of views with what is known of their shapes, made in threads while the step before is under way."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from a2_single_view.data.packed import ShapeViews
from a2_single_view.data.places import draw_places

Batch = dict[str, Tensor]
CLOUD, PLACES = 5000, 1024  # true points of each shape, and places where its occupancy is asked


class Batches:
    """Batch ``step`` is a function of the seed and the step alone.

    Args:
        kind: of the decoder, which says what it is told: voxels of "vox", these and places of "implicit", else points.
        features: give the features that were kept in the pictures' place.
        places: how many of each shape's are asked for, of "implicit".
        workers: threads that read ahead; 0 reads when asked.
        mirror: half of the views are mirrored, with their shapes.
        recolour: pictures get other colours, see `recoloured`.
    """

    def __init__(
        self,
        shapes: ShapeViews,
        kind: str,
        batch_size: int,
        seed: int,
        workers: int = 1,
        mirror: bool = True,
        features: bool = False,
        places: int = PLACES,
        recolour: bool = True,
    ):
        self.shapes, self.kind, self.batch_size, self.seed = shapes, kind, batch_size, seed
        self.mirror, self.recolour, self.features = mirror and not features, recolour, features
        self.places, self.workers, self.ahead = places, workers, {}
        self.given, self.waited = 0, 0.0  # batches, and seconds of waiting for them
        self.pool = ThreadPoolExecutor(workers) if workers else None

    def make(self, step: int) -> Batch:
        """Batch number ``step``."""
        generator = np.random.default_rng([self.seed, step])
        index = generator.integers(len(self.shapes), size=self.batch_size)
        view = generator.integers(self.shapes.num_views, size=self.batch_size)
        flip = torch.from_numpy(generator.random(self.batch_size) < 0.5)
        batch = known(self.shapes, self.kind, index, generator, self.places)
        if self.features:
            return batch | {"inputs": self.shapes.features(index, view)}
        batch["inputs"] = self.shapes.images(index, view)
        if self.recolour:
            batch["inputs"] = recoloured(batch["inputs"], generator)
        return {name: _MIRRORED[name](value, flip) for name, value in batch.items()} if self.mirror else batch

    def __call__(self, step: int) -> Batch:
        """Batch number ``step``, while the next ones are begun."""
        start = time.perf_counter()
        batch = self._next(step)
        self.waited += time.perf_counter() - start
        self.given += 1
        return batch

    def _next(self, step: int) -> Batch:
        if self.pool is None:
            return self.make(step)
        for number in range(step, step + self.workers + 1):
            if number not in self.ahead:
                self.ahead[number] = self.pool.submit(self.make, number)
        ready: Future = self.ahead.pop(step)
        return ready.result()

    def close(self) -> None:
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


def recoloured(images: Tensor, generator: np.random.Generator) -> Tensor:
    """Pictures (B, 3, H, W) uint8 whose colours are mixed and dimmed at random; white stays white.

    All views of a shape show the same colours, by which a network could know training shapes; that says nothing of
    others.
    """
    mixed = generator.dirichlet((0.5, 0.5, 0.5), (len(images), 3)) * generator.uniform(0.6, 1.3, (len(images), 1, 1))
    mixed = torch.from_numpy(mixed).float()
    white = 255.0 * (1.0 - mixed.sum(2, keepdim=True)) + 0.5  # which rounds
    return torch.baddbmm(white, mixed, images.float().flatten(2)).view_as(images).clamp_(0, 255).to(torch.uint8)


def known(shapes: ShapeViews, kind: str, index: np.ndarray, generator: np.random.Generator, places: int) -> Batch:
    """What a decoder of this kind is told of shapes (B,) in training."""
    if kind == "vox":
        return {"voxels": shapes.voxels(index)}
    if kind == "implicit":
        voxels = shapes.voxels(index)
        drawn = draw_places(voxels, shapes.fine(index), places, generator)
        return dict(zip(("places", "inside", "weights"), drawn, strict=True)) | {"voxels": voxels}
    return {"points": shapes.points(index, CLOUD, generator)}


def _mirror_places(values: Tensor, flip: Tensor) -> Tensor:
    sign = torch.where(flip, -1.0, 1.0)[:, None]
    return torch.cat(((values[..., 0] * sign)[..., None], values[..., 1:]), -1)


def _mirror_along(dim: int) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda values, flip: torch.where(flip.view(-1, *[1] * (values.dim() - 1)), values.flip(dim), values)


_MIRRORED = {
    "inputs": _mirror_along(3),
    "voxels": _mirror_along(1),
    "points": _mirror_places,
    "places": _mirror_places,
    "inside": lambda values, flip: values,
    "weights": lambda values, flip: values,
}
