"""Superquadrics: boxes, cylinders, ellipsoids, octahedra and all that lies between, by two exponents.

A. H. Barr, "Superquadrics and angle-preserving transformations" (1981), with y as the axis that he calls z.
"""

from dataclasses import dataclass

import numpy as np
import torch

from common.shapes.primitive import Primitive, grid_faces, real_faces

Curve = tuple[torch.Tensor, torch.Tensor]
QUARTER = 20  # mesh segments of a quarter turn
STARTS = 20  # grid of starting points, each way
STEPS = 40  # Newton steps at most; most points need five
LONGEST = 0.2  # largest Newton step in a parameter: a longer one may leave for another local minimum
CHUNK = 8192  # points refined at once, to bound memory
EDGE = 1e-6  # how near the parameters come to the ends of their range, where the surface's derivatives may be infinite


@dataclass(frozen=True)
class Superquadric(Primitive):
    """((|x/a|^(2/e2) + |z/c|^(2/e2))^(e2/e1) + |y/b|^(2/e1)) <= 1 with semi-axes ``radii`` (a, b, c).

    ``e1`` bends the section through the y axis, ``e2`` the section across it: towards 0 square, 1 round, 2 straight
    (a rhombus). Within [0.2, 2], where the solid is convex, the signed distance is right to 1e-5 of the largest
    semi-axis, in float32 as in float64. Only deep inside, where two sides are all but equally near, may the search
    settle for the second nearest: about one point in 10^5 of a thin plate, by less than 0.1 %.

    Raises:
        ValueError: an exponent outside [0.2, 2], or a semi-axis that is not above 0.
    """

    radii: tuple[float, float, float]
    e1: float = 1.0
    e2: float = 1.0
    convex = True

    def __post_init__(self):
        if not (0.2 <= self.e1 <= 2 and 0.2 <= self.e2 <= 2):
            raise ValueError(f"superquadric exponents {self.e1}, {self.e2}: both must lie in [0.2, 2]")
        if not min(self.radii) > 0:
            raise ValueError(f"superquadric radii {self.radii}: all must be above 0")

    def sdf(self, points):
        mirrored = points.abs()  # the solid is its own mirror image: the nearest point lies in the same octant
        with torch.no_grad():
            outside = ~self._within(mirrored, points.new_tensor(self.radii))
            foot = torch.empty_like(mirrored)
            for start in range(0, len(points), CHUNK):
                rows = slice(start, start + CHUNK)
                foot[rows] = self._closest(mirrored[rows], outside[rows])
            offset = mirrored - foot
            length = offset.norm(dim=1, keepdim=True)
            # On the surface the offset has no direction; inside, the tangent plane bounds the depth more sharply.
            free = outside[:, None] & (length > 1e-4 * max(self.radii))
            normal = torch.where(free, offset / length.clamp_min(1e-30), self._normal(foot))
        return ((mirrored - foot) * normal).sum(1)

    def contains(self, points, margin):
        """Inside the solid whose semi-axes are shorter by ``margin`` / sqrt(3): cheaper than the distance.

        That holds for all points deeper than ``margin`` and for none outside.
        """
        return self._within(points, (points.new_tensor(self.radii) - margin / 3**0.5).clamp_min(1e-6))

    def _within(self, points: torch.Tensor, radii: torch.Tensor) -> torch.Tensor:
        x, y, z = (points / radii).abs().unbind(1)
        across = (x ** (2 / self.e2) + z ** (2 / self.e2)) ** (self.e2 / self.e1)
        return across + y ** (2 / self.e1) < 1

    def _normal(self, surface: torch.Tensor) -> torch.Tensor:
        """Outward unit normals (N, 3) at points (N, 3) of the surface in the octant of positive coordinates."""
        radii = surface.new_tensor(self.radii)
        x, y, z = (surface / radii).unbind(1)
        p1, p2 = 2 / self.e1, 2 / self.e2
        across = (x**p2 + z**p2).clamp_min(1e-30) ** (1 / p2)
        around = across ** (p1 - 1)
        gradient = [around * (x / across) ** (p2 - 1), y ** (p1 - 1), around * (z / across) ** (p2 - 1)]
        return torch.nn.functional.normalize(torch.stack(gradient, 1) / radii, dim=1, eps=1e-30)

    def _closest(self, points: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
        """The nearest surface points (N, 3) of points (N, 3) in the octant of positive coordinates.

        Newton's method from a grid of starting points. Seen from outside, a convex solid has one nearest point. Seen
        from inside each third of the octant (the side of x, of y, of z) may hold a local minimum: the search starts
        twice in each, and the best end wins. Inside, the depth under the tangent plane of any surface point bounds
        the depth from above, sharply at flat sides: it picks the second start, and judges the ends.
        """
        grid = [points.new_tensor(_ticks(2 / e, 2 * STARTS)[1::2]) for e in (self.e1, self.e2)]
        starts = torch.cartesian_prod(*grid)
        places = self._surface(starts)[0]
        normals = self._normal(places)
        side = (places / points.new_tensor(self.radii)).argmax(1)
        outer, inner = points[outside], points[~outside]
        gap = torch.cdist(inner, places)
        depth = (
            (places * normals).sum(1) - inner @ normals.T + 0.05 * gap
        )  # of the points of a flat side, one that is near
        first = [torch.cdist(outer, places).argmin(1)]
        first += [torch.where(side == axis, score, torch.inf).argmin(1) for axis in range(3) for score in (gap, depth)]
        foot = self._refine(torch.cat([outer, *[inner] * 6]), starts[torch.cat(first)])
        ends = foot[len(outer) :].reshape(6, -1, 3)
        depth = ((ends - inner) * self._normal(ends.reshape(-1, 3)).reshape_as(ends)).sum(2)
        found = torch.empty_like(points)
        found[outside] = foot[: len(outer)]
        found[~outside] = ends.gather(0, depth.argmin(0)[None, :, None].expand(1, -1, 3))[0]
        return found

    def _surface(self, params: torch.Tensor) -> list[torch.Tensor]:
        """Surface points q (N, 3) at parameters (N, 2) and their derivatives q_1, q_2, q_11, q_12, q_22."""
        radii = params.new_tensor(self.radii)
        one, two = _superellipse(params[:, 0], 2 / self.e1), _superellipse(params[:, 1], 2 / self.e2)
        one_y = [s for _, s in one]
        placed = []
        for i, j in ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)):
            (c1, _), (c2, s2) = one[i], two[j]
            y = one_y[i] if j == 0 else torch.zeros_like(c1)
            placed.append(torch.stack([c1 * c2, y, c1 * s2], 1) * radii)
        return placed

    def _refine(self, points: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
        """Newton's method on the squared distance over both parameters, kept in range and never uphill.

        The Hessian, scaled so that a flat surface has the identity, is shifted to be positive; a step that does not
        descend is dropped and the shift of that point raised (Levenberg and Marquardt). Points leave as they arrive.
        """
        surface = self._surface(params)
        foot, moving = surface[0].clone(), torch.arange(len(points), device=points.device)
        damping = points.new_full((len(points),), 1e-4)
        smallest = 0.5 * torch.finfo(points.dtype).eps ** 0.5
        for _ in range(STEPS):
            tried = params + _newton_step(points, params, surface, damping).clamp(-LONGEST, LONGEST)
            tried = tried.clamp(EDGE, 1 - EDGE)
            moved = self._surface(tried)
            better = (points - moved[0]).square().sum(1) < (points - surface[0]).square().sum(1)
            step = (tried - params).abs().amax(1)
            going = step > torch.where(better | (damping > 1e-3), 0.1 * EDGE, smallest)
            foot[moving[better]] = moved[0][better]
            params = torch.where(better[:, None], tried, params)[going]
            surface = [torch.where(better[:, None], new, old)[going] for new, old in zip(moved, surface, strict=True)]
            damping = torch.where(better, 0.1 * damping, 10 * damping).clamp(1e-9, 1e9)[going]
            points, moving = points[going], moving[going]
            if not len(moving):
                break
        return foot

    def mesh(self):
        rows, around = (_whole_curve(2 / e, turn) for e, turn in ((self.e1, 1), (self.e2, 2)))
        a, b, c = self.radii
        ring, height = rows[:, :1], rows[:, 1:]
        verts = np.stack([a * ring * around[:, 0], b * height + 0 * around[:, 0], c * ring * around[:, 1]], 2)
        u, v = np.meshgrid(np.linspace(0, 1, len(around)), np.linspace(0, 1, len(rows)))
        faces = grid_faces(len(rows), len(around), flip=False)
        verts = verts.reshape(-1, 3)
        return verts, real_faces(verts, faces), np.stack([u.ravel(), v.ravel()], 1)


def _superellipse(t: torch.Tensor, p: float) -> tuple[Curve, Curve, Curve]:
    """The curve c^p + s^p = 1 from (1, 0) to (0, 1), at t in [0, 1] along (1 - t, t); value, first, second derivative.

    (c, s) = (1 - t, t) / n with the p-norm n. Unlike Barr's angles, which crowd at flat sides, t spaces points evenly.
    """
    u = 1 - t
    norm = (u**p + t**p) ** (1 / p)
    slope = norm ** (1 - p) * (t ** (p - 1) - u ** (p - 1))
    curved = t.clamp_min(1e-12) ** (p - 2) + u.clamp_min(1e-12) ** (p - 2)
    bend = (p - 1) * (norm ** (1 - p) * curved - slope.square() / norm)
    m, m1, m2 = 1 / norm, -slope / norm.square(), 2 * slope.square() / norm**3 - bend / norm.square()
    return (u * m, t * m), (u * m1 - m, t * m1 + m), (u * m2 - 2 * m1, t * m2 + 2 * m1)


def _newton_step(points, params, surface, damping) -> torch.Tensor:
    """A descending step (N, 2) in the parameters; one that would leave the range stays still along that parameter."""
    q, q1, q2, q11, q12, q22 = surface
    offset = points - q
    scale = torch.stack([q1.norm(dim=1), q2.norm(dim=1)], 1).clamp_min(1e-12)
    gradient = -torch.stack([(offset * q1).sum(1), (offset * q2).sum(1)], 1)
    stuck = ((params <= EDGE) & (gradient > 0)) | ((params >= 1 - EDGE) & (gradient < 0))
    gradient = torch.where(stuck, 0.0, gradient) / scale
    a = (q1.square().sum(1) - (offset * q11).sum(1)) / scale[:, 0].square()
    d = (q2.square().sum(1) - (offset * q22).sum(1)) / scale[:, 1].square()
    b = ((q1 * q2).sum(1) - (offset * q12).sum(1)) / scale.prod(1)
    b = torch.where(stuck.any(1), 0.0, b)
    lowest = 0.5 * (a + d) - (0.25 * (a - d).square() + b.square()).sqrt()
    shift = (0.01 - lowest).clamp_min(0) + damping
    a, d = a + shift, d + shift
    step = torch.stack([b * gradient[:, 1] - d * gradient[:, 0], b * gradient[:, 0] - a * gradient[:, 1]], 1)
    return step / (a * d - b.square()).clamp_min(1e-30)[:, None] / scale


def _ticks(p: float, count: int) -> np.ndarray:
    """Parameters (count + 1,) in [0, 1] that share length plus turning of the superellipse c^p + s^p = 1 evenly."""
    fine = torch.linspace(0, 1, 2001, dtype=torch.float64)
    (c, s), (c1, s1), _ = _superellipse(fine, p)
    length = np.hypot(np.diff(c.numpy()), np.diff(s.numpy()))
    turn = np.abs(np.diff(np.unwrap(np.arctan2(s1.numpy(), c1.numpy()))))
    travelled = np.concatenate([[0], np.cumsum(length / length.sum() + turn / (np.pi / 2))])
    return np.interp(np.linspace(0, travelled[-1], count + 1), travelled, fine.numpy())


def _whole_curve(p: float, quarters: int) -> np.ndarray:
    """The superellipse (M, 2), from (0, -1) up to (0, 1) for 1, the whole turn from (1, 0) for 2."""
    (c, s), *_ = _superellipse(torch.from_numpy(_ticks(p, QUARTER)), p)
    quarter = np.stack([c.numpy(), s.numpy()], 1)
    half = np.concatenate([quarter[::-1] * (1, -1), quarter[1:]])
    return half if quarters == 1 else np.concatenate([half, half[-2::-1] * (-1, 1)])
