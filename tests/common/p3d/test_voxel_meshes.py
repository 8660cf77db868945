"""Marching cubes and cubify against PyTorch3D's outputs, loops over cells, and what closed surfaces obey."""

import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from common.p3d.cubify import cubify
from common.p3d.marching_cubes import TRIANGLES, marching_cubes, marching_cubes_naive
from common.p3d.meshes import Meshes


def unbalanced(faces: Tensor) -> Counter:
    """How much oftener each edge is run through in one direction than in the other: nothing for closed surfaces."""
    runs = Counter((f[k - 1], f[k]) for f in faces.tolist() for k in range(3))
    return Counter({edge: n - runs[edge[::-1]] for edge, n in runs.items() if n > runs[edge[::-1]]})


def volume(verts: Tensor, faces: Tensor) -> float:
    a, b, c = verts.double()[faces].unbind(1)
    return float((torch.linalg.cross(a, b) * c).sum() / 6)


def ball(size: int, radius: float) -> Tensor:
    """(1, size, size, size): distance from the middle of the grid less the radius, in cells."""
    steps = torch.arange(size) - (size - 1) / 2
    return (torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).norm(dim=0) - radius)[None]


# --- marching cubes


def test_marching_cubes_golden(golden):
    arrays, meta = golden("marching_cubes")
    for name, options in meta["variants"].items():
        verts, faces = marching_cubes(arrays[f"{name}.vol"], **options)
        assert len(verts) == len(faces) == len(arrays[f"{name}.vol"])
        for i, (own_verts, own_faces) in enumerate(zip(verts, faces, strict=True)):
            assert torch.allclose(own_verts, arrays[f"{name}.verts{i}"], atol=2e-6), name
            assert torch.equal(own_faces, arrays[f"{name}.faces{i}"].long()), name


def test_every_case_fits_every_neighbour():
    """The triangles of a cube end on its sides in segments that depend on that side's corners alone."""
    edges = [(k, k + (1 << axis)) for axis in range(3) for k in range(8) if not k >> axis & 1]
    segments: dict[tuple, set] = {}
    for case, triangles in enumerate(TRIANGLES.view(256, 5, 3).tolist()):
        used = {e for t in triangles for e in t if e < 15}
        assert used == {e for e, (a, b) in enumerate(edges) if (case >> a ^ case >> b) & 1}
        border = unbalanced(torch.tensor([t for t in triangles if t[0] < 15]).view(-1, 3))
        assert set(border.values()) <= {1}
        on_sides = 0
        for axis, high in itertools.product(range(3), range(2)):
            own = [e for e, ends in enumerate(edges) if all(end >> axis & 1 == high for end in ends)]
            corners = tuple(case >> k & 1 for k in range(8) if k >> axis & 1 == high)
            place = {e: tuple(end & ~(1 << axis) for end in edges[e]) for e in own}
            lines = [(a, b) if high else (b, a) for a, b in border if a in own and b in own]
            on_sides += len(lines)
            segments.setdefault((axis, corners), set()).add(frozenset((place[a], place[b]) for a, b in lines))
        assert on_sides == len(border)
    assert len(segments) == 3 * 16
    assert all(len(kinds) == 1 for kinds in segments.values())


