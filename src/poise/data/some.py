"""Some images of a source, at once and in memory: to measure, not to train on. Writes nothing.

Images of any size and kind are fitted as those were that they are compared with; a prepared set is
taken as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..size import Size
from .decode import Fitted, Pixels, Unusable, View, decode_in_silence, fit_pixels, silence
from .finding import find_source
from .prepared import Indices, Prepared, is_prepared
from .sources import Indexed, Source, printable


class Some(NamedTuple):
    """Images that were taken from a source, and what of it could not be used."""

    images: Pixels  # [n, h, w, c]
    refitted: int  # of them that had another size
    recoloured: int  # of them that had other channels
    skipped: list[str]  # "name: why"
    files: list[str]  # of each image its own, printable; none where they lie in one array or set


def some_images(given: str, view: View, most: int) -> Some:
    """Up to `most` images of a folder, zip, .npy, .npz, prepared set or built-in name, by lot.

    The lot is fixed: the same source gives the same images, and those of few are the first of many.

    Raises:
        DataError: there is no such source, or a prepared set has other sizes or channels.
    """
    if is_prepared(Path(given)):
        prepared = Prepared.open(given)
        if prepared.channels != view.channels:
            raise DataError(
                f"{given} has {prepared.channels} channels, the reals have {view.channels}. "
                f"Prepare it anew with --channels {view.channels}, or give the images themselves."
            )
        order = by_lot(np.arange(len(prepared)))[:most]
        return Some(prepared.gather(order, view.size), 0, 0, [], [])
    taken: list[Pixels] = []
    skipped: list[str] = []
    files: list[str] = []
    refitted = recoloured = 0
    with unpacked(find_source(given, max(view.size))) as source, silence():
        for name in _names(source, skipped):
            if len(taken) == most:
                break
            try:
                fitted = _fitted(source, name, view)
            except (Unusable, OSError) as error:
                skipped.append(f"{printable(name)}: {error}")
                continue
            refitted += fitted.original != view.size
            recoloured += fitted.channels != view.channels
            taken.append(fitted.pixels)
            if not isinstance(source, Indexed):
                files.append(printable(name))
    images = np.stack(taken) if taken else np.empty((0, *view.size, view.channels), np.uint8)
    return Some(images, refitted, recoloured, skipped, files)


def size_of_first(given: str) -> Size:
    """The size of the first image of a source that can be read.

    Raises:
        DataError: none can.
    """
    if is_prepared(Path(given)):
        return Prepared.open(given).size
    view = View(Size(8, 8), 3)
    skipped: list[str] = []
    with unpacked(find_source(given, 32)) as source, silence():
        for name in _names(source, skipped):
            try:
                return _fitted(source, name, view).original
            except (Unusable, OSError) as error:
                skipped.append(f"{printable(name)}: {error}")
    raise DataError(f"no image of {given} can be read. {' '.join(skipped[:3])}".rstrip())


@contextmanager
def unpacked(source: Source) -> Iterator[Source]:
    """A source that is ready to be read, and is closed at the end."""
    with closing(source), TemporaryDirectory(prefix="poise-") as work:
        source.unpack(Path(work))
        yield source


def by_lot(numbers: Indices) -> Indices:
    """In an order that is fixed and has nothing to do with the numbers'."""
    lots = [hashlib.sha256(f"poise some {number}".encode()).digest() for number in numbers]
    order = sorted(range(len(numbers)), key=lots.__getitem__)
    return numbers[np.array(order, np.int64)]


def _names(source: Source, skipped: list[str]) -> list[str]:
    """Of all entries that can be read, by lot; the others are added to `skipped`."""
    names = []
    for name, _, refused in source.entries():
        if refused:
            skipped.append(f"{printable(name)}: {refused}")
        else:
            names.append(name)
    names.sort()
    return [names[i] for i in by_lot(np.arange(len(names)))]


def _fitted(source: Source, name: str, view: View) -> Fitted:
    data = source.read(name)
    return decode_in_silence(data, view) if isinstance(data, bytes) else fit_pixels(data, view)
