"""Random changes of training clouds, and the controlled ones of the robustness study. All numpy, all batched.

Clouds are (B, N, 3) float32, centred, radius about 1. Every function leaves labels valid: point n stays point n.
"""

import numpy as np

MODES = ("none", "so2", "so3")


def random_rotations(count: int, generator: np.random.Generator) -> np.ndarray:
    """Rotations (count, 3, 3) spread evenly over SO(3), from unit quaternions (K. Shoemake, 1992)."""
    q = generator.standard_normal((count, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return np.stack(rows, 1).reshape(-1, 3, 3)


def axis_rotation(axis: np.ndarray, degrees: np.ndarray | float) -> np.ndarray:
    """Rotations (B, 3, 3) by ``degrees`` about axes (B, 3), by Rodrigues' formula."""
    axis = np.atleast_2d(axis) / np.linalg.norm(np.atleast_2d(axis), axis=1, keepdims=True)
    angle = np.radians(np.broadcast_to(degrees, len(axis)))[:, None, None]
    zero = np.zeros(len(axis))
    x, y, z = axis.T
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def rotate(points: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Turn each cloud by its rotation: (B, N, 3), (B or 1, 3, 3) -> (B, N, 3) float32."""
    return points @ np.swapaxes(rotations, 1, 2).astype(np.float32)


def augment(points: np.ndarray, mode: str, generator: np.random.Generator) -> np.ndarray:
    """Stretch each axis, mirror x by chance, turn (``mode``: none, so2 about the vertical, so3) and jitter."""
    count = len(points)
    stretch = generator.uniform(0.8, 1.25, (count, 1, 3))
    stretch[:, 0, 0] *= generator.choice([-1.0, 1.0], count)
    points = points * stretch.astype(np.float32)
    if mode == "so2":
        points = rotate(points, axis_rotation(np.tile([0.0, 1.0, 0.0], (count, 1)), generator.uniform(0, 360, count)))
    elif mode == "so3":
        points = rotate(points, random_rotations(count, generator))
    sigma = generator.uniform(0, 0.02, (count, 1, 1)).astype(np.float32)
    return points + sigma * generator.standard_normal(points.shape, dtype=np.float32)


def add_noise(points: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Gaussian noise of standard deviation ``sigma`` (in radii) on every coordinate."""
    return points + np.float32(sigma) * generator.standard_normal(points.shape, dtype=np.float32)


def add_outliers(points: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    """Replace a share of each cloud's points by points spread evenly through the unit ball."""
    clouds, count, _ = points.shape
    number = round(share * count)
    direction = generator.standard_normal((clouds, number, 3), dtype=np.float32)
    direction /= np.linalg.norm(direction, axis=2, keepdims=True).clip(1e-9)
    radius = generator.random((clouds, number, 1), dtype=np.float32) ** np.float32(1 / 3)
    return np.concatenate([direction * radius, points[:, number:]], 1)


def cut_region(points: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    """Indices (B, N) of points that remain when the ``share`` farthest along a random direction are lost.

    Points that remain are repeated in the lost ones' places, so that labels can follow: ``points[b, indices[b]]``.
    """
    clouds, count, _ = points.shape
    direction = generator.standard_normal((clouds, 3, 1)).astype(np.float32)
    order = np.argsort((points @ direction)[..., 0], axis=1, kind="stable")
    kept = max(1, round((1 - share) * count))
    extra = generator.integers(0, kept, (clouds, count - kept))
    places = np.concatenate([np.tile(np.arange(kept), (clouds, 1)), extra], 1)
    return np.take_along_axis(order, places, 1)
