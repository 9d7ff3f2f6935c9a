"""Images from a generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def draw(generator: nn.Module, latents: Tensor, batch: int = 64) -> Tensor:
    """Images [n, c, h, w] of latents [n, d], `batch` at a time; on the CPU."""
    return torch.cat([generator(part).float().cpu() for part in torch.split(latents, batch)])
