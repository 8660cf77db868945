"""Where rays meet the surface of a signed distance."""

from collections.abc import Callable

import torch
from torch import Tensor

Distance = Callable[[Tensor], Tensor]  # (N, 3) -> (N, 1)


@torch.no_grad()
def sphere_trace(
    distance: Distance,
    origins: Tensor,
    directions: Tensor,
    near: float | Tensor = 0.0,
    far: float | Tensor = 5.0,
    max_iters: int = 64,
    over_relaxation: float = 1.2,
    tolerance: float = 1e-4,
    bounds: Tensor | None = None,
    polish: torch.dtype | None = torch.float64,
) -> tuple[Tensor, Tensor]:
    """Lengths (P,) along rays to the first surface, and which rays meet one, (P,) bool; length is ``far`` for others.

    A step is ``over_relaxation`` times the distance; where the balls around its two ends do not touch, it is taken
    back to the plain one (Keinert et al., Enhanced Sphere Tracing, STAG 2014). Rays that are done are asked no more.
    Rays that came within ``tolerance`` are then landed by secants, or sent on where they only passed by.

    Args:
        distance: a signed distance, or a lower bound of its size.
        origins, directions: (P, 3), directions of length 1.
        near, far: numbers or (P,): where rays begin and end.
        max_iters: a ray that has not come near a surface after so many steps is a miss.
        bounds: (2, 3): rays are followed in this box alone.
        polish: precision of the landing; None for no landing at all, of fields that cannot tell 1e-5.
    """
    start, stop = _ends(origins, directions, near, far, bounds)
    lengths = torch.as_tensor(far, dtype=origins.dtype, device=origins.device).expand(len(origins)).clone()
    hit = torch.zeros(len(origins), dtype=torch.bool, device=origins.device)
    ray = (start < stop).nonzero()[:, 0]
    place = start[ray]
    while len(ray):
        arrived, at = _approach(distance, origins, directions, ray, place, stop, max_iters, over_relaxation, tolerance)
        if polish is None:
            lengths[arrived], hit[arrived] = at, True
            break
        landed, at, passed = _land(distance, origins[arrived].to(polish), directions[arrived].to(polish), at.to(polish))
        lengths[arrived[landed]] = at[landed].to(lengths.dtype)
        hit[arrived[landed]] = True
        # Far enough on not to come near the same place again; a surface skipped by it is landed on from inside.
        ray, place = arrived[passed], (at[passed] + 10 * tolerance).to(lengths.dtype)
        inside = place < stop[ray]
        ray, place = ray[inside], place[inside]
    return lengths, hit


def _ends(origins, directions, near, far, bounds):
    """Where rays begin and end, (P,) each."""
    start, stop = (
        torch.as_tensor(v, dtype=origins.dtype, device=origins.device).expand(len(origins)) for v in (near, far)
    )
    if bounds is not None:
        inverse = 1.0 / torch.where(directions.abs() < 1e-12, 1e-12, directions)
        one, two = (bounds[0] - origins) * inverse, (bounds[1] - origins) * inverse
        start = torch.maximum(start, torch.minimum(one, two).amax(1))
        stop = torch.minimum(stop, torch.maximum(one, two).amin(1))
    return start, stop


def _approach(distance, origins, directions, ray, t, stop, max_iters, over_relaxation, tolerance):
    """Rays of ``ray`` that come within the tolerance of a surface, and how far along they are then."""
    o, d, end = origins[ray], directions[ray], stop[ray]
    last, step = torch.zeros_like(t), torch.zeros_like(t)
    arrived, lengths = [], []
    for _ in range(max_iters):
        value = distance(torch.addcmul(o, d, t[:, None]))[:, 0]
        apart = (step > last + value) & (step > 0)
        there = (value < tolerance) & ~apart
        move = over_relaxation * value
        move = torch.where(apart, last - step, torch.where(t + move < end, move, value))
        t = t + torch.where(there, 0.0, move)
        done = there.nonzero()[:, 0]
        arrived.append(ray[done])
        lengths.append(t[done])
        kept = (~there & (t < end)).nonzero()[:, 0]
        last, step = torch.where(apart, last, value), torch.where(apart, 0.0, move)
        if len(kept) < len(ray):
            ray, o, d, end, t, last, step = (x[kept] for x in (ray, o, d, end, t, last, step))
        if not len(ray):
            break
    close = (last < 100 * tolerance).nonzero()[:, 0]  # slow rays, that run along a surface, may still meet it
    return torch.cat((*arrived, ray[close])), torch.cat((*lengths, t[close]))


def _land(distance, o, d, t, rounds: int = 20, accuracy: float = 1e-9):
    """Follow rays (M, 3) from close to a surface onto it by secants.

    Returns:
        landed (M,) bool, lengths (M,), and passed (M,) bool: rays that came close and went away again.
    """
    value = distance(torch.addcmul(o, d, t[:, None]))[:, 0]
    step = value.clamp(min=accuracy)
    passed = torch.zeros(len(t), dtype=torch.bool, device=t.device)
    for _ in range(rounds):
        done = (value.abs() < accuracy) | passed
        if done.all():
            break
        move = torch.where(done, 0.0, step)
        t = t + move
        new = distance(torch.addcmul(o, d, t[:, None]))[:, 0]
        fall = value - new
        passed |= (new > accuracy) & (fall <= 0) & (move > 0)
        secant = new * move / torch.where(fall.abs() < 1e-15, 1e-15, fall)
        # Along a ray that sinks into a convex surface the distance falls ever slower: a secant stops short of it.
        step = torch.where(fall > 0, torch.maximum(torch.minimum(secant, 64 * new.abs()), -64 * new.abs()), new)
        value = new
    landed = ~passed & (value.abs() < 1e-6)
    return landed, t, ~landed & (value > 0)


def surface_normals(distance: Distance, points: Tensor) -> Tensor:
    """Unit gradients (N, 3) of a distance at points (N, 3), by autograd."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        gradient = torch.autograd.grad(distance(points).sum(), points)[0]
    return torch.nn.functional.normalize(gradient, dim=-1)
