"""Which built-in sets have known modes, and labelled images of them for a classifier to learn from.

    stacked-digits   10 digits in each of 3 channels      1,000 modes, every channel named by itself
    shapes           5 shapes x 6 colours x 9 places x 3 sizes x 3 backgrounds       2,430 modes
    digits, fashion  10 classes

What varies evenly within a mode (where exactly a shape lies, how large exactly) is not counted. The
modes of each set are equally frequent.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .builtin import FASHION, Digits, Fashion, builtin
from .decode import Pixels, View, fit_pixels
from .options import PrepareOptions
from .prepared import Prepared
from .shapes import BACKGROUNDS, COLOURS, PLACES, RADII, SHAPES, shape_factors
from .some import unpacked

DRAWN = 20_000  # shapes to learn from, 0.3 ms each
EVERY = 4  # piece of clothing is taken: 15,000 are enough

Labels = NDArray[np.int64]  # [n, f]


@dataclass(frozen=True)
class Known:
    """A set whose modes are known."""

    name: str  # of the built-in set
    kinds: tuple[int, ...]  # classes of each factor of what a classifier looks at
    apart: bool  # it looks at one channel at a time, and each is a factor of the mode
    moves: bool  # moved by a few pixels an image keeps its labels
    channels: int


KNOWN = {
    "digits": Known("digits", (10,), apart=False, moves=True, channels=1),
    "fashion": Known("fashion", (10,), apart=False, moves=True, channels=1),
    "stacked-digits": Known("stacked-digits", (10,), apart=True, moves=True, channels=3),
    "shapes": Known(
        "shapes",
        (len(SHAPES), len(COLOURS), PLACES, len(RADII), len(BACKGROUNDS)),
        apart=False,
        moves=False,
        channels=3,
    ),
}


def known_modes(prepared: Prepared) -> Known | None:
    """The built-in set with known modes that a prepared set is made of; None for any other.

    A folder of a person's own may have the name of a built-in set: the manifest tells, and of an
    older set its first image.

    Raises:
        DataError: what the set is made of is not installed.
    """
    known = KNOWN.get(prepared.source)
    if known is None or known.channels != prepared.channels:
        return None
    if prepared.built_in is not None:
        return known if prepared.built_in else None
    view = view_of(prepared)
    if known.name in ("digits", "fashion") and PrepareOptions(**prepared.options).limit:
        return known  # some, by lot: which ones is not kept
    with unpacked(builtin(known.name, max(view.size), len(prepared))) as source:
        first = fit_pixels(np.asarray(source.read("0")), view).pixels
    return known if (first == prepared.gather(np.zeros(1, np.int64))[0]).all() else None


def view_of(prepared: Prepared) -> View:
    """How the images of a set were fitted, so that others can be fitted alike."""
    options = PrepareOptions(**prepared.options)
    return View(prepared.size, prepared.channels, options.fit, options.colour)


def labelled(known: Known, view: View) -> tuple[Pixels, Labels]:
    """Images [n, h, w, c] as `view` has them, and the label of each factor [n, f].

    Of stacked digits c is 1: one channel, and the digit in it.

    Raises:
        DataError: the set or its labels are not installed.
    """
    if known.name == "shapes":
        side = max(view.size)
        images = [builtin("shapes", side, DRAWN).image(index) for index in range(DRAWN)]
        return _fitted(images, view), np.array([_shape_labels(i) for i in range(DRAWN)])
    gray = View(view.size, 1, view.fit, view.background)
    if known.name == "fashion":
        clothes, classes = Fashion().parse()[::EVERY], _fashion_labels()[::EVERY]
        return _fitted(list(clothes[..., None]), gray), classes[:, None]
    digits = Digits()
    each = digits.count // known.kinds[0]
    labels = np.arange(digits.count)[:, None] // each
    return _fitted(list(digits.parse()[..., None]), gray), labels


def _fitted(images: list[Pixels], view: View) -> Pixels:
    return np.stack([fit_pixels(image, view).pixels for image in images])


def _shape_labels(index: int) -> list[int]:
    factors = shape_factors(index)
    return [
        SHAPES.index(factors.shape),
        list(COLOURS).index(factors.colour),
        factors.place,
        factors.size,
        list(BACKGROUNDS).index(factors.background),
    ]


def _fashion_labels() -> Labels:
    path = FASHION.with_name(FASHION.name.replace("images-idx3", "labels-idx1"))
    if not path.exists():
        raise DataError(
            f"the labels of the built-in set fashion are read from {path}, which is not there. "
            "Run: apt install dataset-fashion-mnist"
        )
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
