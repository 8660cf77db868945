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
    if not bool((face_verts[:, :, 2] < z_clip).any()):
        return face_verts, image, None, None
    pieces = _pieces(face_verts[:, :, 2], z_clip)
    origin, matrix = (torch.cat(parts) for parts in zip(*pieces, strict=True))
    corners = face_verts[origin]
    if perspective:
        corners = torch.cat((corners[..., :2] * corners[..., 2:], corners[..., 2:]), 2)
    cut = matrix @ corners
    if perspective:
        # What is cut at no more than 0 covers nothing: its depth only has to leave gradients finite.
        cut = torch.cat((cut[..., :2] / cut[..., 2:].clamp(min=LEAST_DEPTH), cut[..., 2:]), 2)
    whole = pieces[0][0]
    cut = torch.cat((face_verts[whole], cut[len(whole) :]))  # untouched faces stay as they are, to the bit
    return cut, image[origin], origin, matrix


def _pieces(depth: Tensor, z_clip: float) -> list[tuple[Tensor, Tensor]]:
    """Faces (P,) and the barycentric coordinates (P, 3, 3) of what is left of them; first those left whole."""
    behind = depth < z_clip
    whole, two, one = ((behind.sum(1) == n).nonzero().squeeze(1) for n in (0, 1, 2))
    eye = torch.eye(3, dtype=depth.dtype, device=depth.device)
    pieces = [(whole, eye.expand(len(whole), 3, 3))]
    for faces, odd in ((one, ~behind), (two, behind)):
        # Turn each face so that the corner that is alone on its side of the plane comes first.
        turn = (odd[faces].int().argmax(1)[:, None] + torch.arange(3, device=faces.device)) % 3
        corners = eye[turn]
        z = depth[faces].gather(1, turn)
        share = (z_clip - z[:, :1]) / (z[:, 1:] - z[:, :1])
        first, second = (corners[:, :1] + share[..., None] * (corners[:, 1:] - corners[:, :1])).unbind(1)  # cuts
        if odd is behind:
            pieces.append((faces, torch.stack((first, corners[:, 1], second), 1)))
            pieces.append((faces, torch.stack((second, corners[:, 1], corners[:, 2]), 1)))
        else:
            pieces.append((faces, torch.stack((corners[:, 0], first, second), 1)))
    return pieces
