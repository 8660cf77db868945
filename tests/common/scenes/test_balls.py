"""The balls: their environment, what they mirror, and the discs they cover."""

import math

import numpy as np
import pytest
import torch

from common.p3d import PerspectiveCameras, look_at_view_transform
from common.scenes import balls as module
from common.scenes.balls import RADIUS, Balls, balls, balls_mesh, environment, points_of_balls, render_balls, shade
from common.scenes.procedural import RECIPES
from common.scenes.sky_light import directions_of_sphere


def ball_set(centres, albedo=(0.9, 0.5, 0.2), metal=1.0, rough=0.05):
    """Balls at centres (M, 3), alike but for lists (M,) of metalness and roughness."""
    centres = torch.tensor(centres)
    one = torch.ones(len(centres))
    return Balls(
        centres, torch.tensor(albedo).expand(len(centres), 3), one * torch.tensor(metal), one * torch.tensor(rough)
    )


def lobes(directions):
    """The sharp environment's lobes alone (N, 3), one by one."""
    out = np.zeros((len(directions), 3))
    for *axis, sharpness, r, g, b in module.LOBES.double().tolist():
        axis = np.asarray(axis) / np.linalg.norm(axis)
        out += np.exp(sharpness * (directions @ axis - 1))[:, None] * (r, g, b)
    return out


def sky(directions):
    """The sharp sky and ground (N, 3): horizon to sky over a height of 0.15, horizon to ground over 0.05."""
    up = (directions[:, 2] / 0.15).clip(0, 1)[:, None]
    down = (-directions[:, 2] / 0.05).clip(0, 1)[:, None]
    above = (1 - up) * np.asarray(module.HORIZON) + up * np.asarray(module.SKY)
    return (1 - down) * above + down * np.asarray(module.GROUND)


def test_without_roughness_the_environment_is_that_of_the_sharp_lobes():
    directions = directions_of_sphere(3000).double()
    directions = torch.cat((directions, torch.nn.functional.normalize(module.LOBES[:, :3].double(), dim=1)))
    got = environment(directions, torch.zeros(len(directions), dtype=torch.float64))
    wanted = lobes(directions.numpy()) + sky(directions.numpy())
    np.testing.assert_allclose(got, wanted, atol=2e-4)
    assert wanted.max() > 5


@pytest.mark.parametrize("rough", [0.35, 0.5, 0.7])
def test_a_rough_environment_is_averaged_over_a_lobe(monkeypatch, rough):
    """Exactly so where the two lobes are aligned, and nearly so beside it: by quadrature over the sphere."""
    monkeypatch.setattr(module, "LOBES", torch.tensor([[0.0, 0.0, 1.0, 30.0, 1.0, 2.0, 0.5]]))
    monkeypatch.setattr(module, "SKY", (0.0,) * 3)
    monkeypatch.setattr(module, "HORIZON", (0.0,) * 3)
    monkeypatch.setattr(module, "GROUND", (0.0,) * 3)
    width = 2 / rough**4
    around = directions_of_sphere(200_000).double().numpy()
    sharp = lobes(around)
    for angle in (0.0, 0.1, 0.2, 0.3):
        axis = np.array([math.sin(angle), 0, math.cos(angle)])
        weight = np.exp(width * (around @ axis - 1))
        wanted = weight @ sharp / weight.sum()
        got = environment(torch.from_numpy(axis)[None], torch.tensor([rough], dtype=torch.float64))[0].numpy()
        np.testing.assert_allclose(got, wanted, rtol=2e-3 if angle == 0 else 0.1)


def test_the_mean_light_is_the_same_however_rough():
    """Averaging over a lobe moves light, and takes none: the sharp lobes' mean and the rough ones' agree."""
    directions = directions_of_sphere(100_000).double()
    means = []
    for rough in (0.0, 0.4, 0.6):
        values = environment(directions, torch.full((len(directions),), rough, dtype=torch.float64))
        heights = directions[:, 2:] / (0.15 + 0.85 * rough)
        above, below = heights.clamp(0, 1), (-3 * heights).clamp(0, 1)
        base = torch.lerp(
            torch.lerp(torch.tensor(module.HORIZON).double(), torch.tensor(module.SKY).double(), above),
            torch.tensor(module.GROUND).double(),
            below,
        )
        means.append((values - base).mean(0))
    torch.testing.assert_close(means[1], means[0], rtol=2e-3, atol=0.0)
    torch.testing.assert_close(means[2], means[0], rtol=2e-2, atol=0.0)


def first_hit(scene, origin, direction, owner):
    """The nearest other ball on one ray, ball by ball, by the quadratic formula: (number, place) or None."""
    best = None
    for number, centre in enumerate(scene.centres.double().numpy()):
        offset = origin - centre
        half, rest = offset @ direction, offset @ offset - RADIUS**2
        if number == owner or half * half < rest:
            continue
        t = -half - math.sqrt(half * half - rest)
        if t > 0 and (best is None or t < best[0]):
            best = (t, number, origin + t * direction)
    return best and best[1:]


