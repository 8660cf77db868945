"""Textures: lookups against grid_sample and closed forms, batches, joins and parts."""

import pytest
import torch
from torch.nn import functional as F

from common.p3d import (
    AmbientLights,
    FoVPerspectiveCameras,
    HardPhongShader,
    Meshes,
    MeshRasterizer,
    MeshRenderer,
    RasterizationSettings,
    TexturesAtlas,
    TexturesUV,
    TexturesVertex,
    join_meshes_as_batch,
    join_meshes_as_scene,
)
from common.p3d.mesh_renderer import Fragments
from common.p3d.texture_images import paste_images, sample_images, stack_images

SQUARE = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
FACES = torch.tensor([[0, 2, 1], [0, 3, 2]])
UVS = torch.tensor([[1.0, 0], [0, 0], [0, 1], [1, 1]])  # seen from -z, where +x is to the left of the picture


def fragments_of(count, seed=0, faces=2):
    generator = torch.Generator().manual_seed(seed)
    face = torch.randint(-1, faces, (1, count, 1, 1), generator=generator)
    bary = torch.rand(1, count, 1, 1, 3, generator=generator)
    return Fragments(face, None, bary / bary.sum(-1, keepdim=True), None)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", ["border", "zeros", "reflection"])
@pytest.mark.parametrize("align", [True, False])
def test_lookups_equal_grid_sample(mode, padding, align):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(7, 5, 3, generator=generator, dtype=torch.float64)
    uv = torch.rand(400, 2, generator=generator, dtype=torch.float64) * 3 - 1
    grid = torch.stack((2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]), 1)[None, None]
    expected = F.grid_sample(image.permute(2, 0, 1)[None], grid, mode, padding, align_corners=align)[0, :, 0].T
    ours = sample_images([image], uv, None, None, mode, align, padding)
    torch.testing.assert_close(ours, expected, atol=1e-12, rtol=0.0)


def test_lookups_in_images_of_unequal_size_and_in_sets():
    images = [torch.rand(4, 6, 2, dtype=torch.float64), torch.rand(9, 3, 2, dtype=torch.float64)]
    uv, mesh = torch.rand(50, 2, dtype=torch.float64), torch.randint(3, (50,))
    listed = [images[0], images[1], images[0]]
    together = sample_images(listed, uv, mesh, None, "bilinear", True, "border")
    for n, image in enumerate(listed):
        alone = sample_images([image], uv[mesh == n], None, None, "bilinear", True, "border")
        torch.testing.assert_close(together[mesh == n], alone, atol=1e-12, rtol=0.0)
    sets, part = torch.rand(3, 4, 5, 2, dtype=torch.float64), torch.randint(3, (50,))
    chosen = sample_images([sets], uv, None, part, "bilinear", True, "border")
    for n in range(3):
        alone = sample_images([sets[n]], uv[part == n], None, None, "bilinear", True, "border")
        torch.testing.assert_close(chosen[part == n], alone, atol=1e-12, rtol=0.0)


def test_gradients_of_lookups():
    image = torch.rand(4, 5, 2, dtype=torch.float64, requires_grad=True)
    uv = (torch.rand(12, 2, dtype=torch.float64) * 0.9 + 0.03).requires_grad_()
    for align in (True, False):
        assert torch.autograd.gradcheck(
            lambda i, p, a=align: sample_images([i], p, None, None, "bilinear", a, "border"), (image, uv)
        )


def test_a_pyramid_averages_what_a_pixel_covers():
    """A fine chequerboard seen from afar is grey in every pixel; looked up without the pyramid it is black or white."""
    ticks = torch.arange(256)
    board = ((ticks[:, None] + ticks) % 2).float()[..., None].expand(256, 256, 3)
    cameras = FoVPerspectiveCameras(T=torch.tensor([[0.0, 0.0, 4.0]]))

    def spread(mode):
        textures = TexturesUV([board], [FACES], [UVS], sampling_mode=mode)
        shader = HardPhongShader(lights=AmbientLights(), cameras=cameras)
        settings = RasterizationSettings(33)
        image = MeshRenderer(MeshRasterizer(cameras, settings), shader)(Meshes([SQUARE], [FACES], textures))[0]
        inside = image[11:22, 11:22, 0]
        return (inside - 0.5).abs().max()

    assert spread("mipmap") < 1e-4 and spread("bilinear") > 0.3


