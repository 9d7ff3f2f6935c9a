from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from poise.data.decode import Unusable, View, decode, is_gray
from poise.size import Size

from .photos import difference, encoded, photo, pixels, same_size

# h height, w width, c channels


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 95}, 2),
        ("AVIF", {"quality": 95}, 3),
        ("GIF", {}, 12),
    ],
)
def test_every_format_gives_the_picture_that_was_saved(
    kind: str, options: dict[str, object], error: float
) -> None:
    image = photo()
    fitted = decode(encoded(image, kind, **options), same_size(image))
    assert difference(fitted, np.asarray(image)) <= error
    assert fitted.original == (40, 60)
    assert fitted.box == (0, 0, 60, 40)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_clipped(kind: str) -> None:
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    fitted = decode(encoded(Image.fromarray(deep), kind), View(Size(64, 64), 1))
    assert np.abs(fitted.pixels[..., 0] - deep / 257).max() <= 0.5 + 1e-6


def test_integers_of_32_bits_are_taken_as_16_bits_or_refused() -> None:
    deep = np.full((8, 8), 65535, np.int32)
    view = View(Size(8, 8), 1)
    assert (decode(encoded(Image.fromarray(deep), "TIFF"), view).pixels == 255).all()
    with pytest.raises(Unusable, match="values from 65536 to 65536, expected 0 to 65535"):
        decode(encoded(Image.fromarray(deep + 1), "TIFF"), view)


@pytest.mark.parametrize(("value", "expected"), [(0.5, 128), (1.0, 255), (200.0, 200)])
def test_floats_are_taken_as_0_to_1_or_as_0_to_255(value: float, expected: int) -> None:
    image = Image.fromarray(np.full((8, 8), value, np.float32))
    assert (decode(encoded(image, "TIFF"), View(Size(8, 8), 1)).pixels == expected).all()


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "not finite"), (300.0, "0 to 255")])
def test_floats_out_of_range_are_refused(value: float, reason: str) -> None:
    image = Image.fromarray(np.full((8, 8), value, np.float32))
    with pytest.raises(Unusable, match=reason):
        decode(encoded(image, "TIFF"), View(Size(8, 8), 1))


def half_clear_red(mode: str) -> Image.Image:
    """The left half clear, the right half red (or its gray)."""
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (0, 0, 4, 8))
    if mode == "LA":
        return image.convert("LA")
    if mode == "P":
        return image.quantize(4)
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_clear_shows_the_background(mode: str) -> None:
    view = View(Size(8, 8), 3, background=(10, 20, 30))
    shown = decode(encoded(half_clear_red(mode)), view).pixels
    assert (shown[:, :4] == (10, 20, 30)).all()
    assert (shown[:, 4:] == ((76, 76, 76) if mode == "LA" else (255, 0, 0))).all()


def test_half_transparent_is_half_of_each() -> None:
    image = Image.new("RGBA", (8, 8), (200, 100, 0, 128))
    shown = decode(encoded(image), View(Size(8, 8), 3, background=(0, 0, 200))).pixels
    assert np.abs(shown[0, 0].astype(int) - (100, 50, 100)).max() <= 1


def test_a_transparent_colour_key_is_alpha_too() -> None:
    image = Image.new("RGB", (8, 8), (1, 2, 3))
    data = encoded(image, transparency=(1, 2, 3))
    assert (decode(data, View(Size(8, 8), 3, background=(9, 9, 9))).pixels == 9).all()


def test_four_channels_keep_alpha() -> None:
    kept = decode(encoded(half_clear_red("RGBA")), View(Size(8, 8), 4)).pixels
    assert (kept[:, :4, 3] == 0).all()
    assert (kept[:, 4:] == (255, 0, 0, 255)).all()
    opaque = decode(encoded(photo(8, 8)), View(Size(8, 8), 4)).pixels
    assert (opaque[..., 3] == 255).all()


@pytest.mark.parametrize(
    ("ink", "colour"), [((255, 0, 0, 0), (0, 255, 255)), ((0,) * 4, (255,) * 3)]
)
def test_cmyk_becomes_the_colour_that_it_prints(
    ink: tuple[int, ...], colour: tuple[int, ...]
) -> None:
    data = encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=100)
    shown = decode(data, View(Size(16, 16), 3)).pixels
    assert np.abs(shown.astype(int) - colour).max() <= 3


def test_one_bit_is_black_and_white() -> None:
    image = Image.new("1", (8, 8), 1)
    image.paste(0, (0, 0, 4, 8))
    shown = decode(encoded(image), View(Size(8, 8), 1)).pixels
    assert (shown[:, :4] == 0).all()
    assert (shown[:, 4:] == 255).all()


STORED = {  # how a camera held in that way stores what a viewer shows as x, from the EXIF standard
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, 1),
    7: lambda x: np.rot90(x, 2).transpose(1, 0, 2),
    8: lambda x: np.rot90(x, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_rotation_is_undone(orientation: int, kind: str) -> None:
    upright = pixels(40, 60)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    fitted = decode(encoded(stored, kind, exif=exif, quality=95), View(Size(40, 60), 3))
    assert fitted.original == (40, 60)
    assert difference(fitted, upright) < 3


def test_broken_exif_does_not_lose_the_image() -> None:
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(data, View(Size(40, 60), 3)).original == (40, 60)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    first, second = Image.new("RGB", (8, 8), "white"), Image.new("RGB", (8, 8), "black")
    data = encoded(first, kind, save_all=True, append_images=[second])
    assert (decode(data, View(Size(8, 8), 3)).pixels == 255).all()


def test_gray_is_told_by_pixels_not_by_mode() -> None:
    gray = Image.fromarray(pixels(30, 30, 1)[..., 0])
    view = View(Size(64, 64), 3)
    assert is_gray(encoded(gray), view)
    assert is_gray(encoded(gray.convert("RGB"), "JPEG"), view)
    assert is_gray(encoded(gray.quantize(16)), view)
    assert not is_gray(encoded(photo()), view)


def test_a_coloured_background_that_shows_makes_gray_images_coloured() -> None:
    gray = Image.fromarray(pixels(30, 20, 1)[..., 0])
    clear = Image.merge("LA", [gray, gray.point(lambda _: 0)])
    red = (255, 0, 0)
    assert not is_gray(encoded(clear), View(Size(64, 64), 3, "crop", red))
    assert not is_gray(encoded(gray), View(Size(64, 64), 3, "pad", red))
    assert is_gray(encoded(gray), View(Size(64, 64), 3, "crop", red))  # all of it is covered
