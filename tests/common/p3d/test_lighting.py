"""Lights and what they reflect: PyTorch3D's outputs, points of any shape, one light of a batch."""

import torch

from common.p3d import DirectionalLights, FoVPerspectiveCameras, PointLights, diffuse, specular


def test_lights_equal_pytorch3d(golden):
    z, _ = golden("lighting")
    args = z["normals"], z["points"], z["camera_position"], z["shininess"]
    point = PointLights(location=z["location"], diffuse_color=z["color"], specular_color=z["color"])
    far = DirectionalLights(direction=z["direction"], diffuse_color=z["color"], specular_color=z["color"])
    ours = {
        "diffuse": diffuse(z["normals"], z["color"], z["direction"]),
        "specular": specular(z["points"], z["normals"], z["direction"], z["color"], *args[2:]),
        "dir_diffuse": far.diffuse(args[0]),
        "dir_specular": far.specular(*args),
        "pt_diffuse": point.diffuse(*args[:2]),
        "pt_specular": point.specular(*args),
    }
    for name, value in ours.items():
        torch.testing.assert_close(value, z[name], atol=1e-6, rtol=1e-5, msg=name)


def test_points_of_any_number_of_dimensions_are_lit_alike():
    lights = PointLights(location=torch.randn(3, 3))
    points, normals, eye = torch.randn(3, 10, 3), torch.randn(3, 10, 3), torch.randn(3, 3)
    flat = lights.specular(normals, points, eye, torch.full((3,), 4.0))
    deep = lights.specular(normals[:, :, None, None], points[:, :, None, None], eye, torch.full((3,), 4.0))
    assert torch.equal(flat, deep[:, :, 0, 0])
    assert torch.equal(
        lights.diffuse(normals, points), lights.diffuse(normals[:, :, None], points[:, :, None])[:, :, 0]
    )


def test_values_of_one_light_can_be_set():
    lights = PointLights(diffuse_color=((0.1, 0.2, 0.3),), location=((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
    lights[1].diffuse_color = (0.7, 0.8, 0.9)
    assert torch.equal(lights.diffuse_color, torch.tensor([[0.1, 0.2, 0.3], [0.7, 0.8, 0.9]]))
    copy = lights[1].clone()
    copy.diffuse_color = torch.zeros(1, 3)
    assert lights.diffuse_color[1, 2] == 0.9 and copy.diffuse_color.shape == (1, 3)
    cameras = FoVPerspectiveCameras(fov=torch.tensor([30.0, 40.0]))
    cameras[0].fov = torch.tensor([50.0])
    assert cameras.fov.tolist() == [30.0, 40.0]
