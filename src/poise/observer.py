"""Judges a run while it is trained: what is said of it when, and whether it must go back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .history import History, Verdict
from .monitor import judge, much_worse
from .recovery import Trouble
from .run import Run
from .signals import signals_of
from .size import levels_of
from .watcher import Watcher

GRAVE = ("collapsing", "diverging", "equilibrium lost")  # verdicts that take a run back
PATIENCE = 3  # measures in a row after which the verdict must be so


class Observer:
    """Keeps what was logged and measured at hand, and the verdict on it."""

    def __init__(self, run: Run, watcher: Watcher) -> None:
        self.run, self.watcher = run, watcher
        self.signals = signals_of(run.config.recipe.method)
        self.begin()

    def begin(self) -> None:
        """Read what lies on the disk: after a resume, or a return to a checkpoint."""
        self._log: list[dict[str, Any]] = self.run.history()
        self._measures: list[dict[str, Any]] = self.run.measures()
        self.verdict = self._judged(len(self._measures))

    def _judged(self, looks: int) -> Verdict:
        """The verdict as it was after so many measures, with the lines of the log up to then."""
        known = self._measures[:looks]
        last = known[-1]["drawn"] if looks < len(self._measures) and known else math.inf
        return judge([x for x in self._log if x["drawn"] <= last], known, self.signals)

    @property
    def enough(self) -> bool:
        """Whether nothing improves any more, at the full size: said after two measures in a row."""
        if self.run.config.chores.stop_when != "converged" or not self._log:
            return False
        level = self._log[-1].get(self.signals.level, math.inf)
        grown = level >= len(levels_of(self.run.config.data.size)) - 1
        return grown and self._stalled_twice()

    def _stalled_twice(self) -> bool:
        """Whether the last line says so, and the last one that was said of earlier measures.

        The two last lines are often said of the same. A line comes before measures of its clock.
        """
        newest = self._log[-1]
        if newest.get("verdict") != "stalled":
            return False  # this is asked after each step
        clocks = (measures["drawn"] for measures in self._measures)
        last = max((clock for clock in clocks if clock < newest["drawn"]), default=-1)
        before = (x.get("verdict") for x in reversed(self._log) if x["drawn"] <= last)
        return next(before, None) == "stalled"

    def pass_on(self, drawn: int, text: str) -> None:
        """What the method says: to the person, and to the events."""
        self.watcher.say(f"At {drawn:,} images: {text}")
        self.run.event("note", drawn, text=text)

    def measured(self, drawn: int, numbers: Mapping[str, float]) -> None:
        """Take in what was measured."""
        self._measures.append({"drawn": drawn} | dict(numbers))

    def new_best(self, numbers: Mapping[str, float], by: str) -> dict[str, float | str]:
        """What to keep of a measure that is lower than the best, or the first of a later phase.

        Or one that the method's own measure finds better, against the distance. {} for others.
        """
        value, mine = numbers.get(by, math.inf), self.signals.phase(numbers)
        for best in self.run.best_so_far(by):
            theirs = self.signals.phase(best)
            lower = value < float(best["value"]) or self._disagrees()
            if mine < theirs or (mine == theirs and not lower):
                return {}
        if not math.isfinite(value):
            return {}
        stage = {name: numbers[name] for name in (self.signals.level,) if name in numbers}
        return {"measure": by, "value": value, **stage}

    def _disagrees(self) -> bool:
        """Whether the method's own measure has fallen since the best one was kept, all being well.

        Of began on clothes at 16x16 the lowest sliced distance is that of blobs.
        """
        history = History(self._log, self._measures, self.signals)
        return self.verdict.well and history.own_falls_since(max(self.run.best.drawn()))

    def logged(self, drawn: int, numbers: Mapping[str, float]) -> Verdict:
        """Take in a line of the log; the verdict, which is told when it changes."""
        line: dict[str, Any] = {"drawn": drawn} | dict(numbers)
        self._log.append(line)
        before, self.verdict = self.verdict, judge(self._log, self._measures, self.signals)
        line["verdict"] = self.verdict.name
        if self.verdict.name != before.name:
            tell = self.watcher.say if self.verdict.well else self.watcher.warn
            tell(f"At {drawn:,} images: {self.verdict}")
            facts = {"verdict": self.verdict.name, "since": self.verdict.since}
            self.run.event("verdict", drawn, **facts, evidence=self.verdict.evidence)
        return self.verdict

    def conclude(self, drawn: int) -> Verdict:
        """The verdict on all that was logged and measured, the last measures too."""
        return concluded(self._judged(len(self._measures)), self.run, drawn)

    def trouble(self) -> Trouble | None:
        """Why training must go back: gravely ill at three measures in a row, and images show it.

        Asked after a measurement, which is the only new evidence of images that there is.
        """
        looks = len(self._measures)
        if not much_worse(self._measures, self.signals):
            return None
        lately = [self._judged(looks - back) for back in range(PATIENCE)]
        if lately[0].name not in GRAVE or len({verdict.name for verdict in lately}) > 1:
            return None
        now = lately[0]
        return Trouble(f"{now.name} ({now.evidence})", now.since, now.advice)


def concluded(verdict: Verdict, run: Run, drawn: int) -> Verdict:
    """With advice for a run that has drawn all its images while it was still getting better."""
    images, decay = run.config.recipe.images, run.config.recipe.optimizer.decay
    if verdict.name not in ("learning", "converging") or drawn < images:
        return verdict
    if decay:
        more = "Its learning rate has fallen: for more start anew with larger --images and --decay."
        return replace(verdict, advice=more)
    return replace(verdict, advice=f"Let it go on: poise train {run.path} --images {2 * images}")


def beginning(run: Run, drawn: int) -> str:
    """What a run that trains from here on has before it."""
    images = run.config.recipe.images
    if drawn >= images:
        return f"{run.path} is at its end already, after {drawn:,} images."
    if drawn:
        return f"Going on from image {drawn:,} to {images:,}."
    every = run.config.sample_every
    shown = f" Samples every {every:,} images, in its samples/." if every < images else ""
    return f"Training to {images:,} images, in {run.path}.{shown}"
