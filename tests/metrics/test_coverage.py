"""Laws of precision, recall, density and coverage, and loops that they agree with."""

from __future__ import annotations

import numpy as np
import pytest

from poise.errors import DataError, OptionError
from poise.metrics import neighbours
from poise.metrics.coverage import Coverage, coverage
from poise.metrics.features import Features

from .points import normal, points

Four = tuple[float, float, float, float]


def four(found: Coverage) -> Four:
    return found.precision, found.recall, found.density, found.coverage


def loops(reals: Features, fakes: Features, k: int) -> Four:
    """The definitions, point by point."""
    x, y = reals.values.astype(float), fakes.values.astype(float)

    def far(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a - b))

    def ball(all_: np.ndarray, i: int) -> float:
        return sorted(far(all_[i], all_[j]) for j in range(len(all_)) if j != i)[k - 1]

    of_x, of_y = ([ball(z, i) for i in range(len(z))] for z in (x, y))
    in_x = [[far(b, a) <= r for a, r in zip(x, of_x, strict=True)] for b in y]  # of fakes
    in_y = [[far(b, a) <= r for a, r in zip(y, of_y, strict=True)] for b in x]  # of reals
    return (
        float(np.mean([any(row) for row in in_x])),
        float(np.mean([any(row) for row in in_y])),
        float(np.mean([sum(row) / k for row in in_x])),
        float(np.mean(np.any(in_x, axis=0))),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("rows", [512, 7])
def test_they_agree_with_loops_over_all_pairs_however_they_are_cut(
    k: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "ROWS", rows)
    reals, fakes = normal(60, 3, 0), normal(50, 3, 1, shift=0.7, scale=0.8)
    assert four(coverage(reals, fakes, k=k)) == pytest.approx(loops(reals, fakes, k))


@pytest.mark.parametrize("k", [1, 5])
def test_equal_sets_are_covered_whole_and_k_plus_1_times_dense(k: int) -> None:
    """Each point lies in the balls of k others, on average, and in its own."""
    reals = normal(300, 6, 0, shift=50)
    found = coverage(reals, points(reals.values[::-1]), k=k)
    assert four(found) == pytest.approx((1, 1, (k + 1) / k, 1))


def test_on_a_line_balls_reach_as_far_as_can_be_counted() -> None:
    """Reals at 0, 10, ..., 990, k = 1: balls of 10 that touch; fakes 4 beside, and far away."""
    reals = points(np.arange(0, 1000, 10)[:, None])
    beside = points(np.arange(0, 1000, 10)[:, None] + 4)  # each in two balls but the last
    assert four(coverage(reals, beside, k=1)) == pytest.approx((1, 1, 1.99, 1))
    assert four(coverage(reals, points(beside.values + 2000), k=1)) == (0, 0, 0, 0)
    half = coverage(reals, points(np.r_[beside.values[:50], beside.values[:50] + 5000]), k=1)
    assert half.precision == 0.5
    assert half.coverage == pytest.approx(0.51)  # the last fake is in the next ball, too


def test_a_dropped_mode_costs_recall_and_coverage_but_no_precision() -> None:
    centres = np.arange(8)[:, None] * 100.0
    noise = np.random.default_rng(0)

    def modes(count: int) -> Features:
        return points(centres[np.arange(320) % count] + noise.normal(size=(320, 2)))

    reals = modes(8)
    graded = [coverage(reals, modes(count)) for count in (8, 4, 2, 1)]
    for share, found in zip((1, 1 / 2, 1 / 4, 1 / 8), graded, strict=True):
        assert found.recall == pytest.approx(share, abs=0.06)
        assert found.coverage == pytest.approx(share, abs=0.06)
        assert found.precision > 0.93


def test_two_far_fakes_with_wide_balls_buy_recall_but_no_coverage() -> None:
    reals, collapsed = normal(100, 2, 0), normal(100, 2, 1, scale=0.1).values.copy()
    assert coverage(reals, points(collapsed)).recall < 0.1
    collapsed[:2] = [[1000, 0], [-1000, 0]]
    found = coverage(reals, points(collapsed))
    assert found.recall > 0.85
    assert found.coverage < 0.3


def test_a_set_of_one_repeated_image_covers_itself() -> None:
    same = points(np.full((50, 4), 0.1))
    assert four(coverage(same, same)) == (1, 1, 10, 1)
    assert four(coverage(same, points(same.values + 0.01))) == (0, 0, 0, 0)


@pytest.mark.parametrize("rows", [512, 7])
def test_repeated_images_are_at_distance_0_whatever_rounding_says(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten images, each ten times: all 5 neighbours are copies, so a ball holds its ten alone."""
    monkeypatch.setattr(neighbours, "ROWS", rows)
    repeated = points(normal(10, 320, 0, shift=0.7).values.repeat(10, axis=0))
    assert four(coverage(repeated, points(repeated.values[::-1]))) == (1, 1, 2, 1)
    near = points(repeated.values * np.float32(1.001))
    assert four(coverage(repeated, near)) == (0, 0, 0, 0)


@pytest.mark.parametrize("rows", [512, 7])
def test_the_image_on_the_edge_of_a_ball_is_in_it_whatever_rounding_says(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fakes are some of the reals: of its 5 neighbours and itself a ball holds those left."""
    monkeypatch.setattr(neighbours, "ROWS", rows)
    reals = normal(513, 320, 0, shift=0.7)
    x = reals.values.astype(float)
    order = np.stack([np.argsort(((x - each) ** 2).sum(axis=1))[:6] for each in x])
    for count in (53, 101, 512):
        expected = (order < count).sum() / 5 / count
        assert coverage(reals, points(x[:count])).density == pytest.approx(expected, rel=1e-12)


def test_the_report_names_k_network_resize_and_counts() -> None:
    found = Coverage(1200, 900, "Net, layer", "64x64", 0.5, 0.25, 1.125, 1, 5)
    assert str(found) == (
        "precision 0.500, recall 0.250, density 1.125, coverage 1.000 (k = 5; 1,200 reals, 900 "
        "fakes; Net, layer; 64x64)"
    )


def test_too_few_images_and_no_neighbour_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        coverage(normal(49, 4, 0), normal(50, 4, 0))
    assert str(caught.value) == (
        "at least 50 reals are needed for balls of 5 neighbours to be small parts of a set, got "
        "49. Take more images."
    )
    with pytest.raises(OptionError) as refused:
        coverage(normal(50, 4, 0), normal(50, 4, 0), k=0)
    assert str(refused.value) == "k must be at least 1 neighbour, got 0. 5 is usual."
