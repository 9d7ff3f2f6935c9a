"""The files of a prepared set: one shard of one level each, raw up to 256 pixels, packed above.

n images in a shard, h height, w width, c channels. Channels come last, so that a batch is
channels-last in torch without a copy. Raw is `.npy`; packed is PNGs one after another in `.bin`,
with where each begins in `.offsets.npy`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..size import Size
from .decode import Pixels, decode_png, encode_png

RAW_SIDE = 256  # pixels, longer side; above, an image takes megabytes and reads less often
SHARD_IMAGES = 128, 256  # fewest and most: what a worker holds must not grow with the set
SHARD_BYTES = 64 * 2**20  # of pixels in the largest level; bounds what a worker holds
LINES_AT_ONCE = 100


class Written(NamedTuple):
    """A file of the set."""

    path: str  # in the set
    sha256: str
    size: int  # bytes


def images_a_shard(total: int, size: Size, channels: int) -> int:
    """A 64th of all, so that progress can be seen and many can share the work, within bounds."""
    fits = SHARD_BYTES // (size.height * size.width * channels)
    fewest, most = SHARD_IMAGES
    return max(1, min(most, fits, max(fewest, -(-total // 64))))


def is_raw(level: Size) -> bool:
    """Whether pixels of this level are kept as they are."""
    return max(level) <= RAW_SIDE


def halved(images: Pixels) -> Pixels:
    """The level below, [n, h / 2, w / 2, c]: each pixel the mean of 2x2, a half rounded up."""
    n, h, w, c = images.shape
    rows = np.add(images[:, 0::2], images[:, 1::2], dtype=np.uint16).reshape(-1, 2, c)
    means = np.empty((len(rows), c), np.uint16)
    for channel in range(c):  # one long loop each: 3 times as fast as inner loops of length c
        np.add(rows[:, 0, channel], rows[:, 1, channel], out=means[:, channel])
    means += 2
    means >>= 2
    return means.astype(np.uint8).reshape(n, h // 2, w // 2, c)


def write_shard(folder: Path, shard: int, images: Pixels, levels: Sequence[Size]) -> list[Written]:
    """Every level of one shard, from the largest down."""
    written: list[Written] = []
    for level in sorted(levels, reverse=True):
        if images.shape[1:3] != level:
            images = halved(images)
        stem = f"levels/{level}/{shard:05d}"
        if is_raw(level):
            written.append(write_array(folder, f"{stem}.npy", images))
        else:
            written += _write_packed(folder, stem, images)
    return written


def _write_packed(folder: Path, stem: str, images: Pixels) -> list[Written]:
    offsets = np.zeros(len(images) + 1, np.int64)
    with _whole(folder, f"{stem}.bin") as (file, written):
        for number, image in enumerate(images):
            data = encode_png(image)
            file.write(data)
            offsets[number + 1] = offsets[number] + len(data)
    return [*written, write_array(folder, f"{stem}.offsets.npy", offsets)]


def write_array(folder: Path, path: str, array: NDArray[Any]) -> Written:
    """An `.npy` file, whole or not at all."""
    with _whole(folder, path) as (file, written):
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
        file.write(array.reshape(-1).view(np.uint8).data)  # np.save would copy it first
    return written[0]


def write_lines(folder: Path, path: str, lines: Iterator[str]) -> Written:
    """A text file, whole or not at all; bytes of names that are not text are escaped."""
    with _whole(folder, path) as (file, written):
        while some := list(islice(lines, LINES_AT_ONCE)):
            file.write("\n".join([*some, ""]).encode("utf-8", "backslashreplace"))
    return written[0]


class _Hashed:
    """A file that hashes what goes through it, so that nothing is read back."""

    def __init__(self, file: Any) -> None:
        self._file, self.sha256, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes | memoryview) -> None:
        """`data` is bytes, or a view of them: its length is in bytes."""
        self._file.write(data)
        self.sha256.update(data)
        self.size += len(data)


@contextmanager
def _whole(folder: Path, path: str) -> Iterator[tuple[_Hashed, list[Written]]]:
    """A file that appears under its name only when it is complete.

    It is not flushed to the disk here: on a slow one that takes as long as decoding. `finish` does
    so once for all, and a resumed call trusts checksums.
    """
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".tmp")
    written: list[Written] = []
    with part.open("wb") as file:
        hashed = _Hashed(file)
        yield hashed, written
    part.replace(target)
    written.append(Written(path, hashed.sha256.hexdigest(), hashed.size))


def open_shard(folder: Path, level: Size, shard: int) -> RawShard | PackedShard:
    """The images of one shard of the set in `folder`, at one level."""
    stem = folder / "levels" / str(level) / f"{shard:05d}"
    return RawShard(stem) if is_raw(level) else PackedShard(stem)


class RawShard:
    """One shard of one raw level, mapped into memory."""

    def __init__(self, stem: Path) -> None:
        mapped = np.load(stem.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
        self._images: Pixels = np.asarray(mapped)  # indexing a memmap costs 5 times as much

    def __getitem__(self, place: int) -> Pixels:
        image: Pixels = self._images[place]
        return image


class PackedShard:
    """One shard of one packed level; an image is decoded each time it is asked for."""

    def __init__(self, stem: Path) -> None:
        self._data = np.memmap(stem.with_suffix(".bin"), np.uint8, "r")
        self._offsets = np.load(stem.with_suffix(".offsets.npy"), allow_pickle=False)

    def __getitem__(self, place: int) -> Pixels:
        start, end = self._offsets[place], self._offsets[place + 1]
        return decode_png(self._data[start:end].tobytes())
