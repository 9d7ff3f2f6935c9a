"""Laws of the similarity of images, and a second formula that it agrees with."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from poise.metrics.ms_ssim import diversity, scales_of, similarity
from poise.metrics.sets import Images
from poise.size import Size

from .varied import noise, noisy, shapes

SHAPES = [(11, 11, 1), (32, 32, 3), (23, 57, 4), (181, 199, 1)]
WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
C1, C2 = 2.55**2, 7.65**2

Floats = NDArray[np.float64]

# Closed forms


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_is_like_itself_by_1(shape: tuple[int, int, int]) -> None:
    images = noise(3, *shape)
    assert similarity(images, images.copy()).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("side", "weight"), [(12, 1.0), (32, 0.2856 / 0.3304), (176, 0.1333)])
def test_surfaces_without_detail_differ_by_the_luminance_of_the_last_scale(
    side: int, weight: float
) -> None:
    dark, bright = (np.full((1, side, side, 1), level, np.uint8) for level in (60, 200))
    luminance = (2 * 60 * 200 + C1) / (60**2 + 200**2 + C1)
    assert similarity(dark, bright)[0] == pytest.approx(luminance**weight)


@pytest.mark.parametrize("side", [16, 64])
def test_an_image_and_its_negative_are_like_each_other_by_0(side: int) -> None:
    images = noise(2, side, side, 3)
    assert similarity(images, 255 - images).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("side", "scales"),
    [(11, 1), (21, 1), (22, 2), (32, 2), (64, 3), (128, 4), (175, 4), (176, 5), (256, 5), (999, 5)],
)
def test_the_number_of_scales_is_how_often_the_window_fits(side: int, scales: int) -> None:
    assert scales_of(Size(side, side)) == scales
    assert scales_of(Size(side, 4096)) == scales_of(Size(4096, side)) == scales


# A second formula


def average(images: Floats) -> Floats:
    """Under the window, whole, at every place: [h, w, c] to [h - 10, w - 10, c]."""
    away = np.arange(11) - 5
    window = np.exp(-(away[:, None] ** 2 + away**2) / (2 * 1.5**2))
    places = sliding_window_view(images, (11, 11), axis=(0, 1))
    return np.asarray(np.einsum("hwcij,ij->hwc", places, window / window.sum()))


def halved(image: Floats) -> Floats:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    image = image[: 2 * height, : 2 * width]
    return np.asarray(image.reshape(height, 2, width, 2, -1).mean(axis=(1, 3)))


def second_formula(a: Images, b: Images) -> float:
    x, y = a.astype(float), b.astype(float)
    terms: list[float] = []
    while True:
        m_x, m_y = average(x), average(y)
        v_x, v_y, both = average(x * x), average(y * y), average(x * y)
        structure = (2 * (both - m_x * m_y) + C2) / (v_x - m_x**2 + v_y - m_y**2 + C2)
        luminance = (2 * m_x * m_y + C1) / (m_x**2 + m_y**2 + C1)
        if len(terms) == 4 or min(x.shape[:2]) < 22:
            terms.append(float((luminance * structure).mean()))
            break
        terms.append(float(structure.mean()))
        x, y = halved(x), halved(y)
    weights = WEIGHTS[: len(terms)]
    if len(terms) < 5:
        weights = [w / sum(weights) for w in weights]
    return math.prod(math.pow(max(t, 0.0), w) for t, w in zip(terms, weights, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_it_agrees_with_a_second_formula(shape: tuple[int, int, int]) -> None:
    a = noise(2, *shape)
    a[:, : shape[0] // 2, :, 0] //= 4
    b = noisy(a, 60) // 2 + 50
    expected = [second_formula(x, y) for x, y in zip(a, b, strict=True)]
    assert similarity(a, b) == pytest.approx(expected, rel=1e-9)
    assert all(0.05 < s < 0.95 for s in expected)


# Laws


def test_it_does_not_matter_which_image_comes_first() -> None:
    a, b = shapes(6, 64), shapes(6, 64, first=500)
    assert similarity(a, b) == pytest.approx(similarity(b, a), rel=1e-12)


def test_more_noise_makes_every_image_less_like_what_it_was() -> None:
    images = shapes(6, 64)
    graded = [similarity(images, noisy(images, s)) for s in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)]
    for less, more in pairwise(graded):
        assert (less > more).all()


def test_fewer_modes_are_more_alike() -> None:
    varied = shapes(128, 32)
    graded = [
        diversity(noisy(np.resize(varied[:modes], varied.shape), 4)).similarity
        for modes in (128, 8, 3, 1)
    ]
    assert all(a < b for a, b in pairwise(graded))
    assert graded[0] < 0.5
    assert graded[-1] > 0.85


@pytest.mark.parametrize("place", range(4))
def test_no_image_is_in_two_pairs_and_none_is_paired_with_itself(place: int) -> None:
    """Of three equal images and another one, wherever it is, one pair is alike and one is not."""
    a, b = shapes(2, 32)
    (apart,) = similarity(a[None], b[None])
    images = np.stack([a, a, a, a])
    images[place] = b
    got = diversity(images)
    assert got.similarity == pytest.approx((1 + apart) / 2)
    assert got.error == pytest.approx((1 - apart) / 2)  # of two numbers: half their distance
    assert (got.pairs, got.images, got.scales) == (2, 4, 2)


def test_neighbours_of_a_sorted_set_are_not_what_is_paired() -> None:
    images = shapes(32, 32)
    assert diversity(images.repeat(2, axis=0)).similarity < 0.6  # neighbours: 1.0


@pytest.mark.parametrize(("count", "pairs", "got"), [(9, 10_000, 4), (40, 5, 5), (4, 2, 2)])
def test_there_are_at_most_as_many_pairs_as_asked_for(count: int, pairs: int, got: int) -> None:
    report = diversity(shapes(40, 32)[:count], pairs=pairs)
    assert (report.pairs, report.images) == (got, count)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_batch_does_not_change_a_bit(batch: int) -> None:
    images, other = shapes(40, 32), shapes(40, 32, first=500)
    assert diversity(images, batch=batch) == diversity(images)
    assert (similarity(images, other, batch=batch) == similarity(images, other)).all()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    images = shapes(40, 32)
    assert diversity(images, seed=3) == diversity(images, seed=3)
    assert diversity(images, seed=3).similarity != diversity(images, seed=4).similarity


def test_the_report_names_pairs_images_and_scales() -> None:
    images = np.broadcast_to(noise(1, 64, 48, 1), (5, 64, 48, 1))
    assert str(diversity(images)) == (
        "MS-SSIM 1.0000 +- 0.0000 (2 pairs of 5 images, 3 of 5 scales)"
    )
