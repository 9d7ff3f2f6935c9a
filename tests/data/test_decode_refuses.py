from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from poise.data.decode import Unusable, View, decode
from poise.size import Size

from .photos import encoded, header_of_png, photo, same_size


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