def test_a_pyramid_near_by_is_bilinear():
    image = torch.rand(8, 8, 3)
    uv = torch.rand(30, 2)
    plain = sample_images([image], uv, None, None, "bilinear", True, "border")
    level = sample_images([image], uv, None, None, "bilinear", True, "border", torch.full((30,), 0.5 / 8))
    torch.testing.assert_close(level, plain)
    coarse = sample_images([image], uv, None, None, "bilinear", True, "border", torch.ones(30))
    torch.testing.assert_close(coarse, image.mean((0, 1)).expand(30, 3))


def test_vertex_textures_interpolate():
    colors = torch.rand(4, 5)
    mesh = Meshes([SQUARE], [FACES], TexturesVertex([colors]))
    fragments = fragments_of(40)
    out = mesh.sample_textures(fragments)[0, :, 0, 0]
    for face, bary, value in zip(fragments.pix_to_face.view(-1), fragments.bary_coords.view(-1, 3), out, strict=True):
        expected = bary @ colors[FACES[face]] if face >= 0 else torch.zeros(5)
        torch.testing.assert_close(value, expected)
    torch.testing.assert_close(mesh.textures.faces_verts_textures_packed(FACES), colors[FACES])


def test_atlas_texels():
    """The nearest of the R x R small triangles' texels, counted from the third corner along both others."""
    atlas = torch.rand(1, 2, 4, 4, 3)
    mesh = Meshes([SQUARE], [FACES], TexturesAtlas(atlas))
    for face in (0, 1):
        for i in range(4):
            for j in range(4 - i):
                bary = torch.tensor([i + 0.3, j + 0.3]) / 4
                fragments = Fragments(
                    torch.tensor([[[[face]]]]),
                    None,
                    torch.cat((bary, 1 - bary.sum(0, keepdim=True))).view(1, 1, 1, 1, 3),
                    None,
                )
                assert torch.equal(mesh.sample_textures(fragments).view(3), atlas[0, face, j, i])


def test_uv_textures_show_the_image_upright():
    """Four texels on a square that fills the picture: the picture is the image."""
    image = torch.rand(2, 2, 3)
    cameras = FoVPerspectiveCameras(T=torch.tensor([[0.0, 0.0, 3.0**0.5]]))
    textures = TexturesUV([image], [FACES], [UVS], sampling_mode="nearest", align_corners=False)
    renderer = MeshRenderer(
        MeshRasterizer(cameras, RasterizationSettings(2)), HardPhongShader(cameras=cameras, lights=AmbientLights())
    )
    torch.testing.assert_close(renderer(Meshes([SQUARE], [FACES], textures))[0, ..., :3], image)


