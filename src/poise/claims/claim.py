"""What a claim is here: a sentence of a paper, an experiment, a threshold, a picture.

A claim is one file with one value, `CLAIM`. Its `run` measures and judges at a scale and a seed, by
a threshold, which says so if it was changed after a trial; its `draw` makes one picture of the
results of all seeds. So a picture can be drawn again without the experiment, and shows the spread.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from ..lines import append, as_line, mend, read_lines
from ..watcher import Watcher

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scale = Literal["quick", "full"]  # seconds, for tests and a first look; minutes, for the docs
T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Table:
    """Rows that are too many for numbers; the page folds them away."""

    caption: str
    head: list[str]
    rows: list[list[Any]]  # plain values


@dataclass(frozen=True)
class Result:
    """What one run of a claim's experiment found."""

    numbers: dict[str, float]  # by a name that says what and in which unit
    passed: bool
    because: str  # the verdict as a sentence: what was measured beside its threshold
    figure: dict[str, Any] = field(default_factory=dict)  # plain values that `draw` draws from
    table: Table | None = None


class Pieces:
    """Parts of an experiment, each worked out once: what was cut off goes on with the next part.

    A part is any value that JSON can hold. With no folder nothing is kept. A part that was kept
    for other code is not known to be stale: raise the claim's `edition` when its numbers change.
    """

    def __init__(
        self,
        folder: Path | None = None,
        watcher: Watcher | None = None,
        name: str = "claim",
        label: str = "claim",
    ) -> None:
        self.folder = folder  # for what can be used again by others, too: prepared sets
        self._watcher, self._label = watcher or Watcher(), label
        self._path = folder / f"{name}.jsonl" if folder else None
        self._known: dict[str, Any] = {}
        self.seconds, self.cpu_seconds = 0.0, 0.0  # of all parts, those of earlier commands, too
        self._done, self._of = 0, 0
        if folder and self._path:
            folder.mkdir(parents=True, exist_ok=True)
            mend(self._path)
            for line in read_lines(self._path):
                self._take(line)

    def expect(self, parts: int) -> None:
        """Say how many parts there will be, for the progress."""
        self._done, self._of = 0, parts

    def once(self, part: str, make: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """The value of a part: the one that is kept, or `make(*args)` now, which is kept."""
        if part not in self._known:
            wall, cpu = time.monotonic(), time.process_time()
            value = make(*args, **more)
            took = {"seconds": time.monotonic() - wall, "cpu": time.process_time() - cpu}
            line = as_line({"part": part, "value": value} | took)
            if self._path:
                append(self._path, line)
            self._take(json.loads(line))  # as it will be read: it must not differ the next time
        self._done += 1
        self._watcher.measured(f"{self._label}: {part}", self._done, max(self._done, self._of))
        known: T = self._known[part]
        return known

    def _take(self, line: dict[str, Any]) -> None:
        self._known[line["part"]] = line["value"]
        self.seconds += line["seconds"]
        self.cpu_seconds += line["cpu"]

    def forget(self) -> None:
        """Remove what was kept: the whole result has been written."""
        if self._path:
            self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, and how it is put to the test."""

    title: str  # a few words
    statement: str  # what is claimed, in one sentence of ours
    source: str  # paper, figure or section
    paper: str  # what the paper measured, in its own numbers
    threshold: str  # from when on it counts as reproduced, why there, and whether set blind
    run: Callable[[Scale, int, Pieces], Result]
    draw: Callable[[Sequence[Result]], Figure]
    edition: int = 1  # raised when a change of the experiment makes older results stale
    failure: str = ""  # where it does not reproduce: what was found when we looked for the reason
    fails: tuple[Scale, ...] = ()  # scales at which it is known not to; elsewhere it must pass
    needs: tuple[str, ...] = ()  # packages beside matplotlib that it imports, by import name
