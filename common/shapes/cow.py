"""A cow: smooth unions of round parts, painted, and unwrapped to a texture image. It looks along -z and stands upright.

The distance to each part is the usual first-order one, k0 (k0 - 1) / k1 for ellipsoids, and neighbours melt into each
other by the polynomial smooth minimum (both as collected by Inigo Quilez): the surface is exact, distances are not.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from common.p3d import marching_cubes

LOW, HIGH = (-0.42, -0.62, -1.0), (0.42, 0.68, 0.82)  # a box around the cow
TILE = 10  # texels along a side of the square that two faces share
WHITE, BLACK, PINK, HORN, HOOF = (
    (0.93, 0.91, 0.87),
    (0.13, 0.11, 0.10),
    (0.88, 0.62, 0.58),
    (0.80, 0.73, 0.58),
    (0.22, 0.19, 0.17),
)
SPOTS = (  # middles and radii of the dark patches
    (0.25, 0.18, 0.32, 0.24), (-0.26, 0.25, -0.02, 0.26), (0.22, -0.02, -0.22, 0.19), (-0.2, 0.02, 0.52, 0.2),
    (0.02, 0.42, 0.12, 0.13), (0.16, 0.42, -0.62, 0.15), (-0.3, -0.05, 0.2, 0.12), (0.3, 0.3, 0.02, 0.1),
)  # fmt: skip
# ellipsoids: middle, semi-axes, how softly they join
BODY = (
    ((0.0, 0.10, 0.12), (0.27, 0.28, 0.50), 0.0),  # barrel
    ((0.0, 0.17, -0.26), (0.23, 0.27, 0.26), 0.12),  # chest
    ((0.0, 0.33, -0.50), (0.14, 0.17, 0.24), 0.14),  # neck
    ((0.0, 0.46, -0.66), (0.155, 0.15, 0.19), 0.08),  # skull
    ((0.0, 0.37, -0.83), (0.115, 0.10, 0.13), 0.08),  # muzzle
    ((0.0, -0.17, 0.30), (0.12, 0.10, 0.13), 0.06),  # udder
)
# capsules: ends, radii at both, how softly they join; each has a mirror image
LIMBS = (
    ((0.15, 0.02, -0.30), (0.15, -0.56, -0.31), 0.095, 0.060, 0.08),  # front leg
    ((0.16, 0.02, 0.42), (0.16, -0.56, 0.44), 0.115, 0.062, 0.08),  # hind leg
    ((0.11, 0.50, -0.62), (0.28, 0.50, -0.57), 0.040, 0.052, 0.03),  # ear
    ((0.07, 0.57, -0.64), (0.13, 0.66, -0.66), 0.036, 0.014, 0.02),  # horn
    ((0.05, -0.22, 0.32), (0.05, -0.29, 0.32), 0.020, 0.014, 0.02),  # teat
)
TAIL = (
    ((0.0, 0.28, 0.58), (0.0, 0.12, 0.72), 0.035, 0.022, 0.05),
    ((0.0, 0.12, 0.72), (0.0, -0.25, 0.74), 0.022, 0.020, 0.03),
    ((0.0, -0.25, 0.74), (0.0, -0.34, 0.74), 0.035, 0.030, 0.04),
)


def cow_distance(points: Tensor) -> Tensor:
    """(N,): negative inside the cow, 0 on its skin, of points (N, 3); about the distance near the skin."""
    total = None
    for middle, axes, softness in BODY:
        total = _join(total, _ellipsoid(points, middle, axes), softness)
    mirrored = torch.cat((points[:, :1].abs(), points[:, 1:]), 1)
    for limb in LIMBS:
        total = _join(total, _capsule(mirrored, *limb[:4]), limb[4])
    for piece in TAIL:
        total = _join(total, _capsule(points, *piece[:4]), piece[4])
    return total


def cow_color(points: np.ndarray) -> np.ndarray:
    """RGB in [0, 1] of points (N, 3) on the skin: white with dark patches, eyes, hooves, horns, a pink muzzle."""
    x, y, z = points.T
    middles = np.array(SPOTS)
    wobble = 0.035 * (np.sin(17 * x + 9 * y) * np.sin(13 * z - 8 * y) + np.sin(11 * y - 7 * z))
    depth = (middles[:, 3] - np.linalg.norm(points[:, None] - middles[:, :3], axis=2)).max(1) + wobble
    out = _mix(np.tile(WHITE, (len(points), 1)), BLACK, depth, 0.012)
    side = np.abs(x)

    def ball(mx, my, mz, radius):
        return radius - np.sqrt((side - mx) ** 2 + (y - my) ** 2 + (z - mz) ** 2)

    out = _mix(out, PINK, -0.79 - z - 0.1 * (y - 0.37), 0.02)  # muzzle
    out = _mix(out, PINK, np.minimum(-0.19 - y, 0.14 - np.hypot(x, z - 0.31)), 0.02)  # udder
    out = _mix(out, PINK, np.minimum(side - 0.14, ball(0.215, 0.50, -0.625, 0.055)), 0.01)  # inside of the ears
    out = _mix(out, HORN, np.minimum(y - 0.585, -0.55 - z), 0.008)
    out = _mix(out, HOOF, -0.53 - y, 0.008)
    out = _mix(out, BLACK, np.minimum(-0.2 - y, z - 0.66), 0.02)  # tuft
    out = _mix(out, (1.0, 1.0, 1.0), ball(0.115, 0.505, -0.795, 0.062), 0.006)
    out = _mix(out, BLACK, ball(0.122, 0.500, -0.808, 0.040), 0.006)
    out = _mix(out, (1.0, 1.0, 1.0), ball(0.125, 0.515, -0.815, 0.013), 0.004)
    return _mix(out, BLACK, ball(0.045, 0.40, -0.945, 0.024), 0.006)  # nostrils


@lru_cache(maxsize=2)
def cow_mesh(resolution: int = 56) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The cow's surface with its texture.

    Args:
        resolution: grid cells along the body; 56 gives some 6,000 faces.

    Returns:
        verts (V, 3), faces (F, 3), uvs (T, 2), the uv of each face's corners (F, 3), texture (H, W, 3) in [0, 1].
    """
    low, high = np.array(LOW), np.array(HIGH)
    step = (high - low).max() / resolution
    count = np.ceil((high - low) / step).astype(int) + 1
    axes = [low[k] + step * np.arange(count[k]) for k in range(3)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    grid = torch.from_numpy(np.stack([x, y, z], -1).reshape(-1, 3))
    volume = -cow_distance(grid).view(1, *z.shape).float()
    verts, faces = marching_cubes(volume, 0.0, return_local_coords=False)
    verts = verts[0].double().numpy() * step + low
    verts = _onto_skin(verts)
    faces = faces[0].numpy()
    faces = faces if _signed_volume(verts, faces) > 0 else faces[:, ::-1].copy()
    uvs, corners, texture = unwrap(verts, faces)
    return verts.astype(np.float32), faces, uvs, corners, texture


def unwrap(verts: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A texture atlas painted by :func:`cow_color`: every two faces share a square of ``TILE`` texels.

    Returns:
        uvs (T, 2), the uv of each face's corners (F, 3), texture (H, W, 3).
    """
    columns = int(np.ceil(np.sqrt((len(faces) + 1) // 2)))
    rows = -(-((len(faces) + 1) // 2) // columns)
    height, width = rows * TILE, columns * TILE
    # Corners in texels from the square's corner: the lower triangle, and the upper one on the other side of a gap.
    a, b = 1.0, TILE - 3.0
    shapes = np.array([[(a, a), (b, a), (a, b)], [(TILE - 2.0, TILE - 2.0), (3.0, TILE - 2.0), (TILE - 2.0, 3.0)]])
    number = np.arange(len(faces))
    corner = np.stack([(number // 2) % columns, (number // 2) // columns], 1) * TILE
    texel = shapes[number % 2] + corner[:, None]  # (F, 3, 2): x and y, rows from the top, whole numbers are middles
    uvs = np.stack([texel[..., 0] / (width - 1), 1 - texel[..., 1] / (height - 1)], -1).reshape(-1, 2)
    texture = np.zeros((height, width, 3))
    grid = np.stack(np.meshgrid(np.arange(TILE), np.arange(TILE), indexing="xy"), -1).reshape(-1, 2)
    for half in (0, 1):
        own = number[number % 2 == half]
        mine = grid[(grid.sum(1) < TILE - 0.5) == (half == 0)]
        p, (_, q1, q2) = mine - shapes[half][0], shapes[half] - shapes[half][0]
        weights = p @ np.linalg.inv(np.stack([q1, q2]))
        weights = np.column_stack([1 - weights.sum(1), weights])  # may reach beyond the face: its plane goes on
        points = np.einsum("tk,fkd->ftd", weights, verts[faces[own]])
        place = corner[own][:, None] + mine
        texture[place[..., 1], place[..., 0]] = cow_color(points.reshape(-1, 3)).reshape(*points.shape)
    return uvs.astype(np.float32), np.arange(3 * len(faces)).reshape(-1, 3), texture.clip(0, 1).astype(np.float32)


def _onto_skin(verts: np.ndarray) -> np.ndarray:
    """Corners moved along the gradient to where the distance is 0: two steps of Newton's method."""
    at = torch.from_numpy(verts)
    for _ in range(2):
        at = at.detach().requires_grad_()
        with torch.enable_grad():
            distance = cow_distance(at)
            gradient = torch.autograd.grad(distance.sum(), at)[0]
        at = at - (distance / gradient.square().sum(1).clamp(min=0.1))[:, None] * gradient
    return at.detach().numpy()


def _signed_volume(verts: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (verts[faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum())


def _ellipsoid(points: Tensor, middle, axes) -> Tensor:
    p, axes = points - points.new_tensor(middle), points.new_tensor(axes)
    k0, k1 = (p / axes).norm(dim=1), (p / axes.square()).norm(dim=1)
    return k0 * (k0 - 1) / k1.clamp(min=1e-6)


def _capsule(points: Tensor, start, end, radius: float, end_radius: float) -> Tensor:
    start, end = points.new_tensor(start), points.new_tensor(end)
    along = (((points - start) @ (end - start)) / (end - start).square().sum()).clamp(0, 1)
    nearest = start + along[:, None] * (end - start)
    return (points - nearest).norm(dim=1) - (radius + along * (end_radius - radius))


def _join(one: Tensor | None, two: Tensor, softness: float) -> Tensor:
    if one is None:
        return two
    blend = (softness - (one - two).abs()).clamp(min=0) / max(softness, 1e-9)
    return torch.minimum(one, two) - 0.25 * softness * blend.square()


def _mix(base: np.ndarray, color, depth: np.ndarray, width: float) -> np.ndarray:
    """``color`` where ``depth`` is above 0, faded over ``width``."""
    share = (0.5 + depth / (2 * width)).clip(0, 1)[:, None]
    return base * (1 - share) + share * np.asarray(color)
