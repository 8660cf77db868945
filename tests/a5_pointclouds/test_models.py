"""Symmetries, shapes and gradients of PointNet."""

import pytest
import torch
from torch import nn

from a5_pointclouds.models import (
    FRAMES,
    MODELS,
    Neighbourhood,
    PointNetClassifier,
    PointNetSegmenter,
    PrincipalFrame,
    build_model,
    principal_axes,
)

TASKS = ("cls", "seg")
BOTH = [(task, frame) for task in TASKS for frame in FRAMES]


def clouds(count: int = 3, points: int = 40, seed: int = 0) -> torch.Tensor:
    """Clouds with a spread of their own along each axis."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, points, 3, generator=generator) * torch.tensor([1.0, 0.6, 0.3])


def rotations(count: int, seed: int = 0) -> torch.Tensor:
    """Random proper rotations (count, 3, 3)."""
    q = torch.linalg.qr(torch.randn(count, 3, 3, generator=torch.Generator().manual_seed(seed)))[0]
    return q * torch.linalg.det(q)[:, None, None]


def model_of(task: str, frame: str = "given", train: bool = False) -> nn.Module:
    """A model whose batch norms know their data, so that its logits tell clouds apart."""
    torch.manual_seed(0)
    model = build_model("pointnet", task, 4, frame)
    norms = [m for m in model.modules() if hasattr(m, "momentum")]
    for norm in norms:
        norm.momentum = 0.9
    with torch.no_grad():
        for seed in range(3):
            model(clouds(32, seed=seed))
    return model.train(train)


def forward(model: nn.Module, points: torch.Tensor) -> torch.Tensor:
    """Logits, with the same dropout and the same choices each time."""
    torch.manual_seed(1)
    with torch.no_grad():
        return model(points)


@pytest.mark.parametrize(("task", "frame"), BOTH)
@pytest.mark.parametrize("points", [1, 2, 40])
def test_shapes(task, frame, points):
    logits = forward(model_of(task, frame), clouds(3, points))
    assert logits.shape == ((3, 4) if task == "cls" else (3, points, 4)) and logits.dtype == torch.float32


@pytest.mark.parametrize("train", [False, True])
def test_the_classifier_does_not_see_the_order(train):
    model, x = model_of("cls", train=train), clouds()
    torch.testing.assert_close(forward(model, x[:, torch.randperm(40)]), forward(model, x), atol=1e-4, rtol=1e-4)


def test_the_classifier_does_not_see_copies():
    model, x = model_of("cls"), clouds()
    torch.testing.assert_close(forward(model, torch.cat([x, x[:, :9]], 1)), forward(model, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frame", FRAMES)
def test_the_segmenter_follows_the_order(frame):
    model, x, order = model_of("seg", frame), clouds(), torch.randperm(40)
    torch.testing.assert_close(forward(model, x[:, order]), forward(model, x)[:, order], atol=1e-4, rtol=1e-4)


def test_the_segmenter_follows_the_order_in_training():
    model, x, order = model_of("seg", train=True), clouds(), torch.randperm(40)
    model.dropout.p = 0.0
    torch.testing.assert_close(forward(model, x[:, order]), forward(model, x)[:, order], atol=1e-4, rtol=1e-4)


def test_the_segmenter_sees_the_whole_cloud():
    model, x = model_of("seg"), clouds()
    y = x.clone()
    y[:, 1:] *= 3
    assert (forward(model, x)[:, 0] - forward(model, y)[:, 0]).abs().max() > 1e-3


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", range(4))
def test_the_principal_frame_is_blind_to_pose(task, seed):
    model, x = model_of(task, "principal"), clouds(6)
    moved = x @ rotations(6, seed).mT + torch.randn(6, 1, 3)
    torch.testing.assert_close(forward(model, moved), forward(model, x), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("task", TASKS)
def test_without_it_a_model_is_not(task):
    model, x = model_of(task), clouds(6)
    assert (forward(model, x @ rotations(6).mT) - forward(model, x)).abs().max() > 0.2


def test_principal_axes():
    x = clouds(5) @ rotations(5).mT
    x = x - x.mean(1, keepdim=True)
    axes = principal_axes(x)
    torch.testing.assert_close(axes @ axes.mT, torch.eye(3).expand(5, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(axes), torch.ones(5))
    aligned = x @ axes
    spread = aligned.mT @ aligned / 40
    variances = spread.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(spread, torch.diag_embed(variances), atol=1e-5, rtol=0)
    assert (variances.diff(dim=1) < 0).all()


class Recorder(nn.Module):
    """Keeps what it is given; logits are the points' mean magnitudes."""

    def forward(self, points):
        self.seen = points
        return points.abs().mean(1)


def test_training_takes_one_of_four_frames():
    model = PrincipalFrame(Recorder()).train()
    x = clouds(1).expand(200, -1, -1)
    torch.manual_seed(0)
    model(x)
    aligned = (x - x.mean(1, keepdim=True)) @ principal_axes(x - x.mean(1, keepdim=True))
    signs = (model.model.seen * aligned).sum(1).sign()
    torch.testing.assert_close(model.model.seen, aligned * signs[:, None])
    assert (signs.prod(1) == 1).all()  # no mirror images
    counts = signs.unique(dim=0, return_counts=True)[1]
    assert len(counts) == 4 and counts.min() > 30


