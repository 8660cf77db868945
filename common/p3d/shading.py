"""The light on the faces that pixels see. Only what is seen is lit: all works on lists of (pixel, face) places."""

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
    faces = meshes.faces_packed()
    if isinstance(lights, AmbientLights):  # neither points nor normals matter
        ambient = _of_batch(materials.ambient_color * lights.ambient_color, places, shape)
        return ambient * texels
    corners = torch.cat((meshes.verts_packed(), meshes.verts_normals_packed()), 1)
    corners = corners.index_select(0, faces.reshape(-1)).view(-1, 3, 6)
    points, normals = interpolate(corners, face, bary).split(3, 1)
    return _lit(points, normals, texels, places, shape, lights, cameras, materials)


def gouraud_shading(meshes, fragments, lights, cameras, materials) -> Tensor:
    """Colours (N, H, W, K, 3) lit at the vertices and interpolated.

    Raises:
        ValueError: a texture that is not of vertices.
    """
    if not isinstance(meshes.textures, TexturesVertex):
        raise ValueError("Mesh textures must be an instance of TexturesVertex")
    shape = (len(meshes), 1)
    colors = _lit(
        meshes.verts_packed(),
        meshes.verts_normals_packed(),
        meshes.textures.verts_features_packed(),
        meshes.verts_packed_to_mesh_idx(),
        shape,
        lights,
        cameras,
        materials,
    )
    places, face, bary = seen_places(fragments.pix_to_face, fragments.bary_coords)
    corners = colors.index_select(0, meshes.faces_packed().reshape(-1)).view(-1, 3, colors.shape[1])
    return spread(interpolate(corners, face, bary), places, fragments.pix_to_face.shape)


def flat_shading(meshes, fragments, lights, cameras, materials, texels: Tensor) -> Tensor:
    """Colours (N, H, W, K, 3) lit once for each face, at its middle.

    Args:
        texels: (N, H, W, K, 3), the texture at each place.
    """
    places, face, _ = seen_places(fragments.pix_to_face, fragments.bary_coords)
    faces = meshes.faces_packed()
    middles = meshes.verts_packed().index_select(0, faces.reshape(-1)).view(-1, 3, 3).mean(1)
    seen = texels.reshape(-1, texels.shape[-1]).index_select(0, places)
    points, normals = (t.index_select(0, face) for t in (middles, meshes.faces_normals_packed()))
    shape = fragments.pix_to_face.shape
    return spread(_lit(points, normals, seen, places, shape, lights, cameras, materials), places, shape)


def _lit(points, normals, texels, places, shape, lights, cameras, materials) -> Tensor:
    """(M, 3): texture times ambient and diffuse light, plus specular light, at points (M, 3) of flat places (M,)."""
    if len(lights) == len(materials) == len(cameras) == 1:
        lights_at, materials_at, eye = lights, materials, cameras.get_camera_center()
    else:
        batch = torch.div(places, torch.Size(shape[1:]).numel(), rounding_mode="floor")
        lights_at, materials_at = (p if len(p) == 1 else p.gather_props(batch) for p in (lights, materials))
        eye = cameras.get_camera_center()
        eye = eye if len(eye) == 1 else eye[batch]
    ambient = materials_at.ambient_color * lights_at.ambient_color
    diffuse = materials_at.diffuse_color * lights_at.diffuse(normals=normals, points=points)
    light = {"normals": normals, "points": points, "camera_position": eye, "shininess": materials_at.shininess}
    return (ambient + diffuse) * texels + materials_at.specular_color * lights_at.specular(**light)


def _of_batch(values: Tensor, places: Tensor, shape) -> Tensor:
    """(M, C) or (1, C) of values (N, C) for flat places (M,) of an array of `shape`."""
    if len(values) == 1:
        return values
    return values.index_select(0, torch.div(places, torch.Size(shape[1:]).numel(), rounding_mode="floor"))
