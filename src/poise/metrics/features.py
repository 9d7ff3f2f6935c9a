"""Images as the features of a network, which other measures compare as points.

A measure of features says as much as its network sees, and numbers compare only with those of the
same network, resize and number of images. So features carry these with them, and are refused
where they do not fit together.

A gray image is repeated to RGB. Transparency is laid on white, as most viewers show it: dropped,
colours that nobody sees would count.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError
from ..files import write_atomically
from .sets import Images, check, to_levels

# n images, h height, w width, c channels, d features
# Images a network is given at once. On a CPU 8 are twice as fast as 64, and always as many, so that
# no other image changes the bits of one.
AT_ONCE = 8
KEYS = {"values", "network", "resize", "source"}  # of a file


class FeatureNetwork(Protocol):
    """What turns images into points; another one is any object with these four."""

    @property
    def name(self) -> str:
        """The network, its weights and the layer, as a report has to name them."""

    @property
    def resize(self) -> str:
        """What the network makes of the images' size, and how."""

    @property
    def slug(self) -> str:
        """A word for the name of a file."""

    def __call__(self, images: Tensor) -> Tensor:
        """RGB [n, 3, h, w], levels 0 to 255 as float32, to features [n, d]."""


@dataclass(frozen=True, eq=False)
class Features:
    """Points in the space of a named network, one an image, in the images' order."""

    values: NDArray[np.float32]  # [n, d], all finite
    network: str
    resize: str
    source: str = ""  # the images' fingerprint; "" where nobody knows

    def __post_init__(self) -> None:
        values: object = self.values
        if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.ndim != 2:
            shape, dtype = getattr(values, "shape", ""), getattr(values, "dtype", "no array")
            raise DataError(
                "features must be a numpy array of float32, [images, features], got "
                f"{dtype} {list(shape)}. features_of makes them of images."
            )
        if not np.isfinite(values).all():
            raise DataError(
                "features must be finite numbers, got NaN or infinity. Look at the images and the "
                f"network ({self.network})."
            )

    @property
    def n(self) -> int:
        """How many images."""
        return len(self.values)

    @property
    def d(self) -> int:
        """How many features an image."""
        return int(self.values.shape[1])

    def __str__(self) -> str:
        return f"{self.n:,} images by {named(self)}"

    def take(self, which: NDArray[np.intp] | slice) -> Features:
        """Those of some of the images, whose fingerprint nobody knows."""
        return Features(self.values[which], self.network, self.resize)


def named(features: Features) -> str:
    """The network and what it makes of the images' size, for a report."""
    return f"{features.network}; {features.resize}"


@torch.inference_mode()
def features_of(images: Images, network: FeatureNetwork, *, what: str = "images") -> Features:
    """What the network sees in the images, which may be a memory map; `what` names them in errors.

    On one machine an image gives the same bits wherever it stands and whatever stands beside it;
    another machine or number of threads may differ in the last bits (1e-5 of values around 1).

    Raises:
        DataError: these are no images, or none.
    """
    check(images, what, least=1)
    found = []
    for first in range(0, len(images), AT_ONCE):
        some = images[first : first + AT_ONCE]
        full = np.resize(some, (AT_ONCE, *some.shape[1:]))  # the last ones, repeated
        found.append(network(to_rgb(full))[: len(some)].numpy())
    values = np.concatenate(found).astype(np.float32, copy=False)
    return Features(values, network.name, network.resize, fingerprint(images))


def fingerprint(images: Images) -> str:
    """The `source` of these images' features: equal iff shape, order and every pixel are."""
    sha = hashlib.sha256(str(images.shape).encode())
    for first in range(0, len(images), AT_ONCE):
        sha.update(images[first : first + AT_ONCE].tobytes())
    return sha.hexdigest()


def to_rgb(images: Images) -> Tensor:
    """Gray, RGB or RGBA [n, h, w, c] to [n, 3, h, w], float32, still 0 to 255."""
    levels = to_levels(images, torch.float32)
    if levels.shape[1] == 4:
        alpha = levels[:, 3:] / 255
        levels = levels[:, :3] * alpha + 255 * (1 - alpha)
    return levels.expand(-1, 3, -1, -1)


def check_features(
    reals: Features,
    fakes: Features,
    *,
    least: int,
    why: str = "",
    names: tuple[str, str] = ("reals", "fakes"),
) -> None:
    """Both must be of one network, resize and width, and of at least `least` images each.

    Raises:
        DataError: they are not; `why` says what so many are needed for.
    """
    kinds = [f"{named(each)}, {each.d} numbers" for each in (reals, fakes)]
    if kinds[0] != kinds[1]:
        raise DataError(
            f"{names[0]} and {names[1]} must be features of one network and resize, got "
            f"{kinds[0]} and {kinds[1]}. Compute both with the same network."
        )
    for what, each in zip(names, (reals, fakes), strict=True):
        if each.n < least:
            reason = f" {why}" if why else ""
            raise DataError(
                f"at least {least} {what} are needed{reason}, got {each.n}. Take more images."
            )


def save_features(features: Features, path: Path) -> None:
    """Write a `.npz` that `load_features` reads: the same features give the same bytes.

    Whoever reads it meanwhile, or writes it too, finds a whole file.
    """
    data = io.BytesIO()
    network, resize, source = map(np.array, (features.network, features.resize, features.source))
    np.savez(data, values=features.values, network=network, resize=resize, source=source)
    write_atomically(path, data.getvalue())


def load_features(path: Path) -> Features:
    """What `save_features` wrote.

    Raises:
        DataError: it cannot be read, is damaged, or is no file of features.
    """
    again = "Delete it and compute the features again."
    try:
        with path.open("rb") as opened:
            file = np.load(opened, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile) or set(file.files) != KEYS:
                raise DataError(f"{path} is not a file of features. {again}")
            texts = {key: str(file[key]) for key in KEYS - {"values"}}
            return Features(file["values"], **texts)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. {again}") from error
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged, or is no file of features. {again}") from error
