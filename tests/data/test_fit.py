from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from poise.data.decode import View, decode, decode_png, encode_png, fit_pixels
from poise.data.options import Fit
from poise.size import Size

from .photos import difference, encoded, photo, pixels

# h height, w width, c channels


@pytest.mark.parametrize(("height", "width"), [(40, 100), (100, 40), (40, 40), (10, 20), (7, 300)])
def test_a_crop_is_the_largest_centred_part_of_the_shape(height: int, width: int) -> None:
    image = photo(height, width)
    fitted = decode(encoded(image), View(Size(16, 32), 3))
    left, top, right, bottom = fitted.box
    assert (right - left) / (bottom - top) == pytest.approx(2)
    assert right - left == pytest.approx(min(width, 2 * height))
    assert left + right == pytest.approx(width)
    assert top + bottom == pytest.approx(height)
    plain = image.resize((32, 16), Image.Resampling.LANCZOS, fitted.box)
    assert difference(fitted, np.asarray(plain)) < 1


def test_padding_shows_the_whole_image_between_bars_of_the_background() -> None:
    view = View(Size(16, 16), 3, "pad", (1, 2, 3))
    fitted = decode(encoded(Image.new("RGB", (40, 20), "white")), view)
    assert (fitted.pixels[4:12] == 255).all()
    assert (fitted.pixels[:4] == (1, 2, 3)).all()
    assert (fitted.pixels[12:] == (1, 2, 3)).all()
    assert fitted.box == (0, 0, 40, 20)


def test_stretching_shows_the_whole_image_and_fills_the_size() -> None:
    image = photo(20, 40)
    fitted = decode(encoded(image), View(Size(16, 16), 3, "stretch"))
    plain = np.asarray(image.resize((16, 16), Image.Resampling.LANCZOS))
    assert difference(fitted, plain) < 1


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_decoding_a_jpeg_at_a_fraction_changes_next_to_nothing(fit: Fit) -> None:
    image = photo(900, 1300)
    view = View(Size(32, 32), 3, fit)
    fast = decode(encoded(image, "JPEG", quality=95), view)
    slow = decode(encoded(image, "PNG"), view)
    assert fast._replace(pixels=slow.pixels) == slow
    assert difference(fast, slow.pixels) < 1


def test_a_tiny_image_is_enlarged_and_says_so() -> None:
    fitted = decode(encoded(Image.new("RGB", (1, 1), "red")), View(Size(8, 8), 3))
    assert (fitted.pixels == (255, 0, 0)).all()
    assert fitted.scale == 8


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_of_the_wanted_size_are_kept_to_the_bit(channels: int) -> None:
    x = pixels(16, 24, channels)
    assert (fit_pixels(x, View(Size(16, 24), channels)).pixels == x).all()
    assert (decode_png(encode_png(x)) == x).all()
