"""Sliced Wasserstein distance of Laplacian pyramids: how far two sets differ, scale by scale.

Karras, Aila, Laine, Lehtinen 2017, https://arxiv.org/abs/1710.10196, section 5. With G_0 the image
and k the kernel [1 4 6 4 1] / 16 along both axes, edges mirrored:

    G_l+1 = every second pixel of k * G_l        down to 16 pixels on the shorter side
    L_l   = G_l - 4 k * (G_l+1 with zeros between its pixels);  the last level is G itself
    descriptors   128 patches of 7x7 x all channels of every L_l, at random places
    normalised    to mean 0 and standard deviation 1, channel by channel, each set by its own
    distance      mean over 4 x 128 random unit directions of mean |sort(a . d) - sort(b . d)|

reported times 1000, largest level first. The finest level sees texture, the last one layout. The
paper takes 16,384 images of each kind.

Differs from the authors' code: image i of both sets is looked at in the same places, so equal sets
have distance 0; an odd side is halved upwards (75 to 38); images under 16 pixels are one level.
Held by: tests/metrics/test_swd.py and test_swd_pyramid.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from ..errors import DataError
from ..size import Size
from .filters import filtered
from .sets import Images, check, check_alike, check_batch, to_levels

# n images, c channels, h height, w width; p patches an image, d numbers in a descriptor
PATCHES = 128  # an image and level
SIDE = 7  # pixels of a patch
DIRECTIONS = 4 * 128
SMALLEST = 16  # pixels: the shorter side of the last level
KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
EDGES = (2, 2, 2, 2)  # pixels that "reflect" adds on each side: d c b | a b c d
AT_ONCE = 16  # directions: 0.3 GB for 16,384 images of each kind


@dataclass(frozen=True)
class SWD:
    """Distances times 1000, comparable where `used` is the same: they rise as images get fewer."""

    sizes: tuple[Size, ...]  # of the levels, largest first
    levels: tuple[float, ...]  # the distance at each
    reals: int  # images given
    fakes: int
    used: int  # of each: the smaller count
    seed: int

    @property
    def mean(self) -> float:
        """Over the levels, the number that the paper calls average."""
        return sum(self.levels) / len(self.levels)

    def __str__(self) -> str:
        levels = ", ".join(f"{d:.2f} at {s}" for s, d in zip(self.sizes, self.levels, strict=True))
        counts = f"{self.used:,} each of {self.reals:,} reals and {self.fakes:,} fakes"
        return f"SWD x1e3 {self.mean:.2f} ({levels}; {counts})"


class Look(NamedTuple):
    """Where patches are cut from one level, and the directions that they are seen from."""

    rows: Tensor  # [n, p]
    columns: Tensor
    directions: Tensor  # [512, d], each of length 1


def sliced_wasserstein(reals: Images, fakes: Images, *, seed: int = 0, batch: int = 64) -> SWD:
    """How far two sets of 8-bit images differ, level by level; 0 for equal sets.

    Of the larger set as many images as the smaller one has are used, evenly spread over it. A set
    that is as a whole darker, or of less contrast, is not seen to differ: each is normalised by its
    own statistics. A channel without content (alpha of opaque images) stays 0. The number depends
    on the seed, not on `batch`. Memory: 2.5 GB for 16,384 RGB images of each kind, at any size.
    Time, most of it sorting: 1 minute for 4,096 of each at 32x32, 1.7 at 128x128, on one busy core.

    Raises:
        DataError: fewer than 2 images, images under 7 pixels, or two sets of different shape.
        OptionError: a batch of no image.
    """
    size = check(reals, "reals", least=2)
    check(fakes, "fakes", least=2)
    check_alike(reals, fakes, "reals and fakes")
    check_batch(batch)
    sizes, used = level_sizes(size), min(len(reals), len(fakes))
    noise = torch.Generator().manual_seed(seed)
    distances = []
    for k, level in enumerate(sizes):
        look = draw_look(used, level, reals.shape[3], noise)
        a, b = (_descriptors(images, k, len(sizes), look, batch) for images in (reals, fakes))
        distances.append(1e3 * distance(a, b, look.directions))
    return SWD(tuple(sizes), tuple(distances), len(reals), len(fakes), used, seed)


def clean_floor(reals: Images, *, seed: int = 0, batch: int = 64) -> SWD:
    """One random half of the reals against the other: what a perfect generator would score.

    It falls as images are added, so it is the floor of a measurement that uses as many images as
    a half has.

    Raises:
        DataError: fewer than 4 reals, or images under 7 pixels.
        OptionError: a batch of no image.
    """
    check(reals, "reals", least=4)
    half = len(reals) // 2
    order = torch.randperm(len(reals), generator=torch.Generator().manual_seed(seed)).numpy()
    one, other = reals[order[:half]], reals[order[half : 2 * half]]
    return sliced_wasserstein(one, other, seed=seed, batch=batch)


def level_sizes(size: Size) -> list[Size]:
    """The sizes of the pyramid, largest first: halved while 16 pixels are left, at least one level.

    Raises:
        DataError: no patch fits into the image.
    """
    if min(size) < SIDE:
        raise DataError(
            f"patches are {SIDE}x{SIDE} pixels, so images must be at least {SIDE}x{SIDE}, got "
            f"{size}. Measure images of a larger size."
        )
    sizes = [size]
    while (min(sizes[-1]) + 1) // 2 >= SMALLEST:
        height, width = sizes[-1]
        sizes.append(Size((height + 1) // 2, (width + 1) // 2))
    return sizes


def draw_look(n: int, level: Size, channels: int, noise: torch.Generator) -> Look:
    """Places for all n images at once, in their order, so that no batch changes them."""
    rows = torch.randint(level.height - SIDE + 1, (n, PATCHES), generator=noise)
    columns = torch.randint(level.width - SIDE + 1, (n, PATCHES), generator=noise)
    directions = torch.randn(DIRECTIONS, channels * SIDE * SIDE, generator=noise)
    return Look(rows, columns, normalize(directions, dim=1))


def laplacian(images: Tensor, k: int, levels: int) -> Tensor:
    """L_k of the pyramid of images [n, c, h, w]; the last of its levels is G_k."""
    for _ in range(k):
        images = down(images)
    return images if k == levels - 1 else images - up(down(images), Size(*images.shape[2:]))


def down(images: Tensor) -> Tensor:
    """Blurred, then every second pixel: sides are halved, upwards."""
    return filtered(pad(images, EDGES, mode="reflect"), KERNEL, step=2)


def up(images: Tensor, size: Size) -> Tensor:
    """Images with zeros between their pixels, blurred and times 4, at `size`."""
    sparse = images.new_zeros(*images.shape[:2], *size)
    sparse[:, :, ::2, ::2] = images
    return 4 * filtered(pad(sparse, EDGES, mode="reflect"), KERNEL)


def distance(a: Tensor, b: Tensor, directions: Tensor) -> float:
    """Mean over directions [m, d] of the 1-Wasserstein distance along them, of a to b [N, d]."""
    total = 0.0
    for some in torch.split(directions, AT_ONCE):
        along_a, along_b = ((some @ points.T).numpy() for points in (a, b))  # [m, N]
        # numpy sorts float32 four times as fast as torch, which also works out the order.
        along_a.sort(axis=1)
        along_b.sort(axis=1)
        along_a -= along_b
        total += float(np.abs(along_a, out=along_a).mean(axis=1, dtype=np.float64).sum())
    return total / len(directions)


def _descriptors(images: Images, k: int, levels: int, look: Look, batch: int) -> Tensor:
    """Of level k: [n * p, d], each channel with mean 0 and standard deviation 1 over the set."""
    n, channels = len(look.rows), images.shape[3]
    chosen = np.arange(n) * len(images) // n  # evenly spread, for a set may be sorted
    out = torch.empty(n, PATCHES, channels, SIDE, SIDE)
    for first in range(0, n, batch):
        part = slice(first, first + batch)
        pixels = to_levels(images[chosen[part]], torch.float32)
        out[part] = _cut(laplacian(pixels, k, levels), look.rows[part], look.columns[part])
    std, mean = torch.std_mean(out, dim=(0, 1, 3, 4), correction=0, keepdim=True)
    out.sub_(mean).div_(torch.where(std > 0, std, 1))
    return out.view(n * PATCHES, channels * SIDE * SIDE)


def _cut(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Patches [n, p, c, 7, 7] whose upper left corners are at rows and columns [n, p]."""
    windows = pixels.unfold(2, SIDE, 1).unfold(3, SIDE, 1)  # [n, c, h - 6, w - 6, 7, 7], a view
    image = torch.arange(len(pixels)).unsqueeze(1)
    return windows.permute(0, 2, 3, 1, 4, 5)[image, rows, columns]
