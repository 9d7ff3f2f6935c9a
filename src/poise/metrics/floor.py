"""The clean floor: what a measure says of reals against reals, at the score's number of images.

No generator can be expected below it, and a score is worth as much as it lies above. Both are taken
against the same half of the reals, with as many images:

    one, other = two random halves of the reals, n images each
    score      = measure(one, n fakes)
    floor      = measure(one, other)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from ..errors import DataError
from .features import Features


class Score(Protocol):
    """What a measure of features gives."""

    @property
    def brief(self) -> str:
        """Its numbers, without what they are of."""


S = TypeVar("S", bound=Score)


@dataclass(frozen=True)
class Floored(Generic[S]):
    """A score and its floor, of as many images each."""

    score: S
    floor: S
    n: int  # images in each of the three sets
    seed: int

    def __str__(self) -> str:
        return (
            f"{self.score}; clean floor {self.floor.brief} (one half of the reals against the "
            f"other, {self.n:,} each, seed {self.seed})"
        )


def with_floor(
    measure: Callable[[Features, Features], S], reals: Features, fakes: Features, *, seed: int = 0
) -> Floored[S]:
    """A measure of fakes and of reals alone, as in `with_floor(frechet, reals, fakes)`.

    n is the number of fakes or half that of reals, the smaller one: give twice as many reals as
    fakes and nothing is left out. Of more fakes, n evenly spread ones are taken.

    Raises:
        DataError: fewer than 2 reals; and what the measure raises.
    """
    n = min(fakes.n, reals.n // 2)
    one, other = halves(reals, n, seed=seed)
    some = fakes if n == fakes.n else fakes.take(np.arange(n) * fakes.n // max(n, 1))
    return Floored(measure(one, some), measure(one, other), n, seed)


def halves(reals: Features, n: int, *, seed: int = 0) -> tuple[Features, Features]:
    """Two random sets of n reals that share no image.

    Raises:
        DataError: there are fewer than 2 n.
    """
    if reals.n < 2 * max(n, 1):
        raise DataError(
            f"two halves of {max(n, 1):,} reals need {2 * max(n, 1):,}, got {reals.n:,}. Take more "
            "images, or fewer for each half."
        )
    order = np.random.default_rng(seed).permutation(reals.n)
    return reals.take(order[:n]), reals.take(order[n : 2 * n])
