"""The light on the faces that pixels see. Only what is seen is lit: all works on lists of (pixel, face) places."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .interpolate import interpolate, seen_places, spread
from .lighting import AmbientLights
from .textures import TexturesVertex

__all__ = ["flat_shading", "gouraud_shading", "phong_shading"]


def phong_shading(meshes, fragments, lights, cameras, materials, texels: Tensor) -> Tensor:
    """Colours (N, H, W, K, 3) lit at each pixel, with normals interpolated between the vertices.

    Args:
        texels: (N, H, W, K, 3), the texture at each place.
    """
    places, face, bary = seen_places(fragments.pix_to_face, fragments.bary_coords)
    seen = texels.reshape(-1, texels.shape[-1]).index_select(0, places)
    lit = phong_at(meshes, places, face, bary, fragments.pix_to_face.shape, lights, cameras, materials, seen)
    return spread(lit, places, fragments.pix_to_face.shape)


def phong_at(meshes, places, face, bary, shape, lights, cameras, materials, texels: Tensor) -> Tensor:
    """Phong shading of places (M,) of an array of `shape` (N, H, W, K): colours (M, 3) of texels (M, 3)."""
    if isinstance(lights, AmbientLights):  # neither points nor normals matter
        lights, materials = _at_places(places, shape, lights, materials)
        return materials.ambient_color * lights.ambient_color * texels
    corners = torch.cat((meshes.verts_packed(), meshes.verts_normals_packed()), 1)
    points, normals = interpolate(_of_corners(corners, meshes), face, bary).split(3, 1)
    return _lit(points, normals, texels, places, shape, lights, cameras, materials)


def gouraud_shading(meshes, fragments, lights, cameras, materials) -> Tensor:
    """Colours (N, H, W, K, 3) lit at the vertices and interpolated.

    Raises:
        ValueError: a texture that is not of vertices.
    """
    if not isinstance(meshes.textures, TexturesVertex):
        raise ValueError("Mesh textures must be an instance of TexturesVertex")
    vertices = meshes.verts_packed(), meshes.verts_normals_packed(), meshes.textures.verts_features_packed()
    colors = _lit(*vertices, meshes.verts_packed_to_mesh_idx(), (len(meshes), 1), lights, cameras, materials)
    places, face, bary = seen_places(fragments.pix_to_face, fragments.bary_coords)
    return spread(interpolate(_of_corners(colors, meshes), face, bary), places, fragments.pix_to_face.shape)


def flat_shading(meshes, fragments, lights, cameras, materials, texels: Tensor) -> Tensor:
    """Colours (N, H, W, K, 3) lit once for each face, at its middle.

    Args:
        texels: (N, H, W, K, 3), the texture at each place.
    """
    places, face, _ = seen_places(fragments.pix_to_face, fragments.bary_coords)
    middles = _of_corners(meshes.verts_packed(), meshes).mean(1)
    seen = texels.reshape(-1, texels.shape[-1]).index_select(0, places)
    points, normals = (t.index_select(0, face) for t in (middles, meshes.faces_normals_packed()))
    shape = fragments.pix_to_face.shape
    return spread(_lit(points, normals, seen, places, shape, lights, cameras, materials), places, shape)


def _lit(points, normals, texels, places, shape, lights, cameras, materials) -> Tensor:
    """(M, 3): texture times ambient and diffuse light, plus specular light, at points (M, 3) of flat places (M,)."""
    lights, materials, eye = _at_places(places, shape, lights, materials, cameras.get_camera_center())
    ambient = materials.ambient_color * lights.ambient_color
    diffuse = materials.diffuse_color * lights.diffuse(normals=normals, points=points)
    light = {"normals": normals, "points": points, "camera_position": eye, "shininess": materials.shininess}
    return (ambient + diffuse) * texels + materials.specular_color * lights.specular(**light)


def _at_places(places: Tensor, shape: Sequence[int], *values):
    """Batches of N as batches of M, for flat places (M,) of an array of `shape` (N, ...); batches of 1 as they are."""
    if all(len(v) == 1 for v in values):
        return values
    batch = torch.div(places, math.prod(shape[1:]), rounding_mode="floor")
    return [v if len(v) == 1 else v[batch] for v in values]


def _of_corners(values: Tensor, meshes) -> Tensor:
    """(F, 3, C) of values (V, C) of packed vertices."""
    return values.index_select(0, meshes.faces_packed().reshape(-1)).view(-1, 3, values.shape[1])
