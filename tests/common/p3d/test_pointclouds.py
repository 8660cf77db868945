"""Pointclouds: its three forms, indexing, changes and joins, with unequal, empty and no clouds."""

import pytest
import torch

from common.p3d import Pointclouds, join_pointclouds_as_batch, join_pointclouds_as_scene

SIZES = (4, 0, 7, 1)


def make(sizes=SIZES, seed=0):
    generator = torch.Generator().manual_seed(seed)
    points = [torch.randn(n, 3, generator=generator) for n in sizes]
    normals = [torch.randn(n, 3, generator=generator) for n in sizes]
    features = [torch.randn(n, 5, generator=generator) for n in sizes]
    return Pointclouds(points, normals, features), points, normals, features


def test_three_forms_hold_the_same_rows():
    clouds, points, normals, features = make()
    forms = {"points": points, "normals": normals, "features": features}
    for name, rows in forms.items():
        assert all(torch.equal(a, b) for a, b in zip(getattr(clouds, f"{name}_list")(), rows, strict=True))
        assert torch.equal(getattr(clouds, f"{name}_packed")(), torch.cat(rows))
        padded = getattr(clouds, f"{name}_padded")()
        assert padded.shape == (4, 7, rows[0].shape[1])
        for n, row in enumerate(rows):
            assert torch.equal(padded[n, : len(row)], row) and not padded[n, len(row) :].any()
    assert torch.equal(Pointclouds(clouds.points_padded()).points_padded(), clouds.points_padded())


def test_indices_between_the_forms():
    clouds, points, _, _ = make()
    assert clouds.num_points_per_cloud().tolist() == list(SIZES)
    assert clouds.cloud_to_packed_first_idx().tolist() == [0, 4, 4, 11]
    assert clouds.packed_to_cloud_idx().tolist() == [0] * 4 + [2] * 7 + [3]
    flat = clouds.points_padded().reshape(-1, 3)
    assert torch.equal(flat[clouds.padded_to_packed_idx()], torch.cat(points))
    assert len(clouds) == 4 and not clouds.equisized and not clouds.isempty()


def test_empty_batches_and_clouds():
    nothing = Pointclouds([])
    assert len(nothing) == 0 and nothing.isempty() and nothing.points_packed().shape == (0, 3)
    assert nothing.points_padded().shape == (0, 0, 3) and nothing.points_list() == []
    assert len(nothing.clone()) == 0 and nothing.get_bounding_boxes().shape == (0, 3, 2)
    empties = Pointclouds([torch.zeros(0, 3)] * 2, features=[torch.zeros(0, 4)] * 2)
    assert empties.isempty() and empties.features_padded().shape == (2, 0, 4)
    assert len(make()[0][[]]) == 0
    assert Pointclouds(torch.zeros(0, 5, 3)).points_packed().shape == (0, 3)
    assert Pointclouds([torch.zeros(0)]).points_packed().shape == (0, 3)


def test_indexing():
    clouds, points, _, features = make()
    assert torch.equal(clouds[2].points_packed(), points[2])
    assert torch.equal(clouds[-1].features_packed(), features[3])
    assert clouds[1:3].num_points_per_cloud().tolist() == [0, 7]
    assert clouds[[3, 0]].num_points_per_cloud().tolist() == [1, 4]
    assert clouds[torch.tensor([2, 2])].num_points_per_cloud().tolist() == [7, 7]
    assert clouds[torch.tensor([True, False, False, True])].num_points_per_cloud().tolist() == [4, 1]
    assert [len(c.points_packed()) for c in clouds] == list(SIZES)
    assert torch.equal(clouds.get_cloud(0)[2], features[0])
    with pytest.raises(IndexError):
        clouds[4]


def test_split_extend_and_join():
    clouds, points, _, _ = make()
    parts = clouds.split([1, 3])
    assert [len(p) for p in parts] == [1, 3] and torch.equal(parts[1].points_packed(), torch.cat(points[1:]))
    assert clouds.extend(2).num_points_per_cloud().tolist() == [4, 4, 0, 0, 7, 7, 1, 1]
    batch = join_pointclouds_as_batch([parts[1], parts[0]])
    assert batch.num_points_per_cloud().tolist() == [0, 7, 1, 4]
    scene = join_pointclouds_as_scene(clouds)
    assert len(scene) == 1 and torch.equal(scene.points_packed(), torch.cat(points))
    assert len(join_pointclouds_as_scene([clouds, clouds]).features_packed()) == 24


