"""Batches of meshes against PyTorch3D's outputs, plain loops and closed forms."""

import pytest
import torch

from common.p3d import FoVPerspectiveCameras, MeshRasterizer
from common.p3d.meshes import Meshes
from common.p3d.textures import TexturesVertex
from tests.common.p3d.small_meshes import tetrahedron, three_meshes


def test_golden(golden):
    arrays, _ = golden("meshes_structure")
    meshes = Meshes([arrays[f"verts{i}"] for i in range(3)], [arrays[f"faces{i}"] for i in range(3)])
    names = [name[2:] for name in arrays if name.startswith("m.")]
    assert len(names) == 22
    for name in names:
        value = meshes.laplacian_packed().to_dense() if name == "laplacian_packed_dense" else getattr(meshes, name)()
        wanted = arrays[f"m.{name}"]
        if wanted.is_floating_point():
            assert (value - wanted).abs().max() < (1e-5 if "normals" in name else 1e-6), name
        else:
            assert torch.equal(value, wanted.long()), name


def test_forms_agree():
    meshes = three_meshes()
    assert (len(meshes), meshes.isempty(), meshes.equisized) == (3, False, False)
    assert meshes.valid.tolist() == [True, False, True]
    assert [len(v) for v in meshes.verts_list()] == [4, 0, 4]
    assert torch.equal(torch.cat(meshes.verts_list()), meshes.verts_packed())
    assert torch.equal(meshes.verts_padded().view(-1, 3)[meshes.verts_padded_to_packed_idx()], meshes.verts_packed())
    assert meshes.faces_padded()[2].tolist() == [[0, 1, 2]] + [[-1] * 3] * 3
    assert meshes.faces_packed()[-1].tolist() == [4, 5, 6]
    again = Meshes(meshes.verts_padded(), meshes.faces_padded())
    assert all(torch.equal(a, b) for a, b in zip(again.faces_list(), meshes.faces_list(), strict=True))


def test_edges_against_sets():
    meshes = three_meshes()
    edges = {tuple(sorted((int(f[a]), int(f[a - 1])))) for f in meshes.faces_packed() for a in range(3)}
    assert [tuple(e) for e in meshes.edges_packed().tolist()] == sorted(edges)
    assert meshes.num_edges_per_mesh().tolist() == [6, 0, 3]
    assert meshes.mesh_to_edges_packed_first_idx().tolist() == [0, 6, 6]
    assert meshes.edges_packed_to_mesh_idx().tolist() == [0] * 6 + [2] * 3
    for face, own in zip(meshes.faces_packed(), meshes.faces_packed_to_edges_packed(), strict=True):
        for corner in range(3):
            opposite = sorted((int(face[corner - 1]), int(face[corner - 2])))
            assert meshes.edges_packed()[own[corner]].tolist() == opposite


def test_normals_areas_and_boxes_of_a_tetrahedron():
    meshes = three_meshes(torch.float64)
    root = 3**0.5
    assert meshes.faces_areas_packed().tolist() == pytest.approx([0.5, 0.5, 0.5, root / 2, 2])
    wanted = torch.tensor([[0, 0, -1], [0, -1, 0], [-1, 0, 0], [1 / root] * 3, [0, 0, 1]], dtype=torch.float64)
    assert torch.allclose(meshes.faces_normals_packed(), wanted)
    assert torch.allclose(meshes.faces_normals_list()[2], wanted[4:])
    corner = torch.tensor([[-1.0, -1, -1]], dtype=torch.float64) / root
    assert torch.allclose(meshes.verts_normals_packed()[:1], corner)
    assert meshes.verts_normals_packed()[7].tolist() == [0, 0, 0]  # no face
    assert meshes.verts_normals_padded().shape == (3, 4, 3)
    boxes = meshes.get_bounding_boxes()
    assert boxes[0].tolist() == [[0, 1]] * 3
    assert boxes[1].tolist() == [[torch.inf, -torch.inf]] * 3


@pytest.mark.parametrize("empty", [Meshes([], []), Meshes([torch.zeros(0, 3)] * 2, [torch.zeros(0, 3).long()] * 2)])
def test_empty_batches(empty: Meshes):
    count = len(empty)
    assert empty.isempty()
    assert empty.verts_packed().shape == empty.faces_packed().shape == (0, 3)
    assert empty.verts_padded().shape == empty.faces_padded().shape == (count, 0, 3)
    assert empty.edges_packed().shape == (0, 2)
    assert empty.num_edges_per_mesh().tolist() == [0] * count
    assert empty.verts_normals_packed().shape == empty.faces_normals_packed().shape == (0, 3)
    assert empty.faces_areas_packed().shape == (0,)
    assert empty.get_bounding_boxes().shape == (count, 3, 2)
    assert empty.laplacian_packed().shape == (0, 0)
    assert len(empty.extend(3)) == 3 * count
    assert len(empty.clone().offset_verts(torch.zeros(0, 3))) == count


