"""Signed distance to density, three ways, and the weights of samples that follow."""

import math
from types import SimpleNamespace

import torch
from torch import Tensor, nn

CONVERSIONS = ("volsdf", "neus", "naive")


def sdf_to_density(signed_distance: Tensor, alpha: Tensor | float, beta: Tensor | float) -> Tensor:
    """alpha times the distribution function of a Laplace variable of scale beta, at minus the signed distance.

    Inside, far from the surface, the density is alpha; it falls to nothing over a few beta around the surface.
    Any shape in, the same out. Source: Yariv et al., Volume Rendering of Neural Implicit Surfaces (VolSDF), NeurIPS
    2021, eq. 2 and 3.
    """
    half = 0.5 * torch.exp(-signed_distance.abs() / beta)
    return alpha * torch.where(signed_distance > 0, half, 1.0 - half)


def naive_sdf_to_density(signed_distance: Tensor, s: Tensor | float) -> Tensor:
    """The logistic density s exp(-s d) / (1 + exp(-s d))^2: greatest at the surface, biased (NeuS, section 3.1)."""
    return s * torch.sigmoid(s * signed_distance) * torch.sigmoid(-s * signed_distance)


def neus_opacity(signed_distance: Tensor, s: Tensor | float) -> Tensor:
    """Opacity of each stretch between neighbouring samples: (..., S) distances along rays give (..., S - 1).

    max((Phi(d_i) - Phi(d_i+1)) / Phi(d_i), 0), Phi the logistic function of s d: the weights peak on the surface, to
    first order without bias. Source: Wang et al., NeuS, NeurIPS 2021, eq. 13.
    """
    cdf = torch.sigmoid(s * signed_distance)
    return ((cdf[..., :-1] - cdf[..., 1:] + 1e-6) / (cdf[..., :-1] + 1e-6)).clamp(0.0, 1.0)


class Sharpness(nn.Module):
    """How sharply density follows the distance: alpha and beta of VolSDF, or s of NeuS and of the naive density.

    They are fixed; or trained (``learn``), as logarithms, so that a step changes them by a share and they stay above 0;
    or led along a schedule to ``beta_end`` or ``s_end``, as in BakedSDF (Yariv et al., SIGGRAPH 2023), alpha beta kept.

    Args:
        cfg: ``conversion``, ``alpha``, ``beta``, ``s``, ``learn``, ``beta_end``, ``s_end``.
    """

    def __init__(self, cfg: SimpleNamespace):
        super().__init__()
        self.conversion = cfg.conversion
        volsdf = cfg.conversion == "volsdf"
        start = {"alpha": cfg.alpha, "beta": cfg.beta} if volsdf else {"s": cfg.s}
        end = {"alpha": cfg.alpha * cfg.beta / cfg.beta_end, "beta": cfg.beta_end} if volsdf and cfg.beta_end else {}
        if not volsdf and cfg.s_end:
            end = {"s": cfg.s_end}
        self.logs = nn.ParameterDict(
            {
                name: nn.Parameter(torch.tensor(math.log(v)), requires_grad=cfg.learn and not end)
                for name, v in start.items()
            }
        )
        self.ways = {name: (math.log(start[name]), math.log(value)) for name, value in end.items()}

    def lead(self, share: float) -> None:
        """Set the values of a schedule to this share of its way, in [0, 1], in equal factors."""
        for name, (start, end) in self.ways.items():
            self.logs[name].data.fill_(start + share * (end - start))

    def values(self) -> dict[str, float]:
        """The current values by name."""
        return {name: float(log.detach().exp()) for name, log in self.logs.items()}

    def __getitem__(self, name: str) -> Tensor:
        return self.logs[name].exp()

    def density(self, distance: Tensor) -> Tensor:
        """Densities of signed distances, of any shape; not of NeuS, whose opacities need neighbouring samples."""
        if self.conversion == "naive":
            return naive_sdf_to_density(distance, self["s"])
        return sdf_to_density(distance, self["alpha"], self["beta"])
