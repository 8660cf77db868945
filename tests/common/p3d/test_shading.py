"""Blending, interpolation and shaders against PyTorch3D's outputs, closed forms and plain loops."""

import math
from types import SimpleNamespace

import pytest
import torch

from common.p3d import (
    AmbientLights,
    BlendParams,
    DirectionalLights,
    FoVPerspectiveCameras,
    HardDepthShader,
    HardFlatShader,
    HardGouraudShader,
    HardPhongShader,
    Materials,
    Meshes,
    MeshRasterizer,
    MeshRenderer,
    MeshRendererWithFragments,
    PointLights,
    RasterizationSettings,
    SoftDepthShader,
    SoftGouraudShader,
    SoftPhongShader,
    SoftSilhouetteShader,
    TexturesUV,
    TexturesVertex,
    diffuse,
    hard_rgb_blend,
    interpolate_face_attributes,
    look_at_view_transform,
    sigmoid_alpha_blend,
    softmax_rgb_blend,
    specular,
)

SQUARE = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
TWO_FACES = torch.tensor([[0, 2, 1], [0, 3, 2]])  # their normals point to -z, where the cameras stand


def fragments_of(z):
    return SimpleNamespace(pix_to_face=z["pix_to_face"].long(), zbuf=z["zbuf"], dists=z["dists"], bary_coords=z["bary"])


# --- PyTorch3D's own outputs


def test_blending_equals_pytorch3d(golden, wave):
    z, meta = golden("blending")
    for key, variant in meta["variants"].items():
        params = BlendParams(**{k: v for k, v in variant.items() if k != "calls"})
        leaves = {k: z[k].clone().requires_grad_() for k in ("colors", "zbuf", "dists")}
        fragments = fragments_of({**z, **leaves})
        soft = softmax_rgb_blend(leaves["colors"], fragments, params, znear=1.0, zfar=100.0)
        sigmoid = sigmoid_alpha_blend(leaves["colors"], fragments, params)
        torch.testing.assert_close(soft, z[f"{key}.softmax"], atol=1e-5, rtol=0.0)
        torch.testing.assert_close(sigmoid, z[f"{key}.sigmoid"], atol=1e-6, rtol=0.0)
        assert torch.equal(hard_rgb_blend(leaves["colors"], fragments, params), z[f"{key}.hard"])
        (soft * wave(soft.shape, 0.3)).sum().backward()
        for name, leaf in leaves.items():
            theirs = z[f"{key}.softmax_grad_{name}"]
            assert (leaf.grad - theirs).norm() <= 1e-4 * theirs.norm(), (key, name)
        alpha = sigmoid_alpha_blend(z["colors"], fragments_of({**z, "dists": leaves["dists"]}), params)[..., 3]
        leaves["dists"].grad = None
        (alpha * wave(alpha.shape, 0.3)).sum().backward()
        theirs = z[f"{key}.sigmoid_grad_dists"]
        assert (leaves["dists"].grad - theirs).norm() <= 1e-4 * theirs.norm()


def test_interpolation_equals_pytorch3d(golden, wave):
    z, _ = golden("interpolate_face_attributes")
    bary, attributes = (z[k].clone().requires_grad_() for k in ("bary", "attrs"))
    out = interpolate_face_attributes(z["pix_to_face"].long(), bary, attributes)
    torch.testing.assert_close(out, z["out"], atol=1e-6, rtol=0.0)
    (out * wave(out.shape, 0.1)).sum().backward()
    torch.testing.assert_close(bary.grad, z["grad_bary"], atol=1e-5, rtol=0.0)
    torch.testing.assert_close(attributes.grad, z["grad_attrs"], atol=1e-5, rtol=0.0)


