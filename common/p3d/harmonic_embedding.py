"""Positional encoding of NeRF (Mildenhall et al. 2020, eq. 4); integrated: mip-NeRF (Barron et al. 2021, eq. 14)."""

import torch
from torch import Tensor, nn

__all__ = ["HarmonicEmbedding"]


class HarmonicEmbedding(nn.Module):
    """Sines, then cosines, of each coordinate at F frequencies, then the coordinates themselves if `append_input`.

    The frequencies go from `omega_0` to `omega_0` 2^(F-1), in octaves if `logspace`, else at equal steps.
    """

    def __init__(
        self, n_harmonic_functions: int = 6, omega_0: float = 1.0, logspace: bool = True, append_input: bool = True
    ):
        super().__init__()
        steps = torch.arange(n_harmonic_functions, dtype=torch.float32)
        slope = (2.0 ** (n_harmonic_functions - 1) - 1) / max(n_harmonic_functions - 1, 1)
        frequencies = 2.0**steps if logspace else 1 + slope * steps
        self.register_buffer("_frequencies", omega_0 * frequencies, persistent=False)
        self.append_input = append_input

    def forward(self, x: Tensor, diag_cov: Tensor | None = None, **kwargs) -> Tensor:
        """(..., 2 D F [+ D]) of x (..., D); with variances `diag_cov` (..., D), the mean under that Gaussian."""
        phase = x[..., None] * self._frequencies
        waves = torch.stack((phase.sin(), phase.cos()), -3)
        if diag_cov is not None:
            waves = waves * torch.exp(-0.5 * diag_cov[..., None] * self._frequencies**2)[..., None, :, :]
        return torch.cat((waves.flatten(-3), x), -1) if self.append_input else waves.flatten(-3)

    @staticmethod
    def get_output_dim_static(input_dims: int, n_harmonic_functions: int, append_input: bool) -> int:
        """As `get_output_dim`, of an embedding not made yet."""
        return input_dims * (2 * n_harmonic_functions + append_input)

    def get_output_dim(self, input_dims: int = 3) -> int:
        """Number of values for `input_dims` coordinates."""
        return self.get_output_dim_static(input_dims, len(self._frequencies), self.append_input)
