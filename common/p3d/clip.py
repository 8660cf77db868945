"""Cutting faces off at a plane in front of the camera, before they are rasterised."""

import torch
from torch import Tensor

__all__: list[str] = []

LEAST_DEPTH = 1e-8  # of a face that can cover anything


def clip_faces(
    face_verts: Tensor, image: Tensor, z_clip: float, perspective: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """What of each face lies at z >= z_clip.

    A face with one corner in front of the plane keeps a triangle, one with two a quadrilateral, that is two triangles.

    Args:
        face_verts: (F, 3, 3), x and y in NDC, z the depth.
        image: (F,) int64, the batch element of each face.
        z_clip: depth of the plane.
        perspective: x and y were divided by z: edges are cut in space, not in the picture.

    Returns:
        face_verts (F', 3, 3), image (F',), the face that each was cut from (F',), and (F', 3, 3) matrices B with
        barycentric (of the face cut from) = barycentric (of the piece) @ B. Where nothing is cut both latter are None.
    """
    behind = face_verts[:, :, 2] < z_clip
    count = behind.sum(1)
    if not bool((count > 0).any()):
        return face_verts, image, None, None
    whole, two, one = ((count == n).nonzero().squeeze(1) for n in (0, 1, 2))
    eye = torch.eye(3, dtype=face_verts.dtype, device=face_verts.device)
    pieces = [(whole, eye.expand(len(whole), 3, 3))]
    for faces, odd in ((one, ~behind), (two, behind)):
        # Turn each face so that the corner that is alone on its side of the plane comes first.
        turn = (odd[faces].int().argmax(1)[:, None] + torch.arange(3, device=faces.device)) % 3
        corners = eye[turn]  # (P, 3, 3): rows are the barycentric coordinates of the turned corners
        z = face_verts[faces, :, 2].gather(1, turn)
        share = (z_clip - z[:, :1]) / (z[:, 1:] - z[:, :1])
        first, second = (corners[:, :1] + share[..., None] * (corners[:, 1:] - corners[:, :1])).unbind(1)  # cuts
        if odd is behind:
            pieces.append((faces, torch.stack((first, corners[:, 1], second), 1)))
            pieces.append((faces, torch.stack((second, corners[:, 1], corners[:, 2]), 1)))
        else:
            pieces.append((faces, torch.stack((corners[:, 0], first, second), 1)))
    origin = torch.cat([faces for faces, _ in pieces])
    matrix = torch.cat([m for _, m in pieces])
    corners = face_verts[origin]
    if perspective:
        corners = torch.cat((corners[..., :2] * corners[..., 2:], corners[..., 2:]), 2)
    cut = matrix @ corners
    if perspective:
        # What is cut at no more than 0 covers nothing: its depth only has to leave gradients finite.
        cut = torch.cat((cut[..., :2] / cut[..., 2:].clamp(min=LEAST_DEPTH), cut[..., 2:]), 2)
    cut = torch.cat((face_verts[whole], cut[len(whole) :]))  # untouched faces stay as they are, to the bit
    return cut, image[origin], origin, matrix
