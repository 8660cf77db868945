"""Encoders: torchvision's names and sizes, weights from files, and what they refuse."""

import pytest
import torch

from a2_single_view.resnet import ARCHITECTURES, FEATURES, load_encoder_weights, normalised
from common.cli import UserError

# Parameters of torchvision's networks without their classifier, from its documentation.
SIZES = {"resnet18": 11_689_512 - 513_000, "resnet34": 21_797_672 - 513_000}


@pytest.mark.parametrize("arch", SIZES)
def test_resnets_are_torchvisions(arch):
    network = ARCHITECTURES[arch]()
    assert sum(p.numel() for p in network.parameters()) == SIZES[arch]
    names = set(network.state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight"} <= names
    assert "layer1.0.downsample.0.weight" not in names and "layer4.1.bn2.bias" in names


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_features_have_one_size(arch):
    network = ARCHITECTURES[arch]().eval()
    images = torch.randint(0, 256, (2, 3, 137, 137), dtype=torch.uint8)
    with torch.no_grad():
        assert network(images).shape == (2, FEATURES)


def test_pictures_are_normalised_as_imagenets():
    image = torch.tensor([124, 116, 104], dtype=torch.uint8).view(1, 3, 1, 1)
    assert normalised(image).abs().max() < 0.02
    white = normalised(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).flatten()
    torch.testing.assert_close(white, torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]))


def test_weights_of_a_file(tmp_path):
    torch.manual_seed(0)
    one, two = ARCHITECTURES["resnet18"](), ARCHITECTURES["resnet18"]()
    path = tmp_path / "resnet18.pth"
    torch.save({**one.state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, path)
    load_encoder_weights(two, str(path))
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(UserError, match="another --arch"):
        load_encoder_weights(ARCHITECTURES["resnet34"](), str(path))
    with pytest.raises(UserError, match="no such file"):
        load_encoder_weights(two, str(tmp_path / "none.pth"))
    path.write_bytes(b"no weights")
    with pytest.raises(UserError, match="not a file of weights"):
        load_encoder_weights(two, str(path))