def test_silhouettes_equal_pytorch3d(golden, wave):
    z, _ = golden("silhouette_ico3_96")
    cameras = FoVPerspectiveCameras(R=z["R"], T=z["T"])
    for key, sigma, depth in (("s1e-4_K50", 1e-4, 50), ("s1e-3_K30", 1e-3, 30)):
        verts = z["verts"].clone().requires_grad_()
        settings = RasterizationSettings(96, math.log(1 / 1e-4 - 1) * sigma, depth)
        shader = SoftSilhouetteShader(BlendParams(sigma=sigma))
        renderer = MeshRendererWithFragments(MeshRasterizer(cameras, settings), shader)
        images, fragments = renderer(Meshes([verts], [z["faces"].long()]))
        alpha, full = images[..., 3], (fragments.pix_to_face >= 0).all(-1)
        error = (alpha - z[f"{key}.alpha"]).abs()
        assert error[~full].max() < 1e-4
        # Where more faces cover a pixel than are kept, rounding says which of two equally deep ones is the last.
        assert (error[full] < 2e-3).all()
        (alpha * wave(alpha.shape, 0.7)).sum().backward()
        theirs = z[f"{key}.grad_verts"]
        assert (verts.grad - theirs).norm() < (1e-3 if full.any() else 2e-4) * theirs.norm()


# --- closed forms


def camera(distance=2.0, **more):
    return FoVPerspectiveCameras(T=torch.tensor([[0.0, 0.0, distance]]), **more)


def square(color=(1.0, 1.0, 1.0)):
    return Meshes([SQUARE], [TWO_FACES], TexturesVertex([torch.tensor(color).expand(4, 3)]))


def render(shader, mesh, cameras=None, size=8, **settings):
    cameras = cameras or camera()
    return MeshRenderer(MeshRasterizer(cameras, RasterizationSettings(size, **settings)), shader)(mesh, cameras=cameras)


@pytest.mark.parametrize(
    "kind", [HardPhongShader, SoftPhongShader, HardGouraudShader, SoftGouraudShader, HardFlatShader]
)
@pytest.mark.parametrize("angle", [0.0, 0.7, 1.5, 2.0])
def test_lambert_s_law(kind, angle):
    """A grey square seen head on, a distant lamp at an angle to its normal: ambient + diffuse cos(angle)."""
    lights = DirectionalLights(
        ambient_color=((0.2, 0.2, 0.2),),
        diffuse_color=((0.6, 0.3, 0.1),),
        specular_color=((0.0, 0.0, 0.0),),
        direction=((math.sin(angle), 0.0, -math.cos(angle)),),
    )
    image = render(kind(lights=lights), square((0.5, 0.5, 0.5)))[0, 2, 4]
    cosine = max(math.cos(angle), 0.0)
    expected = [0.5 * (0.2 + c * cosine) for c in (0.6, 0.3, 0.1)]
    assert image[:3].tolist() == pytest.approx(expected, abs=1e-6) and image[3].item() == pytest.approx(1.0, abs=1e-3)


def test_phong_s_highlight():
    """Lamp and camera in one place above the middle: the mirrored ray returns, with cosine 1; farther out it falls."""
    lights = PointLights(
        location=((0.0, 0.0, -2.0),),
        ambient_color=((0.0,) * 3,),
        diffuse_color=((0.0,) * 3,),
        specular_color=((0.8,) * 3,),
    )
    image = render(HardPhongShader(lights=lights, materials=Materials(shininess=5)), square(), size=101)[0, ..., 0]
    for row, column in ((50, 50), (50, 70), (35, 60)):
        x, y = ((100 - 2 * column) / 101, (100 - 2 * row) / 101)
        flat = 2.0 * math.tan(math.radians(30)) * math.hypot(x, y)
        slant = math.atan(flat / 2.0)  # between the normal and the way to the lamp, which is the way to the camera
        assert image[row, column].item() == pytest.approx(0.8 * math.cos(2 * slant) ** 5, abs=1e-5)


