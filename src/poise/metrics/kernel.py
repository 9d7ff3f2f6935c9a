"""Kernel distance: whether two sets of features are of one law, with its error and without a bias.

Binkowski, Sutherland, Arbel, Gretton 2018, https://arxiv.org/abs/1801.01401, section 4: the squared
maximum mean discrepancy under a cubic kernel. For m reals x and n fakes y of d features:

    k(x, y) = (x . y / d + 1)^3
    D = mean k(x_i, x_j), i != j  +  mean k(y_i, y_j), i != j  -  2 mean k(x_i, y_j)

called KID where the features are Inception's. Its mean is 0 for equal laws whatever m and n, so it
may fall below 0, and it says nothing below its error. That is of the sets that were drawn:

    var D = V1 + V2,    V2 = 2 E k_xx^2 / m (m - 1) + 2 E k_yy^2 / n (n - 1) + 4 E k_xy^2 / m n

with k_xx, ... the kernels less their means along both axes. Leaving out one image at a time (the
jackknife) finds V1 + 2 V2, since it meets every pair twice; V2 is estimated without bias by
matrices centred so that no image is compared with itself (U-centred; Szekely, Rizzo 2014,
https://arxiv.org/abs/1310.2926). Of equal laws V1 is 0, and the jackknife alone would give an error
1.4 times too large.

Differs from the authors' code: that takes the mean and the spread of 100 draws of 1,000 images, and
that spread is no error of the mean. Here every pair counts once.
Held by: tests/metrics/test_kernel.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compared import Compared
from .features import Features, check_features

Floats = NDArray[np.float64]
LEAST = 32  # images; the error itself needs 4
ROWS = 512  # of a kernel's matrix at once: 40 MB for 10,000 images


@dataclass(frozen=True)
class KernelDistance(Compared):
    """D and its standard error; D below 2 errors is no difference."""

    distance: float
    error: float

    @property
    def brief(self) -> str:
        """The number and its error."""
        return f"{self.distance:.4g} +- {self.error:.2g}"

    def __str__(self) -> str:
        title = "KID" if self.published else f"Kernel distance, {self.network.partition(',')[0]},"
        return f"{title} {self.brief} ({self.basis})"


class Sums(NamedTuple):
    """What is needed of a kernel's matrix."""

    rows: Floats  # the sum of each row
    columns: Floats
    squares: float  # the sum of all entries squared

    @property
    def all(self) -> float:
        """The sum of all entries."""
        return float(self.rows.sum())


def kernel_distance(reals: Features, fakes: Features) -> KernelDistance:
    """How far the fakes' law is from the reals', in units of the kernel.

    Memory: 0.2 GB for 10,000 images of each kind.

    Raises:
        DataError: fewer than 32 images of either, or features that do not compare.
    """
    check_features(reals, fakes, least=LEAST, why="for an error that means something")
    x, y = (each.values.astype(np.float64) for each in (reals, fakes))
    xx, yy, xy = kernel_sums(x), kernel_sums(y), kernel_sums(x, y)
    m, n = len(x), len(y)
    distance = xx.all / (m * (m - 1)) + yy.all / (n * (n - 1)) - 2 * xy.all / (m * n)
    # What an image adds to D, up to what is the same for all: D without it is D less this.
    of_x = 2 * xx.rows / ((m - 1) * (m - 2)) - 2 * xy.rows / ((m - 1) * n)
    of_y = 2 * yy.rows / ((n - 1) * (n - 2)) - 2 * xy.columns / ((n - 1) * m)
    jackknife = (m - 1) * of_x.var() + (n - 1) * of_y.var()
    pairs = (
        2 * _within(xx) / (m * (m - 1)) + 2 * _within(yy) / (n * (n - 1)) + 4 * _between(xy) / m / n
    )
    variance = max(0.0, pairs) + max(0.0, jackknife - 2 * pairs)
    return KernelDistance(m, n, reals.network, reals.resize, distance, math.sqrt(variance))


def kernel_sums(x: Floats, y: Floats | None = None) -> Sums:
    """Of the matrix k(x_i, y_j); with one set, of k(x_i, x_j) with 0 where i = j."""
    other = x if y is None else y
    rows, columns, squares = np.empty(len(x)), np.zeros(len(other)), 0.0
    for first in range(0, len(x), ROWS):
        part = slice(first, first + ROWS)
        k = (x[part] @ other.T / x.shape[1] + 1) ** 3
        if y is None:
            at = np.arange(len(k))
            k[at, first + at] = 0
        rows[part] = k.sum(axis=1)
        columns += k.sum(axis=0)
        squares += float((k * k).sum())
    return Sums(rows, columns, squares)


def _within(sums: Sums) -> float:
    """E k_xx^2 without bias: the mean square of the U-centred matrix."""
    m = len(sums.rows)
    centred = sums.squares - 2 * (sums.rows**2).sum() / (m - 2) + sums.all**2 / (m - 1) / (m - 2)
    return float(centred / (m * (m - 3)))


def _between(sums: Sums) -> float:
    """E k_xy^2 without bias: the mean square of the matrix less its means along both axes."""
    m, n = len(sums.rows), len(sums.columns)
    by_row, by_column = (sums.rows**2).sum() / n, (sums.columns**2).sum() / m
    centred = sums.squares - by_row - by_column + sums.all**2 / (m * n)
    return float(centred / ((m - 1) * (n - 1)))