@pytest.mark.parametrize(
    ("index", "chosen"),
    [(0, [0]), (-1, [2]), (slice(1, 3), [1, 2]), ([2, 0, 2], [2, 0, 2]), (torch.tensor([True, False, True]), [0, 2])],
)
def test_indexing(index, chosen: list[int]):
    meshes = three_meshes()
    picked = meshes[index]
    assert len(picked) == len(chosen)
    for own, source in enumerate(chosen):
        assert torch.equal(picked.verts_list()[own], meshes.verts_list()[source])
        assert torch.equal(picked.faces_list()[own], meshes.faces_list()[source])


def test_submeshes():
    meshes = three_meshes()
    parts = meshes.submeshes([[torch.tensor([3]), torch.tensor([1, 2])], [], [torch.tensor([], dtype=torch.int64)]])
    assert parts.num_faces_per_mesh().tolist() == [1, 2, 0]
    assert parts.num_verts_per_mesh().tolist() == [3, 4, 0]
    assert torch.equal(parts.verts_list()[0][parts.faces_list()[0][0]], meshes.verts_list()[0][[1, 2, 3]])
    with pytest.raises(ValueError, match="exactly one set of submeshes for each mesh"):
        meshes.submeshes([[]])


def test_bad_input():
    verts, faces = tetrahedron()
    for bad_verts, bad_faces, message in (
        ([verts], [faces, faces], "1 tensors of verts for 2"),
        ([verts[:, :2]], [faces], "verts must be"),
        ([verts], [faces[:, :2]], "faces must be"),
        (verts[None], faces, "2 tensors of verts|faces must be|4 of faces"),
        (verts[None], torch.tensor([[[0, 1, 2], [-1, -1, -1], [0, 2, 3]]]), "Padding of faces"),
        ("verts", faces[None], "must be lists of tensors"),
    ):
        with pytest.raises(ValueError, match=message):
            Meshes(bad_verts, bad_faces)
    meshes = three_meshes()
    with pytest.raises(ValueError, match="does not have textures"):
        meshes.sample_textures(None)
    with pytest.raises(ValueError, match="must be in the range"):
        meshes.get_mesh_verts_faces(3)
    with pytest.raises(IndexError):
        meshes[3]


def test_lists_are_the_tensors_given():
    """Gradients of the parts are found where PyTorch3D leaves them: in the tensors that went in."""
    verts, faces = tetrahedron()
    parts = [verts.clone().requires_grad_(), (verts + 1).requires_grad_()]
    meshes = Meshes(parts, [faces, faces])
    assert meshes.verts_list()[1] is parts[1] and meshes.extend(2).verts_list()[1] is parts[0]
    assert meshes.split([1, 1])[1].verts_list()[0] is parts[1] and meshes._verts_list is meshes.verts_list()
    assert meshes._num_faces_per_mesh.tolist() == [4, 4] and meshes.faces_list()[1] is meshes.faces_list()[1]
    meshes.verts_packed().sum().backward()
    assert torch.equal(parts[1].grad, torch.ones_like(verts))
    torch.testing.assert_close(meshes.offset_verts(torch.ones(3)).verts_list()[0], parts[0] + 1)
    torch.testing.assert_close(meshes.scale_verts(2.0).verts_list()[1], 2 * parts[1])
    other = Meshes([verts], [faces], TexturesVertex([torch.rand(4, 2)]))
    other.textures = TexturesVertex([torch.rand(3, 2)])
    with pytest.raises(ValueError, match="do not match"):
        other.sample_textures(None)
    assert other.textures.valid.tolist() == [True] and other.textures._verts_features_padded.shape == (1, 3, 2)


def test_padding_in_lists_of_faces_is_left_out():
    verts, faces = tetrahedron()
    padded = torch.cat((faces, torch.full((2, 3), -1)))
    assert torch.equal(Meshes([verts], [padded]).faces_packed(), faces)
    assert Meshes([torch.tensor([]), verts], [torch.tensor([]), faces]).verts_list()[0].shape == (0, 3)


@pytest.mark.parametrize("face", [[0, 1, 4], [0, -1, 2]])
def test_faces_of_missing_vertices_are_refused(face):
    verts, faces = tetrahedron()
    with pytest.raises(ValueError, match=r"names vertices \[0, .*, its mesh has 4"):
        Meshes([verts, verts], [faces, torch.tensor([face])])


def test_several_devices_are_refused():
    verts, faces = tetrahedron()
    away = verts.to("meta")
    for call in (
        lambda: Meshes([verts, away], [faces, faces]),
        lambda: Meshes([away], [faces]),
        lambda: Meshes([verts], [faces], TexturesVertex([away])),
        lambda: MeshRasterizer(FoVPerspectiveCameras(device="meta"))(Meshes([verts], [faces])),
    ):
        with pytest.raises(ValueError, match="device|cameras are on meta"):
            call()


def test_other_indices_are_refused():
    for batch in (three_meshes(), TexturesVertex([torch.rand(4, 3)])):
        for index in ("a", (0, 1)):
            with pytest.raises(IndexError, match="cannot be indexed by"):
                batch[index]
        with pytest.raises(ValueError, match="positive integer"):
            batch.extend(0)
