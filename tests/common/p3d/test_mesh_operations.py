"""Spheres and tori, subdivision, smoothing, graph convolution and features at vertices."""

import math

import pytest
import torch
from torch.nn import functional as F

from common.p3d.graph_conv import GraphConv, gather_scatter
from common.p3d.mesh_shapes import ico_sphere, torus
from common.p3d.meshes import Meshes
from common.p3d.pointclouds import Pointclouds
from common.p3d.subdivide import SubdivideMeshes
from common.p3d.taubin import taubin_smoothing
from common.p3d.textures import TexturesVertex
from common.p3d.vert_align import vert_align

TRIANGLE = (torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]]), torch.tensor([[0, 1, 2]]))
EMPTY = (torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))


def volume(mesh: Meshes) -> float:
    """Signed volume inside one closed mesh: positive if its faces are wound outward."""
    a, b, c = mesh.verts_packed()[mesh.faces_packed()].unbind(1)
    return float((torch.linalg.cross(a, b) * c).sum() / 6)


# --- shapes


def test_shapes_golden(golden):
    arrays, _ = golden("shapes")
    shapes = {f"ico{level}": ico_sphere(level) for level in range(4)}
    shapes |= {"torus0": torus(1.0, 2.0, 5, 6), "torus1": torus(0.3, 0.8, 12, 20)}
    for name, mesh in shapes.items():
        assert torch.allclose(mesh.verts_packed(), arrays[f"{name}.verts"], atol=1e-6), name
        assert torch.equal(mesh.faces_packed(), arrays[f"{name}.faces"].long()), name


def test_sphere_is_closed_and_nears_the_ball():
    sphere = ico_sphere(4)
    assert len(sphere.edges_packed()) * 2 == len(sphere.faces_packed()) * 3
    assert len(sphere.verts_packed()) - len(sphere.edges_packed()) + len(sphere.faces_packed()) == 2
    assert torch.allclose(sphere.verts_packed().norm(dim=1), torch.ones(2562))
    assert volume(sphere) == pytest.approx(4 / 3 * math.pi, rel=0.01)


def test_torus_is_closed_and_nears_the_solid():
    mesh = torus(0.5, 2.0, 60, 90)
    assert len(mesh.verts_packed()) - len(mesh.edges_packed()) + len(mesh.faces_packed()) == 0
    assert volume(mesh) == pytest.approx(2 * math.pi**2 * 2 * 0.5**2, rel=0.01)


def test_shapes_refuse_what_cannot_be():
    with pytest.raises(ValueError, match="level"):
        ico_sphere(-1)
    for sides, rings in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="sides and rings"):
            torus(1, 2, sides, rings)


# --- subdivision


def test_subdivide_golden(golden):
    arrays, _ = golden("meshes_structure")
    meshes = SubdivideMeshes()(Meshes([arrays[f"verts{i}"] for i in range(3)], [arrays[f"faces{i}"] for i in range(3)]))
    assert torch.allclose(meshes.verts_packed(), arrays["sub.verts_packed"], atol=1e-6)
    assert torch.equal(meshes.faces_packed(), arrays["sub.faces_packed"].long())


def test_subdivide_a_triangle_with_features():
    meshes = Meshes([EMPTY[0], TRIANGLE[0], TRIANGLE[0] + 1], [EMPTY[1], TRIANGLE[1], TRIANGLE[1]])
    divided, feats = SubdivideMeshes()(meshes, 2 * meshes.verts_packed())
    assert divided.num_verts_per_mesh().tolist() == [0, 6, 6]
    assert divided.verts_list()[1].tolist()[3:] == [[1, 0, 0], [0, 1, 0], [1, 1, 0]]
    assert divided.faces_areas_packed().tolist() == [0.5] * 8
    assert torch.equal(divided.faces_normals_packed(), torch.tensor([[0.0, 0, 1]] * 8))
    assert torch.equal(feats, 2 * divided.verts_packed())


def test_subdivide_batches_of_one_size():
    verts = torch.rand(2, 12, 3)
    faces = ico_sphere(0).faces_packed()
    meshes, feats = Meshes(verts, faces.expand(2, -1, -1)), torch.rand(2, 12, 5)
    divide = SubdivideMeshes(ico_sphere(0))
    divided, padded = divide(meshes, feats)
    packed = SubdivideMeshes()(meshes, feats.view(24, 5))[1]
    assert padded.shape == (2, 42, 5)
    assert torch.equal(padded, divide(meshes, feats.view(24, 5))[1])
    assert torch.equal(padded.view(84, 5), packed)
    assert torch.equal(divided.faces_packed(), SubdivideMeshes()(meshes).faces_packed())
    with pytest.raises(ValueError, match="meshes of one size"):
        divide(Meshes([TRIANGLE[0], EMPTY[0]], [TRIANGLE[1], EMPTY[1]]))
    with pytest.raises(ValueError, match="feats must be"):
        divide(meshes, feats[:, :3])


def test_subdivide_empty_and_gradients():
    assert len(SubdivideMeshes()(Meshes([], []))) == 0
    assert SubdivideMeshes()(Meshes(*([part] for part in EMPTY))).isempty()
    verts = TRIANGLE[0].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: SubdivideMeshes()(Meshes([v], [TRIANGLE[1]])).verts_packed(), verts)


# --- smoothing


def test_taubin_golden(golden):
    arrays, meta = golden("taubin_smoothing")
    meshes = Meshes([arrays["verts0"], arrays["verts1"]], [arrays["faces0"], arrays["faces1"]])
    for name, options in meta["variants"].items():
        assert torch.allclose(
            taubin_smoothing(meshes, **options).verts_packed(), arrays[f"{name}.verts_packed"], atol=1e-5
        )