def test_evaluation_averages_the_probabilities_of_the_four():
    inner = model_of("cls")
    frame, x = PrincipalFrame(inner).eval(), clouds()
    centred = x - x.mean(1, keepdim=True)
    aligned = centred @ principal_axes(centred)
    four = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
    views = [forward(inner, aligned * torch.tensor(signs)).softmax(-1) for signs in four]
    torch.testing.assert_close(forward(frame, x).softmax(-1), torch.stack(views).mean(0))


@pytest.mark.parametrize(("task", "frame"), BOTH)
def test_gradients_reach_every_parameter(task, frame):
    model, x = model_of(task, frame, train=True), clouds(8)
    logits = model(x).flatten(0, -2)
    nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 4).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name


def linear(*widths: int) -> int:
    """Weights of products between these widths."""
    return sum(a * b for a, b in zip(widths, widths[1:], strict=False))


def test_numbers_of_parameters():
    encoder = linear(3, 64, 64, 64, 128, 1024) + 2 * (64 + 64 + 64 + 128 + 1024)
    classifier = encoder + linear(1024, 512, 256, 3) + 2 * (512 + 256) + 3
    encoder = linear(3, 64, 64, 64, 128, 512) + 2 * (64 + 64 + 64 + 128 + 512)
    near = linear(3, 64, 64) + 2 * (64 + 64)
    joined = 64 * 3 + 128 + 2 * (64 + 64) + 512
    segmenter = encoder + 2 * near + linear(joined, 192, 128, 6) + 2 * (192 + 128) + 6
    models = {"cls": MODELS["pointnet"]["cls"](3), "seg": MODELS["pointnet"]["seg"](6)}
    count = {task: sum(p.numel() for p in model.parameters()) for task, model in models.items()}
    assert count == {"cls": classifier, "seg": segmenter} == {"cls": 808_003, "seg": 327_750}


@pytest.mark.parametrize(("task", "frame"), BOTH)
def test_the_seed_decides_everything(task, frame):
    first, second = (model_of(task, frame, train=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert torch.equal(forward(first, clouds()), forward(second, clouds()))
    torch.manual_seed(5)
    other = build_model("pointnet", task, 4, frame)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def degenerate(kind: str, points: int = 30) -> torch.Tensor:
    """Four clouds without a frame of their own."""
    x = clouds(4, points)
    if kind == "one point":
        return torch.full_like(x, 0.7)
    if kind == "origin":
        return torch.zeros_like(x)
    if kind == "line":
        return x[..., :1] * torch.tensor([0.6, 0.0, 0.8])
    if kind == "plane":
        return x * torch.tensor([1.0, 0.0, 1.0])
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5])] * 3)
    return corners.expand(4, -1, -1)


@pytest.mark.parametrize(("task", "frame"), BOTH)
@pytest.mark.parametrize("kind", ["one point", "origin", "line", "plane", "cube"])
def test_degenerate_clouds_give_finite_values_and_gradients(task, frame, kind):
    model, x = model_of(task, frame), degenerate(kind)
    assert forward(model, x).isfinite().all()
    x = x.clone().requires_grad_()
    logits = model.train()(x).flatten(0, -2)
    nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 4).backward()
    assert logits.isfinite().all() and x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert all(b.isfinite().all() for b in model.buffers())


@pytest.mark.parametrize(("task", "frame"), BOTH)
def test_autocast(task, frame):
    model, x = model_of(task, frame, train=True), clouds(8)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(x)
        loss = logits.float().square().mean()
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_frame_adds_no_weights():
    with_frame, without = build_model("pointnet", "cls", 3, "principal"), build_model("pointnet", "cls", 3)
    assert [name.removeprefix("model.") for name in with_frame.state_dict()] == list(without.state_dict())
    assert isinstance(without, PointNetClassifier)
    assert isinstance(build_model("pointnet", "seg", 6), PointNetSegmenter)


def test_a_neighbourhood_is_seen_from_its_own_middle():
    """Moved by whole cells it looks the same; moved within the grid it does not have to, but all of a cell agree."""
    torch.manual_seed(0)
    around = Neighbourhood(0.25, 4).double().eval()
    points, features = 2 * torch.rand(2, 60, 3, dtype=torch.float64) - 1, torch.randn(2, 60, 4, dtype=torch.float64)
    seen = around(points, features)
    moved = around(points + torch.tensor([0.5, -0.75, 0.25], dtype=torch.float64), features)
    torch.testing.assert_close(moved, seen)
    assert seen.shape == (2, 60, around.outputs)
    cells = (points[0] / 0.25).floor().long()
    same = (cells[:, None] == cells).all(2)
    for row, others in enumerate(same):
        torch.testing.assert_close(seen[0, others], seen[0, row].expand(int(others.sum()), -1))
    near, far = seen[0, ~same[0]], seen[0, 0]
    assert (near - far).abs().amax(1).min() > 1e-6
