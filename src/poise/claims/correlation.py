"""Rank correlation: whether one number rises with another, however it bends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Each value's place in order, the mean place for equal ones."""
    order = np.asarray(values)
    below, upto = (order[:, None] > order).sum(1), (order[:, None] >= order).sum(1)
    places: NDArray[np.float64] = (below + upto - 1) / 2
    return places


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's: 1 where one rises whenever the other does; 0 if either never changes."""
    if min(len(set(a)), len(set(b))) < 2:
        return 0.0
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])
