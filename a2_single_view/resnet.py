"""Image encoders: ResNet-18 and -34 (He et al., CVPR 2016) in torchvision's layout, and a small one for laptops."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from common.cli import UserError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures
FEATURES = 512
SIDE = 5  # places that the small encoder tells apart along each side: where things are matters as well as what


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, H / stride, W / stride) of x (B, inputs, H, W)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.bn2(self.conv2(y)) + shortcut)


class ResNet(nn.Module):
    """Features (B, 512) of pictures (B, 3, H, W) uint8; the names of its weights are torchvision's."""

    def __init__(self, blocks: tuple[int, ...], widths: tuple[int, ...] = (64, 128, 256, 512)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, (count, width) in enumerate(zip(blocks, widths, strict=True), 1):
            stride = 1 if number == 1 else 2
            layers = [BasicBlock(inputs, width, stride), *(BasicBlock(width, width) for _ in range(count - 1))]
            setattr(self, f"layer{number}", nn.Sequential(*layers))
            inputs = width

    def forward(self, images: Tensor) -> Tensor:
        """(B, 512) of (B, 3, H, W) uint8."""
        x = functional.relu(self.bn1(self.conv1(normalised(images))))
        x = functional.max_pool2d(x, 3, 2, 1)
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return x.mean((2, 3))


class SmallEncoder(nn.Module):
    """Features (B, 512) of pictures, which it sees half as large: a twelfth of ResNet-18's arithmetic."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 256)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        pairs = zip(widths, widths[1:], strict=False)
        self.blocks = nn.Sequential(*(BasicBlock(one, two, 2) for one, two in pairs))
        self.last = nn.Linear(widths[-1] * SIDE**2, FEATURES)
        self.to(memory_format=torch.channels_last)  # a sixth faster on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """(B, 512) of (B, 3, H, W) uint8."""
        x = functional.avg_pool2d(normalised(images), 2)
        x = functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), SIDE)
        return functional.relu(self.last(x.flatten(1)))


ARCHITECTURES = {
    "small": SmallEncoder,
    "resnet18": lambda: ResNet((2, 2, 2, 2)),
    "resnet34": lambda: ResNet((3, 4, 6, 3)),
}


def normalised(images: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) uint8 as ImageNet's networks take them."""
    mean, std = (torch.tensor(values, device=images.device).view(3, 1, 1) for values in (MEAN, STD))
    return (images.float() / 255 - mean) / std


def load_encoder_weights(encoder: nn.Module, path: str) -> None:
    """Take the weights of a file in torchvision's layout; its classifier is left out.

    Raises:
        UserError: no such file, not a file of weights, weights of another network.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"--encoder_weights {path}: no such file")
    try:
        weights = torch.load(file, "cpu", weights_only=True)
        weights = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    except Exception as error:  # torch and zipfile raise many kinds on files that are something else
        raise UserError(f"--encoder_weights {path}: not a file of weights ({str(error)[:80]})") from None
    own = encoder.state_dict()
    wrong = [name for name, value in own.items() if name not in weights or weights[name].shape != value.shape]
    wrong = [name for name in wrong if not name.endswith("num_batches_tracked")]
    if wrong:
        raise UserError(
            f"--encoder_weights {path}: {wrong[0]} is missing or of another shape; is it of another --arch?"
        )
    encoder.load_state_dict({**own, **{name: weights[name] for name in own if name in weights}})
