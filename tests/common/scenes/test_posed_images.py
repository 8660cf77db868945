"""Views with their cameras: what does not fit is named, pictures and cameras change their size together."""

import numpy as np
import pytest
import torch

from common.cli import UserError
from common.p3d import PerspectiveCameras, random_rotations
from common.scenes import PosedImages
from common.scenes.posed_images import check_rotations

VIEWS, SIZE = 6, (12, 16)


def posed(alpha=True, size=SIZE, image_size=None, **values):
    """Six random views: three to train on, one for validation, two for the test."""
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(0)
    coverage = torch.rand(VIEWS, *size, generator=generator)
    images = torch.rand(VIEWS, *size, 3, generator=generator) * (coverage[..., None] if alpha else 1.0)
    lens = {"focal_length": torch.tensor([[1.7, 1.4]]), "principal_point": torch.tensor([[0.2, -0.1]])}
    cameras = PerspectiveCameras(**lens, R=random_rotations(VIEWS), T=torch.rand(VIEWS, 3), image_size=image_size)
    split = {"train": torch.tensor([1, 3, 5]), "val": torch.tensor([0]), "test": torch.tensor([2, 4])}
    return PosedImages(
        **{"name": "toy", "images": images, "cameras": cameras, "split": split, "alpha": coverage if alpha else None}
        | values
    )


def test_as_many_poses_as_pictures():
    scene = posed()
    with pytest.raises(UserError, match="^toy: 5 images but 6 poses; there must be one for each$"):
        posed(images=scene.images[:5])
    with pytest.raises(UserError, match="^toy: 6 images but 2 poses"):
        posed(cameras=scene.cameras[[0, 1]])


