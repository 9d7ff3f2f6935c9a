"""The clean floor: reals against reals, beside the score and at its number of images."""

from __future__ import annotations

import numpy as np
import pytest

from poise.errors import DataError
from poise.metrics.coverage import coverage
from poise.metrics.floor import halves, with_floor
from poise.metrics.frechet import frechet
from poise.metrics.kernel import kernel_distance

from .points import normal, points

LINE = points(np.arange(40)[:, None])


@pytest.mark.parametrize("n", [1, 13, 20])
def test_halves_share_no_image_and_come_from_all_of_the_set(n: int) -> None:
    one, other = halves(LINE, n)
    numbers = [*one.values[:, 0], *other.values[:, 0]]
    assert one.n == other.n == n
    assert len(set(numbers)) == 2 * n
    assert set(numbers) <= set(range(40))
    if n == 20:
        assert max(one.values) > 30 > 10 > min(one.values)  # not the first half of a sorted set


def test_the_same_seed_gives_the_same_halves_and_another_seed_others() -> None:
    assert (halves(LINE, 20, seed=3)[0].values == halves(LINE, 20, seed=3)[0].values).all()
    assert (halves(LINE, 20, seed=3)[0].values != halves(LINE, 20, seed=4)[0].values).any()


@pytest.mark.parametrize(
    ("reals", "fakes", "n"), [(400, 200, 200), (400, 70, 70), (401, 999, 200), (1000, 200, 200)]
)
def test_score_and_floor_are_of_the_same_number_of_images(reals: int, fakes: int, n: int) -> None:
    found = with_floor(frechet, normal(reals, 4, 0), normal(fakes, 4, 1))
    assert found.n == n
    assert (found.score.reals, found.score.fakes) == (n, n)
    assert (found.floor.reals, found.floor.fakes) == (n, n)


def test_of_more_fakes_evenly_spread_ones_are_taken() -> None:
    reals, fakes = normal(200, 4, 0), normal(300, 4, 1, shift=1)
    expected = frechet(halves(reals, 100)[0], points(fakes.values[::3]))
    assert with_floor(frechet, reals, fakes).score == expected


def test_clean_fakes_score_the_floor_and_others_lie_above_it() -> None:
    reals = normal(800, 16, 0)
    clean = with_floor(frechet, reals, normal(400, 16, 1))
    assert clean.score.distance == pytest.approx(clean.floor.distance, rel=0.25)
    bad = with_floor(frechet, reals, normal(400, 16, 1, shift=0.5))
    assert bad.floor == clean.floor
    assert bad.score.distance > 5 * bad.floor.distance
    kernel = with_floor(kernel_distance, reals, normal(400, 16, 1))
    assert abs(kernel.floor.distance) < 3 * kernel.floor.error
    shares = with_floor(coverage, reals, normal(400, 16, 1, scale=2))
    assert shares.score.coverage < 0.5 < 0.9 < shares.floor.coverage


def test_the_report_has_the_floor_beside_the_score() -> None:
    found = with_floor(frechet, normal(2400, 4, 0), normal(1200, 4, 1), seed=7)
    assert str(found) == (
        f"Frechet distance, Stub, {found.score.brief} (1,200 reals, 1,200 fakes; Stub, some "
        f"features; as they are); clean floor {found.floor.brief} (one half of the reals against "
        "the other, 1,200 each, seed 7)"
    )


def test_too_few_reals_for_two_halves_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        halves(LINE, 21)
    assert str(caught.value) == (
        "two halves of 21 reals need 42, got 40. Take more images, or fewer for each half."
    )
    with pytest.raises(DataError, match="at least 64 reals are needed"):
        with_floor(frechet, normal(100, 4, 0), normal(64, 4, 1))
    with pytest.raises(DataError, match="two halves of 1 reals need 2, got 0"):
        with_floor(frechet, points(np.zeros((0, 4))), normal(64, 4, 1))
