"""Marching, embeddings, volumes and their rendering against PyTorch3D's outputs and against plain loops."""

import pytest
import torch
from torch.autograd import gradcheck

from common.p3d import FoVPerspectiveCameras, PerspectiveCameras
from common.p3d.harmonic_embedding import HarmonicEmbedding
from common.p3d.ray_samplers import (
    NDCMultinomialRaysampler,
    RayBundle,
    ray_bundle_to_ray_points,
)
from common.p3d.raymarchers import AbsorptionOnlyRaymarcher, EmissionAbsorptionRaymarcher
from common.p3d.volume_renderer import ImplicitRenderer, VolumeRenderer, VolumeSampler
from common.p3d.volumes import VolumeLocator, Volumes

DEPTHS = {"n_pts_per_ray": 12, "min_depth": 1.5, "max_depth": 4.5}


@pytest.fixture
def views(golden):
    arrays, _ = golden("volumetric")
    return arrays, FoVPerspectiveCameras(R=arrays["R"], T=arrays["T"], fov=55.0)


def close(ours, theirs, atol=1e-5, rtol=1e-5):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=rtol)


@pytest.mark.parametrize("thickness", [1, 2])
def test_marching_is_pytorch3ds(golden, wave, thickness):
    arrays, _ = golden("volumetric")
    densities, features = (arrays[name].clone().requires_grad_() for name in ("densities", "features"))
    out = EmissionAbsorptionRaymarcher(surface_thickness=thickness)(densities, features)
    (out * wave(out.shape, 0.1)).sum().backward()
    close(out, arrays[f"ea{thickness}"], 1e-6)
    close(densities.grad, arrays[f"ea{thickness}.grad_densities"], 1e-6)
    close(features.grad, arrays[f"ea{thickness}.grad_features"], 1e-6)
    close(AbsorptionOnlyRaymarcher()(arrays["densities"]), arrays["absorption_only"], 1e-6)


def test_volume_render_is_pytorch3ds(views, wave):
    arrays, cameras = views
    densities, features = (arrays[f"vol_{name}"].clone().requires_grad_() for name in ("densities", "features"))
    volumes = Volumes(densities, features, voxel_size=2 / 10, volume_translation=[0.05, -0.1, 0.0])
    sampler = NDCMultinomialRaysampler(image_width=20, image_height=16, **DEPTHS)
    image, rays = VolumeRenderer(sampler, EmissionAbsorptionRaymarcher())(cameras=cameras, volumes=volumes)
    (image * wave(image.shape, 0.1)).sum().backward()
    close(image, arrays["volume_image"])
    assert rays.lengths.shape == (2, 16, 20, 12)
    for name, leaf in (("densities", densities), ("features", features)):
        theirs = arrays[f"vol_grad_{name}"]
        assert (leaf.grad - theirs).norm() < 1e-4 * theirs.norm()


def test_embedding_is_pytorch3ds(golden):
    arrays, _ = golden("volumetric")
    x = arrays["harm_x"]
    close(HarmonicEmbedding(n_harmonic_functions=5)(x), arrays["harmonic"], 1e-6)
    linear = HarmonicEmbedding(n_harmonic_functions=4, omega_0=0.5, logspace=False, append_input=False)
    close(linear(x), arrays["harmonic_lin"], 2e-6)
    assert linear.get_output_dim() == linear(x).shape[1]


def test_integrated_embedding_is_the_mean_under_a_gaussian():
    torch.manual_seed(0)
    embedding, mean, variance = HarmonicEmbedding(3), torch.tensor([0.3, -0.7]), torch.tensor([0.2, 0.05])
    samples = embedding(mean + variance.sqrt() * torch.randn(200_000, 2)).mean(0)
    close(embedding(mean, variance)[:12], samples[:12], 5e-3)


# --- marching


