"""From features of an image (B, 512) to voxels, points, a mesh, an occupancy and a parametric surface."""

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2_single_view.resnet import FEATURES
from common.p3d import Meshes, ico_sphere


class VoxelDecoder(nn.Module):
    """Transposed convolutions from 2^3 to 32^3, widths and all as in Pix2Vox-F (Xie et al., ICCV 2019)."""

    def __init__(self, widths: tuple[int, ...] = (64, 128, 64, 32, 8)):
        super().__init__()
        self.width = widths[0]
        self.start = nn.Linear(FEATURES, widths[0] * 8)
        layers = []
        for one, two in zip(widths, widths[1:], strict=False):
            layers += [nn.ConvTranspose3d(one, two, 4, 2, 1, bias=False), nn.BatchNorm3d(two), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv3d(widths[-1], 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, 32, 32, 32) by x, y, z of features (B, 512)."""
        start = functional.relu(self.start(features)).view(-1, self.width, 2, 2, 2)
        return self.layers(start)[:, 0]


class PointDecoder(nn.Module):
    """A network whose last layer holds a basis of clouds."""

    def __init__(self, n_points: int, hidden: int = 256):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(FEATURES, 512), nn.ReLU(), nn.Linear(512, hidden), nn.ReLU())
        self.last = nn.Linear(hidden, 3 * n_points)
        with torch.no_grad():  # begin as points all over a ball, which a chamfer distance can sort out
            direction = functional.normalize(torch.randn(n_points, 3), dim=1)
            self.last.bias.copy_((0.3 * direction * torch.rand(n_points, 1) ** (1 / 3)).flatten())
            self.last.weight.mul_(0.3)

    def forward(self, features: Tensor) -> Tensor:
        """Points (B, n_points, 3) of features (B, 512)."""
        return self.last(self.layers(features)).view(len(features), -1, 3)


class GraphLayer(nn.Module):
    """w0(vertex) + mean of w1(neighbours) (Morris et al., AAAI 2019), of meshes that share their edges."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.w0, self.w1 = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """(V, B, outputs) of x (V, B, inputs); ``neighbours`` (V, V) sparse, rows that sum to 1."""
        V, B = x.shape[:2]
        mixed = torch.sparse.mm(neighbours, self.w1(x).view(V, -1))
        return self.w0(x) + mixed.view(V, B, -1)


class MeshDecoder(nn.Module):
    """Displacements of an ico-sphere's vertices: coarse ones from a linear basis, then refined along the edges."""

    def __init__(self, level: int = 4, hidden: int = 256, width: int = 32):
        super().__init__()
        sphere = ico_sphere(level)
        verts, edges = 0.3 * sphere.verts_packed(), sphere.edges_packed()
        self.register_buffer("verts", verts)
        self.register_buffer("faces", sphere.faces_packed())
        both = torch.cat((edges, edges.flip(1))).T
        share = 1.0 / torch.bincount(both[0], minlength=len(verts)).float()[both[0]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls this layout a beta
            neighbours = torch.sparse_coo_tensor(both, share, (len(verts),) * 2).to_sparse_csr()
        self.register_buffer("neighbours", neighbours, persistent=False)
        self.layers = nn.Sequential(nn.Linear(FEATURES, 512), nn.ReLU(), nn.Linear(512, hidden), nn.ReLU())
        self.coarse = nn.Linear(hidden, 3 * len(verts))
        self.told = nn.Linear(hidden, width)
        self.graph = nn.ModuleList([GraphLayer(6, width), GraphLayer(width, width), GraphLayer(width, 3)])
        with torch.no_grad():
            self.coarse.weight.mul_(0.1)
            self.coarse.bias.zero_()
            for part in self.graph[-1].parameters():
                part.mul_(0.1)

    def forward(self, features: Tensor) -> Tensor:
        """Vertices (B, V, 3) of features (B, 512)."""
        hidden = self.layers(features)
        B, V = len(features), len(self.verts)
        coarse = self.verts[:, None] + self.coarse(hidden).view(B, V, 3).transpose(0, 1)
        x = self.graph[0](torch.cat((coarse, self.verts[:, None].expand(V, B, 3)), 2), self.neighbours)
        x = functional.relu(x + self.told(hidden))
        x = functional.relu(self.graph[1](x, self.neighbours)) + x
        return (coarse + self.graph[2](x, self.neighbours)).transpose(0, 1)

    def meshes(self, verts: Tensor) -> Meshes:
        """Meshes of vertices (B, V, 3)."""
        return Meshes(verts, self.faces.expand(len(verts), -1, 3))


class ImplicitDecoder(nn.Module):
    """Whether places are inside: a network over coordinates whose layers the image scales and shifts.

    Mescheder et al., Occupancy Networks, CVPR 2019, with feature-wise modulation (Perez et al., AAAI 2018).
    """

    def __init__(self, hidden: int = 128, layers: int = 4, waves: int = 4):
        super().__init__()
        self.waves = waves
        self.first = nn.Linear(3 + 6 * waves, hidden)
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.modulate = nn.Sequential(nn.Linear(FEATURES, 256), nn.ReLU(), nn.Linear(256, 2 * hidden * layers))
        self.last = nn.Linear(hidden, 1)

    def forward(self, features: Tensor, places: Tensor) -> Tensor:
        """Logits (B, N) at places (B, N, 3) of features (B, 512)."""
        angles = torch.pi * 2 ** torch.arange(self.waves, device=places.device) * places[..., None]
        x = self.first(torch.cat((places, angles.sin().flatten(2), angles.cos().flatten(2)), 2))
        scales = self.modulate(features).view(len(features), 1, len(self.layers), 2, -1).unbind(2)
        for layer, scale in zip(self.layers, scales, strict=True):
            y = layer(functional.relu(x))
            x = x + y * (1.0 + scale[:, :, 0]) + scale[:, :, 1]
        return self.last(functional.relu(x))[..., 0]


class ParametricDecoder(nn.Module):
    """Squares bent by one network that the image and a square's own code modulate.

    Groueix et al., AtlasNet, CVPR 2018.
    """

    def __init__(self, patches: int = 16, hidden: int = 128, layers: int = 3):
        super().__init__()
        self.patches = patches
        self.first = nn.Linear(2, hidden)
        self.place = nn.Linear(FEATURES, patches * hidden)  # where each square begins
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.modulate = nn.Sequential(nn.Linear(FEATURES, 256), nn.ReLU(), nn.Linear(256, patches * 2 * hidden))
        self.last = nn.Linear(hidden, 3)

    def forward(self, features: Tensor, uv: Tensor) -> Tensor:
        """Points (B, patches * M, 3) of features (B, 512) at places uv (patches, M, 2) in [-1, 1]^2 of the squares."""
        B, K = len(features), self.patches
        x = self.first(uv)[None] + self.place(features).view(B, K, 1, -1)
        scale, shift = self.modulate(features).view(B, K, 1, 2, -1).unbind(3)
        for number, layer in enumerate(self.layers):
            y = layer(functional.relu(x))
            x = x + (y * (1.0 + scale) + shift if number == 0 else y)
        return 0.5 * self.last(functional.relu(x)).flatten(1, 2)

    def grid(self, side: int) -> tuple[Tensor, Tensor]:
        """Places (patches, side^2, 2) on a grid over each square, and the faces (F, 3) between them."""
        ticks = torch.linspace(-1, 1, side)
        uv = torch.stack(torch.meshgrid(ticks, ticks, indexing="ij"), -1).view(1, -1, 2).expand(self.patches, -1, 2)
        i, j = torch.meshgrid(torch.arange(side - 1), torch.arange(side - 1), indexing="ij")
        corner = (i * side + j).reshape(-1, 1)
        square = torch.cat((corner + torch.tensor([0, side, 1]), corner + torch.tensor([1, side, side + 1])))
        faces = (square + side**2 * torch.arange(self.patches)[:, None, None]).view(-1, 3)
        return uv, faces
