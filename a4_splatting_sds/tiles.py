"""The fast rasteriser: only the tiles that a Gaussian's footprint reaches, composited front to back in plain torch.

*Pairs* of a Gaussian and a tile are listed in order of tile, then depth. In a tile with its middle at the origin an
exponent is a polynomial of u^2, uv, v^2, u, v and 1: all pairs' exponents are one matrix product with six coefficients
each, log(opacity) among them. Sixteen Gaussians of many tiles, or more of few, are composited at a time; a
tile in which nothing more can be seen drops out. Of pixels nothing is kept for the gradient but the pictures: the
backward pass computes the same alphas again, so that memory is that of the pairs and of one block.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from a4_splatting_sds.compositing import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE
from a4_splatting_sds.projection import conics_of

TILE = 8  # pixels
DEPTH, MOST_DEPTH = 16, 256  # Gaussians of a tile composited at a time
BLOCK = 2**19  # Gaussians times pixels held at once
MOST_PAIRS = 2**24  # listed at once: a picture with more is made in bands


@dataclass(frozen=True)
class Pairs:
    """Which Gaussians reach which tiles.

    Attributes:
        gaussian: (P,) which Gaussian; tile by tile, in order of depth.
        tile: (P,) which tile, row by row. start, count: (tiles,) where each tile's pairs begin, and how many they are.
        grid: rows and columns of tiles.
    """

    gaussian: Tensor
    tile: Tensor
    start: Tensor
    count: Tensor
    grid: tuple[int, int]


@torch.no_grad()
def find_pairs(means_2D: Tensor, cov_2D: Tensor, conics: Tensor, opacities: Tensor, size: tuple[int, int]) -> Pairs:
    """Pairs of Gaussians (N, ...) in order of depth and tiles; their footprint is where alpha is above 1 / 255.

    Args:
        means_2D: (N, 2) pixels. cov_2D: (N, 2, 2). conics: (N, 3), entries 00, 01, 11 of the inverses, float64.
    """
    H, W = size
    grid = -(-H // TILE), -(-W // TILE)
    seen, low, high, reach = _footprints(means_2D, cov_2D, opacities, size)
    across, down = (high - low + 1).unbind(1)
    each = across * down
    row = torch.repeat_interleave(each)
    number = torch.arange(len(row), device=row.device) - (each.cumsum(0) - each)[row]
    y = torch.div(number, across[row], rounding_mode="floor")
    x = number - y * across[row] + low[row, 0]
    y, gaussian = y + low[row, 1], seen[row]
    corner = torch.stack((x, y), 1) * TILE + 0.5 - means_2D[gaussian]
    reached = (_least(conics[gaussian], corner, corner + TILE - 1) <= reach[gaussian]).nonzero()[:, 0]
    tile, gaussian = (y * grid[1] + x)[reached], gaussian[reached]
    order = _stable_order(tile, grid[0] * grid[1])
    count = torch.bincount(tile, minlength=grid[0] * grid[1])
    return Pairs(gaussian[order], tile[order], count.cumsum(0) - count, count, grid)


def _footprints(means_2D: Tensor, cov_2D: Tensor, opacities: Tensor, size: tuple[int, int]):
    """Which Gaussians (M,) are seen, the first and last column and row of tiles (M, 2) around each, and of all N up to
    which d^T cov^-1 d they are: a little too far, as what is seen is decided again at each pixel.
    """
    H, W = size
    reach = (2 * torch.log(opacities / MIN_ALPHA)).clamp(min=0) * 1.0001
    half = (reach[:, None] * cov_2D.diagonal(dim1=1, dim2=2)).sqrt()
    last = means_2D.new_tensor([W - 1, H - 1])
    low = torch.ceil(means_2D - half - 0.5).clamp(min=0)
    high = torch.minimum(torch.floor(means_2D + half - 0.5), last)
    seen = ((high >= low).all(1) & (reach > 0)).nonzero()[:, 0]
    low, high = ((corner[seen] / TILE).long() for corner in (low, high))
    return seen, low, high, reach


def _least(conics: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The least d^T cov^-1 d (P,) over boxes from low to high (P, 2), relative to the Gaussians' means."""
    a, b, c = conics.unbind(1)
    (x0, y0), (x1, y1) = low.unbind(1), high.unbind(1)
    x0, y0, x1, y1 = x0.contiguous(), y0.contiguous(), x1.contiguous(), y1.contiguous()
    # It is convex: least at the middle where the box holds that, else on one of the two edges that face the middle.
    x, y = torch.clamp(torch.zeros_like(x0), x0, x1), torch.clamp(torch.zeros_like(y0), y0, y1)
    v, u = torch.clamp(-b * x / c, y0, y1), torch.clamp(-b * y / a, x0, x1)
    return torch.minimum(a * x * x + 2 * b * x * v + c * v * v, a * u * u + 2 * b * u * y + c * y * y)


