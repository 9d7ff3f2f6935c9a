"""One image: from the bytes of a file, or an array, to uint8 pixels of the wanted size.

h height, w width, c channels. Whatever is wrong with a file ends as `Unusable` with a reason in
words: a broken file can make a decoder raise anything, and one of a million must not stop the rest.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..size import Size
from .options import Fit

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
PIXEL_LIMIT = 64_000_000  # pixels; checked from the header, before memory is taken for them
REDUCING_GAP = 3.0  # from here on PIL calls its two-step resize indistinguishable from one step

_ORIENTATION = 0x0112  # EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTER_TURNS = (5, 6, 7, 8)

Box = tuple[float, float, float, float]  # left, top, right, bottom
Pixels = NDArray[np.uint8]


class Unusable(Exception):
    """This image cannot be used; the message is the reason, for the report."""


@dataclass(frozen=True)
class View:
    """What every image is made into."""

    size: Size
    channels: int  # 1, 3 or 4
    fit: Fit = "crop"
    background: tuple[int, int, int] = (255, 255, 255)


class Fitted(NamedTuple):
    """An image of the wanted size, and what of the original it shows."""

    pixels: Pixels  # [h, w, c]
    original: Size  # as a viewer shows it: after EXIF rotation
    box: Box  # of the original, in its pixels
    scale: float  # over 1: enlarged
    channels: int  # of the original: 1, 2 with alpha, 3, 4 with alpha


def decode(data: bytes, view: View) -> Fitted:
    """The image in `data`, whatever its name says; of an animation the first frame.

    Raises:
        Unusable: not an image, truncated, too large.
    """
    with silence():
        return decode_in_silence(data, view)


def decode_in_silence(data: bytes, view: View) -> Fitted:
    """The same for one who keeps `silence` over many images."""
    if not data:
        raise Unusable("empty: the file has 0 bytes")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _fit_file(image, view)
    except Unusable:
        raise
    except Exception as error:
        raise Unusable(_in_words(error)) from error


@contextmanager
def silence() -> Iterator[None]:
    """What PIL needs to decode as we want it; not free, so a shard is decoded in one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL warns of odd metadata, which we do not use
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def fit_pixels(pixels: Pixels, view: View) -> Fitted:
    """The same for an image that is already decoded, uint8 [h, w, c]."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return _fit(image, Size(*pixels.shape[:2]), view)


def is_gray(data: bytes | Pixels, view: View) -> bool:
    """Whether nothing would be lost by keeping one channel of what `view`, in colour, shows.

    Raises:
        Unusable: as `decode`.
    """
    pixels = (decode(data, view) if isinstance(data, bytes) else fit_pixels(data, view)).pixels
    return bool((pixels == pixels[..., :1]).all())


def _fit_file(image: Image.Image, view: View) -> Fitted:
    width, height = image.size
    if width * height > PIXEL_LIMIT:
        raise Unusable(_too_large(f"{width * height / 1e6:.0f} megapixels"))
    # PIL turns a TIFF by itself as it loads it, and has told its size as turned already.
    turn = 1 if image.format == "TIFF" else _orientation(image)
    size = Size(width, height) if turn in _QUARTER_TURNS else Size(height, width)
    scale = _placement(size, view)[2]
    if scale * REDUCING_GAP < 1:  # a JPEG decoder can halve while it decodes, which is much faster
        wanted = math.ceil(width * scale * REDUCING_GAP), math.ceil(height * scale * REDUCING_GAP)
        image.draft(None, wanted)
    image.load()  # verify() would pass half a JPEG
    if turn in _TURNS:
        image = image.transpose(_TURNS[turn])
    return _fit(image, size, view)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata is no reason to lose a good image
        return 1


def _fit(image: Image.Image, original: Size, view: View) -> Fitted:
    """`image` shows all of `original`, at that size or smaller."""
    box, inner, scale = _placement(original, view)
    small, wanted = _plain(image), (inner.width, inner.height)
    across, down = image.width / original.width, image.height / original.height
    part = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
    if image.size != wanted or part != (0, 0, *wanted):  # PIL would copy
        small = small.resize(wanted, Image.Resampling.LANCZOS, part, REDUCING_GAP)
    return Fitted(_pixels(small, view), original, box, scale, len(small.getbands()))


def _placement(original: Size, view: View) -> tuple[Box, Size, float]:
    """The part of the original to take, the size it gets, and how much that enlarges it."""
    height, width = original
    down, across = view.size.height / height, view.size.width / width
    whole = (0.0, 0.0, float(width), float(height))
    if view.fit == "stretch":
        return whole, view.size, max(down, across)
    if view.fit == "pad":
        scale = min(down, across)
        inner = Size(max(1, round(height * scale)), max(1, round(width * scale)))
        return whole, inner, scale
    scale = max(down, across)
    left = max(0.0, (width - view.size.width / scale) / 2)
    top = max(0.0, (height - view.size.height / scale) / 2)
    return (left, top, width - left, height - top), view.size, scale


def _plain(image: Image.Image) -> Image.Image:
    """The image as L, LA, RGB, RGBA, or as F with values in 0 to 255: what can be resized well."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _from_numbers(image)
    if image.mode == "1":
        return image.convert("L")
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in ("L", "LA") else "RGBA")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _from_numbers(image: Image.Image) -> Image.Image:
    """Deep gray as floats in 0 to 255. PIL's own conversion would clip 16 bits at 255."""
    values = np.asarray(image).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise Unusable("holds values that are not finite")
    top = 65535.0 if image.mode.startswith("I") else 1.0 if high <= 1 else 255.0
    if low < 0 or high > top:
        raise Unusable(f"values from {low:g} to {high:g}, expected 0 to {top:g}")
    return Image.fromarray(values * np.float32(255 / top))


