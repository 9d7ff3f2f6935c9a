"""From numbers in [-1, 1] to pixels, to the last level."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from poise.pictures import grid, png, to_uint8


def test_every_level_of_a_pixel_comes_back_from_its_number() -> None:
    levels = torch.arange(256).view(1, 1, 16, 16)
    assert torch.equal(torch.from_numpy(to_uint8(levels / 127.5 - 1)).flatten(), levels.flatten())


def test_numbers_outside_the_range_are_clipped() -> None:
    assert to_uint8(torch.tensor([-7.0, -1.0, 1.0, 7.0]).view(1, 1, 2, 2)).flatten().tolist() == [
        *(0, 0, 255, 255)
    ]


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 1, 1), (4, 2, 2), (5, 2, 3), (64, 8, 8)])
def test_a_grid_holds_the_images_row_by_row_and_is_near_to_square(
    n: int, rows: int, columns: int
) -> None:
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1) * np.ones((1, 6, 6, 3), np.uint8)
    sheet = grid(images)
    assert sheet.shape == (6 * rows, 6 * columns, 3)
    cells = sheet[::6, ::6, 0].flatten()
    assert cells[:n].tolist() == list(range(n))
    assert (cells[n:] == 255).all()


def test_a_grid_of_wide_images_has_fewer_columns_than_rows() -> None:
    sheet = grid(np.zeros((16, 8, 32, 1), np.uint8))
    assert sheet.shape == (8 * 8, 2 * 32, 1)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_a_png_holds_the_same_pixels_enlarged_by_a_whole_factor(channels: int, mode: str) -> None:
    noise = np.random.default_rng(0)
    image = noise.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    picture = Image.open(io.BytesIO(png(image, at_least=20)))
    assert (picture.mode, picture.size) == (mode, (21, 15))
    assert np.array_equal(np.asarray(picture)[1::3, 1::3].reshape(image.shape), image)
