"""Images in one array: `.npy`, or the image-like array of an `.npz`. Never unpickles anything.

n images, h height, w width, c channels.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..errors import DataError
from ..size import SMALLEST_BASE
from .decode import Pixels, Unusable
from .sources import Indexed

USUAL_NAMES = ("images", "x", "arr_0")
DAMAGE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error)  # what a file cut short raises
SLACK = 1e-3  # what rounding may add to a range of floats


class Layout(NamedTuple):
    """How the array lies: what its header says."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Scale(NamedTuple):
    """value * gain + offset is in 0 to 255."""

    gain: float
    offset: float
    note: str


class Arrays(Indexed):
    """The images of an array file, read by memory map."""

    def __init__(self, path: Path, label: str) -> None:
        self.path, self.label = path, label
        self._member, layout = _find(path, label)
        self.shape = _checked(layout, label)  # [n, h, w, c] or [n, c, h, w]
        self.channels_first = len(self.shape) == 4 and self.shape[3] not in (1, 3, 4)
        depth = 1 if len(self.shape) == 3 else self.shape[1 if self.channels_first else 3]
        self.channels = 1 if depth == 1 else 3
        self.count = self.shape[0]
        status = path.stat()
        self.identity = f"array {status.st_size} {status.st_mtime_ns} {self._member}"
        self.scale = Scale(1.0, 0.0, "")
        self._file = path
        self._map: NDArray[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None}  # or the whole array would travel to the worker

    def unpack(self, work: Path) -> None:
        """Make it a file that can be mapped, and find the range of its values."""
        if self._member:
            self._file = work / "array.npy"
            with (
                _whole(self.label),
                zipfile.ZipFile(self.path) as archive,
                archive.open(self._member) as member,
                self._file.open("wb") as file,
            ):
                shutil.copyfileobj(member, file)
        self.scale = _scale(self._mapped(), self.label)

    def image(self, index: int) -> Pixels:
        """Image number `index`, scaled to 0 to 255."""
        values = self._mapped()[index]
        if values.ndim == 2:
            values = values[..., None]
        elif self.channels_first:
            values = values.transpose(1, 2, 0)
        if values.dtype == np.uint8:
            return np.ascontiguousarray(values)
        scaled = values.astype(np.float64) * self.scale.gain + self.scale.offset
        if not np.isfinite(scaled).all():
            raise Unusable("holds values that are not finite")
        pixels: Pixels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return pixels

    def notes(self) -> list[str]:
        """How values were scaled."""
        return [self.scale.note] if self.scale.note else []

    def close(self) -> None:
        """Drop the map."""
        self._map = None

    def _mapped(self) -> NDArray[Any]:
        if self._map is None:
            with _whole(self.label):
                self._map = np.load(self._file, mmap_mode="r", allow_pickle=False)
        return self._map


@contextmanager
def _whole(label: str) -> Iterator[None]:
    """What a file cut short or damaged raises, in words."""
    try:
        yield
    except DAMAGE as error:
        raise DataError(f"{label} is damaged or cut short: {error}. Copy it again.") from error


def _find(path: Path, label: str) -> tuple[str, Layout]:
    """The member that holds the images ("" in an .npy) and its layout."""
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return "", _header(file)
        with zipfile.ZipFile(path) as archive:
            layouts = {}
            for member in archive.namelist():
                with archive.open(member) as opened:
                    layouts[member] = _header(opened)
    except (*DAMAGE, OSError, NotImplementedError) as error:
        raise DataError(f"{label} is not a NumPy file that can be read: {error}") from error
    member = _choose(layouts, label)
    return member, layouts[member]


def _header(file: IO[bytes]) -> Layout:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return Layout(shape, dtype)


def _choose(layouts: dict[str, Layout], label: str) -> str:
    for name in USUAL_NAMES:
        if f"{name}.npy" in layouts:
            return f"{name}.npy"
    like = [member for member, layout in layouts.items() if len(layout.shape) in (3, 4)]
    if len(like) != 1:
        names = ", ".join(printed.removesuffix(".npy") for printed in layouts) or "nothing"
        raise DataError(
            f"{label} holds {names}: expected one array of images called images, x or arr_0."
        )
    return like[0]


def _checked(layout: Layout, label: str) -> tuple[int, ...]:
    shape, dtype = layout
    if dtype.hasobject:
        raise DataError(
            f"{label} holds Python objects, which can run code when they are loaded. "
            "Save it as an array of numbers."
        )
    if dtype.kind not in "buif":
        raise DataError(f"{label} holds {dtype}, expected numbers.")
    flat = len(shape) == 3 and min(shape[1:]) >= SMALLEST_BASE
    deep = len(shape) == 4 and (shape[3] in (1, 3, 4) or shape[1] in (1, 3, 4))
    if not (flat or deep) or 0 in shape[1:]:
        raise DataError(
            f"{label} has the shape {list(shape)}, expected [n, h, w], [n, h, w, c] or "
            "[n, c, h, w] with 1, 3 or 4 channels."
        )
    return shape


def _scale(values: NDArray[Any], label: str) -> Scale:
    """From the range of all values, found a few images at a time."""
    if values.dtype == np.uint8:
        return Scale(1.0, 0.0, "")
    low, high = _range(values)
    if low >= 0 and high <= 1 + SLACK:
        return Scale(255.0, 0.0, "Values in [0, 1] were scaled to 0 to 255.")
    if low >= -1 - SLACK and high <= 1 + SLACK:
        return Scale(127.5, 127.5, "Values in [-1, 1] were scaled to 0 to 255.")
    if low >= 0 and high <= 255:
        return Scale(1.0, 0.0, "Values were taken as 0 to 255.")
    if low >= 0 and high <= 65535 and values.dtype.kind in "ui":
        return Scale(1 / 257, 0.0, "Values in 0 to 65535 were scaled to 0 to 255.")
    raise DataError(
        f"{label} holds values from {low:g} to {high:g}, expected [0, 1], [-1, 1], 0 to 255 "
        "or 16 bits without sign."
    )


def _range(values: NDArray[Any]) -> tuple[float, float]:
    """Smallest and largest finite value."""
    step = max(1, 2**24 // max(1, values[:1].nbytes))
    low, high = np.inf, -np.inf
    for start in range(0, len(values), step):
        part = np.asarray(values[start : start + step])
        finite = part[np.isfinite(part)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return low, high
