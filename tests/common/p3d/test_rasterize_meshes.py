"""The mesh rasteriser against PyTorch3D's outputs, a loop over pixels and faces, and finite differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.p3d import Meshes, Pointclouds, face_pairs, rasterize_meshes, rasterize_points
from common.p3d.clip import clip_faces
from common.p3d.rasterize_meshes import barycentric_coordinates

seeds = st.integers(0, 2**31 - 1)
GOLDENS = ["rasterize_batch3_48", "rasterize_triangles_24x40_blur1e-4", "rasterize_triangles_32", "rasterize_zclip_32"]


def of_variant(variant):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in variant.items()}


# --- PyTorch3D's own outputs


@pytest.mark.parametrize("name", GOLDENS)
def test_equals_pytorch3d(golden, wave, name):
    z, meta = golden(name)
    for key, variant in meta["variants"].items():
        prefix = f"{key}." if f"{key}.pix_to_face" in z else ""
        verts = [z[k].clone().requires_grad_() for k in sorted(z) if k.startswith("verts")]
        faces = [z[k].long() for k in sorted(z) if k.startswith("faces")]
        out = rasterize_meshes(Meshes(verts, faces), **of_variant(variant))
        assert torch.equal(out[0], z[f"{prefix}pix_to_face"].long()), key
        for ours, part, tolerance in zip(out[1:], ("zbuf", "bary", "dists"), (2e-6, 2e-6, 2e-7), strict=True):
            torch.testing.assert_close(ours, z[f"{prefix}{part}"], atol=tolerance, rtol=0.0, msg=f"{key} {part}")
        if f"{prefix}grad_verts" in z and variant.get("z_clip_value") is None:
            seen = (out[0] >= 0).float()
            total = sum(
                (v * seen.view(*seen.shape, *[1] * (v.dim() - 4)) * wave(v.shape, float(n))).sum()
                for n, v in enumerate(out[1:])
            )
            (ours,), theirs = torch.autograd.grad(total, verts), z[f"{prefix}grad_verts"]
            assert (ours - theirs).norm() < 2e-6 * theirs.norm(), key


# --- the definition


def edge(p, a, b):
    return (p[0] - a[0]) * (b[1] - a[1]) - (p[1] - a[1]) * (b[0] - a[0])


def segment_distance(p, a, b):
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = max(0.0, min(1.0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy)))
    return (a[0] + t * dx - p[0]) ** 2 + (a[1] + t * dy - p[1]) ** 2


def loop_twin(faces, height, width, depth, blur, perspective, clip, cull):
    """Pixel by pixel and face by face, in plain numbers; `faces`: lists of three corners (x, y, z)."""
    short, out = min(height, width), {}
    for row in range(height):
        for column in range(width):
            p = (width - 1 - 2 * column) / short, (height - 1 - 2 * row) / short
            hits = []
            for f, (a, b, c) in enumerate(faces):
                area = edge(c, a, b)
                if abs(area) <= 1e-8 or min(a[2], b[2], c[2]) < 1e-8 or (cull and area < 0):
                    continue
                w = [edge(p, b, c) / area, edge(p, c, a) / area, edge(p, a, b) / area]
                if perspective:
                    w = [w[0] * b[2] * c[2], w[1] * a[2] * c[2], w[2] * a[2] * b[2]]
                    w = [x / max(sum(w), 1e-8) for x in w]
                inside = min(w) > 0
                if clip:
                    w = [max(x, 0.0) for x in w]
                    w = [x / max(sum(w), 1e-5) for x in w]
                z = w[0] * a[2] + w[1] * b[2] + w[2] * c[2]
                distance = min(segment_distance(p, *e) for e in ((a, b), (b, c), (c, a)))
                if z >= 0 and (inside or distance < blur):
                    hits.append((z, f, w, -distance if inside else distance))
            out[row, column] = sorted(hits, key=lambda h: (np.float32(h[0]), h[1]))[:depth]
    return out


@settings(max_examples=25, deadline=None)
@given(
    seeds,
    st.sampled_from([(9, 9), (7, 12), (12, 5)]),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.02]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_equals_a_plain_loop(seed, size, depth, blur, perspective, clip, cull):
    generator = torch.Generator().manual_seed(seed)
    scale, shift = torch.tensor([3.0, 3.0, 2.0]), torch.tensor([1.5, 1.5, 0.3])
    verts = torch.rand(12, 3, generator=generator, dtype=torch.float64) * scale - shift
    faces = torch.randint(12, (8, 3), generator=generator)
    expected = loop_twin([verts[f].tolist() for f in faces], *size, depth, blur, perspective, clip, cull)
    more = {"perspective_correct": perspective, "clip_barycentric_coords": clip, "cull_backfaces": cull}
    pix_to_face, zbuf, bary, dists = rasterize_meshes(Meshes([verts], [faces]), size, blur, depth, **more)
    for (row, column), hits in expected.items():
        assert pix_to_face[0, row, column].tolist() == [h[1] for h in hits] + [-1] * (depth - len(hits))
        for k, (z, _, w, distance) in enumerate(hits):
            assert zbuf[0, row, column, k].item() == pytest.approx(z, rel=1e-5, abs=1e-6)
            assert bary[0, row, column, k].tolist() == pytest.approx(w, rel=1e-4, abs=1e-5)
            assert dists[0, row, column, k].item() == pytest.approx(distance, abs=1e-9)
        for k in range(len(hits), depth):
            assert zbuf[0, row, column, k] == dists[0, row, column, k] == -1 and (bary[0, row, column, k] == -1).all()


@pytest.mark.parametrize("depth", [1, 3])
def test_chunks_and_groups_change_nothing(monkeypatch, depth):
    generator = torch.Generator().manual_seed(0)
    verts = torch.rand(60, 3, generator=generator) * torch.tensor([3.0, 3.0, 2.0]) - torch.tensor([1.5, 1.5, -0.1])
    meshes = Meshes([verts[:40], verts[40:]], [torch.randint(40, (50, 3)), torch.randint(20, (30, 3))])
    whole = rasterize_meshes(meshes, (40, 33), 0.01, depth)
    monkeypatch.setattr(face_pairs, "PAIRS_PER_CHUNK", 50)
    for one, other in zip(whole, rasterize_meshes(meshes, (40, 33), 0.01, depth), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("diagonal", [0, 1])
def test_faces_that_share_an_edge_leave_no_gap_and_do_not_overlap(size, diagonal):
    """A square in two triangles whose diagonal runs through the middles of pixels, and one with edges there."""
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1], [0, 0, 1]]) * torch.tensor(
        [0.875, 0.875, 1]
    )
    if diagonal:
        faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    else:
        faces = torch.tensor([[0, 1, 4], [2, 1, 4], [2, 4, 3], [0, 4, 3]])  # turned either way
    pix_to_face = rasterize_meshes(Meshes([corners], [faces]), size, 0.0, 2)[0][0]
    count = (pix_to_face >= 0).sum(-1)
    inside = ((size - 1 - 2 * torch.arange(size)) / size).abs() < 0.875
    assert (count[inside][:, inside] == 1).all()
    assert count.max() == 1


def test_many_hits_are_reduced_on_the_way(monkeypatch):
    import sys

    verts = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [0, 1, 1]])
    layers = torch.cat([verts + torch.tensor([0, 0, 0.1 * k]) for k in (4, 1, 3, 0, 2)])
    faces = torch.arange(15).view(5, 3)
    whole = rasterize_meshes(Meshes([layers], [faces]), 8, 0.0, 2)
    monkeypatch.setattr(sys.modules["common.p3d.rasterize_meshes"], "HITS_KEPT", 4)
    monkeypatch.setattr(face_pairs, "PAIRS_PER_CHUNK", 64)
    for one, other in zip(whole, rasterize_meshes(Meshes([layers], [faces]), 8, 0.0, 2), strict=True):
        assert torch.equal(one, other)
    assert whole[0][0, 4, 4].tolist() == [3, 1]


# --- gradients


@pytest.mark.parametrize("perspective", [False, True])
@pytest.mark.parametrize(("blur", "clip", "z_clip"), [(0.0, False, None), (0.01, True, None), (0.0, False, 0.75)])
def test_gradients_are_those_of_finite_differences(perspective, blur, clip, z_clip):
    generator = torch.Generator().manual_seed(1)
    scale, shift = torch.tensor([2.0, 2.0, 1.0]), torch.tensor([1.0, 1.0, -0.5])
    verts = torch.rand(9, 3, generator=generator, dtype=torch.float64) * scale - shift
    faces = torch.arange(9).view(3, 3)

    def outputs(v):
        more = {"perspective_correct": perspective, "clip_barycentric_coords": clip, "z_clip_value": z_clip}
        _, zbuf, bary, dists = rasterize_meshes(Meshes([v], [faces]), 7, blur, 2, **more)
        return zbuf, bary, dists

    assert (rasterize_meshes(Meshes([verts], [faces]), 7, blur, 2)[0] >= 0).sum() > 10
    assert torch.autograd.gradcheck(outputs, verts.requires_grad_(), eps=1e-7, atol=1e-4)


def test_images_of_a_batch_do_not_mix():
    generator = torch.Generator().manual_seed(2)
    clouds = [torch.rand(n, 3, generator=generator) * 2 - torch.tensor([1.0, 1.0, -0.5]) for n in (6, 9, 3)]
    faces = [torch.randint(len(v), (f, 3), generator=generator) for v, f in zip(clouds, (5, 0, 2), strict=True)]
    together = rasterize_meshes(Meshes(clouds, faces), 16, 0.0, 2)
    first = [0, 5, 5]
    for n in range(3):
        alone = rasterize_meshes(Meshes(clouds[n : n + 1], faces[n : n + 1]), 16, 0.0, 2)
        assert torch.equal(together[0][n], torch.where(alone[0] >= 0, alone[0] + first[n], -1)[0])
        for one, other in zip(together[1:], alone[1:], strict=True):
            assert torch.equal(one[n], other[0])


# --- clipping at the near plane


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


# --- what covers nothing, and errors


@pytest.mark.parametrize(
    "face",
    [
        [[0.0, 0, 1], [0.5, 0.5, 1], [1, 1, 1]],  # no area
        [[0.0, 0, math.nan], [1, 0, 1], [0, 1, 1]],
        [[0.0, math.inf, 1], [1, 0, 1], [0, 1, 1]],
        [[0.0, 0, -1], [1, 0, 1], [0, 1, 1]],  # behind the camera
        [[5.0, 5, 1], [6, 5, 1], [5, 6, 1]],  # outside the picture
        [[1e30, 0, 1], [1e31, 0, 1], [0, 1e30, 1]],
    ],
)
def test_faces_that_cover_nothing_leave_the_background(face):
    verts = torch.tensor(face).requires_grad_()
    pix_to_face, zbuf, bary, dists = rasterize_meshes(Meshes([verts], [torch.tensor([[0, 1, 2]])]), 8, 0.0, 1)
    assert (pix_to_face == -1).all() and (zbuf == -1).all() and (bary == -1).all() and (dists == -1).all()
    (zbuf.sum() + bary.sum()).backward()
    assert verts.grad is None or (verts.grad == 0).all()


@pytest.mark.parametrize("counts", [(0, 0), (4, 0)])
def test_empty_meshes(counts):
    meshes = Meshes([torch.rand(counts[0], 3)], [torch.zeros(counts[1], 3, dtype=torch.long)])
    assert (rasterize_meshes(meshes, 5, 0.0, 2)[0] == -1).all()
    assert rasterize_meshes(Meshes([], []), 5, 0.0, 2)[0].shape == (0, 5, 5, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_size": 0},
        {"image_size": (4, 0)},
        {"image_size": (1, 2, 3)},
        {"faces_per_pixel": 0},
        {"blur_radius": -1.0},
    ],
)
def test_arguments_without_sense_are_refused(wrong):
    meshes = Meshes([torch.rand(3, 3)], [torch.tensor([[0, 1, 2]])])
    with pytest.raises(ValueError, match="must be"):
        rasterize_meshes(meshes, **wrong)


def test_barycentric_coordinates():
    torch.manual_seed(0)
    corners = torch.rand(3, 7, 2, dtype=torch.float64)
    weights = torch.rand(7, 3, dtype=torch.float64)
    weights = weights / weights.sum(1, keepdim=True)
    points = (weights.t()[..., None] * corners).sum(0)
    torch.testing.assert_close(torch.stack(barycentric_coordinates(points, *corners), 1), weights, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "size, message", [((8, 8, 3), "tuple/list of"), ((0, 8), "greater than 0"), ((8.5, 8), "integers")]
)
def test_image_sizes(size, message):
    for call in (lambda: rasterize_meshes(Meshes([], []), size), lambda: rasterize_points(Pointclouds([]), size)):
        with pytest.raises(ValueError, match=message):
            call()


def test_images_beyond_the_memory_are_refused():
    for call in (
        lambda: rasterize_meshes(Meshes([torch.rand(3, 3)], [torch.tensor([[0, 1, 2]])]), 1_000_000),
        lambda: rasterize_points(Pointclouds([torch.rand(3, 3)]), (10**6, 10**6), points_per_pixel=4),
    ):
        with pytest.raises(ValueError, match="1000000 x 1000000 pixels, .* GiB, more than this machine has"):
            call()


def test_a_collinear_face_does_not_hide_what_lies_before_it():
    """Whether it has an area depends on how that is rounded: it is drawn by one rule, or not at all."""
    wall = [[-2.0, -2, 0.5], [2, -2, 0.5], [0, 3, 0.5]]
    sliver = [
        [-0.34315067529678345, 0.07695582509040833, 1],
        [-0.6250995397567749, -0.1504524052143097, 1],
        [-0.9806824922561646, -0.4372507929801941, 1],
    ]
    meshes = Meshes([torch.tensor([*wall, *sliver])], [torch.arange(6).view(2, 3)])
    for depth in (1, 2):
        face, zbuf, _, _ = rasterize_meshes(meshes, 64, faces_per_pixel=depth)
        assert not (face == 1).any() and float(zbuf[zbuf != -1].min()) > 0.499


def test_a_level_edge_is_one_face_s_alone():
    verts = torch.tensor([[-1.0, 0, 1], [1, 0, 1], [0, 1, 1], [0, -1, 1]])
    face, _, _, _ = rasterize_meshes(Meshes([verts], [torch.tensor([[0, 1, 2], [0, 1, 3]])]), 9, faces_per_pixel=2)
    assert int((face[0, 4] >= 0).sum(1).max()) == 1 and (face[0, 4, 1:-1, 0] >= 0).all()
