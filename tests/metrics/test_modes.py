"""Modes: counts and KL by hand, what dropping modes does to them, and the classifier that names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poise.errors import DataError, OptionError
from poise.metrics.classifier import Classifier, Plan, fit, restore
from poise.metrics.modes import count_modes, kl_divergence, mode_numbers
from poise.metrics.sets import Images

from .varied import noise


def named(labels: Sequence[int], kinds: int, sure: float = 1.0) -> NDArray[np.float64]:
    """Probabilities [n, kinds] of a classifier that is so sure of these labels."""
    rest = (1 - sure) / max(1, kinds - 1)
    found = np.full((len(labels), kinds), rest)
    found[np.arange(len(labels)), labels] = sure
    return found


def bars(count: int, seed: int = 0) -> tuple[Images, NDArray[np.int64]]:
    """8x8 images of a bright row or column in one of 3 places: two factors."""
    labels = np.random.default_rng(seed).integers(0, (2, 3), (count, 2))
    images = noise(count, 8, 8, 1, seed=seed) // 4
    for image, (way, place) in zip(images, labels, strict=True):
        image[(slice(None), 1 + 2 * place) if way else (1 + 2 * place,)] = 255
    return images, labels


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return fit(*bars(400), (2, 3), Plan(epochs=20, shift=0))


# --- counts and KL by hand ------------------------------------------------------------------------


def test_modes_of_two_factors_are_counted_by_hand() -> None:
    digits, colours = [0, 0, 1, 2], [1, 1, 0, 1]  # (0, 1) twice, (1, 0), (2, 1): 3 of 6
    modes = count_modes([named(digits, 3), named(colours, 2)])
    assert (modes.found, modes.of, modes.images) == (3, 6, 4)
    by_hand = 0.5 * math.log(0.5 * 6) + 2 * 0.25 * math.log(0.25 * 6)
    assert modes.divergence == pytest.approx(by_hand)
    assert str(modes) == (
        f"3 of 6 modes, KL {by_hand:.3f} (4 images, 100.0% recognised with at least 0.9)"
    )


def test_the_number_of_a_mode_runs_through_all_combinations_the_last_factor_fastest() -> None:
    labels = [np.array([0, 0, 1, 1]), np.array([0, 2, 0, 2])]
    assert mode_numbers(labels, (2, 3)).tolist() == [0, 2, 3, 5]


def test_an_image_is_recognised_only_if_every_factor_is() -> None:
    sure, unsure = named([0, 1], 2, 0.95), named([0, 1], 2, 0.6)
    assert count_modes([sure, sure]).recognised == 1
    assert count_modes([sure, unsure]).recognised == 0
    assert count_modes([sure, np.concatenate([sure[:1], unsure[1:]])]).recognised == 0.5
    assert count_modes([sure, unsure], sure=0.5).recognised == 1


@pytest.mark.parametrize(
    ("counts", "truth", "nats"),
    [
        ([5, 5, 5, 5], None, 0),
        ([20, 0, 0, 0], None, math.log(4)),
        ([1, 1, 0, 0], None, math.log(2)),
        ([3, 1], [0.75, 0.25], 0),
        ([1, 1], [0.75, 0.25], 0.5 * math.log(2 / 3) + 0.5 * math.log(2)),
        ([1, 0], [1.0, 0.0], 0),
        ([1, 1], [1.0, 0.0], math.inf),
    ],
)
def test_kl_by_hand(counts: list[int], truth: list[float] | None, nats: float) -> None:
    shares = None if truth is None else np.array(truth)
    assert kl_divergence(np.array(counts), shares) == pytest.approx(nats, abs=1e-12)


def test_kl_is_never_negative_and_zero_only_for_equal_shares() -> None:
    draw = np.random.default_rng(0)
    for _ in range(200):
        counts, truth = draw.integers(1, 9, 6), draw.dirichlet(np.ones(6))
        assert kl_divergence(counts, truth) > 0
        assert kl_divergence(counts, counts / counts.sum()) == pytest.approx(0, abs=1e-12)


def test_dropping_modes_lowers_the_count_and_raises_the_kl_in_order() -> None:
    labels = np.random.default_rng(0).integers(0, 100, 5_000)
    found = [count_modes([named((labels % kept).tolist(), 100)]) for kept in (100, 80, 40, 10, 1)]
    assert [modes.found for modes in found] == [100, 80, 40, 10, 1]
    assert all(a.divergence < b.divergence for a, b in pairwise(found))
    assert found[-1].divergence == pytest.approx(math.log(100))


def test_few_images_of_many_modes_find_what_chance_leaves_them() -> None:
    """The floor in closed form: k (1 - (1 - 1/k)^n) modes, and a KL of about (k - 1) / 2n."""
    k, draw = 1_000, np.random.default_rng(0)
    few = np.bincount(draw.integers(0, k, 1_000), minlength=k)
    assert (few > 0).sum() == pytest.approx(k * (1 - (1 - 1 / k) ** 1_000), rel=0.05)
    many = np.bincount(draw.integers(0, k, 25_600), minlength=k)
    assert kl_divergence(many) == pytest.approx((k - 1) / (2 * 25_600), rel=0.15)


# --- the classifier -------------------------------------------------------------------------------


def test_the_classifier_names_what_it_has_not_seen_and_says_how_often(
    classifier: Classifier,
) -> None:
    assert classifier.held_out == 40
    assert classifier.accuracy > 0.9
    images, labels = bars(300, seed=7)
    way, place = classifier.probabilities(images)
    right = (way.argmax(axis=1) == labels[:, 0]) & (place.argmax(axis=1) == labels[:, 1])
    assert right.mean() == pytest.approx(classifier.accuracy, abs=0.1)
    modes = count_modes([way, place])
    assert (modes.found, modes.of) == (6, 6)
    assert modes.divergence < 0.05


def test_it_is_less_sure_of_noise(classifier: Classifier) -> None:
    there = count_modes(classifier.probabilities(bars(100, seed=3)[0]))
    dirt = count_modes(classifier.probabilities(noise(100, 8, 8, 1)))
    assert dirt.recognised < there.recognised - 0.2


def test_probabilities_of_an_image_do_not_depend_on_the_others(classifier: Classifier) -> None:
    images, _ = bars(300, seed=5)
    whole = classifier.probabilities(images)
    parts = [classifier.probabilities(images[k : k + 100]) for k in (0, 100, 200)]
    for factor, of_whole in enumerate(whole):
        assert np.allclose(np.concatenate([p[factor] for p in parts]), of_whole, atol=1e-5)


def test_the_same_seed_gives_the_same_classifier_and_its_weights_bring_it_back() -> None:
    images, labels = bars(150)
    one, same, other = (fit(images, labels, (2, 3), Plan(1, seed=s)) for s in (0, 0, 1))
    a, b, c = (each.probabilities(images)[1] for each in (one, same, other))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    kept = restore(one.network.state_dict(), one.shape, one.kinds, one.accuracy, one.held_out)
    assert np.array_equal(kept.probabilities(images)[1], a)


def test_images_over_32_pixels_are_averaged_before_they_are_looked_at() -> None:
    images, labels = bars(120)
    large = images.repeat(8, axis=1).repeat(8, axis=2)  # 64x64: looked at as 32x32
    small = images.repeat(4, axis=1).repeat(4, axis=2)
    a, b = (fit(each, labels, (2, 3), Plan(1, shift=0)) for each in (large, small))
    assert np.array_equal(a.probabilities(large)[0], b.probabilities(small)[0])


def test_being_told_is_told_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    fit(*bars(100), (2, 3), Plan(2, 0), lambda done, of: told.append((done, of)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


# --- what cannot be -------------------------------------------------------------------------------

HALF = np.full((4, 2), 0.5)
IMAGES, LABELS = bars(120)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: count_modes([]), DataError, "probabilities [n, classes] of the same n images"),
        (lambda: count_modes([HALF, HALF[:3]]), DataError, "got [[4, 2], [3, 2]]"),
        (lambda: count_modes([HALF[:0]]), DataError, "got [[0, 2]]"),
        (lambda: count_modes([HALF[0]]), DataError, "got [[2]]"),
        (lambda: count_modes([2 * HALF]), DataError, "Apply a softmax first"),
        (lambda: count_modes([HALF * np.nan]), DataError, "Apply a softmax first"),
        (lambda: count_modes([HALF], sure=0), OptionError, "above 0, got 0"),
        (lambda: count_modes([HALF], HALF[0] / 2), OptionError, "2 shares that add up to 1"),
        (lambda: count_modes([HALF], np.ones(3) / 3), OptionError, "got 3 that add up to 1"),
        (lambda: kl_divergence(np.zeros(3, int)), DataError, "no image was counted"),
        (lambda: fit(IMAGES[:9], LABELS[:9], (2, 3)), DataError, "at least 100 labelled images"),
        (lambda: fit(IMAGES, LABELS[:, :1], (2, 3)), DataError, "labels must be [120, 2]"),
        (lambda: fit(IMAGES, LABELS + 1, (2, 3)), DataError, "[2, 3], got 1 to 3"),
        (lambda: fit(IMAGES, LABELS - 1, (2, 3)), DataError, "[2, 3], got -1 to 1"),
        (lambda: restore({}, (8, 8, 1), (2,), 1.0, 1), DataError, "not of a classifier"),
    ],
)
def test_what_cannot_be_counted_is_refused_in_words(call: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)


def test_images_of_another_shape_are_refused(classifier: Classifier) -> None:
    with pytest.raises(DataError, match=r"takes images of \[8, 8, 1\], got \[16, 16, 3\]"):
        classifier.probabilities(noise(2, 16, 16, 3))
