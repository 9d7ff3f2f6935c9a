"""What images are made from: vectors of random numbers, of a law that the networks choose.

n latents, d numbers in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Prior = Literal["normal", "uniform"]


@dataclass(frozen=True)
class LatentSpace:
    """Vectors of `size` numbers: N(0, 1) each, or uniform in [-1, 1)."""

    size: int  # d
    prior: Prior = "normal"

    def draw(self, n: int, noise: torch.Generator) -> Tensor:
        """n latents from this noise, [n, d]."""
        if self.prior == "uniform":
            return torch.rand(n, self.size, generator=noise) * 2 - 1
        return torch.randn(n, self.size, generator=noise)

    def fixed(self, n: int, seed: int) -> Tensor:
        """n latents, [n, d]. The i-th is a function of the seed and i, whatever n is."""
        noise = torch.Generator().manual_seed(seed)
        return torch.cat([self.draw(1, noise) for _ in range(n)])
