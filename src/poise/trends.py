"""Whether numbers in a row rise or fall, tested against noise. numpy only.

x [n] numbers in the order of time.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float64]


def trend(x: Row) -> float:
    """The Mann-Kendall statistic: standard errors by which more pairs rise than fall.

    S = sum over i < j of sign(x_j - x_i), over the root of its variance if nothing changes but by
    chance, n (n - 1) (2 n + 5) / 18, less what ties take from it. Above 2.33, a rise that chance
    brings once in a hundred rows. Of up to 10 numbers without ties, where the normal law calls five
    in rising order 2.2 and they are 1 of 120 orders, what a normal law would have for the exact
    share of the orders. It assumes no shape of the noise; numbers that depend on the ones just
    before them look more certain than they are, so give it means over blocks.

    Source: Kendall, Rank Correlation Methods (1975), chapters 4 and 5.
    """
    n = len(x)
    if n < 3:
        return 0.0
    s = sum(float(np.sign(x[i + 1 :] - x[i]).sum()) for i in range(n - 1))
    _, counts = np.unique(x, return_counts=True)
    if s and n <= EXACT and len(counts) == n:
        return math.copysign(_as_normal(n, abs(int(s))), s)
    tied = float((counts * (counts - 1) * (2 * counts + 5)).sum())
    variance = (n * (n - 1) * (2 * n + 5) - tied) / 18
    return 0.0 if variance <= 0 or s == 0 else (s - math.copysign(1, s)) / math.sqrt(variance)


EXACT = 10  # numbers


@cache
def _as_normal(n: int, s: int) -> float:
    """The standard errors of a normal law that chance exceeds as often as n numbers reach S.

    Of the orders of n numbers, those with k falling pairs are the coefficients at q^k of the
    product over m <= n of 1 + q + ... + q^(m - 1); S is all pairs less twice the falling ones.
    """
    orders = np.ones(1)
    for m in range(2, n + 1):
        orders = np.convolve(orders, np.ones(m))
    falling = (n * (n - 1) // 2 - s) // 2
    share = float(orders[: falling + 1].sum() / orders.sum())
    return max(0.0, -NormalDist().inv_cdf(share))


def blocks(x: Row, most: int) -> Row:
    """The means of at most so many blocks, as equal in length as can be."""
    return np.array([part.mean() for part in np.array_split(x, min(most, len(x)))])


def jitter(x: Row) -> float:
    """The standard deviation of the noise from number to number, whatever the trend.

    From the median of the distances of their differences from the median difference: over the root
    of 2, since a difference has two of them, and times 1.4826, as for a normal law.
    """
    steps = np.diff(x)
    if not len(steps):
        return 0.0
    return 1.4826 / math.sqrt(2) * float(np.median(np.abs(steps - np.median(steps))))


def smoothed(x: Row, window: int) -> Row:
    """The running median over `window` numbers up to each; over fewer at the start."""
    return np.array([np.median(x[max(0, i - window + 1) : i + 1]) for i in range(len(x))])


def swings(x: Row, least: float) -> int:
    """How often the row turns, counting only ways of `least` or more from turn to turn."""
    turns, low, high, rising = 0, x[0], x[0], None
    for value in x.tolist():
        low, high = min(low, value), max(high, value)
        if rising is not False and high - value >= least:
            turns, rising, low = turns + (rising is True), False, value
        elif rising is not True and value - low >= least:
            turns, rising, high = turns + (rising is False), True, value
    return turns
