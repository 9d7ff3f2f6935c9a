"""A trend is told from noise: by hand, by a second formula, and by how often chance fools it."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.trends import EXACT, blocks, smoothed, swings, trend


def test_the_statistic_of_four_numbers_by_hand() -> None:
    # 1 3 2 4: 5 pairs rise, 1 falls, S = 4; 4 of the 24 orders have S of 4 or more
    assert trend(np.array([1.0, 3.0, 2.0, 4.0])) == pytest.approx(NormalDist().inv_cdf(20 / 24))
    # 1 3 2 2: ties, so by the normal law. S = 3 - 2; variance (4 x 3 x 13 - 2 x 1 x 9) / 18
    assert trend(np.array([1.0, 3.0, 2.0, 2.0])) == 0.0
    # 1 2 3 3: S = 5
    assert trend(np.array([1.0, 2.0, 3.0, 3.0])) == pytest.approx(4 / math.sqrt(138 / 18))


@pytest.mark.parametrize("n", range(3, 8))
def test_of_few_numbers_it_is_as_sure_as_all_their_orders_counted_say(n: int) -> None:
    orders = [np.array(order, np.float64) for order in itertools.permutations(range(n))]
    found = np.array([trend(order) for order in orders])
    for z in np.unique(found[found > 0]):
        assert (found >= z).mean() == pytest.approx(1 - NormalDist().cdf(z))


def test_the_exact_share_goes_over_into_the_normal_law() -> None:
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal(EXACT)
        s = sum(np.sign(b - a) for a, b in itertools.combinations(x, 2))
        normal = math.copysign(max(abs(s) - 1, 0), s) / math.sqrt(10 * 9 * 25 / 18)
        assert trend(x) == pytest.approx(normal, abs=0.15)


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=12))
def test_the_statistic_agrees_with_all_orders_of_the_same_numbers(values: list[int]) -> None:
    """Its mean over all orders is 0, and it changes its sign when time runs backwards."""
    x = np.array(values, np.float64)
    assert trend(x) == pytest.approx(-trend(x[::-1]))
    pairs = list(itertools.combinations(values, 2))
    s = sum((b > a) - (b < a) for a, b in pairs)
    assert np.sign(trend(x)) == (0 if abs(s) <= 1 else np.sign(s))


@pytest.mark.parametrize("n", [8, 12, 40])
def test_chance_alone_is_taken_for_a_rise_once_in_a_hundred_rows(n: int) -> None:
    noise = np.random.default_rng(0).standard_normal((4_000, n))
    fooled = np.mean([trend(row) > 2.33 for row in noise])
    assert 0.003 < fooled < 0.017


def test_a_fall_that_noise_hides_from_the_eye_is_found() -> None:
    noise = np.random.default_rng(0).standard_normal(60)
    assert trend(blocks(noise - np.linspace(0, 3, 60), 12)) < -2.33


def test_where_nothing_changes_there_is_no_trend() -> None:
    assert trend(np.ones(20)) == 0
    assert trend(np.array([1.0, 2.0])) == 0
    assert trend(np.array([])) == 0


def test_blocks_are_means_of_all_numbers_in_order() -> None:
    assert blocks(np.arange(10.0), 5).tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert blocks(np.arange(3.0), 5).tolist() == [0, 1, 2]


def test_a_running_median_knows_nothing_of_what_comes_after() -> None:
    x = np.array([5.0, 1.0, 9.0, 2.0, 2.0])
    assert smoothed(x, 3).tolist() == [5, 3, 5, 2, 2]
    assert smoothed(x[:3], 3).tolist() == [5, 3, 5]


def test_swings_count_turns_and_not_ripples() -> None:
    assert swings(np.array([0.0, 1, 0, 1, 0]), 0.5) == 3
    assert swings(np.array([0.0, 1, 0, 1, 0]), 1.5) == 0
    assert swings(np.array([0.0, 0.1, 1, 0.9, 2, 1.9, 3]), 0.5) == 0
    assert swings(np.array([3.0, 2, 1, 2, 3]), 0.5) == 1
