"""Frechet distance: how far two sets of features are, if each were a Gaussian.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter 2017, https://arxiv.org/abs/1706.08500, equation
6. With m, C mean and covariance of the reals' features and m_w, C_w those of the fakes':

    d^2 = |m - m_w|^2 + tr(C + C_w - 2 (C C_w)^(1/2))                                          # 6

which is what the paper calls FID where the features are Inception's. For C = L L', C_w = K K', the
trace of the root is the sum of the singular values of L' K: they need no root of a matrix that is
not symmetric, and are exact where a covariance is singular.

With few images d^2 is too large, about as 1/n: even two sets of one law are apart. As many images
as features or fewer leave a covariance singular, but d^2 is finite and keeps sets in order long
before it is right (docs/benchmarks.md). So that is not refused, and the report says it.
Never compare two numbers of different n; print the clean floor beside them (floor.py).
Held by: tests/metrics/test_frechet.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .compared import Compared
from .features import Features, check_features

# d features
Floats = NDArray[np.float64]
LEAST = 64  # images; with fewer, draws of one set differ as much as sets do


@dataclass(frozen=True)
class Frechet(Compared):
    """The squared distance, comparable at one n, network and resize."""

    distance: float  # d^2 of equation 6, at least 0
    width: int  # features an image

    @property
    def brief(self) -> str:
        """The number alone."""
        return f"{self.distance:.4g}"

    def __str__(self) -> str:
        few = min(self.reals, self.fakes) <= self.width
        note = "; no more images than features, so mostly bias: compare at this n" if few else ""
        title = "FID (Inception-v3 2015-12-05)" if self.published else _title(self.network)
        return f"{title} {self.brief} ({self.basis}{note})"


class Gaussian(NamedTuple):
    """Mean [d] and covariance [d, d] of features."""

    mean: Floats
    covariance: Floats


def frechet(reals: Features, fakes: Features) -> Frechet:
    """How far the fakes are from the reals: 0 iff means and covariances are equal.

    Double precision; 0.1 s for 320 features, on one core.

    Raises:
        DataError: fewer than 64 images of either, or features that do not compare.
    """
    check_features(reals, fakes, least=LEAST, why="for a covariance that means something")
    distance = frechet_distance(gaussian(reals.values), gaussian(fakes.values))
    return Frechet(reals.n, fakes.n, reals.network, reals.resize, distance, reals.d)


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """The squared 2-Wasserstein distance between two Gaussians, equation 6.

    Raises:
        DataError: the two have different widths.
    """
    if a.mean.shape != b.mean.shape:
        raise DataError(
            "two Gaussians must be of one width, got "
            f"{len(a.mean)} and {len(b.mean)} numbers. Use features of one network."
        )
    shift = a.mean - b.mean
    roots = np.linalg.svd(_root(a.covariance).T @ _root(b.covariance), compute_uv=False)
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * roots.sum()
    # Rounding can leave a little below 0 where the two are equal.
    return max(0.0, float(shift @ shift + spread))


def gaussian(values: NDArray[np.float32]) -> Gaussian:
    """Mean and unbiased covariance of features [n, d], in double precision."""
    points = values.astype(np.float64)
    mean = points.mean(axis=0)
    points -= mean
    return Gaussian(mean, points.T @ points / (len(points) - 1))


def _root(covariance: Floats) -> Floats:
    """Some L with L L' = C."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(values.clip(min=0))  # rounding leaves some below 0
    return root


def _title(network: str) -> str:
    """Not FID: that name is of one network."""
    return f"Frechet distance, {network.partition(',')[0]},"
