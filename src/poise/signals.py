"""What the numbers of a method's log mean: said by each method, read by monitor.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

Lines = Sequence[Mapping[str, Any]]
BELOW = ", below"


@dataclass(frozen=True)
class Signals:
    """Names are those of the method's log lines; "" where it has no such number."""

    falls: str = "distance"  # falls as images get better, once the critic has learned to see
    shows: bool = False  # whether `falls` tells how good images are even where it is not measured
    won: float | None = None  # value of `falls` at which the critic tells every fake
    unit: str = ""  # mean square of (gradient norm / what is held - 1): small while it is held
    clipped: str = ""  # share of the critic's weights that lie at their bound
    level: str = ""  # what grows: other numbers mean something else at another whole number of it
    control: str = ""  # a controller that has lost its hold at 0 or 1
    held: float | None = None  # the ratio loss_g / loss_x that the controller holds
    # By verdict (and `BELOW` where a ratio is below what is held): what to do, in words.
    advice: Mapping[str, str] = field(default_factory=dict)

    def phase(self, line: Mapping[str, Any]) -> tuple[int, bool]:
        """The level at which a line was written, and whether it was fully in; (0, True) if no such.

        Measures compare within a phase only: an image of 16 pixels, enlarged, can be nearer to the
        reals than the first ones of 128. Later phases are larger.
        """
        stage = line.get(self.level, 0.0)
        return math.ceil(stage), stage == math.ceil(stage)

    def of_last_phase(self, lines: Lines) -> Lines:
        """Those of the phase of the last one."""
        return self.of_this_phase(lines, lines)

    def of_this_phase(self, lines: Lines, log: Lines) -> Lines:
        """Those of the phase in which the log ends; what was before says nothing of it."""
        if not self.level or not log:
            return lines
        return [line for line in lines if self.phase(line) == self.phase(log[-1])]


@runtime_checkable
class Telling(Protocol):
    """A method that says what its numbers mean; one that does not is judged by `distance`."""

    @property
    def signals(self) -> Signals:
        """What its numbers tell."""


def signals_of(method: object) -> Signals:
    """What a method says of its numbers."""
    return method.signals if isinstance(method, Telling) else Signals()
