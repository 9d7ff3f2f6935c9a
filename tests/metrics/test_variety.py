"""Laws of the intrinsic dimension and of the spread of images."""

from __future__ import annotations

import math

import numpy as np
import pytest

from poise.metrics.sets import Images
from poise.metrics.variety import dimension, spread

SIDE = 16  # pixels: nothing is pooled


def pictures(ways: int, n: int = 400, seed: int = 0, contrast: float = 1.0) -> Images:
    """n images that are bent sheets of so many dimensions: waves whose phases move on their own."""
    noise = np.random.default_rng(seed)
    z = noise.uniform(-1, 1, (n, ways))
    waves = noise.normal(0, 1, (ways, SIDE * SIDE))
    x = np.sin(z @ waves + noise.uniform(0, 2 * np.pi, SIDE * SIDE))
    return (127.5 + 127 * contrast * x).round().astype(np.uint8).reshape(n, SIDE, SIDE, 1)


@pytest.mark.parametrize(("ways", "n"), [(1, 40), (2, 400), (4, 400), (6, 400)])
def test_it_finds_in_how_many_directions_images_of_a_rule_differ(ways: int, n: int) -> None:
    """Within three standard errors, and what the edges of a sheet cost in many dimensions.

    On one line 40 images, for more would be nearer to each other than the rounding to 8 bits.
    """
    allowed = 3 / math.sqrt(0.9 * n) + 0.05 * (ways - 1)
    assert dimension(pictures(ways, n)) == pytest.approx(ways, rel=allowed)


def test_it_is_the_inverse_mean_logarithm_of_the_ratio_of_two_distances() -> None:
    """Point by point, with the largest tenth counted as its smallest."""
    images = pictures(3, n=60)
    flat = images.reshape(60, -1).astype(float)
    logs = []
    for i in range(60):
        first, second = sorted(np.linalg.norm(flat[i] - flat[j]) for j in range(60) if j != i)[:2]
        logs.append(math.log(second / first))
    logs.sort()
    kept = 54
    expected = (kept - 1) / (sum(logs[:kept]) + (60 - kept) * logs[kept - 1])
    assert dimension(images) == pytest.approx(expected, rel=1e-6)


def test_it_depends_on_neither_order_nor_brightness_nor_contrast() -> None:
    images = pictures(3, contrast=0.5)
    found = dimension(images)
    assert dimension(images[::-1]) == pytest.approx(found, rel=1e-9)
    assert dimension(images + 50) == pytest.approx(found, rel=1e-9)
    twice = (2 * images.astype(int) - 127).clip(0, 255).astype(np.uint8)
    assert dimension(twice) == pytest.approx(found, rel=1e-6)


def test_a_wider_spread_in_the_same_directions_is_no_further_dimension() -> None:
    narrow, wide = (pictures(2, n=100, contrast=contrast) for contrast in (0.4, 1.0))
    assert spread(wide) > 2 * spread(narrow)
    assert dimension(wide) == pytest.approx(dimension(narrow), rel=0.1)


def test_a_few_twins_change_it_little_and_many_make_it_0() -> None:
    images = pictures(3)
    few, many = images.copy(), images.copy()
    few[:10] = few[10:20]
    many[:100] = many[100:200]
    assert dimension(few) == pytest.approx(dimension(images), rel=0.15)
    assert dimension(many) == 0
    assert dimension(np.zeros_like(images)) == 0


@pytest.mark.parametrize("n", [3, 9, 10, 16])
def test_a_twin_among_few_makes_it_0_and_is_never_not_a_number(n: int) -> None:
    images = pictures(4, n=n)
    images[1] = images[0]
    found = dimension(images)
    assert found == 0 if n < 16 else found >= 0
    assert dimension(pictures(4, n=n)) > 0


def test_noise_has_more_than_any_rule_and_never_more_than_an_image_has_numbers() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 4, 4, 1), dtype=np.uint8)
    assert 8 < dimension(noise) <= 16
    corners = np.zeros((3, 2, 2, 1), np.uint8)
    corners[[0, 1, 2], [0, 0, 1], [0, 1, 0]] = 255
    assert dimension(corners) == 4, "all as far from each other: more than can be told"


def test_large_images_are_taken_smaller_so_fine_noise_counts_for_nothing() -> None:
    images = pictures(2, n=200)
    large = images.repeat(4, axis=1).repeat(4, axis=2)
    assert dimension(large) == pytest.approx(dimension(images), rel=1e-6)
    assert spread(large) == pytest.approx(spread(images), rel=1e-6)
