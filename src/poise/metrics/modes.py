"""Modes of a set that has known ones: how many a generator finds, and how evenly.

Metz, Poole, Pfau, Sohl-Dickstein 2016, https://arxiv.org/abs/1611.02163, section 3.3: of 1,000
stacked digits, how many kinds are among the samples, and

    KL(q || p) = sum over modes m with q_m > 0 of  q_m log(q_m / p_m)        in nats

with q the share of each mode among the images, as a classifier names them, and p its true share.
Mode m is a combination of factors (three digits; a shape, its colour, its place), each named by the
most probable class. A classifier names a mode for any image, for noise, too: read the count beside
the share of images that it is sure of, and beside the same numbers of real images.

The papers take 25,600 images. Few images of many modes cannot find them all and never lie evenly:
n even draws of k modes find k (1 - (1 - 1/k)^n) of them, and their KL is about (k - 1) / 2n.
Held by: tests/metrics/test_modes.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, OptionError

# n images, f factors, k classes of one factor, m modes
Probabilities = NDArray[np.float64]  # [n, k], each row adds up to 1
SURE = 0.9  # probability from which on a factor counts as recognised


@dataclass(frozen=True)
class Modes:
    """What a classifier found in a set. Compare only at one number of images."""

    found: int  # modes with at least one image
    of: int  # modes that there are
    divergence: float  # KL to the true shares, nats; infinite where a mode should not be
    recognised: float  # share of images whose every factor is named with probability `sure`
    images: int
    sure: float

    def __str__(self) -> str:
        return (
            f"{self.found:,} of {self.of:,} modes, KL {self.divergence:.3f} ({self.images:,} "
            f"images, {self.recognised:.1%} recognised with at least {self.sure:g})"
        )


def count_modes(
    probabilities: Sequence[Probabilities],
    truth: NDArray[np.float64] | None = None,
    *,
    sure: float = SURE,
) -> Modes:
    """Modes of images by the probabilities of each factor's classes, one [n, k] a factor.

    `truth` [m] is the true share of each mode, the last factor's classes running fastest; None: all
    alike.

    Raises:
        DataError: no image or factor, unequal counts, or rows that are no probabilities.
        OptionError: `sure` is no probability, or `truth` holds no shares of these modes.
    """
    if not 0 < sure <= 1:
        raise OptionError(f"sure must be a probability above 0, got {sure}. 0.9 is usual.")
    _check(probabilities)
    kinds = tuple(each.shape[1] for each in probabilities)
    modes = mode_numbers([each.argmax(axis=1) for each in probabilities], kinds)
    least = np.min([each.max(axis=1) for each in probabilities], axis=0)  # [n]
    counts = np.bincount(modes, minlength=prod(kinds))
    found, divergence = int((counts > 0).sum()), kl_divergence(counts, truth)
    return Modes(found, len(counts), divergence, float((least >= sure).mean()), len(modes), sure)


def mode_numbers(labels: Sequence[NDArray[np.int64]], kinds: Sequence[int]) -> NDArray[np.int64]:
    """The number of each image's mode [n], of a label [n] for every factor of `kinds` classes."""
    numbers: NDArray[np.int64] = np.ravel_multi_index(tuple(labels), tuple(kinds))
    return numbers


def kl_divergence(counts: NDArray[np.int64], truth: NDArray[np.float64] | None = None) -> float:
    """KL of the shares that `counts` [m] are to the true ones, nats; 0 iff they are equal.

    Raises:
        DataError: all counts are 0.
        OptionError: `truth` is of another length, negative, or does not add up to 1.
    """
    if not counts.sum():
        raise DataError("no image was counted, so there are no shares. Give at least one.")
    shares = np.full(len(counts), 1 / len(counts)) if truth is None else truth
    if len(shares) != len(counts) or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise OptionError(
            f"truth must be {len(counts)} shares that add up to 1, got {len(shares)} that add up "
            f"to {shares.sum():g}. Divide counts by their sum."
        )
    there = counts > 0
    q = counts[there] / counts.sum()
    with np.errstate(divide="ignore"):  # a mode that should not be there: infinite, as it says
        return max(0.0, float((q * np.log(q / shares[there])).sum()))


def _check(probabilities: Sequence[Probabilities]) -> None:
    shapes = [list(each.shape) for each in probabilities]
    if not shapes or any(len(s) != 2 or 0 in s or s[0] != shapes[0][0] for s in shapes):
        raise DataError(
            f"each factor needs probabilities [n, classes] of the same n images, got {shapes}."
        )
    for each in probabilities:
        if (
            not (np.isfinite(each).all() and (each >= 0).all())
            or (np.abs(each.sum(axis=1) - 1) > 1e-3).any()
        ):
            raise DataError(
                "rows must be probabilities that add up to 1, got others. Apply a softmax first."
            )