def _pixels(image: Image.Image, view: View) -> Pixels:
    """The resized image as uint8 [h, w, c], the background where it is smaller or see-through.

    Alpha is applied after resizing: PIL resizes premultiplied colours, so the order is free.
    """
    if image.mode == "F":
        gray = np.asarray(image)
        image = Image.fromarray(np.clip(np.rint(gray), 0, 255).astype(np.uint8))
    if view.channels != 4 and image.mode in ("LA", "RGBA"):
        below = Image.new("RGBA", image.size, view.background)
        image = Image.alpha_composite(below, image.convert("RGBA"))
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[view.channels]
    image = image if image.mode == mode else image.convert(mode)
    if image.size != (view.size.width, view.size.height):
        image = _padded(image, view)
    pixels: Pixels = np.asarray(image)
    return pixels.reshape(*view.size, view.channels)


def _padded(image: Image.Image, view: View) -> Image.Image:
    canvas = Image.new("RGB", (view.size.width, view.size.height), view.background)
    canvas = canvas.convert(image.mode)
    left, top = (canvas.width - image.width) // 2, (canvas.height - image.height) // 2
    canvas.paste(image, (left, top))
    return canvas


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return _too_large("hundreds of megapixels")
    if isinstance(error, UnidentifiedImageError):
        return f"not an image that Poise reads ({', '.join(FORMATS)}), or its start is damaged"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    cut = isinstance(error, EOFError) or re.search("truncated|broken data stream", text, re.I)
    return f"{'truncated' if cut else 'damaged'}: {text or type(error).__name__}"


def _too_large(pixels: str) -> str:
    return f"too large: {pixels}, the limit is {PIXEL_LIMIT // 1_000_000}"


def encode_png(pixels: Pixels) -> bytes:
    """Lossless and quick: level 1 is 3 times as fast as PIL's default, for a tenth more bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(
        file, "PNG", compress_level=1
    )
    return file.getvalue()


def decode_png(data: Any) -> Pixels:
    """What `encode_png` wrote, [h, w, c]; for the files of a prepared set, which are our own."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        pixels: Pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]
