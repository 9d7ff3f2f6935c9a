"""What is told while something long goes on, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """Where a training stands after a step."""

    drawn: int  # images
    images: int  # at which training ends
    images_per_second: float  # since training began or was resumed
    memory: int  # bytes that the process takes, as of the last log line
    numbers: dict[str, float]  # of the last log line; {} before the first
    verdict: str = ""  # of the monitor, in a word or two

    @property
    def seconds_left(self) -> float:
        """At the present speed."""
        return (self.images - self.drawn) / max(self.images_per_second, 1e-9)


class Watcher:
    """Is told what goes on. This one keeps silent; the command line's prints."""

    def say(self, text: str) -> None:
        """A sentence for the person."""

    def warn(self, text: str) -> None:
        """A sentence that must not be missed."""

    def prepared(self, done: int, of: int) -> None:
        """So many images of so many are prepared."""

    def searched(self, done: int, of: int) -> None:
        """So many steps of so many towards the latents of images are made."""

    def drew(self, done: int, of: int) -> None:
        """So many frames of so many of a video are drawn."""

    def measured(self, what: str, done: int, of: int) -> None:
        """So much of so much of a part of an evaluation is done."""

    def paragraph(self, heading: str, lines: Sequence[str]) -> None:
        """A heading and lines that belong together, in columns where they are a table."""

    def stepped(self, moment: Moment) -> None:
        """A training step was made."""
