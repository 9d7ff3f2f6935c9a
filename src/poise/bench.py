"""One way to measure images, and what they are measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import DataError
from .metrics.features import FeatureNetwork
from .metrics.sets import Images
from .scores import Scores, undefined
from .subjects import RealSet
from .watcher import Watcher


@dataclass(frozen=True)
class Measure:
    """One way to measure images against the reals."""

    name: str
    keys: tuple[str, ...]  # of the scores that it gives
    text: str  # how its numbers are made
    of: Callable[[Images], Scores]
    facts: dict[str, Any] = field(default_factory=dict)  # the same for a program

    def scores(self, images: Images) -> Scores:
        """Every key, with a number or the reason why there is none."""
        try:
            return self.of(images)
        except DataError as error:
            return {key: undefined(str(error)) for key in self.keys}


@dataclass(frozen=True)
class Bench:
    """What images are measured against, and how."""

    reals: RealSet
    one: Images  # the reals to compare with
    other: Images  # those that make the floor
    seed: int
    batch: int  # images at a time; changes no number
    watcher: Watcher
    inception: FeatureNetwork | None = None  # where features are to be those of a published FID

    @property
    def counts(self) -> dict[str, int]:
        """Images on both sides."""
        return {"reals": len(self.one), "fakes": len(self.other)}
