"""Images from a generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def fixed_latents(n: int, latent_size: int, seed: int) -> Tensor:
    """n latents z ~ N(0, I), [n, d]. The i-th is a function of the seed and i, whatever n is."""
    noise = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(latent_size, generator=noise) for _ in range(n)])


@torch.no_grad()
def draw(generator: nn.Module, latents: Tensor, batch: int = 64) -> Tensor:
    """Images [n, c, h, w] of latents [n, d], `batch` at a time; on the CPU."""
    return torch.cat([generator(part).float().cpu() for part in torch.split(latents, batch)])
