"""What each level of a grown generator holds of the image that it makes.

Once a level has faded in, the way out of the one before it, a 1x1 convolution, is trained no more,
while the features that it reads still are: it shows colours that no longer mean anything. But the
features h_k hold the image as well as ever. Of all linear ways out, these are the nearest ones:

    W_k, b_k = argmin  sum over z, pixels of |W h_k(z) + b - down(G(z))|^2

with G(z) brought down to the size of level k by means. Solved exactly, in float64 and on the CPU:
not every device has it.

Held by: tests/test_readout.py
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from .size import Size, Stage

BATCH = 16  # latents at a time
ROWS = 16  # pixels fitted for each number of a way out, at least
RIDGE = 1e-9  # of the mean square of the features: some of them may always be equal


@torch.no_grad()
def at_level(network: Any, level: int, latents: Tensor, fitted: Tensor) -> Tensor:
    """What level `level`, below that of its stage, holds of the latents [n, d]: [n, c, h, w].

    The way out is the nearest for the latents `fitted` [m, d]; `enough` says how many there must
    be. Values can lie a little outside [-1, 1]. The stage of the network is as it was before.
    """
    stage: Stage = network.stage
    size = network.levels[level]
    features = network.images[level].weight.shape[1] + 1  # and a constant
    squares = torch.zeros(features, features, dtype=torch.float64)
    products: Tensor | float = 0.0
    try:
        for z in torch.split(fitted.to(latents.device), BATCH):
            h = _pixels(_features(network, level, z))  # [pixels, features]
            network.grow_to(stage)
            whole = network(z).cpu().double()
            goal = adaptive_avg_pool2d(whole, size).movedim(1, 3).flatten(0, 2)
            squares += h.T @ h
            products = products + h.T @ goal
        squares.diagonal().add_(RIDGE * squares.diagonal().mean())
        out = torch.linalg.solve(squares, products)  # [features, c]
        parts = []
        for z in torch.split(latents, BATCH):
            seen = _pixels(_features(network, level, z)) @ out
            parts.append(seen.unflatten(0, (len(z), *size)).movedim(3, 1).float())
    finally:
        network.grow_to(stage)
    return torch.cat(parts)


def enough(network: Any, level: int) -> int:
    """Latents to fit the way out of a level with: `ROWS` pixels for each of its numbers."""
    size: Size = network.levels[level]
    rows: int = ROWS * (network.images[level].weight.shape[1] + 1)
    return max(BATCH, math.ceil(rows / (size.height * size.width)))


def _features(network: Any, level: int, z: Tensor) -> Tensor:
    """What the way out of a level reads, [n, maps, h, w]; the network is left at that level."""
    caught: list[Tensor] = []
    network.grow_to(Stage(level, 1.0))
    with network.images[level].register_forward_pre_hook(lambda _, read: caught.append(read[0])):
        network(z)
    return caught[0]


def _pixels(h: Tensor) -> Tensor:
    """Features [n, maps, h, w] as float64 rows [n * h * w, maps + 1]; the last number is 1."""
    rows = h.cpu().double().movedim(1, 3).flatten(0, 2)
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
