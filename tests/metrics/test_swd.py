"""Laws of the sliced Wasserstein distance, and a second formula that it agrees with."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from poise.metrics.sets import Images
from poise.metrics.swd import clean_floor, distance, draw_look, level_sizes, sliced_wasserstein
from poise.size import Size

from .varied import blurred, noise, noisy, shapes

Floats = NDArray[np.float64]


def rising(numbers: list[float]) -> bool:
    return all(a < b for a, b in pairwise(numbers))


# A closed form


def test_on_a_line_the_distance_is_that_between_quantiles() -> None:
    quantiles = torch.linspace(0, 1, 1001).view(-1, 1)
    shuffled = quantiles[torch.randperm(1001, generator=torch.Generator().manual_seed(0))]
    both_ways = torch.tensor([[1.0], [-1.0]])
    assert distance(quantiles, shuffled + 3, both_ways) == pytest.approx(3)
    assert distance(quantiles, shuffled * 2, both_ways) == pytest.approx(1 / 2)  # int x dx
    assert distance(quantiles, shuffled**2, both_ways) == pytest.approx(1 / 6, rel=1e-3)
    assert distance(quantiles, -shuffled, both_ways) == pytest.approx(1)


def test_a_shift_in_d_dimensions_is_its_length_times_the_mean_of_a_cosine() -> None:
    d, noise = 49, torch.Generator().manual_seed(0)
    points, shift = torch.randn(200, d, generator=noise), torch.randn(d, generator=noise)
    directions = draw_look(1, Size(7, 7), 1, noise).directions
    cosine = math.gamma(d / 2) / (math.sqrt(math.pi) * math.gamma((d + 1) / 2))
    got = distance(points, points + shift, directions)
    assert got == pytest.approx(cosine * shift.norm().item(), rel=0.1)  # 512 directions: 3.3 %
    exact = (directions @ shift).abs().mean().item()
    assert got == pytest.approx(exact, rel=1e-5)


# A second formula


def smooth(images: Floats) -> Floats:
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    height, width = images.shape[2:]
    wide = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    out = np.zeros_like(images)
    for i in range(5):
        for j in range(5):
            out += kernel[i, j] * wide[:, :, i : i + height, j : j + width]
    return out


def second_pyramid(images: Floats, levels: int) -> list[Floats]:
    pyramid = [images]
    for _ in range(levels - 1):
        fine = pyramid[-1]
        coarse = smooth(fine)[:, :, ::2, ::2]
        zeros = np.zeros_like(fine)
        zeros[:, :, ::2, ::2] = coarse
        pyramid[-1] = fine - 4 * smooth(zeros)
        pyramid.append(coarse)
    return pyramid


def second_formula(reals: Images, fakes: Images, seed: int) -> list[float]:
    random, distances = torch.Generator().manual_seed(seed), []
    sizes = level_sizes(Size(*reals.shape[1:3]))
    pyramids = [
        second_pyramid(images.transpose(0, 3, 1, 2).astype(float), len(sizes))
        for images in (reals, fakes)
    ]
    for size, *both in zip(sizes, *pyramids, strict=True):
        look = draw_look(len(reals), size, reals.shape[3], random)
        directions = look.directions.double().numpy()
        points = []
        for level in both:
            patches = np.stack(
                [
                    level[i, :, y : y + 7, x : x + 7]
                    for i in range(len(level))
                    for y, x in zip(look.rows[i], look.columns[i], strict=True)
                ]
            )
            patches -= patches.mean(axis=(0, 2, 3), keepdims=True)
            patches /= patches.std(axis=(0, 2, 3), keepdims=True)
            points.append(patches.reshape(len(patches), -1))
        along = [np.sort(p @ directions.T, axis=0) for p in points]
        distances.append(1000 * np.abs(along[0] - along[1]).mean())
    return distances


@pytest.mark.parametrize("shape", [(32, 32, 3), (34, 71, 1), (16, 16, 4), (9, 12, 3)])
def test_it_agrees_with_a_second_formula(shape: tuple[int, int, int]) -> None:
    reals, fakes = noise(5, *shape), noise(5, *shape, seed=1) // 3
    fakes[:, :5] = reals[:, :5]  # so that the two are not of one law
    got = sliced_wasserstein(reals, fakes, seed=7)
    assert got.levels == pytest.approx(second_formula(reals, fakes, 7), rel=1e-5)
    assert got.mean == pytest.approx(np.mean(got.levels))


# Laws


@pytest.mark.parametrize("shape", [(32, 32, 3), (48, 33, 1), (16, 40, 4), (7, 7, 3)])
def test_equal_sets_have_distance_0_at_every_level(shape: tuple[int, int, int]) -> None:
    images = noise(6, *shape)
    assert set(sliced_wasserstein(images, images.copy()).levels) == {0.0}


def test_it_does_not_matter_which_set_is_called_real() -> None:
    a, b = shapes(32, 32), shapes(32, 32, first=500)
    assert sliced_wasserstein(a, b).levels == sliced_wasserstein(b, a).levels


def test_more_noise_is_further_at_every_level() -> None:
    reals = shapes(64, 32)
    graded = [sliced_wasserstein(reals, noisy(reals, s)) for s in (4.0, 8.0, 16.0, 32.0)]
    for level in range(2):
        assert rising([0.0, *(swd.levels[level] for swd in graded)])


def test_more_blur_is_further_and_most_at_the_finest_level() -> None:
    reals = shapes(48, 64)
    graded = [sliced_wasserstein(reals, blurred(reals, times)) for times in (1, 2, 4, 8)]
    for level in range(3):
        assert rising([0.0, *(swd.levels[level] for swd in graded)])
    for swd in graded:
        assert swd.levels[0] > swd.levels[1] > swd.levels[2]


def test_fewer_distinct_images_are_further() -> None:
    reals, fakes = shapes(128, 32), shapes(128, 32, first=500)
    graded = [
        sliced_wasserstein(reals, np.resize(fakes[:distinct], fakes.shape))
        for distinct in (128, 32, 8)
    ]
    for level in range(2):
        assert rising([swd.levels[level] for swd in graded])


def test_brightness_and_contrast_of_a_whole_set_are_not_seen() -> None:
    """Each set is normalised by its own statistics, as in the authors' code."""
    reals = noise(8, 32, 32, 3) // 2 * 2
    assert sliced_wasserstein(reals, reals // 2 + 60).mean < 1e-3


def test_a_channel_without_content_stays_0() -> None:
    images = shapes(8, 32)
    opaque = np.concatenate([images, np.full_like(images[..., :1], 255)], axis=3)
    assert sliced_wasserstein(opaque, opaque).mean == 0
    assert math.isfinite(sliced_wasserstein(opaque, noisy(images, 9)[..., [0, 1, 2, 2]]).mean)
    flat = np.full_like(opaque, 7)
    assert sliced_wasserstein(flat, flat * 9).mean == 0


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_batch_does_not_change_a_bit(batch: int) -> None:
    a, b = shapes(20, 64), shapes(20, 64, first=500)
    assert sliced_wasserstein(a, b, batch=batch) == sliced_wasserstein(a, b)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    a, b = shapes(20, 32), shapes(20, 32, first=500)
    before = torch.get_rng_state()
    assert sliced_wasserstein(a, b, seed=3) == sliced_wasserstein(a, b, seed=3)
    assert sliced_wasserstein(a, b, seed=3).mean != sliced_wasserstein(a, b, seed=4).mean
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's numbers are used up


def test_of_the_larger_set_as_many_are_used_from_end_to_end() -> None:
    reals, fakes = shapes(24, 32), shapes(8, 32, first=500)
    got = sliced_wasserstein(reals, fakes)
    assert (got.reals, got.fakes, got.used) == (24, 8, 8)
    assert got.levels == sliced_wasserstein(reals[::3], fakes).levels
    assert sliced_wasserstein(fakes, reals).levels == got.levels


def test_the_report_names_both_counts_and_every_level() -> None:
    images = noise(4, 32, 48, 1)
    assert str(sliced_wasserstein(images, images[:3].repeat(2, 0)[1:5])).startswith("SWD x1e3 ")
    assert str(sliced_wasserstein(images, images)) == (
        "SWD x1e3 0.00 (0.00 at 32x48, 0.00 at 16x24; 4 each of 4 reals and 4 fakes)"
    )


def test_images_can_be_a_file(tmp_path: Path) -> None:
    images = shapes(8, 32)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    other = shapes(8, 32, first=500)
    assert sliced_wasserstein(mapped, other) == sliced_wasserstein(images, other)


# The floor


@pytest.mark.parametrize("place", range(4))
def test_the_floor_is_that_of_two_halves_that_share_no_image(place: int) -> None:
    """Of three equal images and another one, wherever it is, one half has it and one has not."""
    a, b = shapes(2, 32)
    images = np.stack([a, a, a, a])
    assert clean_floor(images).mean == 0
    images[place] = b
    assert clean_floor(images).mean > 0
    floor = clean_floor(np.stack([*images, a]))
    assert (floor.reals, floor.fakes, floor.used) == (2, 2, 2)


def test_the_floor_falls_with_more_images_and_a_bad_set_lies_above_it() -> None:
    reals = shapes(128, 32)
    floors = [clean_floor(reals[:count]).mean for count in (128, 32, 8)]
    assert rising(floors)
    assert sliced_wasserstein(reals[:64], noisy(reals[64:], 12)).mean > 2 * floors[0]
    assert clean_floor(reals, seed=1).mean == pytest.approx(floors[0], rel=0.5)
