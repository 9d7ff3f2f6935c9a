"""Images from a generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .size import Size

MOST = 64  # images at a time
PIXELS = MOST * 128 * 128  # ... and fewer of larger ones, lest it takes more than training does


def at_once(size: Size) -> int:
    """How many images of a size are drawn, or scored, at a time; a multiple of 4, as groups are."""
    return max(4, min(MOST, PIXELS // (size.height * size.width)) // 4 * 4)


@torch.no_grad()
def draw(generator: nn.Module, latents: Tensor, batch: int = MOST) -> Tensor:
    """Images [n, c, h, w] of latents [n, d], `batch` at a time; on the CPU."""
    return torch.cat([generator(part).float().cpu() for part in torch.split(latents, batch)])
