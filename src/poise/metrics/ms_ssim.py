"""Multi-scale structural similarity: how alike two images are, and so how varied a set is.

Wang, Simoncelli, Bovik 2003, https://doi.org/10.1109/ACSSC.2003.1292216; of pairs of fakes as a
measure of variety: Odena, Olah, Shlens 2016, https://arxiv.org/abs/1610.09585. At scale j, with
m, s^2 and s_xy mean, variance and covariance under a Gaussian window (11 pixels, sigma 1.5) that
lies within the image, C1 = (.01 x 255)^2, C2 = (.03 x 255)^2:

    l    = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)                luminance
    cs_j = mean (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)              contrast and structure
    MS-SSIM = cs_1^w1 x ... x cs_4^w4 x (mean l cs)_5^w5          each scale half the one before

Each channel by itself; the mean is over places and channels, and what is below 0 counts as 0. The
average of 2x2 pixels halves an image; an odd last row or column is left out.

Differs from the code of Karras et al. 2017: that keeps 5 scales and narrows the window where it no
longer fits. Here a scale that is smaller than the window is left out and the weights of those left
are made to add up to 1. So numbers of images under 176 pixels (11 x 2^4) compare with each other at
one size, not with that paper's. Pairs are drawn at random and disjoint, not taken as neighbours.
Held by: tests/metrics/test_ms_ssim.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..errors import DataError, OptionError
from ..size import Size
from .filters import filtered
from .sets import Images, check, check_alike, check_batch, to_levels

# n images or pairs, c channels, h height, w width
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first
WINDOW = 11  # pixels
SIGMA = 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_GAUSS = [math.exp(-(((i - WINDOW // 2) / SIGMA) ** 2) / 2) for i in range(WINDOW)]
KERNEL = [g / sum(_GAUSS) for g in _GAUSS]


@dataclass(frozen=True)
class Diversity:
    """How alike images of a set are: higher is less varied. Compare only at one size."""

    similarity: float  # mean MS-SSIM of the pairs, 0 to 1
    error: float  # standard error of that mean
    pairs: int
    images: int  # given
    scales: int  # 5 where images allow it
    seed: int

    def __str__(self) -> str:
        return (
            f"MS-SSIM {self.similarity:.4f} +- {self.error:.4f} ({self.pairs:,} pairs of "
            f"{self.images:,} images, {self.scales} of {len(WEIGHTS)} scales)"
        )


def diversity(images: Images, *, pairs: int = 10_000, seed: int = 0, batch: int = 64) -> Diversity:
    """The similarity of random pairs that share no image: at most `pairs`, or half the images.

    The number says something beside that of the reals: a set is too alike if it scores higher.

    Raises:
        DataError: fewer than 4 images (two pairs, for an error), or images under 11 pixels.
        OptionError: fewer than 2 pairs, or a batch of no image.
    """
    size = check(images, "images", least=4)
    check_batch(batch)
    if pairs < 2:
        raise OptionError(f"pairs must be at least 2, for their spread is the error, got {pairs}.")
    pairs = min(pairs, len(images) // 2)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)).numpy()
    one, other = order[:pairs], order[pairs : 2 * pairs]
    alike = np.concatenate(
        [
            similarity(images[one[k : k + batch]], images[other[k : k + batch]], batch=batch)
            for k in range(0, pairs, batch)
        ]
    )
    error = float(alike.std(ddof=1) / math.sqrt(pairs))
    return Diversity(float(alike.mean()), error, pairs, len(images), scales_of(size), seed)


def similarity(a: Images, b: Images, *, batch: int = 64) -> NDArray[np.float64]:
    """MS-SSIM of image i of `a` with image i of `b`, [n]: 1 for equal ones, and at least 0.

    Double precision; 9 ms a pair of 128x128 RGB, 1.5 ms at 64x64, on one busy core.

    Raises:
        DataError: images under 11 pixels, or not as many, as large and of as many channels in both.
        OptionError: a batch of no image.
    """
    scales = scales_of(check(a, "images", least=1))
    check(b, "images", least=1)
    check_alike(a, b, "both images of a pair")
    check_batch(batch)
    if len(a) != len(b):
        raise DataError(
            f"each image needs its partner, got {len(a)} images and {len(b)}. Give as many of both."
        )
    found: list[float] = []
    for first in range(0, len(a), batch):
        x, y = (to_levels(each[first : first + batch], torch.float64) for each in (a, b))
        found += map(_product, _factors(x, y, scales).tolist())
    return np.array(found)


def scales_of(size: Size) -> int:
    """How many scales the window fits into, at most 5: all from 176 pixels a side on.

    Raises:
        DataError: not even one.
    """
    side = min(size)
    if side < WINDOW:
        raise DataError(
            f"the window is {WINDOW}x{WINDOW} pixels, so images must be at least that large, got "
            f"{size}. Measure images of a larger size."
        )
    return sum(side >> k >= WINDOW for k in range(len(WEIGHTS)))


def _product(factors: list[float]) -> float:
    """MS-SSIM from the factors of its scales, finest first."""
    weights = WEIGHTS[: len(factors)]
    # The weights of the paper add up to 1.0001; they stay as printed where all are used.
    total = 1.0 if len(factors) == len(WEIGHTS) else sum(weights)
    # By math, not torch: whose powers differ in the last bit with a number's place in the batch.
    powers = (math.pow(max(f, 0.0), w / total) for f, w in zip(factors, weights, strict=True))
    return math.prod(powers)


def _factors(x: Tensor, y: Tensor, scales: int) -> Tensor:
    """[n, scales] of pairs [n, c, h, w] of levels 0 to 255: cs_1, cs_2, ..., and l cs at last."""
    factors = []
    for j in range(scales):
        if j:
            x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
        factors.append(_factor(x, y, luminance=j == scales - 1))
    return torch.stack(factors, dim=1)


def _factor(x: Tensor, y: Tensor, *, luminance: bool) -> Tensor:
    """cs of one scale, or with luminance l cs: mean over places and channels, [n]."""
    m_x, m_y = filtered(x, KERNEL), filtered(y, KERNEL)
    covariance = filtered(x * y, KERNEL) - m_x * m_y
    # Only the sum of both variances is asked for, so one filter serves them.
    variances = filtered(x * x + y * y, KERNEL) - (m_x * m_x + m_y * m_y)
    factor = (2 * covariance + C2) / (variances + C2)
    if luminance:
        factor *= (2 * m_x * m_y + C1) / (m_x * m_x + m_y * m_y + C1)
    return factor.mean(dim=(1, 2, 3))
