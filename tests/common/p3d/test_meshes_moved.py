"""Batches of meshes that are moved, changed, copied and joined: what they keep, and their gradients."""

import pytest
import torch

from common.p3d.meshes import Meshes, join_meshes_as_batch, join_meshes_as_scene
from common.p3d.textures import TexturesVertex
from tests.common.p3d.small_meshes import tetrahedron, three_meshes


def test_extend_split_and_joins():
    meshes = three_meshes()
    repeated = meshes.extend(2)
    assert repeated.num_verts_per_mesh().tolist() == [4, 4, 0, 0, 4, 4]
    assert torch.equal(repeated.faces_list()[5], meshes.faces_list()[2])
    first, rest = meshes.split([1, 2])
    assert (len(first), len(rest)) == (1, 2)
    batch = join_meshes_as_batch([first, rest])
    assert torch.equal(batch.faces_packed(), meshes.faces_packed())
    scene = join_meshes_as_scene([first, rest])
    assert len(scene) == 1
    assert torch.equal(scene.faces_list()[0], meshes.faces_packed())
    assert torch.equal(scene.verts_list()[0], meshes.verts_packed())


def test_joins_of_textures():
    verts, faces = tetrahedron()
    plain, red = Meshes([verts], [faces]), Meshes([verts], [faces], TexturesVertex([torch.rand(4, 3)]))
    with pytest.raises(ValueError, match="same type of texture"):
        join_meshes_as_batch([plain, red])
    assert join_meshes_as_batch([plain, red], include_textures=False).textures is None
    both = join_meshes_as_scene([red, red])
    assert torch.equal(both.textures.verts_features_packed(), red.textures.verts_features_packed().repeat(2, 1))


def test_moves_and_what_they_keep():
    meshes = three_meshes()
    before = meshes.verts_packed().clone()
    edges, areas, normals = meshes.edges_packed(), meshes.faces_areas_packed(), meshes.verts_normals_packed()
    shift = torch.rand(8, 3)
    assert torch.equal(meshes.offset_verts(torch.ones(3)).verts_normals_packed(), normals)
    moved = meshes.offset_verts(shift)
    assert torch.equal(moved.verts_packed(), before + shift)
    assert torch.equal(meshes.verts_packed(), before)
    assert moved.edges_packed() is edges
    fresh = Meshes(moved.verts_list(), moved.faces_list())
    assert torch.equal(moved.verts_normals_packed(), fresh.verts_normals_packed())
    assert torch.equal(moved.faces_areas_packed(), fresh.faces_areas_packed())
    scaled = meshes.scale_verts(torch.tensor([2.0, 3, 4]))
    assert torch.equal(scaled.verts_list()[2], 4 * meshes.verts_list()[2])
    assert torch.allclose(scaled.faces_areas_packed(), areas * torch.tensor([4.0] * 4 + [16]))
    assert meshes.scale_verts_(0.5) is meshes
    assert torch.equal(meshes.verts_packed(), before / 2)
    for wrong in (torch.zeros(7, 3), torch.zeros(4)):
        with pytest.raises(ValueError, match="offsets must be"):
            meshes.offset_verts(wrong)
    with pytest.raises(ValueError, match="scale must be"):
        meshes.scale_verts(torch.ones(2))


def test_update_padded():
    meshes = three_meshes()
    new = torch.rand(3, 4, 3)
    updated = meshes.update_padded(new)
    assert torch.equal(updated.verts_list()[2], new[2])
    assert updated.num_verts_per_mesh().tolist() == [4, 0, 4]
    assert torch.equal(updated.faces_packed(), meshes.faces_packed())
    with pytest.raises(ValueError, match="expected"):
        meshes.update_padded(new[:, :3])


def test_clone_and_detach_share_nothing():
    verts, faces = tetrahedron()
    meshes = Meshes([verts.requires_grad_()], [faces])
    copy = meshes.clone()
    assert copy.verts_packed().requires_grad
    assert copy.verts_packed().data_ptr() != meshes.verts_packed().data_ptr()
    assert not meshes.detach().verts_packed().requires_grad
    assert meshes.to("cpu") is meshes
    assert meshes.to("cpu", copy=True) is not meshes


def test_given_normals_are_used_and_kept():
    verts, faces = tetrahedron()
    normals = torch.rand(4, 3)
    meshes = Meshes([verts.requires_grad_()], [faces], verts_normals=[normals])
    assert torch.equal(meshes.verts_normals_packed(), normals)
    assert torch.equal(meshes[0].verts_normals_packed(), normals)
    assert torch.equal(meshes.clone().verts_normals_packed(), normals)


def test_what_was_computed_without_gradients_is_computed_anew_with_them():
    verts, faces = tetrahedron()
    meshes = Meshes([verts.requires_grad_()], [faces])
    with torch.no_grad():
        meshes.verts_normals_packed(), meshes.faces_areas_packed()
    (meshes.verts_normals_packed()[0, 0] + meshes.faces_areas_packed().sum()).backward()
    assert verts.grad.abs().sum() > 0


def test_gradients():
    _, faces = tetrahedron()
    verts = torch.rand(2, 4, 3, dtype=torch.float64, requires_grad=True)

    def outputs(verts: torch.Tensor):
        meshes = Meshes(verts, faces.expand(2, -1, -1)).offset_verts(torch.ones(3, dtype=torch.float64))
        meshes = meshes.scale_verts(1.5)
        return meshes.verts_normals_padded(), meshes.faces_areas_packed(), meshes.get_bounding_boxes()

    assert torch.autograd.gradcheck(outputs, verts)


def test_given_normals_outlive_scaling_and_scenes():
    verts, faces = tetrahedron()
    normals = torch.rand(4, 3)
    meshes = Meshes([verts, verts], [faces, faces], verts_normals=[normals, -normals])
    assert torch.equal(meshes.scale_verts(2.0).verts_normals_packed(), torch.cat((normals, -normals)))
    assert torch.equal(join_meshes_as_scene(meshes).verts_normals_packed(), torch.cat((normals, -normals)))
    moved = meshes.offset_verts(torch.rand(8, 3))
    assert not moved.has_verts_normals() and not torch.equal(moved.verts_normals_list()[0], normals)


def test_lists_of_what_is_computed_follow_the_vertices():
    verts, faces = tetrahedron()
    meshes = Meshes([verts.requires_grad_()], [faces])
    with torch.no_grad():
        assert not meshes.verts_normals_list()[0].requires_grad
    assert meshes.verts_normals_list()[0].requires_grad and meshes.faces_normals_list()[0].requires_grad
    before = meshes.faces_normals_list()[0]
    meshes.offset_verts_(torch.rand(4, 3))
    assert not torch.equal(meshes.faces_normals_list()[0], before)


def test_a_scene_of_no_meshes_is_one_empty_mesh():
    scene = join_meshes_as_scene(Meshes([], [], TexturesVertex([])))
    assert len(scene) == 1 and scene.textures.verts_features_padded().shape == (1, 0, 3)