def test_what_a_ball_mirrors_is_the_nearest_other_ball():
    scene, generator = balls(), np.random.default_rng(0)
    normals = generator.normal(size=(3000, 3))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    directions = generator.normal(size=(3000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    directions *= np.sign((directions * normals).sum(1))[:, None]
    owner = generator.integers(0, 12, 3000)
    points = scene.centres.double().numpy()[owner] + RADIUS * normals
    exact = Balls(*(getattr(scene, name).double() for name in ("centres", "albedo", "metalness", "roughness")))
    hit, number, place = module._other_ball(
        exact, torch.from_numpy(points), torch.from_numpy(directions), torch.from_numpy(owner)
    )
    for n in range(3000):
        wanted = first_hit(scene, points[n], directions[n], owner[n])
        assert bool(hit[n]) == (wanted is not None)
        if wanted is not None:
            assert int(number[n]) == wanted[0]
            np.testing.assert_allclose(place[n], wanted[1], atol=1e-9)
    assert 0.15 < hit.double().mean() < 0.6


def mirrored(point, centre, eye):
    normal = (point - centre) / RADIUS
    toward = (eye - point) / (eye - point).norm()
    return normal, toward, 2 * (normal @ toward) * normal - toward


def test_a_metal_ball_shows_the_other_ball_or_the_sky():
    """Point by point, put together from the law of reflection, Schlick's formula and the other ball's own shade."""
    scene = ball_set([[0.0, 0.0, 0.0], [0.7, 0.0, 0.1]], metal=[1.0, 0.0], rough=[0.05, 0.9])
    eye, seen = torch.tensor([1.0, 0.3, 3.0]), set()
    for normal in directions_of_sphere(600):
        point = RADIUS * normal
        _, toward, away = mirrored(point, scene.centres[0], eye)
        cosine = float(normal @ toward)
        if cosine <= 0.05:
            continue
        albedo = scene.albedo[0]
        fresnel = albedo + 0.95 * (1 - albedo) * (1 - cosine) ** 5
        found = first_hit(scene, point.double().numpy(), away.double().numpy(), 0)
        if found is None:
            to = scene.centres[1] - point
            blocked = max(float(normal @ to) / float(to.norm()), 0.0) * (RADIUS / float(to.norm())) ** 2
            image = environment(away[None], torch.tensor([0.05]))[0] * (1 - 0.05 * blocked)
        else:
            place = torch.from_numpy(found[1]).float()
            image = shade(
                scene, place[None], ((place - scene.centres[1]) / RADIUS)[None], torch.tensor([1]), -away[None]
            )[0]
        got = shade(scene, point[None], normal[None], torch.tensor([0]), toward[None])[0]
        torch.testing.assert_close(got, fresnel * image, atol=2e-4, rtol=1e-3)
        seen.add(found is None)
    assert seen == {True, False}


def test_rough_balls_mirror_no_other_ball():
    places = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.7]]
    for rough, differs in ((0.3, True), (0.6, False)):
        colors = []
        for albedo in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)):
            scene = ball_set(places, rough=[rough, 0.9], metal=[1.0, 0.0])
            scene.albedo.data = torch.tensor([[0.5, 0.5, 0.5], albedo])
            up = torch.tensor([[0.0, 0.0, 1.0]])
            colors.append(shade(scene, RADIUS * up, up, torch.tensor([0]), up))
        assert torch.equal(*colors) != differs


def test_mirrors_that_face_each_other():
    """Each bounce takes the metal's colour once more, and the last shows what is around."""
    scene = ball_set([[0.0, 0.0, 0.0], [0.6, 0.0, 0.0]])
    right = torch.tensor([[1.0, 0.0, 0.0]])
    one, two = torch.tensor([0]), torch.tensor([1])
    colors = [shade(scene, RADIUS * right, right, one, right, bounces) for bounces in range(6)]
    behind = shade(scene, scene.centres[1:] - RADIUS * right, -right, two, -right, 0)
    torch.testing.assert_close(colors[1], scene.albedo[:1] * behind)
    for fewer, more in zip(colors, colors[2:], strict=False):
        torch.testing.assert_close(more, scene.albedo[:1] ** 2 * fewer)


