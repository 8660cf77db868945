"""From features of an image (B, 512) to voxels, points, a mesh, an occupancy and a parametric surface."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2_single_view.resnet import FEATURES
from a2_single_view.smoothing import averaged, neighbour_means
from common.p3d import Meshes, ico_sphere


class VoxelDecoder(nn.Module):
    """A basis of grids, and transposed convolutions from 8^3 to 32^3 as the last of Pix2Vox-F (Xie et al., ICCV 2019).

    The basis learns within minutes what all shapes share; the convolutions learn how cells hang together.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 8, 4), hidden: int = 256):
        super().__init__()
        self.channels = 1 + widths[-1]  # of both grids
        self.width, side = widths[0], 32 // 2 ** (len(widths) - 1)
        self.side = side
        self.hidden = nn.Sequential(nn.Linear(FEATURES, 512), nn.ReLU(), nn.Linear(512, hidden), nn.ReLU())
        self.basis = nn.Linear(hidden, 32**3)
        self.start = nn.Linear(hidden, widths[0] * side**3)
        layers = []
        for one, two in zip(widths, widths[1:], strict=False):
            layers += [nn.ReLU(), nn.ConvTranspose3d(one, two, 4, 2, 1)]
        layers += [nn.ReLU(), nn.Conv3d(widths[-1], 1, 1)]
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last_3d)  # a fifth faster on a CPU
        with torch.no_grad():
            self.basis.weight.mul_(0.3)
            self.basis.bias.fill_(-2.0)  # begin with few cells filled, as few are

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, 32, 32, 32) by x, y, z of features (B, 512)."""
        return self.grids(self.hidden(features))[0][:, 0]

    def grids(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, 1, 32, 32, 32), and what they grew from (B, widths[-1], 32, 32, 32), of hidden (B, hidden)."""
        start = self.start(hidden).view(-1, self.width, *[self.side] * 3)
        grown = self.layers[:-1](start.contiguous(memory_format=torch.channels_last_3d))
        return self.layers[-1](grown) + self.basis(hidden).view(-1, 1, 32, 32, 32), grown


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
    """Displacements of an ico-sphere's vertices: a linear basis, averaged, then refined along the edges."""

    def __init__(self, level: int = 4, hidden: int = 256, width: int = 32, smoothed: int = 4):
        super().__init__()
        self.smoothed = smoothed
        sphere = ico_sphere(level)
        verts, edges = 0.3 * sphere.verts_packed(), sphere.edges_packed()
        self.register_buffer("verts", verts)
        self.register_buffer("faces", sphere.faces_packed())
        self.register_buffer("neighbours", neighbour_means(edges, len(verts)), persistent=False)
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
        moved = self.coarse(hidden).view(B, V, 3).transpose(0, 1)
        coarse = self.verts[:, None] + averaged(moved, self.neighbours, self.smoothed)
        x = self.graph[0](torch.cat((coarse, self.verts[:, None].expand(V, B, 3)), 2), self.neighbours)
        x = functional.relu(x + self.told(hidden))
        x = functional.relu(self.graph[1](x, self.neighbours)) + x
        return (coarse + averaged(self.graph[2](x, self.neighbours), self.neighbours, 1)).transpose(0, 1)

    def meshes(self, verts: Tensor) -> Meshes:
        """Meshes of vertices (B, V, 3)."""
        return Meshes(verts, self.faces.expand(len(verts), -1, 3))


class ImplicitDecoder(nn.Module):
    """Whether places are inside: what voxels say there, and a network over coordinates that the image modulates.

    Mescheder et al., Occupancy Networks, CVPR 2019; features at places from a grid as in Peng et al., Convolutional
    Occupancy Networks, ECCV 2020; modulation as in Perez et al., AAAI 2018.
    """

    def __init__(self, hidden: int = 64, layers: int = 2, waves: int = 3, told: int = 256):
        super().__init__()
        self.waves = waves
        self.voxels = VoxelDecoder(hidden=told)
        self.modulate = nn.Linear(told, 2 * hidden * layers)
        self.first = nn.Linear(self.voxels.channels + 3 + 6 * waves, hidden)
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.last = nn.Linear(hidden, 1)

    def forward(self, features: Tensor, places: Tensor) -> Tensor:
        """Logits (B, N) at places (B, N, 3) of features (B, 512)."""
        return self.at(*self.grids(features), places)

    def grids(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Grids (B, C, 32, 32, 32) by x, y, z, the logits of voxels first, and what modulates the network (B, M)."""
        hidden = self.voxels.hidden(features)
        return torch.cat(self.voxels.grids(hidden), 1), self.modulate(hidden)

    def at(self, grids: Tensor, modulation: Tensor, places: Tensor) -> Tensor:
        """Logits (B, N) at places (B, N, 3), of what :meth:`grids` gives."""
        # The first of grid_sample's coordinates runs along the last dimension, z.
        at = functional.grid_sample(
            grids, 2.0 * places.flip(2)[:, :, None, None], padding_mode="border", align_corners=False
        )
        near = at[..., 0, 0].transpose(1, 2)
        angles = torch.pi * 2 ** torch.arange(self.waves, device=places.device) * places[..., None]
        x = self.first(torch.cat((near, places, angles.sin().flatten(2), angles.cos().flatten(2)), 2))
        scales = modulation.view(len(grids), 1, len(self.layers), 2, -1).unbind(2)
        for layer, scale in zip(self.layers, scales, strict=True):
            y = layer(functional.relu(x))
            x = x + y * (1.0 + scale[:, :, 0]) + scale[:, :, 1]
        return self.last(functional.relu(x))[..., 0] + near[..., 0]


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