SINGULAR = torch.diag(torch.tensor([1.0, 1.0, 0.0]))
SHEARED = torch.eye(3) + torch.tensor([[0.0, 0.01, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (SINGULAR, "determinant 0[);]"),
        (torch.zeros(3, 3), "off by 1,"),
        (SHEARED, r"off by 0\.01,"),
        (1.01 * torch.eye(3), r"off by 0\.0201,"),
        (torch.diag(torch.tensor([1.0, 1.0, -1.0])), "off by 0, determinant -1"),
        (torch.full((3, 3), torch.nan), "off by nan"),
        (torch.full((3, 3), torch.inf), "determinant nan"),
    ],
)
@pytest.mark.parametrize("view", [0, 4])
def test_a_matrix_that_is_no_rotation_is_named_by_its_view(matrix, said, view):
    cameras = posed().cameras
    R = cameras.R.clone()
    R[view] = matrix
    with pytest.raises(UserError, match=f"^toy: the rotation of view {view} is not one .*{said}"):
        posed(cameras=PerspectiveCameras(R=R, T=cameras.T))


def test_rotations_rounded_to_three_digits_pass():
    R = random_rotations(50)
    check_rotations((R * 5000).round() / 5000, "toy")
    check_rotations(R.half(), "toy", tolerance=5e-3)


@pytest.mark.parametrize(("views", "named"), [([0, 6], 6), ([-1, 2], -1), ([1, 2, 99, 3], 99), ([5, -7], -7)])
def test_a_split_names_only_views_that_there_are(views, named):
    split = posed().split
    with pytest.raises(UserError, match=f"^toy: split test names view {named} of 6$"):
        posed(split={**split, "test": torch.tensor(views)})


def test_there_must_be_a_view_to_train_on():
    for split in ({}, {"train": torch.tensor([], dtype=torch.long), "test": torch.tensor([0])}):
        with pytest.raises(UserError, match="^toy: no view to train on$"):
            posed(split=split)


def test_premultiplied_colours_over_a_background():
    scene = posed()
    color = torch.tensor([0.9, 0.3, 0.1])
    for background in (0.0, 1.0, 0.4, color):
        wanted = np.empty(scene.images.shape)
        for index in np.ndindex(*wanted.shape):
            behind = background if isinstance(background, float) else float(background[index[-1]])
            wanted[index] = float(scene.images[index]) + (1 - float(scene.alpha[index[:-1]])) * behind
        np.testing.assert_allclose(scene.over(background).numpy(), wanted, atol=1e-6)
    assert torch.equal(scene.over(0.0), scene.images)
    plain = posed(alpha=False)
    assert plain.over(1.0) is plain.images


def test_smaller_pictures_are_means_of_areas():
    scene = posed()
    small = scene.resized(3, 4)
    assert small.image_size == (3, 4) and small.split is scene.split and small.name == scene.name
    blocks = scene.images.view(VIEWS, 3, 4, 4, 4, 3).double().mean((2, 4))
    np.testing.assert_allclose(small.images.numpy(), blocks.numpy(), atol=1e-6)
    blocks = scene.alpha.view(VIEWS, 3, 4, 4, 4).double().mean((2, 4))
    np.testing.assert_allclose(small.alpha.numpy(), blocks.numpy(), atol=1e-6)
    torch.testing.assert_close(
        small.over(0.7), posed(alpha=False, images=scene.over(0.7)).resized(3, 4).images, atol=1e-6, rtol=0.0
    )


def test_larger_pictures_lie_between_those_that_were():
    ramp = (torch.arange(SIZE[1]) + 0.5)[None, None, :, None].expand(VIEWS, *SIZE, 3) / SIZE[1]
    large = posed(alpha=False, images=ramp).resized(24, 32)
    columns = (torch.arange(32) + 0.5) / 32
    torch.testing.assert_close(large.images[:, :, 1:-1], columns[None, None, 1:-1, None].expand(VIEWS, 24, 30, 3))
    assert large.alpha is None


def test_the_same_size_is_the_same_scene():
    scene = posed()
    assert scene.resized(*SIZE) is scene


@pytest.mark.parametrize(("size", "instead"), [((12, 12), "12 x 9"), ((16, 12), "12 x 9"), ((6, 9), "9 x 7")])
def test_another_shape_is_refused_and_the_right_one_said(size, instead):
    with pytest.raises(UserError, match=f"{size[1]} x {size[0]} is not the shape .* 16 x 12; take {instead}$"):
        posed().resized(*size)
    width, height = map(int, instead.split(" x "))
    assert posed().resized(height, width).image_size == (height, width)


@pytest.mark.parametrize("size", [(75, 100), (100, 75), (80, 80)])
@pytest.mark.parametrize("share", [0.5, 0.37, 1.3])
@pytest.mark.parametrize("known", [False, True])
def test_points_stay_at_their_place_in_the_picture(size, share, known):
    """Also where rounding to whole pixels changes the shape a little."""
    images = torch.zeros(VIEWS, *size, 3)
    scene = posed(alpha=None, images=images, image_size=torch.tensor([size]).expand(VIEWS, 2) if known else None)
    new = [round(share * side) for side in size]
    other = scene.resized(*new)
    local = torch.tensor([[0.3, -0.2, 3.0], [-0.9, 0.5, 4.0], [0.4, 0.8, 2.0]])
    points = scene.cameras.get_world_to_view_transform().inverse().transform_points(local)
    before, after = (
        s.cameras.transform_points_screen(points, **({} if known else {"image_size": [s.image_size]}))[..., :2]
        for s in (scene, other)
    )
    scale = torch.tensor([new[1] / size[1], new[0] / size[0]])
    torch.testing.assert_close(after, before * scale, atol=2e-4, rtol=0.0)
    torch.testing.assert_close(other.cameras.get_camera_center(), scene.cameras.get_camera_center())


def test_fewer_views_to_train_on():
    split = {"train": torch.arange(1, 6), "test": torch.tensor([0])}
    scene = posed(split=split)
    chosen = {}
    for seed in range(20):
        few = scene.fewer(3, seed)
        views = few.split["train"].tolist()
        assert views == sorted(set(views)) and len(views) == 3 and set(views) < set(range(1, 6))
        assert few.split["test"] is split["test"] and torch.equal(few.images, scene.images)
        assert torch.equal(few.split["train"], scene.fewer(3, seed).split["train"])
        chosen[tuple(views)] = seed
    assert len(chosen) > 5 and set().union(*chosen) == set(range(1, 6))
    assert torch.equal(scene.fewer(5).split["train"], split["train"]) and len(scene.split["train"]) == 5


@pytest.mark.parametrize("count", [0, -1, 4])
def test_more_views_than_there_are(count):
    with pytest.raises(UserError, match=f"^data.num_views: {count}, but toy has 3 training views$"):
        posed().fewer(count)
