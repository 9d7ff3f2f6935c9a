"""Precision, recall, density, coverage: are fakes like reals, and are all kinds of reals there?

Kynkaanniemi, Karras, Laine, Lehtinen, Aila 2019, https://arxiv.org/abs/1904.06991, equations 1 and
2; Naeem, Oh, Uh, Choi, Yoo 2020, https://arxiv.org/abs/2002.09797, section 3. The ball of a point
reaches to its k-th nearest neighbour within its own set:

    precision   share of fakes that lie in the ball of any real                   # 2019, 1-2
    recall      share of reals that lie in the ball of any fake                   # 2019, 1-2
    density     mean over fakes of the number of reals' balls they lie in, / k    # 2020
    coverage    share of reals whose ball has any fake in it                      # 2020

Density and coverage ask only the reals' balls, so a far-off fake with a wide ball gains nothing:
where recall and coverage differ, trust coverage. Density may exceed 1. All depend on n and k; the
2019 paper takes k = 3 with 50,000 images, the 2020 paper k = 5 with 10,000, which is the default.

Differs from the code of 2020: a point on the edge of a ball is in it, as in the paper of 2019, so a
set with repeated images, whose balls have radius 0, still covers itself.
Held by: tests/metrics/test_coverage.py
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import OptionError
from .compared import Compared
from .features import Features, check_features
from .neighbours import TIE, radii, squared


@dataclass(frozen=True)
class Coverage(Compared):
    """Four shares; the clean floor (floor.py) says what they can reach at this n."""

    precision: float
    recall: float
    density: float  # may exceed 1
    coverage: float
    k: int  # neighbours

    @property
    def brief(self) -> str:
        """The four numbers."""
        return (
            f"precision {self.precision:.3f}, recall {self.recall:.3f}, "
            f"density {self.density:.3f}, coverage {self.coverage:.3f}"
        )

    def __str__(self) -> str:
        return f"{self.brief} (k = {self.k}; {self.basis})"


def coverage(reals: Features, fakes: Features, *, k: int = 5) -> Coverage:
    """How far fakes are like reals (precision, density) and reals like fakes (recall, coverage).

    Memory: 0.2 GB for 10,000 images of each kind.

    Raises:
        DataError: fewer than 10 k images of either, or features that do not compare.
        OptionError: k below 1.
    """
    if k < 1:
        raise OptionError(f"k must be at least 1 neighbour, got {k}. 5 is usual.")
    why = f"for balls of {k} neighbours to be small parts of a set"
    check_features(reals, fakes, least=10 * k, why=why)
    of_reals, of_fakes = (radii(each.values, k) * TIE for each in (reals, fakes))
    balls = np.zeros(fakes.n)  # of reals, that a fake lies in
    reached, covered = np.zeros(reals.n, bool), np.zeros(reals.n, bool)
    for part, distances in squared(reals.values, fakes.values):
        inside = distances <= of_reals[part, None]
        balls += inside.sum(axis=0)
        covered[part] = inside.any(axis=1)
        reached[part] = (distances <= of_fakes).any(axis=1)
    return Coverage(
        reals.n,
        fakes.n,
        reals.network,
        reals.resize,
        precision=float((balls > 0).mean()),
        recall=float(reached.mean()),
        density=float(balls.mean() / k),
        coverage=float(covered.mean()),
        k=k,
    )
