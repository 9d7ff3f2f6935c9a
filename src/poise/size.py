"""The size of an image, and how networks and data reach it: a small base, doubled k times.

64x96 = 4x6 doubled 4 times        28x28 = 7x7 doubled twice
100x100 = 25x25 doubled twice: a base too large to be learnt first, so it is refused
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import OptionError

SMALLEST_BASE = 4  # pixels; below it a 3x3 convolution sees mostly padding
LARGEST_BASE = 15  # pixels, shorter side; above it one layer would draw the whole image at once
LARGEST_SIDE = 4096  # pixels


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    def doubled(self, times: int) -> Size:
        """This size with both sides times 2^times."""
        return Size(self.height << times, self.width << times)


class Stage(NamedTuple):
    """How far a network has grown."""

    level: int  # doublings above the base
    alpha: float  # weight of that level's layers: 0 absent, 1 fully in


def parse_size(text: str) -> Size:
    """`64` or `64x96` (height x width).

    Raises:
        OptionError: not of that form, or no base reaches it.
    """
    match = re.fullmatch(r"(\d+)(?:[xX](\d+))?", text.strip())
    if not match:
        raise OptionError(f'a size is written 64 or 64x96 (height x width), got "{text}".')
    size = Size(int(match[1]), int(match[2] or match[1]))
    base_of(size)
    return size


def base_of(size: Size) -> tuple[Size, int]:
    """The smallest base of at least 4 pixels a side, and how often it is doubled to give `size`.

    Raises:
        OptionError: a side is under 4 or over 4096 pixels, or the base is over 15.
    """
    if not all(SMALLEST_BASE <= side <= LARGEST_SIDE for side in size):
        raise OptionError(f"a side must be {SMALLEST_BASE} to {LARGEST_SIDE} pixels, got {size}.")
    base, doublings = size, 0
    while all(side % 2 == 0 and side // 2 >= SMALLEST_BASE for side in base):
        base, doublings = Size(base.height // 2, base.width // 2), doublings + 1
    if min(base) > LARGEST_BASE:
        raise OptionError(
            f"no base fits {size}: it must be a base whose shorter side is {SMALLEST_BASE} to "
            f"{LARGEST_BASE} pixels, doubled. The nearest that fits is {_nearest(size)}."
        )
    return base, doublings


def levels_of(size: Size) -> list[Size]:
    """Every size from the base up to `size`, smallest first."""
    base, doublings = base_of(size)
    return [base.doubled(k) for k in range(doublings + 1)]


def _nearest(size: Size) -> Size:
    """The nearest size that has a base: both sides rounded to multiples of the step they need."""
    step = 1
    while min(size) / step > LARGEST_BASE:
        step *= 2
    height, width = (max(SMALLEST_BASE, round(side / step)) * step for side in size)
    return Size(height, width)