@pytest.mark.parametrize("shape", [(6, 7, 5), (2, 3, 9), (9, 2, 2)])
def test_vertices_against_a_loop_over_edges(shape: tuple[int, int, int]):
    grid = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    wanted = set()
    for start in itertools.product(*map(range, shape)):
        for axis in range(3):
            end = tuple(s + (axis == a) for a, s in enumerate(start))
            if end[axis] < shape[axis] and (grid[start] < 0.4) != (grid[end] < 0.4):
                part = float((0.4 - grid[start]) / (grid[end] - grid[start]))
                wanted.add(tuple(round(s + part * (axis == a), 9) for a, s in enumerate(start))[::-1])
    verts, faces = marching_cubes(grid[None], 0.4, return_local_coords=False)
    assert {tuple(round(x, 9) for x in v) for v in verts[0].tolist()} == wanted
    assert len(verts[0]) == len(wanted)
    assert set(faces[0].flatten().tolist()) == set(range(len(wanted)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.booleans())
def test_surfaces_are_closed(seed: int, level: int, whole: bool):
    """Even where the values are exactly the level, so that vertices of several edges coincide."""
    values = torch.rand(1, 5, 6, 4, generator=torch.Generator().manual_seed(seed)) * 4
    inner = values.floor() if whole else values
    grid = F.pad(inner, (1,) * 6, value=9.0)
    verts, faces = (x[0] for x in marching_cubes(grid, float(level), return_local_coords=False))
    assert not unbalanced(faces)
    assert len(torch.unique(verts, dim=0)) == len(verts)
    assert all(len(set(face)) == 3 for face in faces.tolist())
    assert (volume(verts, faces) > 0) == bool((inner < level).any())


def test_a_ball_has_its_volume_area_and_normals():
    verts, faces = (x[0] for x in marching_cubes(ball(40, 15.0), 0.0, return_local_coords=False))
    assert volume(verts, faces) == pytest.approx(4 / 3 * math.pi * 15**3, rel=0.01)
    mesh = Meshes([verts - 19.5], [faces])
    assert float(mesh.faces_areas_packed().sum()) == pytest.approx(4 * math.pi * 15**2, rel=0.01)
    assert torch.allclose(mesh.verts_packed().norm(dim=1), torch.tensor(15.0), atol=0.02)
    assert (mesh.verts_normals_packed() * mesh.verts_packed()).sum(1).min() > 14.5  # outward
    local = marching_cubes(ball(40, 15.0), 0.0)[0][0]
    assert torch.allclose(local, verts * 2 / 39 - 1, atol=1e-6)


def test_batches_levels_and_empty_volumes():
    volumes = torch.stack([ball(8, 2.0)[0], torch.ones(8, 8, 8), -2 * ball(8, 3.0)[0]])
    verts, faces = marching_cubes(volumes)
    assert [x.shape for x in (verts[1], faces[1])] == [(0, 3), (0, 3)]
    for i in (0, 2):
        level = (volumes[i].max() + volumes[i].min()).item() / 2
        single = marching_cubes_naive(volumes[i : i + 1], level)
        assert torch.equal(verts[i], single[0][0])
        assert torch.equal(faces[i], single[1][0])
    assert marching_cubes(torch.zeros(0, 4, 4, 4)) == ([], [])
    for shape in ((1, 1, 4, 4), (1, 4, 4, 0)):
        assert marching_cubes(torch.rand(shape), 0.5)[1][0].shape == (0, 3)
    occupied = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    occupied[0, 1, 2, 1] = True
    assert marching_cubes(occupied, 0.5, False)[0][0].mean(0).tolist() == [1, 2, 1]


def test_vertices_have_gradients():
    grid = ball(5, 1.7).double() + 0.1 * torch.rand(1, 5, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda v: marching_cubes(v, 0.0)[0][0], grid.requires_grad_())
    assert not marching_cubes(grid.detach(), 0.0)[0][0].requires_grad


def test_marching_cubes_refuses_bad_input():
    with pytest.raises(ValueError, match="vol_batch must be"):
        marching_cubes(torch.rand(4, 4, 4))
    grid = ball(6, 1.5)
    grid[0, 2, 2, 2] = -torch.inf
    grid[0, 2, 2, 1] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        marching_cubes(grid, 0.0)


# --- cubify


def test_cubify_golden(golden):
    arrays, meta = golden("cubify")
    for name, options in meta["variants"].items():
        meshes = cubify(arrays[f"{name}.voxels"], options["thresh"], align=options["align"])
        assert len(meshes) == len(arrays[f"{name}.voxels"])
        for i, (verts, faces) in enumerate(zip(meshes.verts_list(), meshes.faces_list(), strict=True)):
            assert torch.allclose(verts, arrays[f"{name}.verts{i}"], atol=1e-6)
            assert torch.equal(faces, arrays[f"{name}.faces{i}"].long())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_cubes_are_closed_and_fill_the_voxels(seed: int):
    voxels = torch.rand(2, 4, 3, 5, generator=torch.Generator().manual_seed(seed))
    for own, mesh in zip(voxels, cubify(voxels, 0.5, align="corner"), strict=True):
        full = own >= 0.5
        bare = sum(int(F.pad(full, (1,) * 6).diff(dim=d).sum()) for d in range(3))
        assert len(mesh.faces_packed()) == 2 * bare
        assert not unbalanced(mesh.faces_packed())
        assert len(torch.unique(mesh.verts_packed(), dim=0)) == len(mesh.verts_packed())
        assert volume(mesh.verts_packed(), mesh.faces_packed()) == pytest.approx(int(full.sum()) * 8 / 60, rel=1e-4)


def test_where_align_puts_the_cubes():
    voxels = torch.zeros(1, 3, 4, 5)
    voxels[0, 0, 1, 4] = 1
    for align, low, high in (
        ("topleft", (1, -1 / 3, -1), (1.5, 1 / 3, 0)),
        ("corner", (0.6, -0.5, -1), (1, 0, -1 / 3)),
        ("center", (0.75, -2 / 3, -1.5), (1.25, 0, -0.5)),
    ):
        box = cubify(voxels, 0.5, align=align).get_bounding_boxes()[0]
        assert torch.allclose(box, torch.tensor([low, high]).t(), atol=1e-6), align
    single = cubify(torch.ones(1, 1, 1, 1), 0.5, align="center")
    assert single.get_bounding_boxes()[0].tolist() == [[-2, 0]] * 3


def test_cubify_colours_faces_by_their_voxel():
    voxels = torch.zeros(3, 2, 2, 2)
    voxels[0, 0, 0, 1] = voxels[2, 1, 0, 0] = voxels[2, 1, 1, 1] = 1
    feats = torch.rand(3, 4, 2, 2, 2)
    atlas = cubify(voxels, 0.5, feats=feats, align="center").textures.atlas_list()
    assert [len(a) for a in atlas] == [12, 0, 24]
    assert torch.equal(atlas[0].view(12, 4), feats[0, :, 0, 0, 1].expand(12, -1))
    assert torch.equal(atlas[2].view(2, 12, 4)[:, 0], torch.stack((feats[2, :, 1, 0, 0], feats[2, :, 1, 1, 1])))


def test_cubify_of_nothing():
    assert len(cubify(torch.zeros(0, 2, 2, 2), 0.5)) == 0
    meshes = cubify(torch.zeros(2, 2, 2, 2), 0.5)
    assert (len(meshes), meshes.isempty()) == (2, True)


def test_cubify_refuses_bad_input():
    for voxels, options, message in (
        (torch.ones(1, 2, 2, 2), {"align": "left"}, "Align mode must be one of"),
        (torch.ones(2, 2, 2), {}, "voxels must be"),
        (torch.ones(1, 2, 2, 2), {"feats": torch.ones(1, 3, 2, 2, 2)}, "feats need align"),
    ):
        with pytest.raises(ValueError, match=message):
            cubify(voxels, 0.5, **options)
