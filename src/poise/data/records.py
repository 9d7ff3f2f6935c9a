"""What is known of each image and of all of them, once they were read."""

from __future__ import annotations

from typing import NamedTuple

from .shards import Written


class Record(NamedTuple):
    """One image that is used."""

    position: int  # in the plan
    sha256: str  # of the file's bytes
    height: int  # of the original
    width: int
    box: str  # of the original, that is shown: left, top, right, bottom as JSON
    scale: float  # over 1: enlarged
    kept: float  # share of the original's pixels in the box


class Refusal(NamedTuple):
    """One image that is not."""

    name: str
    reason: str


class Made(NamedTuple):
    """What became of one shard."""

    shard: int
    records: list[Record]
    refusals: list[Refusal]
    files: list[Written]


class Measures(NamedTuple):
    """Counts over all images."""

    found: int
    used: int
    different: int  # by their bytes
    skipped: int
    enlarged: int  # smaller than the wanted size
    odd: int  # of a shape that loses over half to the crop
    sizes: list[tuple[int, int]]  # smallest, median, largest original: height, width
