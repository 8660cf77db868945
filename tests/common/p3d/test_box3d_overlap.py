"""Intersections of boxes against exact volumes and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, HalfspaceIntersection
from torch import Tensor

from common.p3d.box3d_overlap import box3d_overlap
from common.p3d.rotations import random_rotations

UNIT = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1.0]])


def hull_volume(one: Tensor, two: Tensor) -> float:
    """The volume in which two boxes with the common point 0 overlap, by half-spaces and a hull."""
    planes = np.unique(np.concatenate([ConvexHull(box.numpy()).equations for box in (one, two)]).round(12), axis=0)
    return ConvexHull(HalfspaceIntersection(planes, np.zeros(3)).intersections).volume


def test_golden(golden):
    arrays, _ = golden("box3d_overlap")
    volume, ratio = box3d_overlap(arrays["boxes1"], arrays["boxes2"])
    assert torch.allclose(volume, arrays["vol_exact"], atol=1e-6)
    assert torch.allclose(ratio, arrays["iou_exact"], atol=1e-6)
    volume, ratio = box3d_overlap(arrays["aa_boxes"], arrays["aa_boxes"])
    assert torch.allclose(volume, arrays["aa_vol_exact"], atol=1e-6)
    assert torch.allclose(ratio, arrays["aa_iou"], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_against_hulls(seed: int):
    torch.manual_seed(seed)
    middle = UNIT.double() - 0.5
    boxes = middle * (0.5 + torch.rand(6, 1, 3).double()) @ random_rotations(6, dtype=torch.float64)
    boxes = boxes + 0.2 * torch.rand(6, 1, 3).double() - 0.1
    boxes[0, 4:] = boxes[0, :4] + 0.7 * (boxes[0, 4:] - boxes[0, :4])
    volume, _ = box3d_overlap(boxes[:2], boxes[2:])
    for i in range(2):
        for j in range(4):
            assert float(volume[i, j]) == pytest.approx(hull_volume(boxes[i], boxes[2 + j]), abs=1e-9)


@pytest.mark.parametrize("offset", [0.0, 50.0])
@pytest.mark.parametrize("shift", [(0, 0, 0), (0.25, 0, 0), (0.5, 0.5, 0.5), (1, 0, 0), (1, 1, 1), (3, 0, 0)])
@pytest.mark.parametrize("turned", [False, True])
def test_shifted_cubes(shift: tuple, turned: bool, offset: float):
    """Faces lie in one plane, but for rounding, wherever the cubes are."""
    torch.manual_seed(1)
    turn = random_rotations(1) if turned else torch.eye(3)[None]
    one, two = UNIT @ turn + offset, (UNIT + torch.tensor(shift, dtype=torch.float32)) @ turn + offset
    volume, ratio = box3d_overlap(one, two)
    wanted = float(np.prod([max(0, 1 - s) for s in shift]))
    assert float(volume) == pytest.approx(wanted, abs=2e-5 if offset else 1e-6)
    assert float(ratio) == pytest.approx(wanted / (2 - wanted), abs=2e-5 if offset else 1e-6)


def test_contained_box_frustum_and_symmetry():
    frustum = UNIT * 2 - 0.5
    frustum[4:, :2] = (frustum[4:, :2] - 0.5) * 0.5 + 0.5
    assert float(box3d_overlap(frustum[None], frustum[None])[0]) == pytest.approx(2 * (4 + 2 + 1) / 3, abs=1e-5)
    small = UNIT * 0.5 + 0.25
    assert float(box3d_overlap(frustum[None], small[None])[0]) == pytest.approx(0.125, abs=1e-6)
    torch.manual_seed(2)
    boxes = UNIT @ random_rotations(5) + torch.rand(5, 1, 3)
    volume, ratio = box3d_overlap(boxes, boxes)
    assert torch.allclose(volume, volume.t(), atol=1e-6)
    assert torch.allclose(ratio.diagonal(), torch.ones(5), atol=1e-6)
    assert volume.dtype == torch.float32


def test_empty_batches():
    for one, two in ((0, 3), (3, 0), (0, 0)):
        volume, ratio = box3d_overlap(UNIT.expand(one, -1, -1), UNIT.expand(two, -1, -1))
        assert volume.shape == ratio.shape == (one, two)


def test_bad_input():
    bent, flat = UNIT.clone(), UNIT.clone()
    bent[6, 2] = 1.3
    flat[:, 2] = 0
    for bad, message in ((UNIT[:, :2], "shape"), (bent, "not coplanar"), (flat, "zero areas")):
        for pair in ((bad[None], UNIT[None]), (UNIT[None], bad[None])):
            with pytest.raises(ValueError, match=message):
                box3d_overlap(*pair)
