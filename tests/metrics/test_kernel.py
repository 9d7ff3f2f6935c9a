"""Laws of the kernel distance and of its error, and a second formula."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from poise.errors import DataError
from poise.metrics import kernel
from poise.metrics.compared import INCEPTION, INCEPTION_RESIZE
from poise.metrics.features import Features
from poise.metrics.kernel import KernelDistance, kernel_distance

from .points import normal, points


def loops(reals: Features, fakes: Features) -> float:
    """The definition, pair by pair."""
    x, y = reals.values.tolist(), fakes.values.tolist()

    def k(a: list[float], b: list[float]) -> float:
        return (math.fsum(s * t for s, t in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(points: list[list[float]]) -> float:
        pairs = [k(a, b) for a, b in itertools.permutations(points, 2)]
        return math.fsum(pairs) / len(pairs)

    between = [k(a, b) for a in x for b in y]
    return within(x) + within(y) - 2 * math.fsum(between) / len(between)


@pytest.mark.parametrize(("m", "n", "rows"), [(32, 32, 512), (33, 50, 7), (40, 32, 1)])
def test_it_agrees_with_loops_over_all_pairs_however_the_matrix_is_cut(
    m: int, n: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reals, fakes = normal(m, 5, 0), normal(n, 5, 1, shift=0.3)
    monkeypatch.setattr(kernel, "ROWS", rows)
    assert kernel_distance(reals, fakes).distance == pytest.approx(loops(reals, fakes), rel=1e-9)


def variance(reals: Features, fakes: Features) -> float:
    """The square of the error: images left out one by one, matrices centred entry by entry."""
    x, y = (each.values.astype(float) for each in (reals, fakes))
    (m, d), n = x.shape, len(y)

    def without(points_: np.ndarray, at: int) -> Features:
        return points(np.delete(points_, at, axis=0))

    jackknife = 0.0
    for left_out in (
        [kernel_distance(without(x, i), fakes).distance for i in range(m)],
        [kernel_distance(reals, without(y, j)).distance for j in range(n)],
    ):
        jackknife += (len(left_out) - 1) * float(np.var(left_out))

    def within(z: np.ndarray) -> float:
        k = (z @ z.T / d + 1) ** 3
        np.fill_diagonal(k, 0)
        size = len(z)
        rows = k.sum(axis=1) / (size - 2)
        centred = k - rows[:, None] - rows + k.sum() / ((size - 1) * (size - 2))
        np.fill_diagonal(centred, 0)
        return float((centred**2).sum() / (size * (size - 3)))

    k = (x @ y.T / d + 1) ** 3
    centred = k - k.mean(axis=0) - k.mean(axis=1)[:, None] + k.mean()
    between = (centred**2).sum() / ((m - 1) * (n - 1))
    pairs = 2 * within(x) / (m * (m - 1)) + 2 * within(y) / (n * (n - 1)) + 4 * between / (m * n)
    return float(pairs + max(0.0, jackknife - 2 * pairs))


@pytest.mark.parametrize(("m", "n", "shift"), [(40, 34, 0.0), (40, 60, 0.5), (60, 40, 2.0)])
def test_its_error_agrees_with_leaving_images_out_one_by_one(m: int, n: int, shift: float) -> None:
    reals, fakes = normal(m, 5, 2), normal(n, 5, 3, shift=shift)
    got = kernel_distance(reals, fakes).error
    assert got == pytest.approx(math.sqrt(variance(reals, fakes)), rel=1e-6)


def test_points_at_two_places_are_apart_by_the_kernel_of_the_places() -> None:
    """All x at 0 and all y at (v, v, ...): 1 + (v^2 + 1)^3 - 2, without any error."""
    got = kernel_distance(points(np.zeros((40, 3))), points(np.full((50, 3), 2.0)))
    assert got.distance == pytest.approx(124)
    assert got.error == pytest.approx(0, abs=1e-6)


def test_it_does_not_matter_which_set_is_called_real_or_in_what_order_images_come() -> None:
    a, b = normal(60, 4, 0), normal(90, 4, 1, scale=2)
    one, other = kernel_distance(a, b), kernel_distance(b, points(a.values[::-1]))
    assert other.distance == pytest.approx(one.distance, rel=1e-9)
    assert other.error == pytest.approx(one.error, rel=1e-9)


def truth(d: int, shift: float, scale: float) -> float:
    """D of N(0, 1) and N(shift, scale^2) along every axis."""

    def expected(m: float, v: float, n: float, w: float) -> float:
        """E (x . y / d + 1)^3, by cumulants: x . y is a sum of d independent products."""
        first = m * n
        second = (m * m + v) * (n * n + w)
        third = (m**3 + 3 * m * v) * (n**3 + 3 * n * w)
        spread = second - first**2  # of one product
        skew = third - 3 * first * second + 2 * first**3
        mean, variance, third_central = first, spread / d, skew / d**2
        base = mean + 1
        return base**3 + 3 * base * variance + third_central

    t = scale**2
    same = expected(0, 1, 0, 1), expected(shift, t, shift, t)
    return same[0] + same[1] - 2 * expected(0, 1, shift, t)


@pytest.mark.parametrize(
    ("m", "n", "shift", "scale"),
    [(100, 100, 0, 1), (60, 200, 0, 1), (100, 100, 0.15, 1), (150, 100, 0.2, 1.2)],
    ids=["one law", "one law, counts differ", "near", "far"],
)
def test_its_mean_is_the_truth_and_its_error_the_spread(
    m: int, n: int, shift: float, scale: float
) -> None:
    draws = 150
    found = [
        kernel_distance(
            normal(m, 16, 2 * seed), normal(n, 16, 2 * seed + 1, shift=shift, scale=scale)
        )
        for seed in range(draws)
    ]
    distances = np.array([each.distance for each in found])
    spread = distances.std(ddof=1)
    assert abs(distances.mean() - truth(16, shift, scale)) < 3.5 * spread / math.sqrt(draws)
    quoted = math.sqrt(np.mean([each.error**2 for each in found]))
    assert 0.85 < quoted / spread < 1.2  # the spread itself is known to 6 %; a jackknife: 1.4


def test_a_set_against_itself_is_below_0_by_what_an_image_is_nearer_to_itself() -> None:
    a = normal(80, 6, 0)
    gram = (a.values.astype(float) @ a.values.T / 6 + 1) ** 3
    own, others = gram.diagonal().mean(), gram[~np.eye(80, dtype=bool)].mean()
    assert kernel_distance(a, a).distance == pytest.approx(-2 * (own - others) / 80)


def test_the_report_names_distance_error_network_resize_and_counts() -> None:
    found = KernelDistance(1200, 900, "Net, layer", "64x64", 1.23456, 0.0456)
    assert str(found) == (
        "Kernel distance, Net, 1.235 +- 0.046 (1,200 reals, 900 fakes; Net, layer; 64x64)"
    )
    published = KernelDistance(9, 9, INCEPTION, INCEPTION_RESIZE, 0.01, 0.001)
    assert str(published).startswith("KID 0.01 +- 0.001 (9 reals")


def test_too_few_images_are_refused_with_the_number_needed() -> None:
    with pytest.raises(DataError) as caught:
        kernel_distance(normal(40, 4, 0), normal(31, 4, 0))
    assert str(caught.value) == (
        "at least 32 fakes are needed for an error that means something, got 31. Take more images."
    )
