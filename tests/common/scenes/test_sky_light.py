"""Sun and sky: shadows where geometry says, and light that sums what reaches a point."""

import math

import numpy as np
import pytest
import torch

from common.p3d import Meshes, PerspectiveCameras, TexturesVertex, ico_sphere, join_meshes_as_scene
from common.scenes import sky_light
from common.scenes.sky_light import SkyLight, directions_of_sphere, visible_surface

SUN, REACH = (0.5, -0.75, 0.9), 1.5
UP = torch.tensor([0.0, 0.0, 1.0])
CENTRE, RADIUS = torch.tensor([0.1, -0.05, 0.6]), 0.25


def coloured(verts, faces, color):
    return Meshes([verts], [faces], TexturesVertex([torch.tensor(color).expand(len(verts), 3)]))


def plane(half=1.0):
    corners = half * torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    return coloured(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), (0.5, 0.6, 0.7))


def ball(centre=CENTRE, radius=RADIUS, flipped=False):
    sphere = ico_sphere(4)
    faces = sphere.faces_packed()
    return coloured(radius * sphere.verts_packed() + centre, faces.flip(1) if flipped else faces, (0.9, 0.2, 0.1))


@pytest.fixture(scope="module")
def lit():
    """Light on a ball over a plane."""
    return SkyLight(join_meshes_as_scene([plane(), ball()]), SUN, REACH, count=16)


def grid(count=41, half=0.98):
    ticks = torch.linspace(-half, half, count)
    x, y = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack((x, y, torch.zeros_like(x)), -1).view(-1, 3)


@pytest.mark.parametrize("count", [1, 2, 7, 40, 500])
def test_directions_are_spread_evenly(count):
    directions = directions_of_sphere(count)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(count))
    assert directions.shape == (count, 3) and abs(float(directions[:, 2].sum())) < 1e-3
    if count >= 40:
        assert directions.mean(0).abs().max() < 1 / count
        second = directions.T @ directions / count
        assert (second - torch.eye(3) / 3).abs().max() < 1 / count
        gap = (directions @ directions.T - 2 * torch.eye(count)).amax(1).arccos()
        assert gap.min() > 0.8 * gap.max() > 0.6 * math.sqrt(4 * math.pi / count)


def test_a_plane_under_a_ball_is_in_shadow_where_the_ball_covers_the_light(lit):
    points = grid()
    cosine = lit.reaches(points, UP.expand(len(points), 3))
    assert cosine.shape == (17, len(points)) and len(lit.directions) == 17
    covered = 0
    for light, direction in zip(cosine, lit.directions, strict=True):
        if direction[2] <= 0:
            assert (light == 0).all()
            continue
        to = CENTRE - points
        from_axis = (to - (to @ direction)[:, None] * direction).norm(dim=1)  # of the ball's middle from the ray
        # Points are lifted, which moves the shadow; and a map is as fine as its pixels.
        unsure = sky_light.BIAS * float((1 - direction[2] ** 2).sqrt()) + 2.0 * 2 * REACH / 384
        clear = (from_axis - RADIUS).abs() > unsure
        wanted = torch.where(from_axis < RADIUS, 0.0, direction[2])
        torch.testing.assert_close(light[clear], wanted[clear])
        assert clear.float().mean() > 0.85
        covered += int((wanted[clear] == 0).sum())
    assert covered > 200


def test_every_part_of_a_ball_in_the_open_gets_the_light_it_faces():
    light = SkyLight(ball(torch.zeros(3), 1.0), SUN, REACH, count=12)
    normals = directions_of_sphere(400)
    cosine = normals @ light.directions.T
    torch.testing.assert_close(light.reaches(normals, normals).T, cosine.clamp(min=0.0))


def test_one_ball_is_in_the_shadow_of_another():
    other = torch.tensor([0.0, 0.0, 0.9])
    light = SkyLight(
        join_meshes_as_scene([ball(torch.zeros(3), 0.5), ball(other, 0.2)]), (0.0, 0.0, 3.0), REACH, count=4
    )
    normals = directions_of_sphere(2000)
    normals = normals[normals[:, 2] > 0.15]
    points = 0.5 * normals
    from_axis = points[:, :2].norm(dim=1)
    clear = (from_axis - 0.2).abs() > 0.03
    wanted = torch.where(from_axis < 0.2, 0.0, normals[:, 2])
    torch.testing.assert_close(light.reaches(points, normals)[0][clear], wanted[clear])


@pytest.fixture(scope="module")
def open_sky():
    """Many lights and nothing in their way: a grain of dust far below."""
    return SkyLight(ball(torch.tensor([0.0, 0.0, -1.4]), 1e-3), SUN, REACH, count=300, pixels=4)


