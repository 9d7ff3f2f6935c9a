from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from poise.data.decode import (
    Fitted,
    Unusable,
    View,
    decode,
    decode_png,
    encode_png,
    fit_pixels,
    is_gray,
)
from poise.data.options import Fit
from poise.size import Size

from .photos import encoded, header_of_png, photo, pixels

# h height, w width, c channels


def same_size(image: Image.Image, channels: int = 3) -> View:
    return View(Size(image.height, image.width), channels, background=(255, 255, 255))


def difference(fitted: Fitted, expected: NDArray[np.uint8]) -> float:
    """Mean over all pixels, in 255ths."""
    return float(np.abs(fitted.pixels.astype(int) - expected.astype(int)).mean())


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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_cut_file_is_refused_or_whole_at_every_point(kind: str) -> None:
    image = photo(16, 16)
    data, view = encoded(image, kind), same_size(image)
    whole = decode(data, view).pixels
    reasons = []
    for cut in range(len(data)):
        try:
            assert (decode(data[:cut], view).pixels == whole).all(), cut
        except Unusable as error:
            reasons.append(str(error))
    assert all(reasons)
    assert len(reasons) >= len(data) - 24  # what may go is checksums and the mark of the end


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_flipped_bytes_never_raise_anything_but_a_reason(kind: str) -> None:
    rng = np.random.default_rng(0)
    image = photo(16, 16)
    data = np.frombuffer(encoded(image, kind), np.uint8)
    reasons = []
    for _ in range(300):
        damaged = data.copy()
        places = rng.integers(0, len(data), 4)
        damaged[places] = rng.integers(0, 256, 4)
        try:
            decode(damaged.tobytes(), same_size(image))
        except Unusable as error:
            reasons.append(str(error))
    assert reasons
    assert all(reasons)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty: the file has 0 bytes"),
        (b"hello, I am text\n" * 9, "not an image that Poise reads"),
        (b"%PDF-1.7\n" * 9, "not an image that Poise reads"),
        (encoded(photo(), "JPEG")[:500], "truncated: "),
        (encoded(photo(), "PPM"), "not an image that Poise reads"),
    ],
)
def test_a_reason_is_given_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        decode(data, View(Size(8, 8), 3))


@pytest.mark.parametrize("side", [8_300, 10_000, 12_000, 20_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(Unusable, match=r"too large: .*megapixels, the limit is 64"):
        decode(header_of_png(side, side), View(Size(8, 8), 3))


def test_a_bomb_takes_no_memory_and_no_time() -> None:
    program = f"""
import time
from pathlib import Path
from poise.data.decode import *
from poise.size import Size
def peak():  # MB; ru_maxrss would begin with what the parent held
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
view = View(Size(8, 8), 3)
decode({encoded(photo())!r}, view)
before, start = peak(), time.perf_counter()
try: decode({header_of_png(20_000, 20_000)!r}, view)
except Unusable: print(peak() - before, time.perf_counter() - start)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    megabytes, seconds = map(float, done.stdout.split())
    assert megabytes < 50
    assert seconds < 0.2


def test_the_users_own_warnings_stay_as_they_are() -> None:
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    decode(encoded(photo()), View(Size(8, 8), 3))
    assert limit == Image.MAX_IMAGE_PIXELS
    assert filters == list(warnings.filters)


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


def test_gray_is_told_by_pixels_not_by_mode() -> None:
    gray = Image.fromarray(pixels(30, 30, 1)[..., 0])
    assert is_gray(encoded(gray))
    assert is_gray(encoded(gray.convert("RGB"), "JPEG"))
    assert is_gray(encoded(gray.quantize(16)))
    assert not is_gray(encoded(photo()))
