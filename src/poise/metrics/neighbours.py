"""Distances between features, by blocks of rows: nearest ones and radii."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# n points of one set, m of the other, d features
Floats = NDArray[np.float64]
ROWS = 512  # at once: 40 MB for 10,000 points
NOTHING = 1e-10  # of the squared lengths: squared distances below this are rounding, and so 0
TIE = 1 + 1e-9  # two squared distances closer than this are equal


def squared(a: NDArray[np.float32], b: NDArray[np.float32]) -> Iterator[tuple[slice, Floats]]:
    """Squared distances of some points of `a` to all of `b`, [rows, m], block by block."""
    y = b.astype(np.float64)
    y_length = (y * y).sum(axis=1)
    for first in range(0, len(a), ROWS):
        part = slice(first, min(first + ROWS, len(a)))
        x = a[part].astype(np.float64)
        lengths = (x * x).sum(axis=1)[:, None] + y_length
        found = lengths - 2 * (x @ y.T)
        found[found < NOTHING * lengths] = 0
        yield part, found


def nearest_others(points: NDArray[np.float32], k: int) -> Floats:
    """Squared distances of each point to its k nearest other ones, nearest first, [n, k]; n > k."""
    out = np.empty((len(points), k))
    for part, found in squared(points, points):
        at = np.arange(len(found))
        found[at, part.start + at] = np.inf
        out[part] = np.sort(np.partition(found, k - 1, axis=1)[:, :k], axis=1)
    return out


def radii(points: NDArray[np.float32], k: int) -> Floats:
    """The squared distance of each point to its k-th nearest other one, [n]; needs n > k."""
    radius: Floats = nearest_others(points, k)[:, -1]
    return radius


def nearest(
    points: NDArray[np.float32], among: NDArray[np.float32]
) -> tuple[Floats, NDArray[np.intp]]:
    """The distance of each point to the nearest of the others [n], and which one that is."""
    distance, index = np.empty(len(points)), np.empty(len(points), np.intp)
    for part, found in squared(points, among):
        index[part] = found.argmin(axis=1)
        distance[part] = np.sqrt(found.min(axis=1))
    return distance, index
