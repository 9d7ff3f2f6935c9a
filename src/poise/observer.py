"""Judges a run while it is trained: what is said of it when, and whether it must go back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .history import Verdict
from .monitor import judge, much_worse
from .recovery import Trouble
from .run import Run
from .signals import signals_of
from .watcher import Watcher

GRAVE = ("collapsing", "diverging")  # verdicts that take a run back
PATIENCE = 3  # log lines in a row that must say so


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
        self.verdict = judge(self._log, self._measures, self.signals)

    def measured(self, drawn: int, numbers: Mapping[str, float]) -> None:
        """Take in what was measured."""
        self._measures.append({"drawn": drawn} | dict(numbers))

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

    def trouble(self) -> Trouble | None:
        """Why training must go back: it has been gravely ill for a while, and images show it."""
        lately = [line.get("verdict") for line in self._log[-PATIENCE:]]
        name = self.verdict.name
        if name not in GRAVE or lately != [name] * PATIENCE:
            return None
        if not much_worse(self._log, self._measures, self.signals):
            return None
        return Trouble(f"{name} ({self.verdict.evidence})", self.verdict.since, self.verdict.advice)
