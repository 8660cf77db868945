"""The regular solids and some further polyhedra by their corners; faces follow as the planes of the convex hull."""

import itertools

import numpy as np

GOLDEN = (1 + 5**0.5) / 2


def _signs(point: tuple[float, ...]) -> list[tuple[float, ...]]:
    """All points with the coordinates' signs changed, each once."""
    return sorted(
        {tuple(s * c for s, c in zip(signs, point, strict=True)) for signs in itertools.product((1, -1), repeat=3)}
    )


def _cyclic(points: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """All cyclic permutations of the coordinates."""
    return sorted({p[k:] + p[:k] for p in points for k in range(3)})


def _prism(sides: int, twist: bool) -> list[tuple[float, ...]]:
    """Corners of a prism, or of an antiprism, of regular polygons."""
    angles = 2 * np.pi * np.arange(sides) / sides
    shift = np.pi / sides if twist else 0.0
    rings = [(np.cos(a), -0.6, np.sin(a)) for a in angles] + [
        (np.cos(a + shift), 0.6, np.sin(a + shift)) for a in angles
    ]
    return [tuple(map(float, p)) for p in rings]


CORNERS = {
    "tetrahedron": [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)],
    "cube": _signs((1, 1, 1)),
    "octahedron": _cyclic([(1, 0, 0), (-1, 0, 0)]),
    "icosahedron": _cyclic(_signs((0, 1, GOLDEN))),
    "dodecahedron": _signs((1, 1, 1)) + _cyclic(_signs((0, 1 / GOLDEN, GOLDEN))),
    "cuboctahedron": _cyclic(_signs((1, 1, 0))),
    "pyramid": [(1, -0.6, 1), (1, -0.6, -1), (-1, -0.6, 1), (-1, -0.6, -1), (0, 1, 0)],
    "prism": _prism(6, False),
    "antiprism": _prism(5, True),
}


def polyhedron(name: str) -> tuple[np.ndarray, list[list[int]]]:
    """Corners (V, 3) on the unit sphere or within it, and the polygons' corners, anticlockwise from outside.

    Every plane through three corners with all others on one side holds a polygon; its corners are put in order around
    their middle.
    """
    verts = np.array(CORNERS[name], float)
    verts /= np.linalg.norm(verts, axis=1).max()
    polygons: dict[tuple[int, ...], list[int]] = {}
    for a, b, c in itertools.combinations(range(len(verts)), 3):
        normal = np.cross(verts[b] - verts[a], verts[c] - verts[a])
        if np.linalg.norm(normal) < 1e-9:
            continue
        normal /= np.linalg.norm(normal)
        side = (verts - verts[a]) @ normal
        if (side > 1e-9).any() and (side < -1e-9).any():
            continue
        normal = -normal if (side > 1e-9).any() else normal
        flat = np.flatnonzero(np.abs(side) <= 1e-9)
        polygons.setdefault(tuple(flat), _in_order(verts, flat, normal))
    return verts, list(polygons.values())


def _in_order(verts: np.ndarray, corners: np.ndarray, normal: np.ndarray) -> list[int]:
    """Corners of a convex polygon, anticlockwise as seen against its normal."""
    middle = verts[corners].mean(0)
    across = verts[corners[0]] - middle
    along = np.cross(normal, across)
    angle = np.arctan2((verts[corners] - middle) @ along, (verts[corners] - middle) @ across)
    return corners[np.argsort(angle)].tolist()


def triangles(polygons: list[list[int]]) -> np.ndarray:
    """Each polygon as a fan of triangles: (F, 3)."""
    return np.array([(p[0], p[k], p[k + 1]) for p in polygons for k in range(1, len(p) - 1)])