def test_copies_and_gradients():
    points = torch.randn(3, 3, requires_grad=True)
    clouds = Pointclouds([points, torch.zeros(2, 3)])
    clouds.extend(2).points_padded().sum().backward()
    assert torch.equal(points.grad, torch.full((3, 3), 2.0))
    assert not clouds.detach().points_packed().requires_grad
    copy = clouds.detach().clone()
    copy.points_packed().zero_()
    assert points.abs().sum() > 0
    assert clouds.to("cpu") is clouds and clouds.cpu() is clouds
    assert clouds.to("cpu", copy=True) is not clouds and clouds.device == torch.device("cpu")


def test_offset_and_scale():
    clouds, points, _, _ = make()
    shift = torch.randn(12, 3)
    assert torch.equal(clouds.offset(shift).points_packed(), torch.cat(points) + shift)
    assert torch.equal(clouds.offset(shift[0]).points_packed(), torch.cat(points) + shift[0])
    factors = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert torch.equal(clouds.scale(factors).points_list()[2], points[2] * 3.0)
    assert torch.equal(clouds.scale(0.5).points_packed(), torch.cat(points) * 0.5)
    assert torch.equal(clouds.points_packed(), torch.cat(points))
    assert clouds.scale_(2.0).offset_(torch.ones(3)) is clouds
    torch.testing.assert_close(clouds.points_packed(), torch.cat(points) * 2.0 + 1.0)


def test_update_padded():
    clouds, _, _, features = make()
    new = torch.randn(4, 7, 3)
    updated = clouds.update_padded(new, new_features_padded=torch.ones(4, 7, 2))
    assert torch.equal(updated.points_list()[2], new[2]) and torch.equal(updated.points_list()[0], new[0, :4])
    assert updated.features_packed().shape == (12, 2)
    assert torch.equal(clouds.update_padded(new).features_packed(), torch.cat(features))


def test_subsample_keeps_rows_together():
    clouds, points, _, features = make()
    torch.manual_seed(0)
    small = clouds.subsample(3)
    assert small.num_points_per_cloud().tolist() == [3, 0, 3, 1]
    for kept, feature in zip(small.points_list()[2], small.features_list()[2], strict=True):
        row = (points[2] == kept).all(1).nonzero().item()
        assert torch.equal(feature, features[2][row])
    assert clouds.subsample([1, 1, 9, 0]).num_points_per_cloud().tolist() == [1, 0, 7, 0]


def test_boxes():
    clouds, points, _, _ = make()
    boxes = clouds.get_bounding_boxes()
    for n in (0, 2, 3):
        assert torch.equal(boxes[n], torch.stack((points[n].amin(0), points[n].amax(0)), 1))
    assert boxes[1].tolist() == [[float("inf"), float("-inf")]] * 3
    box = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    inside = (torch.cat(points).abs() <= 1).all(1)
    assert torch.equal(clouds.inside_box(box), inside)
    assert clouds.inside_box(boxes.transpose(1, 2)[[0, 0, 2, 3]]).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: Pointclouds(3),
        lambda: Pointclouds(torch.zeros(4, 3)),
        lambda: Pointclouds([torch.zeros(4, 2)]),
        lambda: Pointclouds([torch.zeros(4, 3)], features=[torch.zeros(3, 2)]),
        lambda: Pointclouds([torch.zeros(4, 3)], features=[torch.zeros(4, 2)] * 2),
        lambda: Pointclouds([torch.zeros(4, 3)] * 2, features=[torch.zeros(4, 2), torch.zeros(4, 1)]),
        lambda: Pointclouds([torch.zeros(4, 3)], normals=torch.zeros(1, 4, 2)),
        lambda: Pointclouds([torch.zeros(4, 3)], features=torch.zeros(1, 5, 2)),
        lambda: make()[0].extend(0),
        lambda: make()[0].split([1, 1]),
        lambda: make()[0].offset(torch.zeros(4, 3)),
        lambda: make()[0].scale(torch.zeros(3)),
        lambda: make()[0].subsample([1]),
        lambda: make()[0].update_padded(torch.zeros(4, 6, 3)),
        lambda: make()[0].inside_box(torch.zeros(3)),
        lambda: make()[0].inside_box(torch.tensor([[1.0] * 3, [0.0] * 3])),
        lambda: join_pointclouds_as_batch([]),
        lambda: join_pointclouds_as_batch([make()[0], Pointclouds([torch.zeros(1, 3)])]),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError):
        call()