@pytest.mark.filterwarnings("ignore:rays_densities")
def test_marching_is_alpha_compositing():
    torch.manual_seed(0)
    densities, features = torch.rand(5, 7, 1, dtype=torch.float64), torch.rand(5, 7, 2, dtype=torch.float64)
    out = EmissionAbsorptionRaymarcher()(densities, features, eps=0.0)
    for ray in range(5):
        left, colour = 1.0, torch.zeros(2, dtype=torch.float64)
        for density, feature in zip(densities[ray, :, 0], features[ray], strict=True):
            colour, left = colour + left * density * feature, left * (1 - density)
        close(out[ray], torch.cat((colour, 1 - left[None])), 1e-12)
    assert gradcheck(EmissionAbsorptionRaymarcher(), (densities.requires_grad_(), features.requires_grad_()))
    zeros = densities.detach().round().requires_grad_()
    assert gradcheck(lambda d: EmissionAbsorptionRaymarcher(2)(d, features.detach()).sum(), zeros)


def test_marching_edges():
    march = EmissionAbsorptionRaymarcher(surface_thickness=9)
    close(march(torch.ones(2, 3, 1), torch.ones(2, 3, 4)), torch.tensor([3.0, 3.0, 3.0, 3.0, 1.0]).expand(2, 5))
    assert march(torch.zeros(0, 3, 1), torch.zeros(0, 3, 4)).shape == (0, 5)
    with pytest.warns(UserWarning, match=r"\[0, 1\]"):
        AbsorptionOnlyRaymarcher()(torch.full((1, 2, 1), 1.5))
    for densities, features in (
        (torch.rand(2, 3), torch.rand(2, 3)),
        (torch.rand(2, 3, 1), torch.rand(2, 4, 1)),
        (1.0, None),
    ):
        with pytest.raises(ValueError, match="rays_"):
            march(densities, features)


# --- volumes


@pytest.mark.parametrize("align_corners", [True, False])
def test_sampling_at_the_voxels_gives_the_voxels(align_corners):
    torch.manual_seed(0)
    grids = [torch.rand(1, *size) for size in ((3, 4, 5), (4, 2, 3), (1, 4, 2))]
    features = [torch.rand(2, *grid.shape[1:]) for grid in grids]
    shift, voxel = torch.rand(3, 3), torch.rand(3, 3) + 0.5
    volumes = Volumes(grids, features, voxel, shift, align_corners)
    centres = volumes.get_coord_grid()
    still = RayBundle(centres, torch.zeros_like(centres), torch.zeros_like(centres[..., :1]), centres[..., :2])
    densities, values = VolumeSampler(volumes)(still)
    for n, (grid, feature) in enumerate(zip(grids, features, strict=True)):
        inside = tuple(slice(0, s) for s in grid.shape[1:])
        close(densities[n][inside][..., 0, 0], grid[0], 1e-5)
        close(values[n][inside][..., 0, :].movedim(-1, 0), feature, 1e-5)
        close(volumes.densities_list()[n], grid)
        close(volumes.features_list()[n], feature)


def test_world_coordinates_of_voxels():
    locator = VolumeLocator(
        2, (3, 4, 5), "cpu", voxel_size=(0.5, 1.0, 2.0), volume_translation=torch.tensor([1.0, 2.0, 3.0])
    )
    grid = locator.get_coord_grid()
    for z, y, x in ((0, 0, 0), (2, 3, 4), (1, 2, 0)):
        expected = torch.tensor([0.5 * (x - 2) - 1, 1.0 * (y - 1.5) - 2, 2.0 * (z - 1) - 3])
        close(grid[1, z, y, x], expected)
    close(locator.local_to_world_coords(locator.get_coord_grid(world_coordinates=False)), grid)
    close(locator.world_to_local_coords(grid), locator.get_coord_grid(world_coordinates=False))
    assert locator.get_grid_sizes().tolist() == [[3, 4, 5]] * 2


