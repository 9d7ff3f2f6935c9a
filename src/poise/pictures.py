"""Images as PNG: from tensors in [-1, 1], one by one or as a grid."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .size import Size


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """[n, c, h, w] in [-1, 1] to [n, h, w, c] in 0..255, rounded; values outside are clipped."""
    levels = images.detach().float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    array: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).cpu().numpy()
    return array


def upsampled(images: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Images [n, h, w, c] at `size`, which is h and w times a whole number: pixels repeated."""
    up, along = size.height // images.shape[1], size.width // images.shape[2]
    return images.repeat(up, axis=1).repeat(along, axis=2)


def grid(images: NDArray[np.uint8], columns: int = 0) -> NDArray[np.uint8]:
    """One picture [H, W, c] of images [n, h, w, c], row by row; empty places are white.

    With `columns` 0, as near to square as whole rows allow.
    """
    n, height, width, channels = images.shape
    columns = min(n, columns or math.ceil(math.sqrt(n * height / width)))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * columns, height, width, channels), 255, np.uint8)
    sheet[:n] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return sheet.reshape(rows * height, columns * width, channels)


def enlarged(image: NDArray[np.uint8], at_least: int) -> NDArray[np.uint8]:
    """An image [h, w, c] by a whole factor, so that its longer side has `at_least` pixels."""
    factor = max(1, math.ceil(at_least / max(image.shape[:2])))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def png(image: NDArray[np.uint8], at_least: int = 0) -> bytes:
    """The PNG of an image [h, w, c]; enlarged by a whole factor to `at_least` pixels a side."""
    image = enlarged(image, at_least)
    picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return buffer.getvalue()
