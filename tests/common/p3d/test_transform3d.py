"""Transform3d and its kinds against PyTorch3D's outputs and closed forms."""

import math

import pytest
import torch

from common.p3d import transforms as t3d


def close(value, expected, tolerance=1e-5):
    torch.testing.assert_close(value, expected.to(value), atol=tolerance, rtol=0.0)


def test_transform3d_equals_pytorch3d(golden):
    z, _ = golden("transform3d")
    t, s, R, points = z["t"], z["s"], z["R"], z["points"]
    composed = t3d.Translate(t).compose(t3d.Scale(s), t3d.Rotate(R))
    turned = t3d.RotateAxisAngle(torch.tensor([30.0, -45.0, 100.0]), "Y")
    perspective = t3d.Transform3d(matrix=z["persp_matrix"])
    values = {
        "compose_matrix": composed.get_matrix(),
        "compose_points": composed.transform_points(points),
        "compose_normals": composed.transform_normals(z["normals"]),
        "inverse_matrix": composed.inverse().get_matrix(),
        "inverse_points": composed.inverse().transform_points(points),
        "chain": t3d.Transform3d().rotate(R).scale(s).translate(t).transform_points(points),
        "axis_angle_matrix": turned.get_matrix(),
        "axis_angle_points": turned.transform_points(points),
        "stack_matrix": t3d.Translate(t).stack(t3d.Scale(s)).get_matrix(),
        "persp_points": perspective.transform_points(points),
        "persp_points_eps": perspective.transform_points(points, eps=0.5),
    }
    for name, value in values.items():
        torch.testing.assert_close(value, z[name], rtol=1e-5, atol=1e-5)


def test_translate_and_scale_take_numbers_and_tensors():
    point = torch.tensor([[1.0, 2.0, 3.0]])
    close(t3d.Translate(1.0, 0.0, -1.0).transform_points(point), torch.tensor([[2.0, 2.0, 2.0]]))
    close(t3d.Translate(torch.tensor([1.0, 2.0]), 0.0, 0.0).transform_points(point)[:, 0, 0], torch.tensor([2.0, 3.0]))
    close(t3d.Scale(2.0).transform_points(point), 2 * point)
    close(t3d.Scale(1.0, 2.0, 3.0).transform_points(point), torch.tensor([[1.0, 4.0, 9.0]]))
    close(t3d.Scale(torch.tensor([2.0, 3.0])).transform_points(point)[:, 0, 1], torch.tensor([4.0, 6.0]))


def test_axis_angle_turns_counterclockwise():
    x_axis = torch.tensor([[1.0, 0.0, 0.0]])
    close(t3d.RotateAxisAngle(90.0, "Z").transform_points(x_axis), torch.tensor([[0.0, 1.0, 0.0]]), 1e-6)
    radians = t3d.RotateAxisAngle(math.pi / 2, "y", degrees=False)
    close(radians.transform_points(x_axis), torch.tensor([[0.0, 0.0, -1.0]]), 1e-6)


def test_shapes_of_transformed_points():
    one, three = t3d.Transform3d(), t3d.Translate(torch.zeros(3, 3))
    assert one.transform_points(torch.zeros(5, 3)).shape == (5, 3)
    assert one.transform_points(torch.zeros(2, 5, 3)).shape == (2, 5, 3)
    assert one.transform_points(torch.zeros(0, 3)).shape == (0, 3)
    assert one.transform_points(torch.zeros(3)).shape == (3,)
    assert three.transform_points(torch.zeros(5, 3)).shape == (3, 5, 3)
    assert three.transform_normals(torch.zeros(3, 5, 3)).shape == (3, 5, 3)


def test_objects_do_not_change():
    start = t3d.Translate(1.0, 2.0, 3.0)
    before = start.get_matrix().clone()
    start.scale(2.0).rotate(torch.eye(3)).rotate_axis_angle(30.0, "X").translate(1.0, 1.0, 1.0)
    start.clone().get_matrix().zero_()
    assert torch.equal(start.get_matrix(), before)
    assert start.to("cpu") is start
    assert start.cpu().to("cpu", dtype=torch.float64).dtype == torch.float64
    assert start.to("cpu", copy=True) is not start


def test_indexing_gives_batches():
    t = t3d.Translate(torch.arange(12.0).view(4, 3))
    assert len(t) == 4 and len(t[1]) == 1 and len(t[1:]) == 3 and len(t[[0, 2]]) == 2
    assert len(t[torch.tensor([True, False, True, True])]) == 3
    close(t[-1].get_matrix()[0, 3, :3], torch.tensor([9.0, 10.0, 11.0]))


def test_normals_stay_orthogonal_to_the_surface():
    generator = torch.Generator().manual_seed(1)
    t = t3d.Scale(1.0, 2.0, 0.5).rotate_axis_angle(40.0, "X").translate(1.0, 2.0, 3.0)
    along, other = torch.randn(2, 8, 3, generator=generator)
    normal = torch.linalg.cross(along, other)
    moved = t.transform_points(along) - t.transform_points(torch.zeros_like(along))
    close((moved * t.transform_normals(normal)).sum(1), torch.zeros(8), 1e-5)


def test_gradients_flow_through_a_chain():
    shift = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    points = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def project(shift):
        return t3d.Translate(shift, dtype=torch.float64).scale(2.0).inverse().transform_points(points)

    assert torch.autograd.gradcheck(project, shift)


@pytest.mark.parametrize(
    "call",
    [
        lambda: t3d.Transform3d(matrix=torch.eye(3)),
        lambda: t3d.Transform3d().compose(torch.eye(4)),
        lambda: t3d.Transform3d().transform_points(torch.zeros(2, 4)),
        lambda: t3d.Rotate(torch.eye(4)),
        lambda: t3d.RotateAxisAngle(3.0, "W"),
        lambda: t3d.Translate(torch.zeros(2, 2)),
        lambda: t3d.Translate(1.0, 2.0),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError):
        call()


def test_parts_keep_their_class_and_nonsense_is_refused():
    shift = t3d.Translate(torch.arange(6.0).view(2, 3))
    assert isinstance(shift[1], t3d.Translate) and torch.equal(shift[1].get_matrix(), shift.get_matrix()[1:])
    for call in (
        lambda: t3d.Translate(torch.ones(3), torch.ones(2), 0.0),
        lambda: t3d.Translate(torch.ones(2, 3), torch.ones(2), torch.ones(2)),
    ):
        with pytest.raises(ValueError):
            call()
