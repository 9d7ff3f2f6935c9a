"""Sets that cannot be measured: what was expected, what came, what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from poise.errors import DataError, OptionError
from poise.metrics.ms_ssim import diversity, similarity
from poise.metrics.swd import clean_floor, sliced_wasserstein

from .varied import noise

GOOD = noise(4, 32, 32, 3)
MAKES = "poise.pictures.to_uint8 makes one of a generator's images."
BAD_SETS = [
    (
        torch.zeros(4, 3, 32, 32),
        "must be a numpy array of uint8, [n, height, width, channels], got Tensor of "
        f"torch.float32, [4, 3, 32, 32]. {MAKES}",
    ),
    (
        GOOD / 255,
        "must be a numpy array of uint8, [n, height, width, channels], got ndarray of float64, "
        f"[4, 32, 32, 3]. {MAKES}",
    ),
    (
        GOOD[0],
        "must be a numpy array of uint8, [n, height, width, channels], got ndarray of uint8, "
        f"[32, 32, 3]. {MAKES}",
    ),
    (
        [GOOD[0]],
        f"must be a numpy array of uint8, [n, height, width, channels], got list. {MAKES}",
    ),
    (
        GOOD.transpose(0, 3, 1, 2),
        "must have 1, 3 or 4 channels, in the last dimension, got [4, 3, 32, 32]. If channels "
        "come second, use .transpose(0, 2, 3, 1).",
    ),
]


@pytest.mark.parametrize(("images", "text"), BAD_SETS)
def test_what_is_not_a_set_of_pictures_is_named_with_its_shape(images: Any, text: str) -> None:
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: sliced_wasserstein(images, GOOD), "reals"),
        (lambda: sliced_wasserstein(GOOD, images), "fakes"),
        (lambda: clean_floor(images), "reals"),
        (lambda: diversity(images), "images"),
        (lambda: similarity(images, GOOD), "images"),
        (lambda: similarity(GOOD, images), "images"),
    ]
    for measure, what in calls:
        with pytest.raises(DataError) as caught:
            measure()
        assert str(caught.value) == f"the {what} {text}"


CASES: list[tuple[Callable[[], object], type[Exception], str]] = [
    (
        lambda: sliced_wasserstein(GOOD[:1], GOOD),
        DataError,
        "at least 2 reals are needed, got 1. Take more images.",
    ),
    (
        lambda: sliced_wasserstein(GOOD, GOOD[:0]),
        DataError,
        "at least 2 fakes are needed, got 0. Take more images.",
    ),
    (
        lambda: clean_floor(GOOD[:3]),
        DataError,
        "at least 4 reals are needed, got 3. Take more images.",
    ),
    (
        lambda: diversity(GOOD[:3]),
        DataError,
        "at least 4 images are needed, got 3. Take more images.",
    ),
    (
        lambda: similarity(GOOD[:0], GOOD[:0]),
        DataError,
        "at least 1 images are needed, got 0. Take more images.",
    ),
    (
        lambda: sliced_wasserstein(GOOD, GOOD[..., :1]),
        DataError,
        "reals and fakes must agree in size and in channels, got 32x32 with 3 and 32x32 with 1 "
        "channels. Bring both to one size, with the same filter.",
    ),
    (
        lambda: similarity(GOOD, noise(4, 32, 48, 3)),
        DataError,
        "both images of a pair must agree in size and in channels, got 32x32 with 3 and 32x48 "
        "with 3 channels. Bring both to one size, with the same filter.",
    ),
    (
        lambda: similarity(GOOD, GOOD[:3]),
        DataError,
        "each image needs its partner, got 4 images and 3. Give as many of both.",
    ),
    (
        lambda: sliced_wasserstein(GOOD[:, :6], GOOD[:, :6]),
        DataError,
        "patches are 7x7 pixels, so images must be at least 7x7, got 6x32. Measure images of a "
        "larger size.",
    ),
    (
        lambda: diversity(GOOD[:, :, :10]),
        DataError,
        "the window is 11x11 pixels, so images must be at least that large, got 32x10. Measure "
        "images of a larger size.",
    ),
    (
        lambda: sliced_wasserstein(GOOD, GOOD, batch=0),
        OptionError,
        "batch must be at least 1 image, got 0. 64 suits most machines.",
    ),
    (
        lambda: diversity(GOOD, batch=-1),
        OptionError,
        "batch must be at least 1 image, got -1. 64 suits most machines.",
    ),
    (
        lambda: diversity(GOOD, pairs=1),
        OptionError,
        "pairs must be at least 2, for their spread is the error, got 1.",
    ),
]


@pytest.mark.parametrize(("measure", "kind", "text"), CASES)
def test_what_cannot_be_measured_is_refused_in_words(
    measure: Callable[[], object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        measure()
    assert str(caught.value) == text