def ground_light(z):
    """Strength of the sky at a height z of its direction."""
    return 0.74 * (0.35 + 0.65 * np.clip((z + 0.3) / 0.6, 0, 1))


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.48, -0.6, 0.64)])
def test_an_open_point_gets_the_integral_of_the_sky_and_the_sun(open_sky, normal):
    """Mean over the sphere of strength times cosine, times four; by quadrature over z and the angle about it."""
    normal = torch.tensor([normal])
    light = float(open_sky.strength @ open_sky.reaches(torch.zeros(1, 3), normal)[:, 0])
    z, angle = np.meshgrid((np.arange(2000) + 0.5) / 1000 - 1, (np.arange(400) + 0.5) / 200 * np.pi, indexing="ij")
    flat = np.sqrt(1 - z * z)
    cosine = np.stack([flat * np.cos(angle), flat * np.sin(angle), z], -1) @ normal[0].double().numpy()
    sun = np.asarray(SUN) / np.linalg.norm(SUN) @ normal[0].double().numpy()
    wanted = 4 * (ground_light(z) * cosine.clip(0)).mean() + 0.70 * max(sun, 0)
    assert light == pytest.approx(wanted, abs=0.004)


def test_the_light_of_a_plane_without_shadows_in_closed_form():
    light = SkyLight(plane(), SUN, REACH, count=24)
    points, albedo = grid(15), torch.tensor([0.5, 0.3, 0.1])
    colors = light.shade(
        points, UP.expand(len(points), 3), albedo.expand(len(points), 3), torch.tensor([0.0, 0, 4]), 0.0
    )
    total = 0.70 * 0.9 / math.sqrt(0.5**2 + 0.75**2 + 0.9**2)
    for k in range(24):
        z = 1 - (2 * k + 1) / 24
        total += float(ground_light(z)) * 4 / 24 * max(z, 0.0)
    torch.testing.assert_close(colors, (total * albedo).expand(len(points), 3))


def test_the_highlight_is_where_the_sun_is_mirrored_and_not_in_shadow(lit):
    sun = lit.directions[0]
    inside = CENTRE - sun * (CENTRE[2] / sun[2])  # where the ball's shadow of the sun has its middle
    points = torch.stack((torch.tensor([0.8, -0.8, 0.0]), inside))
    normals, black = UP.expand(2, 3), torch.zeros(2, 3)
    mirrored = sun * torch.tensor([-1.0, -1.0, 1.0])
    shine = lit.shade(points, normals, black, points + 3.0 * mirrored, gloss=0.3)
    torch.testing.assert_close(shine, torch.tensor([[0.3] * 3, [0.0] * 3]))
    tilt = 0.4  # an eye turned by an angle turns the half vector by half of it
    axis = torch.linalg.cross(sun, UP)
    axis = axis / axis.norm()
    turned = math.cos(tilt) * mirrored + math.sin(tilt) * torch.linalg.cross(axis, mirrored)
    shine = lit.shade(points[:1], UP[None], black[:1], points[0] + 2.0 * turned, gloss=0.3)
    torch.testing.assert_close(shine, torch.full((1, 3), 0.3 * math.cos(tilt / 2) ** 24))
    assert (lit.shade(points, normals, torch.ones(2, 3), points + mirrored, gloss=5.0) <= 1.0).all()


@pytest.mark.parametrize("flipped", [False, True])
def test_what_a_camera_sees_of_a_ball(flipped):
    radius, distance, focal, size = 0.5, 3.0, 2.0, (64, 96)
    camera = PerspectiveCameras(focal_length=focal, T=torch.tensor([[0.2, 0.1, distance]]))
    seen, points, normals, colors, faces = visible_surface(ball(torch.zeros(3), radius, flipped), camera, size)
    assert seen.shape == size and seen.sum() == len(points) == len(normals) == len(colors) == len(faces)
    eye = camera.get_camera_center()
    # A sphere covers the directions within asin(r / d) of its middle; solid angles over pixels, sum 2 pi (1 - cos).
    v, u = torch.meshgrid(*((2 * (torch.arange(n) + 0.5) - n) / min(size) / focal for n in size), indexing="ij")
    steradian = (2 / min(size) / focal) ** 2 * (1 + u * u + v * v) ** -1.5
    cap = 2 * math.pi * (1 - math.sqrt(1 - (radius / float(eye.norm())) ** 2))
    assert float(steradian[seen].sum()) == pytest.approx(cap, rel=0.02)
    torch.testing.assert_close(points.norm(dim=1), torch.full((len(points),), radius), atol=2e-3, rtol=0.0)
    torch.testing.assert_close(normals, points / radius, atol=0.02, rtol=0.0)
    assert ((eye - points) * normals).sum(1).min() >= 0
    torch.testing.assert_close(colors, torch.tensor([[0.9, 0.2, 0.1]]).expand_as(colors))
    screen = camera.transform_points_screen(points, image_size=[size])[:, :2]
    rows, columns = seen.nonzero().T
    torch.testing.assert_close(screen, torch.stack((columns, rows), 1) + 0.5, atol=1e-3, rtol=0.0)