def _stable_order(keys: Tensor, count: int) -> Tensor:
    """What sorts keys (P,) below ``count``; equal ones stay in order."""
    if keys.device.type == "cpu" and count <= 2**16:  # numpy sorts small numbers by their digits: several times faster
        return torch.from_numpy(keys.to(torch.uint16).numpy().argsort(kind="stable"))
    return keys.argsort(stable=True)


def composite_tiles(
    means_2D: Tensor, cov_2D: Tensor, opacities: Tensor, values: Tensor, img_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """What `compositing.composite_dense` gives, to rounding: values (H, W, C) and the transmittance behind all (H, W).

    Args:
        means_2D: (N, 2) pixels. cov_2D: (N, 2, 2) pixels^2. opacities: (N,). values: (N, C). All in order of depth.
        img_size: height and width.
    """
    H, W = img_size
    with torch.no_grad():
        _, low, high, _ = _footprints(means_2D, cov_2D, opacities, img_size)
        bands = 1 + int((high - low + 1).prod(1).sum()) // MOST_PAIRS
    if bands == 1:
        return _composite_band(means_2D, cov_2D, opacities, values, img_size)
    height, parts = TILE * max(1, -(-H // TILE) // bands), []
    for top in range(0, H, height):
        shifted = means_2D - means_2D.new_tensor([0.0, top])
        given = (shifted, cov_2D, opacities, values, (min(height, H - top), W))
        parts.append(checkpoint(_composite_band, *given, use_reentrant=False))
    total, behind = zip(*parts, strict=True)
    return torch.cat(total), torch.cat(behind)


def _composite_band(
    means_2D: Tensor, cov_2D: Tensor, opacities: Tensor, values: Tensor, img_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """`composite_tiles` with all pairs listed at once."""
    H, W = img_size
    conics = conics_of(cov_2D)
    pairs = find_pairs(means_2D, cov_2D, conics, opacities, img_size)
    packed = torch.cat((means_2D, conics, opacities[:, None].clamp(min=MIN_ALPHA).log()), 1)
    # Of what is selected so the gradient is added in order on a CPU: the same each time.
    packed, values = packed.index_select(0, pairs.gaussian), values.index_select(0, pairs.gaussian)
    coefficients = _coefficients(packed, pairs).to(values)
    out, T = _Composite.apply(coefficients, values, pairs.start, pairs.count)

    def picture(tiles: Tensor) -> Tensor:
        rows, columns = pairs.grid
        tiles = tiles.view(rows, columns, TILE, TILE, -1).transpose(1, 2)
        return tiles.reshape(rows * TILE, columns * TILE, -1)[:H, :W]

    return picture(out), picture(T)[..., 0]


def _coefficients(packed: Tensor, pairs: Pairs) -> Tensor:
    """Polynomials (P, 6) of log(alpha), the tile's middle at the origin; see `_monomials`.

    In double precision: far from the middle of a long thin Gaussian large terms nearly cancel.
    """
    rows = torch.div(pairs.tile, pairs.grid[1], rounding_mode="floor")
    middle = torch.stack((pairs.tile - rows * pairs.grid[1], rows), 1) * TILE + TILE / 2
    dx, dy = (packed[:, :2] - middle).unbind(1)
    a, b, c, log_opacity = packed[:, 2:].unbind(1)
    ux, uy = a * dx + b * dy, b * dx + c * dy
    return torch.stack((-0.5 * a, -b, -0.5 * c, ux, uy, log_opacity - 0.5 * (ux * dx + uy * dy)), 1)


def _monomials(like: Tensor) -> Tensor:
    """u^2, uv, v^2, u, v, 1 (6, TILE^2) at a tile's pixels."""
    ticks = torch.arange(TILE, dtype=like.dtype, device=like.device) - (TILE - 1) / 2
    v, u = (t.flatten() for t in torch.meshgrid(ticks, ticks, indexing="ij"))
    return torch.stack((u * u, u * v, v * v, u, v, torch.ones_like(u)))


class _Layers:
    """The walk over blocks of tiles, and front to back in each, that both passes take."""

    def __init__(self, coefficients: Tensor, values: Tensor, start: Tensor, count: Tensor):
        self.coefficients, self.values, self.start, self.count = coefficients, values, start, count
        self.monomials = _monomials(coefficients)

    def blocks(self) -> tuple[Tensor, ...]:
        """Which tiles go together: those with about as many Gaussians."""
        tiles = self.count.argsort(descending=True)
        return tiles[: int((self.count > 0).sum())].split(max(1, BLOCK // (DEPTH * TILE**2)))

    def depth(self, tiles: Tensor) -> int:
        """How many Gaussians of each of some tiles are composited at a time: more where the tiles are fewer."""
        return max(DEPTH, min(MOST_DEPTH, BLOCK // (len(tiles) * TILE**2)))

    def layer(self, tiles: Tensor, first: int, T: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The next Gaussians, ``first`` and on, of tiles (n,), seen through T (n, TILE^2), which is brought behind.

        Returns:
            their rows (n, D), which of them there are (n, D), and (n, D, TILE^2): alphas before they are held below
            their most, alphas, and the transmittances in front of them.
        """
        number = torch.arange(first, first + self.depth(tiles), device=tiles.device)
        there = number < self.count[tiles, None]
        rows = (self.start[tiles, None] + number).clamp(max=len(self.coefficients) - 1)
        polynomials = self.coefficients[rows]
        polynomials[..., 5].masked_fill_(~there, -1e4)
        free = (polynomials.view(-1, 6) @ self.monomials).exp_().view(*rows.shape, -1)
        functional.threshold_(free, MIN_ALPHA, 0.0)
        alphas = free.clamp(max=MAX_ALPHA)
        behind = torch.cumprod(1 - alphas, 1).mul_(T[:, None])
        functional.threshold_(behind, MIN_TRANSMITTANCE, 0.0)
        through = torch.cat((T[:, None], behind[:, :-1]), 1)
        T.copy_(behind[:, -1])
        return rows, there, free, alphas, through

    def alive(self, tiles: Tensor, first: int, T: Tensor) -> Tensor:
        """Which tiles (n,) have Gaussians from a number on that could be seen."""
        return (self.count[tiles] > first) & (T.amax(1) > 0)


class _Composite(torch.autograd.Function):
    """Sums (tiles, TILE^2, C) and transmittances (tiles, TILE^2), of polynomials (P, 6) and values (P, C)."""

    @staticmethod
    def forward(ctx, coefficients, values, start, count):
        layers = _Layers(coefficients, values, start, count)
        total = coefficients.new_zeros(len(count), TILE**2, values.shape[1])
        behind = coefficients.new_ones(len(count), TILE**2)
        for tiles in layers.blocks():
            T, sums, first = behind[tiles], total[tiles], 0
            while len(tiles):
                rows, _, _, alphas, through = layers.layer(tiles, first, T)
                first += rows.shape[1]
                sums.baddbmm_(alphas.mul_(through).mT, values[rows])
                alive = layers.alive(tiles, first, T)
                if not alive.all():
                    done = ~alive
                    behind[tiles[done]], total[tiles[done]] = T[done], sums[done]
                    tiles, T, sums = tiles[alive], T[alive], sums[alive]
        ctx.save_for_backward(coefficients, values, start, count, total, behind)
        return total, behind

    @staticmethod
    def backward(ctx, grad_total, grad_behind):
        coefficients, values, start, count, total, behind = ctx.saved_tensors
        layers = _Layers(coefficients, values, start, count)
        # A row more takes what belongs to no pair.
        grad_coefficients, grad_values = (x.new_zeros(len(x) + 1, x.shape[1]) for x in (coefficients, values))
        # Of each pixel, what all that lies behind the Gaussians so far adds to the loss.
        rest_of_all = (grad_total * total).sum(2) + grad_behind * behind
        for tiles in layers.blocks():
            T, rest, grad, first = torch.ones_like(behind[tiles]), rest_of_all[tiles], grad_total[tiles], 0
            while len(tiles):
                rows, there, free, alphas, through = layers.layer(tiles, first, T)
                first += rows.shape[1]
                weights = alphas * through
                grad_weights = torch.bmm(values[rows], grad.mT)
                rests = rest[:, None] - torch.cumsum(weights * grad_weights, 1)
                rest = rests[:, -1].clone()
                # d total / d alpha_k = T_k value_k - (what lies behind k) / (1 - alpha_k)
                slopes = grad_weights.mul_(through).sub_(rests.div_(1 - alphas))
                slopes.mul_(torch.where((free < MAX_ALPHA) & (through > 0), alphas, 0.0))
                rows = torch.where(there, rows, len(coefficients))
                grad_coefficients[rows] = (slopes.view(-1, TILE**2) @ layers.monomials.T).view(*rows.shape, 6)
                grad_values[rows] = torch.bmm(weights, grad)
                alive = layers.alive(tiles, first, T)
                if not alive.all():
                    tiles, T, rest, grad = tiles[alive], T[alive], rest[alive], grad[alive]
        return grad_coefficients[:-1], grad_values[:-1], None, None
