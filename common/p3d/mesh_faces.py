"""Faces of a batch of meshes: checks of those that are given, and the edges between them."""

import torch
from torch import Tensor

from .ragged import Rows, pack

__all__: list[str] = []


def checked_faces(faces: Rows, verts: list[int]) -> tuple[Tensor, list[int]]:
    """Packed faces (sum F_n, 3) int64 without padding, and how many each mesh has.

    Args:
        faces: N tensors (F_n, 3) or one (N, F, 3), indices into the own vertices; rows of -1 at the end are padding.
        verts: how many vertices each mesh has.

    Raises:
        ValueError: another shape, padding elsewhere, several devices, vertices that do not exist.
    """
    parts = _unpadded(faces) if isinstance(faces, Tensor) else [_without_padding(own) for own in faces]
    sizes = [len(own) for own in parts]
    rows = pack("faces", parts, sizes, 3).long()
    there, own = (torch.tensor(counts, dtype=torch.int64, device=rows.device) for counts in (verts, sizes))
    count = there.repeat_interleave(own)
    wrong = ((rows < 0) | (rows >= count[:, None])).any(1)
    if bool(wrong.any()):
        face = int(wrong.nonzero()[0])
        raise ValueError(f"a face names vertices {rows[face].tolist()}, its mesh has {int(count[face])}")
    return rows, sizes


def _unpadded(faces: Tensor) -> list[Tensor]:
    """The faces (F_n, 3) of a tensor (N, F, 3) padded with -1."""
    if faces.dim() != 3 or faces.shape[2] != 3:
        raise ValueError(f"faces must be (N, F, 3) or tensors (F_n, 3), got {tuple(faces.shape)}")
    real = (faces > -1).all(2)
    if bool((real[:, 1:] & ~real[:, :-1]).any()):
        raise ValueError("Padding of faces (-1) must be at their end")
    return [own[mask] for own, mask in zip(faces, real, strict=True)]


def _without_padding(faces: Tensor) -> Tensor:
    """Faces (F, 3) without the rows of -1 at their end, which PyTorch3D takes in lists, too."""
    if not faces.numel() or not bool((faces[-1] == -1).all()):
        return faces
    return faces[(faces != -1).any(1)]


def edges_of_faces(faces: Tensor, verts: int) -> tuple[Tensor, Tensor]:
    """Every edge of faces (F, 3) of so many vertices once, (E, 2), and which three each face has, (F, 3).

    Edges have the lower vertex first and are in lexicographic order; a face's are opposite to its vertices.
    """
    a, b, c = faces.unbind(1)
    start, end = torch.cat((b, c, a)), torch.cat((c, a, b))
    total = max(verts, 1)
    key = torch.minimum(start, end) * total + torch.maximum(start, end)
    key, of_face = torch.unique(key, return_inverse=True)
    return torch.stack((torch.div(key, total, rounding_mode="floor"), key % total), 1), of_face.view(3, -1).t()
