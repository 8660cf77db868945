"""Meshes of spheres and tori, with the vertex order of `pytorch3d.utils`."""

import math

import torch
from torch.nn import functional as F

from .meshes import Meshes
from .subdivide import SubdivideMeshes

__all__ = ["ico_sphere", "torus"]

# Corners of the faces of an icosahedron, in base 12.
ICOSAHEDRON = "0b5 051 017 07a 0ab 159 5b4 ba2 a76 718 394 342 326 368 389 495 24b 62a 867 981"


def ico_sphere(level: int = 0, device: torch.device | str | None = None) -> Meshes:
    """A unit sphere: an icosahedron whose faces are divided into four `level` times; ValueError: a negative level."""
    if level < 0:
        raise ValueError(f"level must be >= 0, got {level}")
    short, long = 0.5257, 0.8507  # PyTorch3D's roundings
    four = torch.tensor([[-short, long, 0], [short, long, 0], [-short, -long, 0], [short, -long, 0]], device=device)
    faces = torch.tensor([[int(corner, 12) for corner in face] for face in ICOSAHEDRON.split()], device=device)
    sphere = Meshes([torch.cat([four.roll(axis, 1) for axis in range(3)])], [faces])
    for _ in range(level):
        sphere = SubdivideMeshes()(sphere)
        sphere = sphere.update_padded(F.normalize(sphere.verts_padded(), dim=2))
    return sphere


def torus(r: float, R: float, sides: int, rings: int, device: torch.device | str | None = None) -> Meshes:
    """A tube of radius r around the z axis at distance R: `rings` circles of `sides` vertices; ValueError: none."""
    if sides < 1 or rings < 1:
        raise ValueError(f"sides and rings must be > 0, got {sides} and {rings}")
    theta = torch.arange(sides, device=device, dtype=torch.float64) * (2 * math.pi / sides)
    phi = torch.arange(rings, device=device, dtype=torch.float64)[:, None] * (2 * math.pi / rings)
    distance, height = R + r * theta.cos(), (r * theta.sin()).expand(rings, sides)
    verts = torch.stack((distance * phi.cos(), distance * phi.sin(), height), 2).view(-1, 3).float()
    vertex = torch.arange(rings * sides, device=device).view(rings, sides).roll((1, 1), (0, 1))
    along, around = vertex.roll(-1, 0), vertex.roll(-1, 1)
    both = along.roll(-1, 1)
    return Meshes([verts], [torch.stack((vertex, along, both, both, around, vertex), 2).view(-1, 3)])