def test_ambient_light_shows_the_texture_and_specular_light_needs_a_front():
    image = render(HardPhongShader(lights=AmbientLights()), square((0.3, 0.6, 0.9)))
    assert image[0, 4, 4].tolist() == pytest.approx([0.3, 0.6, 0.9, 1.0])
    behind = specular(
        torch.zeros(1, 3), torch.tensor([[0.0, 0, 1]]), torch.tensor([[0.0, 1, -1]]), torch.ones(1, 3),
        torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([2.0]),
    )  # fmt: skip
    assert (behind == 0).all()


def test_depth_shaders_for_several_views():
    R, T = look_at_view_transform(torch.tensor([2.0, 3.0]), 0.0, 180.0)
    cameras = FoVPerspectiveCameras(R=R, T=T, zfar=torch.tensor([50.0, 70.0]))
    meshes = square().extend(2)
    hard = render(HardDepthShader(), meshes, cameras, 9)
    assert hard[0, 4, 4].item() == pytest.approx(2.0) and hard[1, 4, 4].item() == pytest.approx(3.0)
    small = meshes.scale_verts(0.2)
    edge = render(HardDepthShader(), small, cameras, 9)
    assert edge[0, 0, 0].item() == 50.0 and edge[1, 0, 0].item() == 70.0
    soft = render(SoftDepthShader(), small, cameras, 33, blur_radius=1e-3, faces_per_pixel=4)
    assert soft[0, 16, 16].item() == pytest.approx(2.0, rel=1e-3) and soft[1, 0, 0].item() == pytest.approx(70.0)


def test_soft_depth_is_front_to_back():
    z = torch.tensor([[[[2.0, 3.0, -1.0]]]])
    fragments = SimpleNamespace(
        pix_to_face=torch.tensor([[[[0, 1, -1]]]]),
        zbuf=z,
        bary_coords=None,
        dists=torch.tensor([[[[0.0, -1e-4, -1.0]]]]),
    )
    image = SoftDepthShader(cameras=camera(zfar=10.0))(fragments, None)
    shares = 0.5, 1 / (1 + math.exp(-1.0))
    expected = shares[0] * 2.0 + min(shares[1], 1 - shares[0]) * 3.0 + max(1 - sum(shares), 0.0) * 10.0
    assert image.item() == pytest.approx(expected, rel=1e-6)


def test_lights_and_materials_of_each_mesh():
    lights = DirectionalLights(
        ambient_color=((0.1,) * 3, (0.7,) * 3), diffuse_color=((0.0,) * 3,), specular_color=((0.0,) * 3,)
    )
    image = render(
        HardPhongShader(lights=lights, materials=Materials(ambient_color=((1.0, 0.5, 0.0),))), square().extend(2)
    )
    assert image[0, 4, 4, :3].tolist() == pytest.approx([0.1, 0.05, 0.0])
    assert image[1, 4, 4, :3].tolist() == pytest.approx([0.7, 0.35, 0.0])


def test_nothing_to_see_gives_the_background():
    shader = HardPhongShader(blend_params=BlendParams(background_color=(0.1, 0.2, 0.3)))
    empty = Meshes([torch.zeros(0, 3)], [torch.zeros(0, 3, dtype=torch.long)], TexturesVertex([torch.zeros(0, 3)]))
    image = render(shader, empty)
    assert torch.equal(image, torch.tensor([0.1, 0.2, 0.3, 0.0]).expand(1, 8, 8, 4))
    soft = render(SoftPhongShader(blend_params=BlendParams(background_color=(0.1, 0.2, 0.3))), empty, faces_per_pixel=3)
    assert torch.equal(soft, image)
    assert render(SoftSilhouetteShader(), empty)[..., 3].abs().max() == 0


