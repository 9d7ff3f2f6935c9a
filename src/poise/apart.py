"""How far the images and fakes of one step are apart in what their level adds, for nothing.

With v the images and W the 1-Wasserstein distance on a line,

    d = v - up(down(v))                    what a level has that the one below cannot show; v itself
                                           where images are under 7 pixels, or no level is below
    apart = mean over 32 random patches w of 7x7 of W(w * d_real, w * d_fake)

the patches' answers over all images and places of the step. A sliced Wasserstein distance, on the
images that a step has drawn anyway: one step's is noisy and too large, as of so few images, but its
mean over many falls while the level is learnt, which a critic's own distance need not: with one
update of the critic for each of the generator it rises as the critic learns to see. Compared as
measures of a level's convergence by benchmarks/when_to_grow.py, docs/methods/progressive.md.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

SIDE = 7  # pixels of a patch
PATCHES = 32
PLACES = 8  # along a side of the image, about


@torch.no_grad()
def apart(x: Tensor, fake: Tensor) -> Tensor:
    """The distance of images and fakes [n, c, h, w], a scalar on their device; no sync."""
    patches = _patches(x.shape[1], x.device, x.dtype)
    a, b = (_answers(_added(v), patches) for v in (x, fake))
    return (a - b).abs().mean()


@lru_cache(maxsize=8)  # bringing them to a GPU at each step would stall it
def _patches(channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Random ones of length 1, always the same: [patches, channels, side, side]."""
    noise = torch.Generator().manual_seed(0)
    patches = torch.randn(PATCHES, channels, SIDE, SIDE, generator=noise)
    patches = patches / patches.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    unit: Tensor = patches.to(device, dtype)
    return unit


def _added(v: Tensor) -> Tensor:
    """What the level of v adds to the one below."""
    if min(v.shape[2:]) < SIDE:
        return interpolate(v, scale_factor=2.0)
    if v.shape[2] % 2 or v.shape[3] % 2:
        return v  # no smaller images were doubled to these
    return v - interpolate(avg_pool2d(v, 2), scale_factor=2.0)


def _answers(v: Tensor, patches: Tensor) -> Tensor:
    """Of each patch, smallest first: [patches, images * places]."""
    step = max(1, (min(v.shape[2:]) - SIDE) // PLACES)
    return conv2d(v, patches, stride=step).transpose(0, 1).flatten(1).sort(dim=1).values
