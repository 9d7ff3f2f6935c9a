"""Every measure of real features gets worse, in order, as images do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from poise.metrics.coverage import coverage
from poise.metrics.features import Features, features_of
from poise.metrics.frechet import frechet
from poise.metrics.kernel import kernel_distance
from poise.metrics.lite0 import load_lite0
from poise.metrics.sets import Images

from .varied import blurred, noisy, shapes

COUNT = 160


@pytest.fixture(scope="module")
def graded() -> dict[str, list[Features]]:
    """Features of fakes by kind of damage, clean ones first; those of the reals are "reals"."""
    network, clean = load_lite0(), shapes(COUNT, 32, first=500)

    def seen(*sets: Images) -> list[Features]:
        return [features_of(images, network) for images in sets]

    (fakes,) = seen(clean)
    return {
        "reals": seen(shapes(COUNT, 32)),
        "blur": [fakes, *seen(*(blurred(clean, times) for times in (1, 4, 16)))],
        "noise": [fakes, *seen(*(noisy(clean, spread) for spread in (2.0, 8.0, 32.0)))],
        "modes": [
            fakes.take(np.resize(np.arange(modes), COUNT)) for modes in (COUNT, COUNT // 4, 8, 1)
        ],
    }


@pytest.mark.parametrize("damage", ["blur", "noise", "modes"])
def test_more_damage_is_further_by_both_distances(
    graded: dict[str, list[Features]], damage: str
) -> None:
    (reals,) = graded["reals"]
    for measure in (frechet, kernel_distance):
        distances = [measure(reals, fakes).distance for fakes in graded[damage]]
        assert all(a < b for a, b in pairwise(distances)), (measure, distances)


@pytest.mark.parametrize("damage", ["blur", "noise", "modes"])
def test_more_damage_covers_less(graded: dict[str, list[Features]], damage: str) -> None:
    (reals,) = graded["reals"]
    found = [coverage(reals, fakes) for fakes in graded[damage]]
    for shares in ([f.recall for f in found], [f.coverage for f in found]):
        assert all(a >= b for a, b in pairwise(shares)), shares
        assert shares[0] > 0.85
        assert shares[-1] < 0.1
    precise = [f.precision for f in found]
    if damage == "modes":  # the images that are left are as good as before
        assert precise[1] == pytest.approx(precise[0], abs=0.1)
    else:
        assert all(a >= b for a, b in pairwise(precise))
        assert precise[-1] < 0.1
