"""What a measure takes: images as 8-bit numbers, because that is what a file holds.

n images, h height, w width, c channels. A generator's images become that by
`poise.pictures.to_uint8`. Measured as floats they would carry detail that no saved image has.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError, OptionError
from ..size import Size

Images = NDArray[np.uint8]  # [n, h, w, c], 0 to 255; may be a memory map
CHANNELS = (1, 3, 4)  # gray, RGB, RGBA


def check(images: object, what: str, *, least: int) -> Size:
    """The size of images that can be measured; `what` names them in the error.

    Raises:
        DataError: not uint8 [n, h, w, c], channels that no picture has, or fewer than `least`.
    """
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
        raise DataError(
            f"the {what} must be a numpy array of uint8, [n, height, width, channels], got "
            f"{_describe(images)}. poise.pictures.to_uint8 makes one of a generator's images."
        )
    n, height, width, channels = images.shape
    if channels not in CHANNELS:
        raise DataError(
            f"the {what} must have 1, 3 or 4 channels, in the last dimension, got "
            f"{list(images.shape)}. If channels come second, use .transpose(0, 2, 3, 1)."
        )
    if n < least:
        raise DataError(f"at least {least} {what} are needed, got {n}. Take more images.")
    return Size(height, width)


def check_alike(a: Images, b: Images, names: str) -> None:
    """Both sets must have the same height, width and channels.

    Raises:
        DataError: they do not.
    """
    if a.shape[1:] != b.shape[1:]:
        sizes = " and ".join(f"{Size(h, w)} with {c}" for _, h, w, c in (a.shape, b.shape))
        raise DataError(
            f"{names} must agree in size and in channels, got {sizes} channels. "
            "Bring both to one size, with the same filter."
        )


def check_batch(batch: int) -> None:
    """A batch bounds the memory and never changes a result.

    Raises:
        OptionError: it holds no image.
    """
    if batch < 1:
        raise OptionError(f"batch must be at least 1 image, got {batch}. 64 suits most machines.")


def to_levels(images: Images, dtype: torch.dtype) -> Tensor:
    """[n, h, w, c] to [n, c, h, w], still 0 to 255."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(dtype)


def _describe(images: object) -> str:
    shape, dtype = getattr(images, "shape", None), getattr(images, "dtype", None)
    kind = type(images).__name__
    return kind if shape is None else f"{kind} of {dtype}, {list(shape)}"
