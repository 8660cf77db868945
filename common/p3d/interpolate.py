"""Values of faces' corners at the places where a rasteriser saw the faces."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["interpolate_face_attributes"]


def interpolate_face_attributes(pix_to_face: Tensor, barycentric_coords: Tensor, face_attributes: Tensor) -> Tensor:
    """Sum over the corners of barycentric coordinate times attribute, 0 where no face was seen.

    Args:
        pix_to_face: (..., K) ints, packed faces, -1 for none.
        barycentric_coords: (..., K, 3).
        face_attributes: (F, 3, D), values of the corners of the packed faces.

    Returns:
        (..., K, D), differentiable in the coordinates and the attributes.

    Raises:
        ValueError: shapes that do not fit.
    """
    if face_attributes.dim() != 3 or face_attributes.shape[1] != 3:
        raise ValueError(f"face_attributes must be (F, 3, D), got {tuple(face_attributes.shape)}")
    if tuple(barycentric_coords.shape) != (*pix_to_face.shape, 3):
        raise ValueError(f"barycentric_coords must be {(*pix_to_face.shape, 3)}, got {tuple(barycentric_coords.shape)}")
    places, face, bary = seen_places(pix_to_face, barycentric_coords)
    return spread(interpolate(face_attributes, face, bary), places, pix_to_face.shape)


def seen_places(pix_to_face: Tensor, barycentric_coords: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the places where a face was seen: number (M,) in the flattened array, face (M,) and coordinates (M, 3)."""
    flat = pix_to_face.reshape(-1)
    places = (flat >= 0).nonzero().squeeze(1)
    if len(places) == len(flat):
        return places, flat.long(), barycentric_coords.reshape(-1, 3)
    return places, flat.index_select(0, places).long(), barycentric_coords.reshape(-1, 3).index_select(0, places)


def interpolate(face_attributes: Tensor, face: Tensor, bary: Tensor) -> Tensor:
    """(M, D) of attributes (F, 3, D), faces (M,) and coordinates (M, 3)."""
    first, second, third = (corner.index_select(0, face) for corner in face_attributes.unbind(1))
    return torch.addcmul(torch.addcmul(first * bary[:, :1], second, bary[:, 1:2]), third, bary[:, 2:])


def sample_grids(grids: Tensor, places: Tensor, mode: str, padding_mode: str, align_corners: bool) -> Tensor:
    """(N, P, C): `grid_sample` of images (N, C, H, W) or volumes (N, C, D, H, W) at places (N, P, 2 or 3).

    Integers, which are for `nearest`, and half precision are sampled as floats and turned back.
    """
    N, P, axes = places.shape
    if not N * P:
        return grids.new_zeros(N, P, grids.shape[1])
    exact = grids if grids.dtype in (torch.float32, torch.float64) else grids.float()
    # It divides its work among the threads by the batch: what is one on a CPU becomes one for each thread, unless their
    # gradients, one grid each, would outgrow the work.
    alone = N == 1 and not places.is_cuda and (not grids.requires_grad or P >= grids[0, 0].numel())
    split = torch.get_num_threads() if alone else 1
    size = -(-P // split)
    parts = F.pad(places, (0, 0, 0, size * split - P)).view(N * split, *[1] * (axes - 1), size, axes)
    exact = exact.expand(N * split, *grids.shape[1:])
    values = F.grid_sample(exact, parts.to(exact), mode, padding_mode, align_corners)
    return values.flatten(2).transpose(1, 2).reshape(N, size * split, grids.shape[1])[:, :P].to(grids.dtype)


def spread(values: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
    """(*shape, D) with values (M, D) at the flat places (M,), 0 elsewhere."""
    if len(places) == shape.numel():
        return values.view(*shape, values.shape[1])
    return values.new_zeros(shape.numel(), values.shape[1]).index_copy(0, places, values).view(*shape, values.shape[1])
