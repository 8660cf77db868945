"""Faces cut at the near plane: against the rays of a picture, and the area that is left."""

import torch

from common.p3d import Meshes, rasterize_meshes
from common.p3d.clip import clip_faces


def test_what_is_cut_off_is_what_lies_in_front():
    """A floor that runs under the camera: every pixel below the horizon sees it, where the ray meets it."""
    height = -1.0
    corners = torch.tensor([[-50.0, height, -5.0], [50.0, height, -5.0], [50.0, height, 60.0], [-50.0, height, 60.0]])
    corners = corners.double()
    ndc = torch.cat((corners[:, :2] / corners[:, 2:], corners[:, 2:]), 1)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    args = {"image_size": 32, "faces_per_pixel": 1, "perspective_correct": True}
    assert (rasterize_meshes(Meshes([ndc], [faces]), **args)[0] < 0).all()  # a face behind the camera is lost
    pix_to_face, zbuf, bary, _ = rasterize_meshes(Meshes([ndc], [faces]), **args, z_clip_value=0.1)
    y = (31 - 2 * torch.arange(32)) / 32
    below = y < height / 60
    assert (pix_to_face[0, below] >= 0).all() and (pix_to_face[0, ~below] < 0).all()
    expected = (height / y[below].double())[:, None].expand(-1, 32)
    torch.testing.assert_close(zbuf[0, below, :, 0], expected, rtol=1e-9, atol=0.0)
    seen = bary[0, below, :, 0]
    world = torch.einsum("hwk,hwkd->hwd", seen, corners[faces][pix_to_face[0, below, :, 0]])
    torch.testing.assert_close(world[..., 2], expected, rtol=1e-9, atol=0.0)
    torch.testing.assert_close(world[..., 1], torch.full_like(expected, height), rtol=0.0, atol=1e-9)


def test_pieces_of_a_cut_face_fill_what_is_left():
    generator = torch.Generator().manual_seed(3)
    corners = torch.rand(30, 3, 3, generator=generator, dtype=torch.float64) * 2 - 1
    pieces, image, origin, matrix = clip_faces(corners, torch.zeros(30, dtype=torch.long), 0.2, False)
    assert (pieces[..., 2] >= 0.2 - 1e-12).all() and (image == 0).all()
    torch.testing.assert_close(matrix @ corners[origin], pieces)

    def area(triangles):
        a, b, c = triangles.unbind(1)
        return 0.5 * torch.linalg.cross(b - a, c - a)

    kept = torch.zeros(30, 3, dtype=torch.float64).index_add(0, origin, area(pieces))
    fine = 400  # the share of each triangle in front of the plane, by small triangles
    u = (torch.arange(fine, dtype=torch.float64) + 1 / 3) / fine
    w = torch.stack(torch.meshgrid(u, u, indexing="ij"), -1).view(-1, 2)
    w = w[w.sum(1) < 1]
    z = corners[:, 0, 2, None] + (corners[:, 1:, 2] - corners[:, :1, 2]) @ w.T
    share = (z >= 0.2).double().mean(1)
    torch.testing.assert_close(kept.norm(dim=1), share * area(corners).norm(dim=1), atol=5e-3, rtol=0.0)
    assert ((kept * area(corners)).sum(1) >= -1e-12).all()  # the pieces are turned as the face was


def test_a_cut_at_no_depth_leaves_gradients_finite():
    verts = torch.tensor([[-1.0, -1, -1], [1, -1, 1], [0, 1, 2]], requires_grad=True)
    meshes = Meshes([verts], [torch.tensor([[0, 1, 2]])])
    for z_clip in (-0.5, 0.0, 1e-9):
        _, zbuf, bary, _ = rasterize_meshes(meshes, 8, 0.0, 1, perspective_correct=True, z_clip_value=z_clip)
        (gradient,) = torch.autograd.grad(zbuf.sum() + bary.sum(), verts)
        assert gradient.isfinite().all(), z_clip
