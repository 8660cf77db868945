"""What the tests of shapes share: measures of meshes that owe nothing to the code under test."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest


def open_edges(verts, faces):
    """How many directed edges have no partner running the other way, corners at one place counting as one."""
    places = np.unique(
        (verts / np.ptp(verts, axis=0).max() * 1e7).round().astype(np.int64), axis=0, return_inverse=True
    )
    corner = places[1].reshape(-1)[faces]
    edges = Counter(map(tuple, np.concatenate([corner[:, [0, 1]], corner[:, [1, 2]], corner[:, [2, 0]]]).tolist()))
    return sum(1 for (a, b), n in edges.items() if a != b and (n != 1 or edges[b, a] != 1))


def volume(verts, faces):
    """Signed volume inside a closed mesh, by the divergence theorem."""
    a, b, c = (verts[faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def areas(verts, faces):
    a, b, c = (verts[faces[:, k]] for k in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def winding(verts, faces, points):
    """How often the mesh winds around each point: the sum of solid angles (van Oosterom and Strackee 1983) / 4 pi."""
    a, b, c = (verts[faces[:, k]] - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=2) for x in (a, b, c))
    top = (a * np.cross(b, c)).sum(2)
    low = la * lb * lc + (a * b).sum(2) * lc + (b * c).sum(2) * la + (c * a).sum(2) * lb
    return 2 * np.arctan2(top, low).sum(1) / (4 * np.pi)


def surface_points(verts, faces, count, seed=0):
    """Points (count, 3) spread evenly over a mesh."""
    generator = np.random.default_rng(seed)
    size = areas(verts, faces)
    chosen = faces[generator.choice(len(faces), count, p=size / size.sum())]
    return np.einsum("nk,nkd->nd", generator.dirichlet([1, 1, 1], count), verts[chosen])


@pytest.fixture(scope="session")
def mesh_tools():
    return SimpleNamespace(
        open_edges=open_edges, volume=volume, areas=areas, winding=winding, surface_points=surface_points
    )