def test_renderers_and_errors():
    cameras = camera()
    renderer = MeshRendererWithFragments(
        MeshRasterizer(cameras, RasterizationSettings(4)), HardPhongShader(cameras=cameras)
    )
    image, fragments = renderer(square())
    assert image.shape == (1, 4, 4, 4) and fragments.zbuf.shape == (1, 4, 4, 1)
    assert torch.equal(image, MeshRenderer(renderer.rasterizer, renderer.shader)(square()))
    with pytest.raises(ValueError, match="Cameras must be specified"):
        MeshRasterizer()(square())
    with pytest.raises(ValueError, match="Cameras must be specified"):
        HardPhongShader()(fragments, square())
    with pytest.raises(ValueError, match="number"):
        MeshRasterizer(FoVPerspectiveCameras(R=torch.eye(3).expand(3, 3, 3)))(square().extend(2))
    with pytest.raises(ValueError, match="does not have textures"):
        renderer(Meshes([SQUARE], [TWO_FACES]))
    with pytest.raises(ValueError, match="TexturesVertex"):
        HardGouraudShader(cameras=cameras)(fragments, Meshes([SQUARE], [TWO_FACES]))
    with pytest.raises(ValueError, match="shininess"):
        Materials(shininess=torch.ones(2, 2))
    with pytest.raises(ValueError, match="direction"):
        DirectionalLights(direction=((0.0, 1.0),))


@pytest.mark.parametrize("kind", [HardPhongShader, SoftPhongShader, SoftGouraudShader, HardFlatShader])
def test_gradients_of_shaders_are_those_of_finite_differences(kind):
    generator = torch.Generator().manual_seed(0)
    corners = [[-0.9, -0.8, 0.1], [0.9, -0.7, -0.2], [0.1, 0.9, 0.3], [-0.6, 0.7, -0.3], [0.8, 0.5, 0.2]]
    verts = torch.tensor(corners, dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [2, 3, 4], [1, 3, 0]])
    cameras = FoVPerspectiveCameras(R=torch.eye(3).double()[None], T=torch.tensor([[0.0, 0.0, 2.2]]).double())
    lights = PointLights(location=torch.tensor([[1.0, 2.0, -3.0]]).double())
    colors = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    settings = RasterizationSettings(7, 1e-2, 2)
    shader = kind(lights=lights, blend_params=BlendParams(sigma=1e-2, gamma=1e-1), materials=Materials(shininess=3))

    def image(v, c):
        renderer = MeshRenderer(MeshRasterizer(cameras, settings), shader)
        return renderer(Meshes([v], [faces], TexturesVertex([c])), cameras=cameras)

    assert (image(verts, colors)[..., 3] > 0.5).sum() > 5
    assert torch.autograd.gradcheck(image, (verts.requires_grad_(), colors.requires_grad_()), eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("shader", [HardPhongShader, SoftPhongShader, HardFlatShader])
def test_a_texture_image_of_which_nothing_is_seen(shader):
    verts, face = torch.tensor([[5.0, 5, 1], [6, 5, 1], [5, 6, 1]]), torch.tensor([[0, 1, 2]])
    texture = TexturesUV(torch.rand(1, 4, 4, 3), face[None], torch.rand(1, 3, 2))
    cameras = FoVPerspectiveCameras()
    render = MeshRenderer(MeshRasterizer(cameras, RasterizationSettings(8)), shader(cameras=cameras))
    assert torch.equal(render(Meshes([verts], [face], texture))[..., :3], torch.ones(1, 8, 8, 3))


def test_light_in_half_precision_and_backgrounds_with_a_batch():
    assert not diffuse(torch.zeros(2, 3).half(), torch.ones(1, 3).half(), torch.ones(1, 3).half()).any()
    fragments = SimpleNamespace(pix_to_face=torch.tensor([[[[0], [-1]]]]))
    image = hard_rgb_blend(
        torch.full((1, 1, 2, 1, 1), 0.25), fragments, BlendParams(background_color=torch.zeros(1, 3))
    )
    assert image.view(-1).tolist() == [0.25, 0.25, 0.25, 1.0, 0.0, 0.0, 0.0, 0.0]
