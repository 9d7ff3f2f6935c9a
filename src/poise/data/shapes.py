"""Shapes: one drawn shape an image, every factor known, so that modes can be counted.

5 shapes x 6 colours x 9 places x 3 sizes x 3 backgrounds = 2,430 modes. Within its place and its
size each shape is moved and scaled a little, so hardly two images are the same. An image is a
function of its index alone and can be drawn at any side.
"""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .decode import Pixels

SHAPES = ("circle", "square", "triangle", "star", "cross")
COLOURS = {
    "red": (222, 56, 49),
    "orange": (244, 150, 34),
    "green": (46, 160, 67),
    "blue": (38, 103, 214),
    "violet": (142, 68, 173),
    "black": (33, 33, 33),
}
BACKGROUNDS = {"paper": (248, 244, 232), "sky": (190, 222, 244), "rose": (250, 205, 212)}
PLACES = 9  # a 3x3 grid, row by row
RADII = (0.13, 0.18, 0.23)  # of the side, at the middle of each size
MODES = len(SHAPES) * len(COLOURS) * PLACES * len(RADII) * len(BACKGROUNDS)

_SPREAD = 0.235  # of the side, from one place to the next
_JITTER = 0.03  # of the side, either way
_CANVAS = (
    512  # pixels at least, and 4 times the side: drawn large and averaged, as PIL has hard edges
)


class Factors(NamedTuple):
    """What an image shows. The first five say its mode; the last three where exactly it lies."""

    shape: str
    colour: str
    place: int  # 0 to 8, row by row
    size: int  # 0 to 2, small to large
    background: str
    x: float  # centre, as a share of the side
    y: float
    radius: float  # as a share of the side


def shape_factors(index: int) -> Factors:
    """The factors of image number `index`, each drawn evenly and independently."""
    digest = hashlib.sha256(f"shapes {index}".encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "big") for i in range(0, 32, 4)]
    place, size = words[2] % PLACES, words[3] % len(RADII)
    dx, dy, grow = (2 * word / 2**32 - 1 for word in words[5:8])  # in [-1, 1)
    return Factors(
        shape=SHAPES[words[0] % len(SHAPES)],
        colour=list(COLOURS)[words[1] % len(COLOURS)],
        place=place,
        size=size,
        background=list(BACKGROUNDS)[words[4] % len(BACKGROUNDS)],
        x=0.5 + (place % 3 - 1) * _SPREAD + dx * _JITTER,
        y=0.5 + (place // 3 - 1) * _SPREAD + dy * _JITTER,
        radius=RADII[size] * (1 + 0.08 * grow),
    )


def draw_shape(index: int, side: int) -> Pixels:
    """Image number `index`, [side, side, 3]."""
    factors = shape_factors(index)
    times = max(4, _CANVAS // side)
    large = side * times
    canvas = Image.new("RGB", (large, large), BACKGROUNDS[factors.background])
    pen, fill = ImageDraw.Draw(canvas), COLOURS[factors.colour]
    x, y, r = (value * large for value in (factors.x, factors.y, factors.radius))
    if factors.shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    else:
        outline = [(x + r * across, y + r * down) for across, down in _OUTLINES[factors.shape]]
        pen.polygon(outline, fill=fill)
    return np.asarray(canvas.reduce(times))


def _points(count: int, *radii: float) -> list[tuple[float, float]]:
    """Points around the centre from the top on, their radii taken in turn."""
    angles = [2 * math.pi * k / count for k in range(count)]
    return [
        (radii[k % len(radii)] * math.sin(angle), -radii[k % len(radii)] * math.cos(angle))
        for k, angle in enumerate(angles)
    ]


_ARM = 0.36  # half the width of a cross's arm
_OUTLINES: dict[str, list[tuple[float, float]]] = {  # in radii
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "triangle": _points(3, 1.1),
    "star": _points(10, 1.1, 0.45),
    "cross": [
        *((-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM)),
        *((_ARM, 1), (-_ARM, 1), (-_ARM, _ARM), (-1, _ARM), (-1, -_ARM), (-_ARM, -_ARM)),
    ],
}
