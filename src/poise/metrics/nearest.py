"""Memorisation: are fakes nearer to training images than reals that training never saw?

A fake that is near its nearest training image says nothing by itself: so are reals, where images
are alike. So the distance of held-out reals to their nearest training image is the measure:

    t       the distance that 1 % of the held-out reals are within
    share   of fakes within t of a training image: 1 % if nothing was learnt by heart
    ratio   median distance of fakes / median distance of held-out reals: 1, below it if copied

Where training has shown mirror images, too, a fake may be a copy of one. Then the distance is that
of the nearer one of an image and its mirror image, of fakes and of held-out reals alike.

The share sees a few copies among many fakes, the ratio sees a leaning of all. Both take for granted
that held-out reals are of the training images' law; of a set with duplicates, t is 0 and only exact
copies count. A nearness in features is no proof: look at the closest pairs.

Own formula, in the spirit of Meehan, Chaudhuri, Dasgupta 2020, https://arxiv.org/abs/2004.05675.
Held by: tests/metrics/test_nearest.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .features import Features, check_features
from .neighbours import TIE, nearest

LEAST = 100  # held-out reals: one of them is 1 %
QUANTILE = 0.01  # of the held-out reals


class Mirrored(NamedTuple):
    """Features of the mirror images, in the images' order."""

    held_out: Features
    fakes: Features


class Pair(NamedTuple):
    """A fake and the training image nearest to it."""

    fake: int  # the place of the image in its set
    trained: int
    distance: float


@dataclass(frozen=True, eq=False)
class Memorised:
    """How near fakes are to training images, beside held-out reals."""

    distances: NDArray[np.float64]  # of each fake to its nearest training image
    indexes: NDArray[np.intp]  # of that image
    share: float  # of fakes within `threshold`
    threshold: float  # the distance that 1 % of the held-out reals are within
    ratio: float  # of the medians, fakes to held-out reals
    trained: int  # images
    held_out: int
    network: str
    resize: str

    @property
    def fakes(self) -> int:
        """How many fakes."""
        return len(self.distances)

    @property
    def error(self) -> float:
        """The standard error of `share` where nothing is memorised: of both sets' counts."""
        return math.sqrt(QUANTILE * (1 - QUANTILE) * (1 / self.fakes + 1 / self.held_out))

    def closest(self, count: int) -> list[Pair]:
        """The pairs to look at, closest first."""
        order = np.argsort(self.distances, kind="stable")[:count]
        return [Pair(int(i), int(self.indexes[i]), float(self.distances[i])) for i in order]

    def __str__(self) -> str:
        return (
            f"{self.share:.2%} of fakes are nearer to a training image than "
            f"{1 - QUANTILE:.0%} of held-out reals (nothing memorised: {QUANTILE:.0%} +- "
            f"{self.error:.2%}); median distance {self.ratio:.3f} of theirs ({self.trained:,} "
            f"training images, {self.held_out:,} held out, {self.fakes:,} fakes; "
            f"{self.network}; {self.resize})"
        )


def memorised(
    trained: Features, held_out: Features, fakes: Features, *, mirrored: Mirrored | None = None
) -> Memorised:
    """Each fake's nearest training image, and whether it is nearer than chance.

    Raises:
        DataError: no training image, fewer than 100 held-out reals or 1 fake, other than one mirror
            image for each, or features that do not compare.
    """
    names = ("training images", "fakes")
    check_features(trained, fakes, least=1, names=names)
    check_features(trained, held_out, least=1, names=(names[0], "held-out reals"))
    why = "to know the distance that 1 % of them are within"
    check_features(held_out, held_out, least=LEAST, why=why, names=("held-out reals",) * 2)
    usual, _ = _nearest(trained, held_out, mirrored.held_out if mirrored else None)
    distances, indexes = _nearest(trained, fakes, mirrored.fakes if mirrored else None)
    # The lower of two neighbours: at least 1 % are within it, and no distance between is made up.
    threshold = float(np.quantile(usual, QUANTILE, method="inverted_cdf"))
    middle = float(np.median(usual))
    return Memorised(
        distances=distances,
        indexes=indexes,
        share=float((distances <= threshold * TIE).mean()),
        threshold=threshold,
        ratio=float(np.median(distances)) / middle if middle else math.nan,
        trained=trained.n,
        held_out=held_out.n,
        network=trained.network,
        resize=trained.resize,
    )


def _nearest(
    trained: Features, images: Features, mirrored: Features | None
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    distances, indexes = nearest(images.values, trained.values)
    if mirrored is None:
        return distances, indexes
    check_features(trained, mirrored, least=1, names=("training images", "mirror images"))
    if mirrored.n != images.n:
        raise DataError(
            f"{images.n} images need as many mirror images, got {mirrored.n}. Mirror each of them."
        )
    others, numbers = nearest(mirrored.values, trained.values)
    return np.minimum(distances, others), np.where(others < distances, numbers, indexes)
