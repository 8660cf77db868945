"""Triangles of a level set on a grid: marching cubes (Lorensen and Cline, SIGGRAPH 1987)."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["marching_cubes", "marching_cubes_naive"]

# The edges of a cube by number: axis (0 x, 1 y, 2 z), and the corner x + 2 y + 4 z at which they begin.
AXIS, CORNER = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], [0, 2, 4, 6, 0, 1, 4, 5, 0, 1, 2, 3]])
# For each set of corners below the level (bit k: corner k) the edges that its triangles join, as hexadecimal digits:
# P. Bourke's table in this numbering. Corners below that lie on a diagonal of a face are always kept apart, so that
# neighbouring cubes fit together.
CASES = """
- 048 095 948549 1a4 180a81 09541a 1951a9a89 5b1 5b1048 0b19b0 4b148b89b 5a4ba5 5805b8ba8 0a409a9ba 9b88ba 862
062460 950286 962956546 41a862 61a621201 50941a286 1a6516562529 5b1286 06204615b 0b109b286 29b2b424614b a5ba45862
5ba5a25202a6 2860949a49ba 62969aa9b 927 048927 527025 248274754 92741a 81a801927 52750241a 27525a2a8a51 9275b1
80492715b b27b12102 27b82b8b1814 5a45ba792 7925b0b80ba8 40242b4ba7b2 27b2b88ba 879678 079047467 850865675 547746
879867a41 967916901a61 1a4506567608 1a6165567 7867985b1 15b049479467 b10b06b67608 b14b47746 5b44ba798786
ba0b05a60907670 6706087b040aba0 67ba6b a36 8046a3 0956a3 4954896a3 341643 836803013 436413509 513538589683 15ba36
04815b6a3 b09b10a36 6a34818b189b 35b365645 8360380b305b 0640b609bb36 36838bb89 a2832a a04a30320 2a328a095
9329439544a3 428412132 012132 950281213184 951912213 a28a32b15 5b104303234a 8328a39b0b10 32434a29414b9b4
b45b24b32842 5b3530032 9b4940b34842324 9b3293 79236a 92780436a 25027536a 36a278748754 341364279 927806036013
164136025275 758782518683138 5b1792a36 36a92704815b a36b17127102 8148b182b7b26a3 9275b65646b3 068036053b35927
64b6b340b7b202b 36838b2787b8 7a379a98a 7a39a794a904 08a0a707537a a37a74475 498439413379 790703301 138184378085758
751371 5b17939a398a 9379a390a4a05b1 10717b08737a8a7 a37a74b17147 983937843b35453 7907035b0b30 084b37 7b3 73b
048b73 509b73 948954b73 b731a4 1801a83b7 950b7341a 73b95a9a8a51 715317 173157048 709730310 489493431397 a73a47457
0a807a0573a7 73a97a9a4940 73a7a99a8 28673b 60462073b 095286b73 b73952562546 862a4173b b731a21202a6 0951a4286b73
529562516a61b73 715731628 042246157173 862093031397 319397149296469 28673474543a 20a2a605a3a757a 9409a497a3a7286
62969a7393a9 93b239 93b923804 53b503023 b54b42b23824 3923b91a4 92bb2380181a 41a50b03b023 a85a51825b53235 915921231
804925215231 021123 482421123 92393494543a 2352593a5058a85 a40a03302 a823a2 3863b8b98 04606b0b9b63 86308303b0b5
3b5356654 41a86b8b9b63 b96b63906a61016 0b503b08363841a 3b53561a5a65 531583598638 469490639591319 863830031 314634
45343a593638983 05963a a40a03860630 a63 6b7ab6 6b76ab480 b6ab76950 7ab76a549489 b41b74764 b01b60b76680
09541747671b 76171b681519891 16a156576 04815a56a576 976961910a16 891814971a16761 574764 805856657 097074476 897687
2b728b8ab 4204b24ab72b 509b78b8a872 5425294a272bab2 2b78b281b841 b72b21120 8728b784b1b4095 b72b21952512
2572a528aa15 57a5a172a4a020a 8a7872a17970107 9724a1 284247745 572052 284247094974 972 6926a9ab9 04892a9aba26
5ab52a50226a ab2a26b52824542 2b924b2641b4 0160681b6269b96 02b0b526b1b464b 51b268 16a561526592 5a156a596269048
6a1612210 6a1612481821 926965564 805856925265 026406 826 98b8ab 04a0a99ab 50858bb8a 54ab5a 41b4b88b9 01b90b
41b4b850b08b 51b 15919aa98 15919a0494a9 108a18 14a 984594 059 084 -
"""
TRIANGLES = torch.tensor([[int(e, 16) for e in case.strip("-").ljust(15, "f")] for case in CASES.split()])


def marching_cubes(
    vol_batch: Tensor, isolevel: float | None = None, return_local_coords: bool = True
) -> tuple[list[Tensor], list[Tensor]]:
    """Surfaces on which volumes (N, D, H, W), linear along the grid's edges, take the value `isolevel`.

    Args:
        isolevel: by default the middle between each volume's least and greatest value.
        return_local_coords: scale the grid to [-1, 1]; else x, y, z run from 0 to W - 1, H - 1, D - 1.

    Returns N tensors (V_n, 3), differentiable in the values, and N (F_n, 3) int64; normals point to greater values. No
    two vertices coincide, and every edge is shared unless it lies on the grid's border. Raises a ValueError for another
    shape, and for values next to the surface that are not finite.
    """
    if vol_batch.dim() != 4:
        raise ValueError(f"vol_batch must be (N, D, H, W), got {tuple(vol_batch.shape)}")
    volumes = vol_batch if vol_batch.is_floating_point() else vol_batch.float()
    surfaces = [_surface(volume, isolevel) for volume in volumes]
    last = volumes.new_tensor(volumes.shape[:0:-1]) - 1
    verts = [points * 2 / last - 1 if return_local_coords else points for points, _ in surfaces]
    return verts, [faces for _, faces in surfaces]


marching_cubes_naive = marching_cubes


def _surface(volume: Tensor, level: float | None) -> tuple[Tensor, Tensor]:
    """Vertices (V, 3) in units of cells and faces (F, 3) of one volume (D, H, W)."""
    if min(volume.shape) < 2:
        return volume.new_zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64, device=volume.device)
    known = volume.detach().reshape(-1)
    level = (known.max().item() + known.min().item()) / 2 if level is None else level
    size, steps = volume.numel(), torch.tensor([0, 1, volume.shape[2], volume[0].numel()], device=volume.device)

    def part(values: Tensor, axis: Tensor, start: Tensor) -> Tensor:
        return (level - values[start]) / (values[start + steps[axis]] - values[start])

    # a vertex is known by (0: a point, 1 to 3: a point of an edge along that axis) * size + the point or edge's start
    vertex = _cut_edges((known < level).view(volume.shape))
    axis, start = vertex // size, vertex % size
    where = part(known, axis, start)
    if not bool(where.isfinite().all()):
        raise ValueError("vol_batch has values next to the surface that are not finite")
    vertex = torch.where(where == 0, start, torch.where(where == 1, start + steps[axis], vertex))
    vertex = vertex[(vertex != vertex.roll(1, 1)).all(1)]
    vertex, faces = _number(vertex)
    axis, start = vertex // size, vertex % size
    where = torch.where(axis > 0, part(volume.reshape(-1), axis, start), 0)
    point = torch.stack((start % steps[2], start % steps[3] // steps[2], start // steps[3]), 1)
    along = axis[:, None] == torch.arange(1, 4, device=volume.device)
    return point + where[:, None] * along, faces


def _cut_edges(below: Tensor) -> Tensor:
    """(F, 3) int64: the edges of the grid that triangles join: (1 + axis) * (number of points) + where it begins."""
    code = below.to(torch.uint8)
    for axis, weight in ((2, 2), (1, 4), (0, 16)):
        code = code.narrow(axis, 0, code.shape[axis] - 1) + weight * code.narrow(axis, 1, code.shape[axis] - 1)
    code = F.pad(code, (0, 1, 0, 1, 0, 1)).view(-1)
    cell = (code + 1 > 1).nonzero().squeeze(1)  # neither 0 nor 255, whose successor is 0
    row, layer = below.shape[2], below[0].numel()
    place = (1 + AXIS) * below.numel() + (CORNER >> 2) * layer + (CORNER >> 1 & 1) * row + (CORNER & 1)
    triangles = TRIANGLES.to(below.device)[code[cell].long()].view(-1, 5, 3)
    edges = cell[:, None, None] + place.to(below.device)[triangles.clamp(max=11)]
    return edges[triangles[:, :, 0] < 12]


def _number(keys: Tensor) -> tuple[Tensor, Tensor]:
    """The different keys in the order in which they first appear, and the number of each given one among them."""
    flat, place = keys.reshape(-1), torch.arange(keys.numel(), device=keys.device)
    _, group = torch.unique(flat, return_inverse=True)
    first = torch.full_like(flat, len(flat)).scatter_reduce(0, group, place, "amin")[group]
    return flat[first == place], ((first == place).cumsum(0) - 1)[first].view(keys.shape)