def test_taubin_smooths_without_shrinking_and_keeps_what_has_no_edges():
    torch.manual_seed(0)
    sphere = ico_sphere(3)
    verts = torch.cat((sphere.verts_packed() * (1 + 0.05 * torch.randn(642, 1)), torch.tensor([[5.0, 6, 7]])))
    rough = Meshes([verts], [sphere.faces_packed()], TexturesVertex([torch.rand(643, 3)]))
    smooth = taubin_smoothing(rough)
    radius = smooth.verts_packed()[:642].norm(dim=1)
    assert radius.std() < 0.5 * verts[:642].norm(dim=1).std()
    assert volume(smooth) == pytest.approx(volume(rough), rel=0.03)
    assert smooth.verts_packed()[642].tolist() == [5, 6, 7]
    assert smooth.textures is rough.textures
    assert len(taubin_smoothing(Meshes([], []))) == 0


def test_taubin_gradients():
    verts = ico_sphere(0).verts_packed().double().requires_grad_()
    faces = ico_sphere(0).faces_packed()
    smooth = lambda v: taubin_smoothing(Meshes([v], [faces]), num_iter=2).verts_packed()  # noqa: E731
    assert torch.autograd.gradcheck(smooth, verts)


# --- graph convolution


@pytest.mark.parametrize("directed", [False, True])
def test_gather_scatter_against_loops(directed: bool):
    torch.manual_seed(1)
    rows, edges = torch.rand(7, 4, dtype=torch.float64), torch.randint(7, (15, 2))
    wanted = torch.zeros_like(rows)
    for start, end in edges.tolist():
        wanted[start] += rows[end]
        if not directed:
            wanted[end] += rows[start]
    assert torch.allclose(gather_scatter(rows, edges, directed), wanted)
    assert torch.autograd.gradcheck(lambda r: gather_scatter(r, edges, directed), rows.requires_grad_())


def test_graph_conv():
    conv = GraphConv(3, 2, directed=True)
    assert repr(conv) == "GraphConv(3 -> 2, directed=True)"
    assert 0 < conv.w0.weight.abs().max() < 0.1
    assert conv.w1.bias.tolist() == [0, 0]
    verts, edges = torch.rand(4, 3), torch.tensor([[0, 1], [0, 2]])
    with torch.no_grad():
        conv.w0.bias.fill_(1)
        conv.w1.bias.fill_(2)
    wanted = conv.w0(verts)
    wanted[0] += conv.w1(verts[1:3]).sum(0)
    assert torch.allclose(conv(verts, edges), wanted)
    assert torch.equal(conv(verts, edges[:0]), conv.w0(verts))
    assert GraphConv(3, 2, init="zero")(verts, edges).abs().max() == 0
    assert conv(torch.zeros(0, 3, requires_grad=True), edges[:0]).requires_grad


def test_graph_conv_refuses_bad_input():
    with pytest.raises(ValueError, match="Invalid GraphConv initialization"):
        GraphConv(3, 2, init="uniform")
    for rows, edges in ((torch.rand(3), torch.zeros(1, 2).long()), (torch.rand(3, 2), torch.zeros(1, 3).long())):
        with pytest.raises(ValueError, match="input must be"):
            gather_scatter(rows, edges)


# --- features at vertices


def test_vert_align_golden(golden, wave):
    arrays, meta = golden("vert_align")
    maps = [arrays["feats0"].requires_grad_(), arrays["feats1"].requires_grad_()]
    verts = arrays["verts"].requires_grad_()
    for name, options in meta["variants"].items():
        assert torch.allclose(vert_align(maps, verts, **options), arrays[name], atol=1e-5), name
    out = vert_align(maps, verts)
    (out * wave(out.shape, 0.1)).sum().backward()
    for name, leaf in (("feats0", maps[0]), ("feats1", maps[1]), ("verts", verts)):
        assert torch.allclose(leaf.grad, arrays[f"grad_{name}"], atol=1e-5), name


def test_vert_align_of_meshes_and_clouds():
    features = torch.rand(2, 4, 6, 5)
    parts = [torch.rand(3, 3) * 2 - 1, torch.rand(1, 3) * 2 - 1]
    meshes = Meshes(parts, [TRIANGLE[1], EMPTY[1]])
    wanted = torch.cat(
        [F.grid_sample(features[i : i + 1], part[None, None, :, :2], align_corners=True)[0, :, 0].t()
         for i, part in enumerate(parts)]
    )  # fmt: skip
    for batch in (meshes, Pointclouds(parts)):
        assert torch.equal(vert_align(features, batch, return_packed=True), wanted)
        assert vert_align(features, batch).shape == (2, 3, 4)
    assert vert_align(features, meshes.verts_padded(), return_packed=True).shape == (6, 4)
    corners = torch.tensor([[-1.0, -1, 0], [1, 1, 0]]).expand(2, -1, -1)
    ends = torch.stack((features[:, :, 0, 0], features[:, :, -1, -1]), 1)
    assert torch.allclose(vert_align(features, corners), ends)


def test_vert_align_refuses_bad_input():
    features, verts = torch.rand(2, 4, 6, 5), torch.rand(2, 3, 3)
    for bad in ((features, verts[0]), (features[0], verts), (features[:1], verts), (features, "verts")):
        with pytest.raises(ValueError, match="verts must be"):
            vert_align(*bad)
