"""How much memory a step takes for each image, and how much there is."""

from __future__ import annotations

from typing import Any

import psutil
import torch
from torch import Tensor, nn

from .config import Config
from .size import Size


def free_memory(device: str) -> int:
    """Bytes that can still be had on a device."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()  # what earlier steps left with PyTorch is free as well
        free, _ = torch.cuda.mem_get_info(device)
        return free
    available: int = psutil.virtual_memory().available
    return available


def bytes_per_image(config: Config, level: int) -> int:
    """About what a critic's update keeps in memory for one image at a level.

    Counted on the meta device, without doing the work: all that autograd saves for the scores of a
    real, a fake and a mixed image and for the gradient of the last; of two images less that of one,
    since weights that are scaled when they are used are saved too, once for all images.
    """
    return saved_bytes(config, level, 2) - saved_bytes(config, level, 1)


def saved_bytes(config: Config, level: int, n: int) -> int:
    """What autograd keeps of a critic's update on n images at a level: all but parameters."""
    networks, size = config.recipe.networks, config.data.size
    saved: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            saved.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.device("meta"):
        critic: Any = networks.critic(size, config.data.channels)
        at: Size = critic.levels[level]
        critic.grow_to(critic.stage._replace(level=level))
        x = torch.empty(n, config.data.channels, *at, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
            scores = critic(x) + critic(x.detach()) + critic(x.detach())
            torch.autograd.grad(scores.sum(), x, create_graph=True)
    return sum(saved)
