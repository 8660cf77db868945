"""PointNet for classification and part segmentation (Qi et al., "PointNet", CVPR 2017), without input transforms.

classification:  (B, N, 3) -> shared MLP 64-64-64-128-1024 -> max over points -> 512-256-K logits
segmentation:    per point, its local features, their means over its neighbourhood and the cloud's global feature
                 -> shared MLP -> K logits
"""

import torch
from torch import Tensor, nn

from a5_pointclouds.layers import Cells, PointwiseBlock, PointwiseMax


class PointNetEncoder(nn.Module):
    """A cloud (B, N, 3) to its local features after each shared layer and its global feature (B, outputs)."""

    widths = (64, 64, 64, 128)

    def __init__(self, outputs: int = 1024):
        super().__init__()
        self.outputs = outputs
        self.blocks = nn.ModuleList(PointwiseBlock(a, b) for a, b in zip((3, *self.widths), self.widths, strict=False))
        self.pool = PointwiseMax(self.widths[-1], self.outputs)

    def forward(self, points: Tensor) -> tuple[list[Tensor], Tensor]:
        """Points (B, N, 3), centred, radius 1 -> [local (B, N, width)], global (B, outputs)."""
        local = []
        x = points
        for block in self.blocks:
            x = block(x)
            local.append(x)
        return local, self.pool(x)


class PointNetClassifier(nn.Module):
    """Logits (B, num_classes) of clouds (B, N, 3)."""

    task = "cls"

    def __init__(self, num_classes: int, dropout: float = 0.3):
        super().__init__()
        self.encoder = PointNetEncoder()
        self.head = nn.Sequential(
            nn.Linear(self.encoder.outputs, 512, bias=False),
            nn.BatchNorm1d(512),
            nn.ReLU(),
            nn.Linear(512, 256, bias=False),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, num_classes),
        )

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> (B, num_classes) logits."""
        return self.head(self.encoder(points)[1])


class Neighbourhood(nn.Module):
    """What lies around each point: a PointNet over the points in one cell of a grid, seen from their mean.

    The mean of the features takes the place of their maximum; its gradient reaches every point.
    """

    def __init__(self, size: float, inputs: int, width: int = 64):
        super().__init__()
        self.size = size
        self.blocks = nn.ModuleList([PointwiseBlock(3, width), PointwiseBlock(width, width)])
        self.outputs = width + inputs

    def forward(self, points: Tensor, features: Tensor) -> Tensor:
        """Points (B, N, 3) and features (B, N, inputs) -> (B, N, outputs), the same for all points of a cell."""
        cells = Cells(points, self.size)
        x = points - cells.means(points)
        for block in self.blocks:
            x = block(x)
        return cells.means(torch.cat([x, features], 2))


class PointNetSegmenter(nn.Module):
    """Logits (B, N, num_classes) of every point of clouds (B, N, 3).

    PointNet knows a point and the whole cloud, and nothing between. Here each point also sees what lies in the cells
    of two grids around it, in the spirit of point-voxel networks (Liu et al., "Point-Voxel CNN", NeurIPS 2019):
    that is cheap, and the shape of the neighbourhood tells a seat's rim from an arm.
    """

    task = "seg"
    cells = (0.3, 0.12)  # sides of the grids' cells; clouds have radius 1

    def __init__(self, num_classes: int, dropout: float = 0.3):
        super().__init__()
        self.encoder = PointNetEncoder(512)
        self.near = nn.ModuleList(Neighbourhood(size, self.encoder.widths[1]) for size in self.cells)
        local = sum(self.encoder.widths) + sum(near.outputs for near in self.near)
        self.mix = PointwiseBlock(local, 192, cloud_inputs=self.encoder.outputs)
        self.block = PointwiseBlock(192, 128)
        self.dropout = nn.Dropout1d(dropout)  # whole channels of a cloud: one draw for all of its points
        self.classify = nn.Linear(128, num_classes)

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> (B, N, num_classes) logits."""
        local, cloud = self.encoder(points)
        near = [around(points, local[1]) for around in self.near]
        x = self.block(self.mix(torch.cat(local + near, 2), cloud))
        return self.classify(x * self.dropout(x.new_ones(len(x), x.shape[2], 1)).mT)


class PrincipalFrame(nn.Module):
    """Makes a model exactly blind to rotation: clouds are turned into their principal axes before it sees them.

    The axes of a cloud are known up to their signs, which leaves four proper frames (Puny et al., "Frame averaging",
    ICLR 2022). Training takes one of them by chance, evaluation averages the probabilities over all four.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        signs = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
        self.register_buffer("signs", signs.float(), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> logits as the model's; in evaluation, logarithms of mean probabilities."""
        centred = points - points.mean(1, keepdim=True)
        aligned = centred @ principal_axes(centred)
        if self.training:
            choice = torch.randint(4, (len(points),), device=points.device)
            return self.model(aligned * self.signs[choice][:, None])
        views = torch.stack([self.model(aligned * sign) for sign in self.signs])
        return torch.logsumexp(views.float().log_softmax(-1), 0)


@torch.no_grad()  # axes of equal spread have no derivative
def principal_axes(centred: Tensor) -> Tensor:
    """Rotations (B, 3, 3) whose columns are the axes of greatest to least spread of centred clouds (B, N, 3)."""
    spread = (centred.mT @ centred / centred.shape[1]).cpu().double()
    axes = torch.linalg.eigh(spread).eigenvectors.flip(-1)
    proper = torch.linalg.det(axes).sign()
    return torch.cat([axes[..., :2], axes[..., 2:] * proper[:, None, None]], -1).to(centred)


MODELS = {"pointnet": {"cls": PointNetClassifier, "seg": PointNetSegmenter}}
FRAMES = ("given", "principal")


def build_model(arch: str, task: str, num_classes: int, frame: str = "given") -> nn.Module:
    """A freshly initialised model.

    Args:
        arch: one of ``MODELS``. task: "cls" or "seg".
        frame: "given" takes clouds as they stand, "principal" makes the model rotation-invariant.
    """
    model = MODELS[arch][task](num_classes)
    return PrincipalFrame(model) if frame == "principal" else model