def test_volumes_are_a_structure():
    volumes = Volumes(
        torch.rand(3, 1, 2, 3, 4), torch.rand(3, 2, 2, 3, 4), voxel_size=torch.rand(3, 1), align_corners=False
    )
    picked = volumes[torch.tensor([False, True, True])]
    assert len(picked) == 2 and not picked.get_align_corners()
    close(picked.features(), volumes.features()[1:])
    close(picked.get_coord_grid(), volumes.get_coord_grid()[1:])
    copied = volumes.clone()
    copied.densities().zero_()
    assert volumes.densities().abs().sum() > 0 and volumes.to("cpu") is volumes and volumes.locator is volumes
    assert volumes.update_padded(volumes.features()).features() is None and len(volumes[[]]) == 0
    assert volumes[[]].get_coord_grid().shape == (0, 2, 3, 4, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"densities": torch.rand(3, 2, 3, 4)},
        {"densities": []},
        {"densities": [torch.rand(1, 2, 2, 2), torch.rand(2, 2, 2, 2)]},
        {"densities": torch.rand(2, 1, 2, 3, 4), "features": torch.rand(2, 1, 2, 3, 5)},
        {"densities": torch.rand(2, 1, 2, 3, 4), "features": torch.rand(1, 1, 2, 3, 4)},
        {"densities": torch.rand(2, 1, 2, 3, 4), "voxel_size": torch.rand(4)},
        {"densities": torch.rand(2, 1, 2, 3, 4), "voxel_size": None},
        {"densities": torch.rand(2, 1, 2, 3, 4), "volume_translation": 1.0},
    ],
)
def test_unfit_volumes_are_refused(arguments):
    with pytest.raises(ValueError):
        Volumes(**arguments)


def test_gradients_of_a_render_in_double():
    torch.manual_seed(0)
    cameras = PerspectiveCameras(T=torch.tensor([[0.0, 0.0, 3.0]]))
    sampler = NDCMultinomialRaysampler(image_width=2, image_height=2, n_pts_per_ray=4, min_depth=2.0, max_depth=4.0)
    render = VolumeRenderer(sampler, EmissionAbsorptionRaymarcher())
    grids = [torch.rand(1, C, 3, 3, 3, dtype=torch.float64).requires_grad_() for C in (1, 2)]
    assert gradcheck(lambda d, f: render(cameras, Volumes(d, f, voxel_size=1.0))[0], grids)


def test_volumes_without_features_and_other_fields():
    cameras = PerspectiveCameras(T=torch.tensor([[0.0, 0.0, 3.0]]))
    sampler = NDCMultinomialRaysampler(image_width=3, image_height=2, **DEPTHS)
    alone = VolumeRenderer(sampler, EmissionAbsorptionRaymarcher())(cameras, Volumes(torch.ones(1, 1, 4, 4, 4)))[0]
    close(alone, torch.ones(1, 2, 3, 1))

    def fog(ray_bundle, cameras, colour):
        points = ray_bundle_to_ray_points(ray_bundle)
        return torch.full_like(points[..., :1], 0.1), torch.full_like(points, colour)

    image, _ = ImplicitRenderer(sampler, EmissionAbsorptionRaymarcher())(cameras, fog, colour=0.5)
    opacity = 1 - 0.9**12
    close(image, torch.tensor([0.5 * opacity] * 3 + [opacity]).expand(1, 2, 3, 4))
    with pytest.raises(ValueError, match="volumes for rays"):
        VolumeRenderer(sampler, EmissionAbsorptionRaymarcher())(cameras, Volumes(torch.ones(2, 1, 4, 4, 4)))
    with pytest.raises(ValueError, match="callable"):
        ImplicitRenderer(None, EmissionAbsorptionRaymarcher())
    with pytest.raises(ValueError, match="rays must be"):
        VolumeSampler(Volumes(torch.ones(1, 1, 2, 2, 2)))(RayBundle(*torch.zeros(3, 1, 3).unbind(0), torch.zeros(1, 2)))


def test_features_must_be_where_the_densities_are():
    grid = torch.rand(1, 1, 2, 2, 2)
    for call in (lambda: Volumes(grid, grid.to("meta")), lambda: Volumes(grid).update_padded(grid.to("meta"))):
        with pytest.raises(ValueError, match="device of the densities"):
            call()
