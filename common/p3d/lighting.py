"""Lights, materials, and how they colour a surface: ambient, diffuse (Lambert) and specular (Phong) reflection."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from .tensor_properties import TensorProperties

__all__ = ["AmbientLights", "DirectionalLights", "Materials", "PointLights", "diffuse", "specular"]

Values = float | tuple | list | Tensor
Device = torch.device | str
EPSILON = 1e-6  # vectors are divided by their length, or by this if it is less


def diffuse(normals: Tensor, color: Tensor, direction: Tensor) -> Tensor:
    """color * max(n . l, 0): Lambert's cosine law.

    Args:
        normals: (N, ..., 3), any length.
        color: (N, 3) or (1, 3), or as the normals.
        direction: towards the light, (N, 3) or (1, 3), or as the normals; any length.

    Returns:
        Shaped as the normals.
    """
    direction = _match(direction, normals)
    cosine = _dot(normals, direction) / (_length(normals) * _length(direction))
    return _match(color, normals) * F.relu(cosine)[..., None]


def specular(
    points: Tensor, normals: Tensor, direction: Tensor, color: Tensor, camera_position: Tensor, shininess: Tensor
) -> Tensor:
    """color * max(v . r, 0)^shininess, r the light mirrored at the normal, v the way to the camera (Phong 1975).

    Args:
        points, normals: (N, ..., 3).
        direction, color, camera_position: (N, 3) or (1, 3), or as the points.
        shininess: (N,), (1,), or as the points without the last dimension.

    Returns:
        Shaped as the points; 0 where the light is behind the surface.

    Raises:
        ValueError: points and normals of unlike shape.
    """
    if points.shape != normals.shape:
        raise ValueError(f"points and normals must have one shape, got {tuple(points.shape)}, {tuple(normals.shape)}")
    direction, view = _match(direction, normals), _match(camera_position, points) - points
    n, d, v = _length(normals), _length(direction), _length(view)
    cosine = _dot(normals, direction) / (n * d)
    mirrored = 2.0 * cosine * (_dot(view, normals) / (v * n)) - _dot(view, direction) / (v * d)  # v . r
    towards = F.relu(mirrored) * (cosine > 0)
    shininess = torch.as_tensor(shininess, dtype=towards.dtype, device=towards.device)
    shininess = shininess if shininess.dim() == towards.dim() else shininess.view(-1, *[1] * (towards.dim() - 1))
    return _match(color, points) * towards.pow(shininess)[..., None]


def _match(values: Tensor, like: Tensor) -> Tensor:
    """(N, 3) as (N, 1, ..., 3), for (N, ..., 3); values of that dimension already stay."""
    values = torch.as_tensor(values, device=like.device)
    values = values[None] if values.dim() == 1 else values
    return values if values.dim() == like.dim() else values.view(-1, *[1] * (like.dim() - 2), values.shape[-1])


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def _length(a: Tensor) -> Tensor:
    return _dot(a, a).clamp(min=max(EPSILON**2, torch.finfo(a.dtype).tiny)).sqrt()


def _check_channels(properties: TensorProperties, names: Iterable[str], channels: int) -> None:
    for name in names:
        shape = tuple(getattr(properties, name).shape)
        if shape[-1] != channels:
            raise ValueError(f"Expected {name} to have shape (N, {channels}); got {shape}")


class _Lights(TensorProperties):
    """What lights with a direction share: `_towards(points)` is the direction to the light."""

    def __init__(self, ambient: Values, diffuse: Values, specular: Values, device: Device, **place: Values):
        properties = {"ambient_color": ambient, "diffuse_color": diffuse, "specular_color": specular, **place}
        super().__init__(device=device, **properties)
        _check_channels(self, properties, 3)

    def _towards(self, points: Tensor) -> Tensor:
        raise NotImplementedError

    def diffuse(self, normals: Tensor, points: Tensor | None = None) -> Tensor:
        """Diffuse light at points with normals, both (N, ..., 3)."""
        return diffuse(normals, self.diffuse_color, self._towards(points))

    def specular(self, normals: Tensor, points: Tensor, camera_position: Tensor, shininess: Tensor) -> Tensor:
        """Specular light at points with normals, both (N, ..., 3), seen from camera positions (N, 3)."""
        return specular(points, normals, self._towards(points), self.specular_color, camera_position, shininess)


class DirectionalLights(_Lights):
    """N lights infinitely far away; every value is (3,), (1, 3) or (N, 3), `direction` points towards the light."""

    def __init__(
        self,
        ambient_color: Values = ((0.5, 0.5, 0.5),),
        diffuse_color: Values = ((0.3, 0.3, 0.3),),
        specular_color: Values = ((0.2, 0.2, 0.2),),
        direction: Values = ((0, 1, 0),),
        device: Device = "cpu",
    ):
        super().__init__(ambient_color, diffuse_color, specular_color, device, direction=direction)

    def _towards(self, points: Tensor) -> Tensor:
        return self.direction


class PointLights(_Lights):
    """N lights at a `location`, world coordinates; every value is (3,), (1, 3) or (N, 3)."""

    def __init__(
        self,
        ambient_color: Values = ((0.5, 0.5, 0.5),),
        diffuse_color: Values = ((0.3, 0.3, 0.3),),
        specular_color: Values = ((0.2, 0.2, 0.2),),
        location: Values = ((0, 1, 0),),
        device: Device = "cpu",
    ):
        super().__init__(ambient_color, diffuse_color, specular_color, device, location=location)

    def reshape_location(self, points: Tensor) -> Tensor:
        """The locations with as many dimensions as points (N, ..., 3)."""
        return _match(self.location, points)

    def _towards(self, points: Tensor) -> Tensor:
        return self.reshape_location(points) - points


class AmbientLights(TensorProperties):
    """Light of one colour (N, C) from everywhere, white by default: surfaces show their texture."""

    def __init__(self, *, ambient_color: Values | None = None, device: Device = "cpu"):
        super().__init__(ambient_color=((1.0, 1.0, 1.0),) if ambient_color is None else ambient_color, device=device)

    def diffuse(self, normals: Tensor, points: Tensor) -> Tensor:
        return points.new_zeros(*points.shape[:-1], self.ambient_color.shape[-1])

    def specular(self, normals: Tensor, points: Tensor, camera_position: Tensor, shininess: Tensor) -> Tensor:
        return self.diffuse(normals, points)


class Materials(TensorProperties):
    """How N surfaces reflect: colours (1, C) or (N, C), and the specular exponent (1,) or (N,)."""

    def __init__(
        self,
        ambient_color: Values = ((1, 1, 1),),
        diffuse_color: Values = ((1, 1, 1),),
        specular_color: Values = ((1, 1, 1),),
        shininess: Values = 64,
        device: Device = "cpu",
    ):
        colors = {"ambient_color": ambient_color, "diffuse_color": diffuse_color, "specular_color": specular_color}
        super().__init__(device=device, **colors, shininess=shininess)
        _check_channels(self, colors, self.ambient_color.shape[-1])
        if self.shininess.shape != (self._N,):
            raise ValueError(f"shininess should have shape (N); got {tuple(self.shininess.shape)}")
