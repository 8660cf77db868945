"""Pictures of predicted shapes."""

from types import SimpleNamespace

import numpy as np
import torch

from a2_single_view.figures import facing, pictures, spread
from a2_single_view.interpret import occlusion
from common.p3d import Meshes, ico_sphere


def test_a_mesh_turned_over_in_places_looks_as_one_that_is_not():
    sphere = ico_sphere(2).scale_verts(0.4)
    verts, faces = sphere.verts_packed(), sphere.faces_packed()
    mixed = torch.where((torch.arange(len(faces)) % 3 == 0)[:, None], faces.flip(1), faces)
    made = [Meshes([verts], [f]) for f in (faces, mixed)]
    right, turned = (pictures(mesh, [30.0, 110.0], 48, two_sided=True) for mesh in made)
    np.testing.assert_array_equal(right, turned)
    assert np.abs(right - pictures(made[1], [30.0, 110.0], 48).astype(float)).max() > 50


def test_what_is_shown_is_spread_over_all():
    assert spread(200, 3) == [0, 99, 199] and spread(200, 12, 50) == [0, 50, 100, 150]
    assert spread(3, 12) == [0, 1, 2] and spread(0, 12) == [] and spread(601, 4, 100) == [0, 200, 400, 600]


def test_what_hides_no_part_of_the_shape_does_not_count():
    """A model that sees the redness of each column; the shape is a bar on a blue ground."""
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    image[2] = 255
    image[:, 20:40, 30:34] = torch.tensor([200, 0, 0], dtype=torch.uint8)[:, None, None]
    model = SimpleNamespace(encode=lambda images: images[:, 0].float().sum(1))
    change = occlusion(model, image, patch=10, stride=10)
    assert change.shape == (6, 8) and change.max() == 1.0
    assert (change[2:4, 3] == 1.0).all() and change.sum() == 2.0


def test_facing_keeps_the_triangles():
    sphere, centre = ico_sphere(1), torch.tensor([[0.0, 0.0, 3.0]])
    mesh = facing(sphere, centre)
    corner = sphere.verts_packed()[sphere.faces_packed()]
    made = mesh.verts_packed().view(-1, 3, 3)
    torch.testing.assert_close(made.sort(1)[0], corner.sort(1)[0])
    assert ((centre - made[:, 0]) * mesh.faces_normals_packed()).sum(1).min() >= -1e-6
