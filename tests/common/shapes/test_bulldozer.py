"""The toy bulldozer: a whole of parts that hold together, upright, centred, its distance of the right sign."""

from collections import defaultdict

import numpy as np
import pytest
import torch

from common.scenes.procedural import RECIPES
from common.shapes import bulldozer as toy
from common.shapes.bulldozer import PART_NAMES, bulldozer


@pytest.fixture(scope="module")
def shape():
    return bulldozer()


@pytest.fixture(scope="module")
def middles(shape):
    """Label -> middles (P, 3) of the boxes around its parts."""
    found = defaultdict(list)
    for part in shape.parts:
        verts = part.mesh[0]
        found[part.label].append((verts.min(0) + verts.max(0)) / 2)
    return {label: np.stack(places) for label, places in found.items()}


def test_it_is_made_of_many_parts_of_all_kinds(shape, middles):
    assert len(shape.parts) >= 150 and shape.part_names == PART_NAMES
    assert set(middles) == set(range(len(PART_NAMES)))
    assert len({part.material.color for part in shape.parts}) >= 6
    assert all(0 <= channel <= 1 for part in shape.parts for channel in part.material.color)


def test_parts_are_turned_by_rotations(shape):
    R = np.stack([part.rotation for part in shape.parts])
    np.testing.assert_allclose(R @ R.transpose(0, 2, 1), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(R), 1.0, atol=1e-12)
    assert {part.scale for part in shape.parts} == {toy.SCALE}


def test_it_is_the_same_each_time(shape):
    again = bulldozer()
    assert all(np.array_equal(one, other) for one, other in zip(shape.mesh, again.mesh, strict=True))


def test_it_is_centred_and_fits_the_scene(shape):
    low, high = shape.bounds()
    np.testing.assert_allclose(low, -high, atol=1e-12)
    below, reach = np.asarray(RECIPES["lego"].bounds)
    assert (below < low).all() and (high < reach).all() and (high > 0.85 * reach).all()
    assert 2.2 < high[0] - low[0] < 2.4


def test_it_stands_upright_and_looks_along_x(shape, middles):
    """z up, the blade at +x, the ripper behind; the tracks lowest, the cab's roof highest; one side like the other."""
    height = {name: middles[label][:, 2] for label, name in enumerate(PART_NAMES)}
    along = {name: middles[label][:, 0] for label, name in enumerate(PART_NAMES)}
    assert height["track"].mean() < height["body"].mean() < height["cab"].mean()
    assert height["wheel"].max() < height["body"].max() < height["cab"].max()
    low, high = shape.bounds()
    assert height["cab"].max() > 0.9 * high[2] and height["track"].min() < 0.9 * low[2]
    assert along["ripper"].max() < along["body"].mean() < along["blade"].min()
    for label in (toy.TRACK, toy.WHEEL, toy.BLADE, toy.ARM, toy.STUD):
        mirrored = middles[label] * (1, -1, 1)
        gap = np.linalg.norm(middles[label][:, None] - mirrored, axis=2).min(0)
        assert gap.max() < 1e-9, PART_NAMES[label]


def test_no_part_floats(shape):
    """Parts that touch or overlap make one whole; what floats would be lost where only large pieces are kept."""
    generator, near = np.random.default_rng(0), 0.001
    clouds, boxes = [], []
    for part in shape.parts:
        verts, faces, _ = part.mesh
        picked = faces[generator.integers(len(faces), size=300)]
        points = np.einsum("nk,nkd->nd", generator.dirichlet([1, 1, 1], 300), verts[picked])
        clouds.append(torch.from_numpy(np.concatenate([points, verts[:300]])))
        boxes.append((verts.min(0) - near, verts.max(0) + near))
    touching = defaultdict(set)
    for one, cloud in enumerate(clouds):
        for other, part in enumerate(shape.parts):
            apart = (boxes[one][0] > boxes[other][1]).any() or (boxes[other][0] > boxes[one][1]).any()
            if one != other and not apart and part.sdf(cloud).min() < near:
                touching[one].add(other)
                touching[other].add(one)
    reached, front = {0}, [0]
    while front:
        front = [n for n in set().union(*(touching[part] for part in front)) if n not in reached]
        reached.update(front)
    lost = [(PART_NAMES[p.label], p.translation.round(2)) for n, p in enumerate(shape.parts) if n not in reached]
    assert not lost


def test_distances_outside(shape):
    """Positive, at most the distance to any point of the toy and at least that to the box around it."""
    generator = np.random.default_rng(1)
    direction = generator.normal(size=(300, 3))
    points = 2.5 * direction / np.linalg.norm(direction, axis=1)[:, None]
    distance = shape.sdf(torch.from_numpy(points)).numpy()
    low, high = shape.bounds()
    to_box = np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0), axis=1)
    to_corners = np.linalg.norm(points[:, None] - shape.mesh[0][None, ::7], axis=2).min(1)
    assert (distance > 0).all() and (distance >= to_box - 1e-3).all() and (distance <= to_corners + 1e-9).all()
    assert (to_corners - distance).max() < 0.2


def test_the_sign_of_the_distance_is_that_of_the_meshes(shape, mesh_tools):
    """Inside where the parts' closed meshes wind around a point at least once."""
    points = torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (4000, 3)) * RECIPES["lego"].bounds[1])
    distance = shape.sdf(points)
    clear = distance.abs() > 0.006  # beyond what facets cut off
    inside, outside = ((clear & sign).nonzero()[:25, 0] for sign in (distance < 0, distance > 0))
    verts, faces, _, _ = shape.mesh
    for chosen, wanted in ((inside, True), (outside, False)):
        for few in points[chosen].numpy().reshape(5, 5, 3):
            turns = mesh_tools.winding(verts, faces, few)
            np.testing.assert_allclose(turns, turns.round(), atol=1e-6)
            assert ((turns > 0.5) == wanted).all()
    assert 0.03 < (distance < 0).float().mean() < 0.3


def test_distances_change_no_faster_than_places(shape):
    generator = torch.Generator().manual_seed(3)
    one = 2.4 * torch.rand(2000, 3, generator=generator, dtype=torch.float64) - 1.2
    step = 0.2 * torch.randn(2000, 3, generator=generator, dtype=torch.float64)
    change = (shape.sdf(one + step) - shape.sdf(one)).abs()
    assert (change <= step.norm(dim=1) + 1e-9).all() and (change / step.norm(dim=1)).max() > 0.95


def test_surface_points_lie_on_the_surface_and_carry_every_label(shape):
    points, labels = shape.sample_surface(8000, np.random.default_rng(4))
    distance = shape.sdf(torch.from_numpy(points).double())
    assert distance.abs().max() < 1.5e-3 and set(labels.tolist()) == set(range(len(PART_NAMES)))
    assert abs(float(points[:, 1].mean())) < 0.03  # as much to its left as to its right
