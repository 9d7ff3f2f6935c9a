"""What the numbers of a method's log mean: said by each method, read by monitor.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Signals:
    """Names are those of the method's log lines; "" where it has no such number."""

    falls: str = "distance"  # falls as images get better, once the critic has learned to see
    won: float | None = None  # value of `falls` at which the critic tells every fake
    unit: str = ""  # mean square of (gradient norm - 1), which is small for a critic that is held
    clipped: str = ""  # share of the critic's weights that lie at their bound
    level: str = ""  # what grows: other numbers mean something else at another whole number of it
    control: str = ""  # a controller that has lost its hold at 0 or 1
    held: float | None = None  # the ratio loss_g / loss_x that the controller holds
    advice: Mapping[str, str] = field(default_factory=dict)  # by verdict: what to do, in words


@runtime_checkable
class Telling(Protocol):
    """A method that says what its numbers mean; one that does not is judged by `distance`."""

    @property
    def signals(self) -> Signals:
        """What its numbers tell."""


def signals_of(method: object) -> Signals:
    """What a method says of its numbers."""
    return method.signals if isinstance(method, Telling) else Signals()
