"""Sets of images to measure."""

from __future__ import annotations

from functools import cache

import numpy as np

from poise.data.shapes import draw_shape
from poise.metrics.sets import Images


@cache
def shapes(count: int, side: int, first: int = 0) -> Images:
    """[count, side, side, 3], hardly two the same. Nobody writes into them."""
    images = np.stack([draw_shape(index, side) for index in range(first, first + count)])
    images.flags.writeable = False
    return images


def noise(*shape: int, seed: int = 0) -> Images:
    """Evenly distributed levels, [n, h, w, c]."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def noisy(images: Images, spread: float) -> Images:
    """With noise of this standard deviation, in levels, on every pixel."""
    dirt = np.random.default_rng(1).normal(0, spread, images.shape)
    return (images + dirt).round().clip(0, 255).astype(np.uint8)


def blurred(images: Images, times: int) -> Images:
    """Averaged with the neighbours on both sides, along both axes, several times."""
    levels = images.astype(float)
    for _ in range(times):
        for axis in (1, 2):
            levels = (np.roll(levels, 1, axis) + 2 * levels + np.roll(levels, -1, axis)) / 4
    return levels.round().astype(np.uint8)