def test_a_ball_above_takes_its_share_of_the_light():
    """Straight above it is cos (r / d)^2; beside or behind it is none; a ball takes none of its own."""
    up = torch.tensor([[0.0, 0.0, 1.0]])
    for centre, share in (
        ([0.0, 0.0, 1.2], 1 - (RADIUS / (1.2 - RADIUS)) ** 2),
        ([0.0, 0.0, -1.2], 1.0),
        ([9.0, 0, 0], 1.0),
    ):
        scene = ball_set([[0.0, 0.0, 0.0], centre])
        got = module._ambient(scene, RADIUS * up, up, torch.tensor([0]))
        assert float(got) == pytest.approx(share, abs=1e-6)


def test_balls_lie_apart_and_within_the_scene():
    scene = balls()
    gaps = (scene.centres[:, None] - scene.centres).norm(dim=2) + 9 * torch.eye(12)
    assert gaps.min() > 2 * RADIUS
    low, high = torch.tensor(RECIPES["materials"].bounds)
    assert (scene.centres - RADIUS > low).all() and (scene.centres + RADIUS < high).all()
    for values in (scene.albedo, scene.metalness, scene.roughness):
        assert 0 <= values.min() and values.max() <= 1
    assert scene.roughness.view(3, 4).diff(dim=1).min() > 0 and scene.metalness.view(3, 4).diff(dim=0).min() > 0


def test_the_mesh_is_of_balls_in_turn(monkeypatch):
    monkeypatch.setattr(module, "SUBDIVISIONS", 2)
    scene = balls()
    mesh = balls_mesh(scene)
    verts, colors = (x.view(12, -1, 3) for x in (mesh.verts_packed(), mesh.textures.verts_features_packed()))
    gap = (verts - scene.centres[:, None]).norm(dim=2)
    torch.testing.assert_close(gap, torch.full_like(gap, RADIUS))
    assert (colors == scene.albedo[:, None]).all()
    owner = torch.arange(len(mesh.faces_packed())) // (len(mesh.faces_packed()) // 12)
    assert (mesh.faces_packed() // verts.shape[1] == owner[:, None]).all()


def test_points_are_spread_evenly_over_the_balls():
    scene, count = balls(), 24_000
    points = points_of_balls(count, torch.Generator().manual_seed(0))
    gap, owner = (points[:, None] - scene.centres).norm(dim=2).sub(RADIUS).abs().min(1)
    assert gap.max() < 1e-6
    shares = torch.bincount(owner, minlength=12) / count
    assert (shares - 1 / 12).abs().max() < 4 * math.sqrt(1 / 12 / count)
    normals = (points - scene.centres[owner]) / RADIUS
    assert normals.mean(0).abs().max() < 4 / math.sqrt(3 * count)
    assert (normals.T @ normals / count - torch.eye(3) / 3).abs().max() < 0.01
    assert torch.equal(points, points_of_balls(count, torch.Generator().manual_seed(0)))


def test_a_picture_of_one_ball_covers_its_disc(monkeypatch):
    monkeypatch.setattr(module, "SUBDIVISIONS", 4)
    monkeypatch.setattr(module, "balls", lambda: ball_set([[0.0, 0.0, 0.0]], metal=0.0, rough=0.9))
    R, T = look_at_view_transform(eye=((0.0, -2.0, 1.0),), at=((0.0, 0.0, 0.0),), up=((0.0, 0.0, 1.0),))
    images, alphas = render_balls(PerspectiveCameras(focal_length=2.5, R=R, T=T), 24)
    assert images.shape == (1, 24, 24, 3) and alphas.shape == (1, 24, 24)
    disc = math.pi * (2.5 * math.tan(math.asin(RADIUS / math.sqrt(5.0)))) ** 2
    assert float(alphas.sum()) * (2 / 24) ** 2 == pytest.approx(disc, rel=0.01)
    assert (images <= alphas[..., None] + 1e-6).all() and images.min() >= 0
    full = (alphas == 1).nonzero()
    assert len(full) > 20 and images[alphas == 1].std() > 0.01 and (images[alphas == 0] == 0).all()
    torch.testing.assert_close(alphas, alphas.flip(2), atol=0.15, rtol=0.0)


def test_the_middle_of_a_picture_is_the_shade_of_the_ball_s_nearest_point(monkeypatch):
    monkeypatch.setattr(module, "SUBDIVISIONS", 4)
    scene = ball_set([[0.0, 0.0, 0.0]], metal=0.0, rough=0.9)
    monkeypatch.setattr(module, "balls", lambda: scene)
    toward = torch.tensor([[0.0, -0.8, 0.6]])
    R, T = look_at_view_transform(eye=3 * toward, at=((0.0, 0.0, 0.0),), up=((0.0, 0.0, 1.0),))
    images, _ = render_balls(PerspectiveCameras(focal_length=2.5, R=R, T=T), 25)
    wanted = shade(scene, RADIUS * toward, toward, torch.tensor([0]), toward)[0].clamp(0, 1)
    torch.testing.assert_close(images[0, 12, 12], wanted, atol=2e-3, rtol=0.0)
