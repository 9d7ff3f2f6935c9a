"""How varied images are, from some dozens of them: their spread, and their intrinsic dimension.

    spread      of all images about their mean, times the ways in which they differ: that number is
                the exponential of the entropy of the variances, 1 if all lie on a line
    dimension   the directions in which images differ from those nearest to them

The second is TwoNN: Facco, d'Errico, Rodriguez, Laio 2017, Scientific Reports 7, 12140. In d
dimensions, of whatever density, the ratio mu of the distances to the second nearest and the nearest
other image has the law P(mu > m) = m^-d, so that its logarithm has a mean of 1/d. A generator that
uses two numbers of its latents shows 2, however wide its images are spread. Images that are noise
show many more than the reals: only a lower number than theirs is a sign of anything.

The largest tenth of the ratios is taken to be at least as large as the rest, and no more is asked
of it: an image with a twin has an infinite one. The standard error is 1/sqrt(.9 n) of d. Images so
many that neighbours differ by a level or less show the directions of rounding.

n images, h height, w width, c channels; fine noise is no variety, so images are taken at about 16
pixels a side. Held by: tests/metrics/test_variety.py
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from .neighbours import nearest_others
from .sets import Images

SEEN_AT = 16  # pixels a side, at the least; under 32 at the most
AT_ONCE = 16  # images: all of 1024x1024 as floats would need gigabytes
KEPT = 0.9  # of the ratios


def pooled(images: Images) -> Tensor:
    """Images [n, h, w, c] as rows of numbers, at about 16 pixels a side."""
    factor = max(1, min(images.shape[1:3]) // SEEN_AT)
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    parts = [avg_pool2d(part.float(), factor).flatten(1) for part in torch.split(x, AT_ONCE)]
    return torch.cat(parts)


def spread(images: Images) -> float:
    """The standard deviation of a number, times the ways in which images differ."""
    flat = pooled(images).double()
    spectrum = torch.linalg.svdvals(flat - flat.mean(0)).square()
    share = spectrum / spectrum.sum().clamp_min(1e-12)
    ways = torch.exp(-(share * share.clamp_min(1e-12).log()).sum())
    return float((spectrum.sum() / flat.numel()).sqrt() * ways)


def dimension(images: Images) -> float:
    """Directions in which images differ from those nearest to them; needs 3 images.

    At most as many as an image has numbers; 0 where more than a tenth of them have a twin.
    """
    points = pooled(images).numpy()
    nearest, second = nearest_others(points, 2).T  # squared distances
    alone = nearest > 0
    ratios = np.full(len(points), math.inf)
    ratios[alone] = np.log(second[alone] / nearest[alone]) / 2
    ratios.sort()
    kept = math.ceil(KEPT * len(ratios))
    total = np.minimum(ratios, ratios[kept - 1]).sum()  # the largest are not trusted
    most = points.shape[1]
    return float(min(most, (kept - 1) / total)) if total > 0 else float(most)
