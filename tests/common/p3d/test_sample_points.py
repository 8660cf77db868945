"""Random points of surfaces: they lie in their faces, as many as the area says, with normals, textures, gradients."""

import pytest
import torch

from common.p3d import Meshes, TexturesUV, TexturesVertex, sample_points_from_meshes

SQUARE = torch.tensor([[0.0, 0.0, 1.0], [3.0, 0.0, 1.0], [3.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
HALVES = torch.tensor([[0, 1, 2], [0, 2, 3]])
SLOPE = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
NOTHING = torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)


def meshes(textures=None):
    """A rectangle, nothing, and one sloping triangle."""
    return Meshes([SQUARE, NOTHING[0], SLOPE], [HALVES, NOTHING[1], torch.tensor([[0, 1, 2]])], textures)


def test_points_are_even_and_in_the_faces():
    torch.manual_seed(0)
    points, normals = sample_points_from_meshes(meshes(), 20000, return_normals=True)
    assert points.shape == normals.shape == (3, 20000, 3) and not points[1].any() and not normals[1].any()
    counts = torch.histogramdd(points[0, :, :2], [6, 2], range=[0.0, 3.0, 0.0, 1.0])[0]
    torch.testing.assert_close(points[0, :, 2], torch.ones(20000))
    assert counts.sum() == 20000 and ((counts - 20000 / 12).abs() < 160).all()
    torch.testing.assert_close(normals[0], torch.tensor([0.0, 0.0, 1.0]).expand(20000, 3))
    torch.testing.assert_close(normals[2], torch.tensor([-(0.5**0.5), 0.0, 0.5**0.5]).expand(20000, 3))
    x, y, z = points[2].t()
    torch.testing.assert_close(x, z)
    assert (x >= 0).all() and (y >= 0).all() and (x + y <= 1 + 1e-6).all() and abs(x.mean() - 1 / 3) < 0.01


def test_faces_are_drawn_by_area():
    torch.manual_seed(1)
    verts = torch.cat((SLOPE, 3 * SLOPE + 10))
    points = sample_points_from_meshes(Meshes([verts], [torch.arange(6).view(2, 3)]), 10000)
    assert abs((points[0, :, 0] < 5).sum() - 1000) < 120


def test_textures_and_generator():
    textures = TexturesVertex([SQUARE[:, :2], torch.zeros(0, 2), SLOPE[:, :2]])
    torch.manual_seed(2)
    points, normals, colours = sample_points_from_meshes(meshes(textures), 50, True, True)
    torch.testing.assert_close(colours, points[..., :2])  # a texture that says where it is
    torch.manual_seed(2)
    again, texture = sample_points_from_meshes(meshes(textures), 50, return_textures=True)
    assert torch.equal(again, points) and torch.equal(texture, colours)
    ramp = torch.linspace(0, 3, 31).expand(1, 8, 31)[..., None]
    uv = TexturesUV(ramp, [HALVES], [SQUARE[:, :2] / torch.tensor([3.0, 1.0])])
    points, shade = sample_points_from_meshes(Meshes([SQUARE], [HALVES], uv), 50, return_textures=True)
    torch.testing.assert_close(shade[..., 0], points[..., 0], atol=1e-5, rtol=0.0)


def test_gradcheck():
    verts, colours = SQUARE.double().requires_grad_(), torch.rand(4, 2, dtype=torch.float64).requires_grad_()

    def run(verts, colours):
        torch.manual_seed(3)
        return sample_points_from_meshes(Meshes([verts], [HALVES], TexturesVertex([colours])), 7, True, True)

    assert run(verts, colours)[0].dtype == torch.float64 and torch.autograd.gradcheck(run, (verts, colours))


def test_a_mesh_of_no_area():
    flat = Meshes([torch.ones(3, 3), SLOPE], [torch.tensor([[0, 1, 2]] * 2), torch.tensor([[0, 1, 2]])])
    points, normals = sample_points_from_meshes(flat, 9, return_normals=True)
    torch.testing.assert_close(points[0], torch.ones(9, 3))
    assert not normals[0].any() and normals[1].any()


@pytest.mark.parametrize(
    "mesh",
    [Meshes([NOTHING[0]], [NOTHING[1]]), Meshes([SLOPE / 0], [torch.tensor([[0, 1, 2]])])],
)
def test_nonsense_is_refused(mesh):
    with pytest.raises(ValueError):
        sample_points_from_meshes(mesh, 3)


def test_textures_must_exist():
    with pytest.raises(ValueError):
        sample_points_from_meshes(meshes(), 3, return_textures=True)