def uv_mesh(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    uvs = torch.rand(5, 2, generator=generator)
    faces_uvs = torch.randint(5, (2, 3), generator=generator)
    return Meshes(
        [SQUARE], [FACES], TexturesUV([torch.rand(height, width, 3, generator=generator)], [faces_uvs], [uvs])
    )


@pytest.mark.parametrize("kind", ["uv", "vertex", "atlas"])
def test_batches_joins_and_scenes_look_like_their_parts(kind):
    def make(seed):
        generator = torch.Generator().manual_seed(seed)
        if kind == "uv":
            return uv_mesh(3 + seed, 7 - seed, seed)
        if kind == "vertex":
            return Meshes([SQUARE], [FACES], TexturesVertex([torch.rand(4, 3, generator=generator)]))
        return Meshes([SQUARE], [FACES], TexturesAtlas([torch.rand(2, 3, 3, 3, generator=generator)]))

    meshes = [make(seed) for seed in range(3)]
    batch, scene = join_meshes_as_batch(meshes), join_meshes_as_scene(meshes)
    assert len(batch) == 3 and len(scene) == 1
    bary = torch.rand(20, 3)
    bary /= bary.sum(1, keepdim=True)
    local = torch.arange(20) % 2
    for number, mesh in enumerate(meshes):
        alone = mesh.textures.sample(local, bary, mesh.faces_packed())
        for other in (batch, scene):
            seen = other.textures.sample(local + 2 * number, bary, other.faces_packed())
            torch.testing.assert_close(seen, alone, atol=1e-5, rtol=0.0)
        picked = batch[number]
        torch.testing.assert_close(picked.textures.sample(local, bary, picked.faces_packed()), alone)
    parts = batch.submeshes([[torch.tensor([1])], [], [torch.tensor([0]), torch.tensor([0, 1])]])
    assert parts.num_faces_per_mesh().tolist() == [1, 1, 2]
    for face, (mesh, own) in enumerate(((0, 1), (2, 0), (2, 0), (2, 1))):
        one = parts.textures.sample(torch.full((20,), face), bary, parts.faces_packed())
        two = batch.textures.sample(torch.full((20,), 2 * mesh + own), bary, batch.faces_packed())
        torch.testing.assert_close(one, two)
    twice = batch.extend(2)
    one = twice.textures.sample(local + 2 * 3, bary, twice.faces_packed())  # the second copy of the second mesh
    torch.testing.assert_close(one, batch.textures.sample(local + 2, bary, batch.faces_packed()))


def test_an_image_that_meshes_share_is_pasted_once():
    image = torch.rand(6, 9, 3)
    uvs = [torch.rand(4, 2), torch.rand(5, 2)]
    for align in (True, False):
        whole, moved = paste_images([image, image], uvs, align)
        assert whole.shape[0] * whole.shape[1] < 1.7 * 6 * 9
        for before, after in zip(uvs, moved, strict=True):
            here = sample_images([whole], after, None, None, "bilinear", align, "border")
            there = sample_images([image], before, None, None, "bilinear", align, "border")
            torch.testing.assert_close(here, there, atol=1e-5, rtol=0.0)


def test_padded_textures_are_cut_to_their_meshes():
    features = torch.rand(2, 6, 3)
    verts, faces = [torch.rand(6, 3), torch.rand(4, 3)], [FACES, FACES[:1]]
    mesh = Meshes(verts, faces, TexturesVertex(features))
    assert [len(f) for f in mesh.textures.verts_features_list()] == [6, 4]
    assert torch.equal(mesh.textures.verts_features_packed(), torch.cat((features[0], features[1, :4])))
    assert mesh.textures.verts_features_padded().shape == (2, 6, 3)


def test_stacked_images():
    one, two = torch.rand(4, 4, 3), torch.rand(2, 8, 3)
    assert torch.equal(stack_images([one, one]), torch.stack([one, one]))
    assert stack_images([one, two]).shape == (2, 4, 8, 3)
    assert stack_images([]).shape == (0, 0, 0, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Meshes([SQUARE], [FACES], TexturesVertex([torch.rand(3, 3)])),
        lambda: Meshes([SQUARE], [FACES], TexturesAtlas([torch.rand(3, 2, 2, 3)])),
        lambda: Meshes([SQUARE] * 2, [FACES] * 2, TexturesVertex([torch.rand(4, 3)])),
        lambda: TexturesVertex(torch.rand(4, 3)),
        lambda: TexturesUV(torch.rand(1, 4, 4, 3), [FACES, FACES], [UVS]),
        lambda: join_meshes_as_batch([uv_mesh(2, 2, 0), Meshes([SQUARE], [FACES], TexturesVertex([torch.rand(4, 3)]))]),
    ],
)
def test_textures_that_do_not_fit_are_refused(make):
    with pytest.raises(ValueError, match="."):
        make()


def test_sets_of_unequal_numbers_of_images():
    """Each image of one colour; every mesh asks for its last."""
    counts, face = (2, 3, 2), torch.tensor([[0, 1, 2]])
    maps = [torch.stack([torch.full((2, 2, 3), 0.1 * (10 * m + i)) for i in range(n)]) for m, n in enumerate(counts)]
    last = [torch.tensor([n - 1]) for n in counts]
    texture = TexturesUV(maps, [face] * 3, [torch.rand(3, 2)] * 3, maps_ids=last)
    Meshes([torch.rand(3, 3)] * 3, [face] * 3, texture)
    seen = texture.sample(torch.arange(3), torch.full((3, 3), 1 / 3), face.expand(3, 3))
    torch.testing.assert_close(seen[:, 0], torch.tensor([0.1, 1.2, 2.1]))


def test_integer_images_are_looked_up_and_gradients_reach_small_images():
    face, maps = torch.tensor([[0, 1, 2]]), torch.arange(12, dtype=torch.uint8).view(1, 2, 2, 3)
    uv = torch.tensor([[[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]]])
    texture = TexturesUV(maps, face[None], uv, sampling_mode="nearest")
    assert texture.sample(torch.zeros(1, dtype=torch.int64), torch.full((1, 3), 1 / 3), face).tolist() == [[0, 1, 2]]
    image = torch.rand(1, 2, 2, 3, requires_grad=True)
    for count in (1, 50):  # fewer places than texels, and more
        texture = TexturesUV(image, face[None], uv)
        seen = texture.sample(torch.zeros(count, dtype=torch.int64), torch.full((count, 3), 1 / 3), face)
        (gradient,) = torch.autograd.grad(seen.sum(), image)
        torch.testing.assert_close(gradient.sum(), torch.tensor(3.0 * count))
