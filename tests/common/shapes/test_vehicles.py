"""Cars and airplanes: mirror images of themselves, in one piece, the right way round, on their wheels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from common.shapes import sample_shape
from common.shapes.families import STYLES

EVERY_STYLE = [(family, style) for family in ("car", "airplane") for style in STYLES[family]]
CARS = [style for family, style in EVERY_STYLE if family == "car"]
PLANES = [style for family, style in EVERY_STYLE if family == "airplane"]


def parts_of(shape, *names):
    return [part for part in shape.parts if shape.part_names[part.label] in names]


def verts_of(shape, *names):
    """Corners (V, 3) of the parts with these labels."""
    return np.concatenate([part.mesh[0] for part in parts_of(shape, *names)])


def size_of(shape):
    return float(np.ptp(shape.bounds(), axis=0).max())


@pytest.mark.parametrize(("family", "style"), EVERY_STYLE)
def test_left_is_the_mirror_image_of_right(family, style):
    for index in range(3):
        shape = sample_shape(family, 2, index, style)
        fixed = [part for part in shape.parts if shape.part_names[part.label] != "propeller"]  # blades are twisted
        shape = replace(shape, parts=tuple(fixed))
        points = torch.from_numpy(shape.sample_surface(400, np.random.default_rng(index))[0]).double()
        gap = shape.sdf(points * torch.tensor([-1.0, 1.0, 1.0])).abs()
        assert gap.max() < 2.5e-3 * size_of(shape)


def touching(one, two, generator, slack):
    """Whether some of 200 points of the surface of one part lie in or within ``slack`` of the other."""
    low, high = np.maximum(one.box[0], two.box[0]) - slack, np.minimum(one.box[1], two.box[1]) + slack
    if (low > high).any():
        return False
    verts, faces, _ = one.mesh
    a, b, c = (verts[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chosen = faces[generator.choice(len(faces), 200, p=area / area.sum())]
    points = np.einsum("nk,nkd->nd", generator.dirichlet([1, 1, 1], 200), verts[chosen])
    points = np.concatenate([points, verts[:: max(1, len(verts) // 60)]])
    near = points[((points >= low) & (points <= high)).all(1)]
    return len(near) > 0 and bool((two.sdf(torch.from_numpy(near)) < slack).any())


@pytest.mark.parametrize(("family", "style"), EVERY_STYLE)
def test_no_part_floats(family, style):
    generator = np.random.default_rng(0)
    for index in range(2):
        shape = sample_shape(family, 4, index, style)
        slack = 1e-3 * size_of(shape)
        reached, left = [shape.parts[0]], list(shape.parts[1:])
        while reached:
            part = reached.pop()
            found = [p for p in left if touching(p, part, generator, slack) or touching(part, p, generator, slack)]
            reached += found
            left = [p for p in left if all(p is not f for f in found)]
        assert not left, [shape.part_names[part.label] for part in left]


@pytest.mark.parametrize("family", ["car", "airplane"])
def test_every_label_occurs_and_meshes_stay_small(family):
    shapes = [sample_shape(family, 0, index) for index in range(60)]
    assert {part.label for shape in shapes for part in shape.parts} == set(range(len(shapes[0].part_names)))
    assert np.median([len(shape.mesh[1]) for shape in shapes]) < 6000
    assert len({shape.style for shape in shapes}) >= 7


@pytest.mark.parametrize(("family", "style"), EVERY_STYLE)
def test_dimensions_vary_within_a_style(family, style):
    sizes = np.array([np.ptp(sample_shape(family, 1, index, style).bounds(), axis=0) for index in range(8)])
    assert (sizes.std(0) > 0.01 * sizes.mean(0)).all()
    again = np.ptp(sample_shape(family, 1, 7, style).bounds(), axis=0)
    np.testing.assert_array_equal(again, sizes[7])


@pytest.mark.parametrize("style", CARS)
def test_cars_stand_on_four_wheels(style):
    for index in range(4):
        shape = sample_shape("car", 3, index, style)
        assert shape.bounds()[0, 1] == pytest.approx(0, abs=0.005)
        wheels = verts_of(shape, "wheel")
        low = wheels[wheels[:, 1] < 0.005]
        assert {(x > 0, z > 0) for x, _, z in low} == {(a, b) for a in (True, False) for b in (True, False)}
        rest = verts_of(shape, *(name for name in shape.part_names if name != "wheel"))
        assert rest[:, 1].min() > 0.03


@pytest.mark.parametrize("style", CARS)
def test_cars_have_the_proportions_of_cars(style):
    for index in range(6):
        shape = sample_shape("car", 6, index, style)
        wide, high, long = np.ptp(shape.bounds(), axis=0)
        assert 3.4 < long < 6.0 and 1.6 < wide < 2.6 and 1.0 < high < 2.65
        wheels = verts_of(shape, "wheel")
        assert np.abs(wheels[:, 0]).max() < 0.52 * wide
        assert 0.5 < np.ptp([wheels[wheels[:, 2] > 0, 2].mean(), wheels[wheels[:, 2] < 0, 2].mean()]) / long < 0.7


@pytest.mark.parametrize("style", CARS)
def test_cars_look_ahead(style):
    """White lamps in front, red ones behind; mirrors in the front half; the windscreen above the bonnet."""
    shape = sample_shape("car", 8, 0, style)
    ahead = {part.material.name: part.mesh[0][:, 2].mean() > 0 for part in parts_of(shape, "light")}
    assert ahead == {"clear lamps": True, "red lamps": False}
    assert verts_of(shape, "mirror")[:, 2].min() > 0
    foremost = max(shape.parts, key=lambda part: part.mesh[0][:, 2].max())
    assert shape.part_names[foremost.label] in ("bumper", "trim")


@pytest.mark.parametrize("style", PLANES)
def test_airplanes_fly_nose_first(style):
    for index in range(4):
        shape = sample_shape("airplane", 8, index, style)
        foremost = max(shape.parts, key=lambda part: part.mesh[0][:, 2].max())
        nose = {"propeller"} if style in ("propeller", "seaplane", "biplane") else {"fuselage"}
        assert shape.part_names[foremost.label] in nose
        fin = max(parts_of(shape, "tail"), key=lambda part: part.mesh[0][:, 1].max()).mesh[0]
        wing = verts_of(shape, "wing")
        assert fin[:, 2].mean() < wing[:, 2].mean() and fin[:, 1].max() > 0.3
        assert np.abs(wing[:, 0]).max() == np.abs(shape.mesh[0][:, 0]).max()


def test_wings_suit_their_styles():
    """Gliders are the widest for their length, fighters the narrowest; biplanes have two wings, others one."""
    spans = {}
    for style in PLANES:
        shapes = [sample_shape("airplane", 9, index, style) for index in range(6)]
        spans[style] = np.mean([np.ptp(s.bounds()[:, 0]) / np.ptp(s.bounds()[:, 2]) for s in shapes])
        assert all(len(parts_of(shape, "wing")) == (2 if style == "biplane" else 1) for shape in shapes)
    assert max(spans, key=spans.get) == "glider" and min(spans, key=spans.get) == "fighter"
    assert spans["glider"] > 2 and spans["fighter"] < 0.8