def test_estimated_normals_can_be_kept():
    generator = torch.Generator().manual_seed(0)
    balls = [torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=1) for n in (300, 200)]
    clouds = Pointclouds(balls)
    normals = clouds.estimate_normals(12)
    assert clouds.normals_packed() is None and clouds.valid.tolist() == [True, True]
    assert torch.equal(clouds.estimate_normals(12, assign_to_self=True)[0], normals[0])
    cosine = (clouds.normals_packed() * clouds.points_packed()).sum(1).abs()
    assert clouds.normals_padded().shape == (2, 300, 3) and cosine.min() > 0.9
    assert Pointclouds([balls[0], torch.zeros(0, 3)]).valid.tolist() == [True, False]


def test_lists_are_the_tensors_given():
    """Gradients of the parts are found where PyTorch3D leaves them: in the tensors that went in."""
    parts = [torch.rand(n, 3, requires_grad=True) for n in (4, 0, 2)]
    clouds = Pointclouds(parts, features=[torch.rand(4, 2), None, torch.rand(2, 2)])
    assert all(a is b for a, b in zip(clouds.points_list(), parts, strict=True))
    assert clouds[2].points_list()[0] is parts[2] and clouds.get_cloud(0)[0] is parts[0]
    assert clouds.points_list()[0] is clouds._points_list[0] and clouds._num_points_per_cloud.tolist() == [4, 0, 2]
    clouds.points_packed().sum().backward()
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in (parts[0], parts[2]))
    moved = clouds.offset(torch.ones(3))
    torch.testing.assert_close(moved.points_list()[2], parts[2] + 1)
    with pytest.raises(AttributeError, match="_nothing_list"):
        getattr(clouds, "_nothing_list")  # noqa: B009
    assert clouds.subsample(4) is clouds
    with pytest.raises(ValueError, match="same number of features"):
        join_pointclouds_as_batch([clouds, Pointclouds([torch.zeros(1, 3)], features=[torch.zeros(1, 5)])])


def test_empty_clouds_of_any_shape_can_be_picked():
    clouds = Pointclouds([torch.rand(4, 3), torch.zeros(0)], features=[torch.rand(4, 2), torch.zeros(0, 0)])
    assert clouds[1].points_padded().shape == (1, 0, 3) and clouds[[0, 1]].features_padded().shape == (2, 4, 2)
    assert clouds[[1]].features_packed().shape == (0, 2)


def test_clouds_must_be_on_one_device_and_have_features():
    points = torch.rand(2, 3)
    with pytest.raises(ValueError, match="same device"):
        Pointclouds([points, points.to("meta")])
    with pytest.raises(ValueError, match="features must be"):
        Pointclouds([points, points], features=[points, None])
    with pytest.raises(ValueError, match="expected"):
        Pointclouds([points]).update_padded(points[None], new_features_padded=points[None, :, 0])
    half = Pointclouds([points, points[:0]], features=[points.half(), None])
    assert half.features_packed().dtype == torch.float16


def test_clouds_without_points_get_a_gradient_too():
    points = [torch.rand(n, 3, requires_grad=True) for n in (0, 5, 0)]
    for form in ("points_packed", "points_padded"):
        gradients = torch.autograd.grad(getattr(Pointclouds(points), form)().sum(), points)
        assert [tuple(gradient.shape) for gradient in gradients] == [(0, 3), (5, 3), (0, 3)]
