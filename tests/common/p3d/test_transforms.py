"""Rotation conversions and SO(3)/SE(3) maps against PyTorch3D's outputs and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import transforms as t3d

CONVENTIONS = ["XYZ", "ZYX", "XZY", "YXZ", "ZXZ", "YXY", "XYX", "ZYZ"]
EYE = torch.eye(3, dtype=torch.float64)
seeds = st.integers(0, 2**31 - 1)


def rotations(seed: int, n: int = 7) -> torch.Tensor:
    q = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return t3d.quaternion_to_matrix(q)


def close(value, expected, tolerance=1e-5):
    torch.testing.assert_close(value, expected.to(value), atol=tolerance, rtol=0.0)


# --- PyTorch3D's own outputs


def outputs_of(z):
    """(name of a golden array, our value, tolerance)."""
    q_matrix = t3d.quaternion_to_matrix(z["quat"])
    yield "so3_exp", t3d.so3_exp_map(z["log_rot"]), 1e-5
    yield "so3_exp", t3d.so3_exponential_map(z["log_rot"]), 1e-5
    yield "so3_exp_small", t3d.so3_exp_map(z["log_rot_small"]), 1e-5
    yield "so3_log", t3d.so3_log_map(z["so3_exp"]), 1e-5
    yield "so3_log_of_exp_small", t3d.so3_log_map(z["so3_exp_small"]), 1e-5
    yield "so3_rotation_angle", t3d.so3_rotation_angle(z["so3_exp"]), 1e-5
    yield "so3_relative_angle", t3d.so3_relative_angle(z["so3_exp"], q_matrix), 1e-5
    yield "so3_relative_angle_cos", t3d.so3_relative_angle(z["so3_exp"], q_matrix, cos_angle=True), 1e-5
    yield "axis_angle_to_matrix", t3d.axis_angle_to_matrix(z["log_rot"]), 1e-5
    yield "axis_angle_to_matrix_small", t3d.axis_angle_to_matrix(z["log_rot_small"]), 1e-5
    yield "axis_angle_to_matrix_fast", t3d.axis_angle_to_matrix(z["log_rot"], fast=True), 1e-5
    yield "matrix_to_axis_angle", t3d.matrix_to_axis_angle(z["so3_exp"]), 1e-3
    yield "matrix_to_axis_angle_fast", t3d.matrix_to_axis_angle(z["so3_exp"], fast=True), 1e-3
    yield "axis_angle_to_quaternion", t3d.axis_angle_to_quaternion(z["log_rot"]), 1e-5
    yield "axis_angle_to_quaternion_small", t3d.axis_angle_to_quaternion(z["log_rot_small"]), 1e-5
    yield "quaternion_to_axis_angle", t3d.quaternion_to_axis_angle(z["quat"]), 1e-5
    yield "quaternion_to_matrix", q_matrix, 1e-5
    yield "matrix_to_quaternion", t3d.matrix_to_quaternion(q_matrix), 1e-5
    yield "standardize_quaternion", t3d.standardize_quaternion(z["quat"]), 1e-5
    yield "quaternion_raw_multiply", t3d.quaternion_raw_multiply(z["quat"], z["quat2"]), 1e-5
    yield "quaternion_multiply", t3d.quaternion_multiply(z["quat"], z["quat2"]), 1e-5
    yield "quaternion_invert", t3d.quaternion_invert(z["quat"]), 1e-5
    yield "quaternion_apply", t3d.quaternion_apply(z["quat"], z["points"]), 1e-5
    yield "rotation_6d_to_matrix", t3d.rotation_6d_to_matrix(z["d6"]), 1e-5
    yield "matrix_to_rotation_6d", t3d.matrix_to_rotation_6d(z["so3_exp"]), 1e-5
    yield "hat", t3d.hat(z["log_rot"]), 1e-5
    yield "se3_exp", t3d.se3_exp_map(z["se3_log"]), 1e-5
    yield "se3_log_of_exp", t3d.se3_log_map(z["se3_exp"]), 1e-3
    yield "se3_exp_small", t3d.se3_exp_map(torch.cat((z["points"][:6], z["log_rot_small"]), 1)), 1e-5


def test_conversions_equal_pytorch3d(golden):
    z, _ = golden("rotations")
    for name, value, tolerance in outputs_of(z):
        torch.testing.assert_close(value, z[name], atol=tolerance, rtol=0.0, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_euler_angles_equal_pytorch3d(golden, convention):
    z, _ = golden("rotations")
    matrix = t3d.euler_angles_to_matrix(z[f"euler_{convention}_in"], convention)
    close(matrix, z[f"euler_{convention}_to_matrix"])
    close(
        t3d.matrix_to_euler_angles(z[f"euler_{convention}_to_matrix"], convention), z[f"matrix_to_euler_{convention}"]
    )


@pytest.mark.parametrize(
    ("source", "function", "gradient"),
    [
        ("log_rot", t3d.so3_exp_map, "so3_exp_grad"),
        ("so3_exp", t3d.so3_log_map, "so3_log_grad"),
        ("quat", t3d.quaternion_to_matrix, "quaternion_to_matrix_grad"),
        ("d6", t3d.rotation_6d_to_matrix, "rotation_6d_to_matrix_grad"),
    ],
)
def test_gradients_equal_pytorch3d(golden, wave, source, function, gradient):
    z, _ = golden("rotations")
    x = z[source].clone().requires_grad_()
    out = function(x)
    (out * wave(out.shape, 0.1)).sum().backward()
    torch.testing.assert_close(x.grad, z[gradient], rtol=1e-3, atol=1e-3)


# --- properties


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_every_conversion_and_back_is_the_same_rotation(seed):
    R = rotations(seed)
    close(t3d.quaternion_to_matrix(t3d.matrix_to_quaternion(R)), R, 1e-9)
    close(t3d.axis_angle_to_matrix(t3d.matrix_to_axis_angle(R)), R, 1e-9)
    close(t3d.rotation_6d_to_matrix(t3d.matrix_to_rotation_6d(R)), R, 1e-9)
    for convention in CONVENTIONS:
        angles = t3d.matrix_to_euler_angles(R, convention)
        close(t3d.euler_angles_to_matrix(angles, convention), R, 1e-6)
    close(R @ R.transpose(1, 2), EYE.expand_as(R), 1e-9)
    assert (torch.linalg.det(R) > 0).all()


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_quaternions_multiply_and_apply_as_matrices_do(seed):
    A, B = rotations(seed), rotations(seed + 1)
    a, b = t3d.matrix_to_quaternion(A), t3d.matrix_to_quaternion(B)
    close(t3d.quaternion_to_matrix(t3d.quaternion_multiply(a, b)), A @ B, 1e-9)
    close(t3d.quaternion_to_matrix(t3d.quaternion_invert(a)), A.transpose(1, 2), 1e-9)
    point = torch.tensor([0.3, -2.0, 1.0], dtype=torch.float64)
    close(t3d.quaternion_apply(a, point), A @ point, 1e-9)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_exponential_maps_equal_the_matrix_exponential(seed):
    generator = torch.Generator().manual_seed(seed)
    log = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    close(t3d.so3_exp_map(log[:, 3:]), torch.linalg.matrix_exp(t3d.hat(log[:, 3:])), 1e-9)
    tangent = torch.zeros(5, 4, 4, dtype=torch.float64)
    tangent[:, :3, :3], tangent[:, :3, 3] = t3d.hat(log[:, 3:]), log[:, :3]
    close(t3d.se3_exp_map(log), torch.linalg.matrix_exp(tangent).transpose(1, 2), 1e-9)
    short = log * torch.tensor([1.0] * 3 + [0.5] * 3, dtype=torch.float64)
    keep = short[:, 3:].norm(dim=1) < 3.0
    close(t3d.se3_log_map(t3d.se3_exp_map(short[keep])), short[keep], 1e-6)
    close(t3d.Transform3d(matrix=t3d.se3_exp_map(short[keep])).get_se3_log(), short[keep], 1e-6)


def test_euler_angles_about_single_axes():
    angle = torch.tensor(0.3)
    zero = torch.tensor(0.0)
    matrix = t3d.euler_angles_to_matrix(torch.stack((angle, zero, zero)), "XYZ")
    cosine, sine = math.cos(0.3), math.sin(0.3)
    close(matrix, torch.tensor([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]), 1e-6)


def test_batch_dimensions_are_free():
    q = torch.randn(2, 1, 3, 4)
    assert t3d.quaternion_to_matrix(q).shape == (2, 1, 3, 3, 3)
    assert t3d.matrix_to_quaternion(torch.eye(3)).tolist() == [1, 0, 0, 0]
    assert t3d.matrix_to_quaternion(torch.zeros(0, 3, 3)).shape == (0, 4)
    assert t3d.euler_angles_to_matrix(torch.zeros(2, 5, 3), "ZYX").shape == (2, 5, 3, 3)
    assert t3d.quaternion_multiply(torch.randn(5, 1, 4), torch.randn(3, 4)).shape == (5, 3, 4)


def test_gradients_at_the_identity_are_finite():
    log = torch.zeros(1, 3, requires_grad=True)
    (t3d.axis_angle_to_matrix(log).sum() + t3d.so3_exp_map(log).sum()).backward()
    R = torch.eye(3)[None].requires_grad_()
    t3d.so3_log_map(R).sum().backward()
    assert log.grad.isfinite().all() and R.grad.isfinite().all()


def test_conversions_gradcheck():
    generator = torch.Generator().manual_seed(3)
    vector = torch.randn(2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(t3d.so3_exp_map, vector)
    assert torch.autograd.gradcheck(t3d.axis_angle_to_matrix, vector)
    six = torch.randn(2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(t3d.se3_exp_map, six)
    assert torch.autograd.gradcheck(lambda x: t3d.se3_log_map(t3d.se3_exp_map(x)), six)
    assert torch.autograd.gradcheck(t3d.rotation_6d_to_matrix, six)


def test_random_rotations_are_rotations_and_follow_the_seed():
    torch.manual_seed(0)
    first = t3d.random_rotations(4, dtype=torch.float64)
    torch.manual_seed(0)
    assert torch.equal(first, t3d.random_rotations(4, dtype=torch.float64))
    close(first @ first.transpose(1, 2), EYE.expand_as(first), 1e-9)
    assert t3d.random_rotation().shape == (3, 3)
    assert (t3d.random_quaternions(50)[:, 0] >= 0).all()


def test_relative_angle_of_turns_about_one_axis():
    angles = torch.tensor([[0.0, 0.0, 0.2], [0.0, 0.0, 1.7]])
    a, b = t3d.axis_angle_to_matrix(angles).split(1)
    close(t3d.so3_relative_angle(a, b), torch.tensor([1.5]), 1e-4)


def test_acos_continues_in_a_straight_line():
    x = torch.tensor([-2.0, -0.5, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    y = t3d.acos_linear_extrapolation(x, (-0.9, 0.9))
    close(y[1:3], torch.acos(x[1:3]), 1e-12)
    slope = -1 / math.sqrt(1 - 0.81)
    close(y[3], torch.tensor(math.acos(0.9) + slope * 1.1), 1e-6)
    y.sum().backward()
    close(x.grad[[0, 3]], torch.tensor([slope, slope]), 1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: t3d.matrix_to_quaternion(torch.zeros(4, 4)),
        lambda: t3d.quaternion_apply(torch.zeros(4), torch.zeros(2)),
        lambda: t3d.euler_angles_to_matrix(torch.zeros(3), "XXZ"),
        lambda: t3d.euler_angles_to_matrix(torch.zeros(3), "xyz"),
        lambda: t3d.euler_angles_to_matrix(torch.zeros(2), "XYZ"),
        lambda: t3d.matrix_to_euler_angles(torch.eye(3), "XY"),
        lambda: t3d.hat(torch.zeros(3)),
        lambda: t3d.hat_inv(torch.ones(1, 3, 3)),
        lambda: t3d.so3_log_map(torch.eye(3)),
        lambda: t3d.so3_rotation_angle(5 * torch.eye(3)[None]),
        lambda: t3d.so3_rotation_angle(torch.eye(4)[None]),
        lambda: t3d.acos_linear_extrapolation(torch.zeros(1), (0.5, 1.0)),
        lambda: t3d.se3_exp_map(torch.zeros(2, 5)),
        lambda: t3d.se3_log_map(torch.ones(1, 4, 4)),
        lambda: t3d.se3_log_map(torch.eye(3)[None]),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError):
        call()
