"""What the monitor reads and what it says: a run's history in columns, and a verdict.

No torch: what a run wrote can be judged anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .signals import Lines, Signals
from .trends import Row, blocks, trend

LEAST = 8  # log lines before anything is said
BLOCKS = 12  # means over which a trend is tested
SURE = 2.33  # standard errors: 1 in 100 by chance, one-sided
WINDOW = 5  # lines of a running median
HARDLY = 0.02  # a fall that is none
MORE_ALIKE = 0.1  # of what reals differ in, by MS-SSIM
LATE = 0.2  # of a history: what counts as now

ADVICE = {
    "too early": "Wait for some more images, or train on with a larger --images.",
    "learning": "Let it go on.",
    "converging": "Let it go on; it ends soon.",
    "stalled": "Stop here: `sample` takes the best checkpoint. More variety of images, a wider "
    "--width or a lower --lr may get further.",
    "critic overpowers": "A lower --lr, or --method wgan-gp: its critic has a gradient everywhere.",
    "generator overpowers": "A higher --lr, or --method wgan-gp: the critic must learn before its "
    "gradient means anything.",
    "critic overfits": "More images, --mirror, a narrower --width, or stop at the best checkpoint.",
    "collapsing": "Start anew with a lower --lr or another --method; `sample` takes the best "
    "checkpoint of this run.",
    "oscillating": "A lower --lr, or --optimizer optimistic-adam.",
    "diverging": "A lower --lr.",
    "clip saturated": "A lower --lr.",
    "equilibrium lost": "A lower --lr.",
}
WELL = ("too early", "learning", "converging", "stalled")  # what is no sickness


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a training."""

    name: str  # a key of ADVICE
    since: int  # images
    evidence: str  # numbers and their trend
    advice: str  # which option, in which direction, why

    @property
    def well(self) -> bool:
        """Whether this is no sickness."""
        return self.name in WELL

    def __str__(self) -> str:
        return f"{self.name} since image {self.since:,}: {self.evidence}. {self.advice}"


@dataclass(frozen=True)
class History:
    """The log and the measures of one run, in columns."""

    log: Lines
    measures: Lines
    signals: Signals

    def rows(self, *names: str, of: str = "log") -> Row:
        """The lines that have all of these numbers: clocks, then a column for each, [1 + names, n].

        Oldest first; other lines are left out.
        """
        lines: Lines = getattr(self, of)
        wanted = ("drawn", *names)
        found = [
            [line[name] for name in wanted]
            for line in lines
            if all(_is_number(line.get(name)) for name in wanted)
        ]
        return np.array(found, np.float64).reshape(-1, len(wanted)).T

    def column(self, name: str, of: str = "log") -> Row:
        """The numbers of this name, oldest first; lines without it are left out."""
        numbers: Row = self.rows(name, of=of)[1]
        return numbers

    def clocks(self, name: str, of: str = "log") -> Row:
        """The images at which those numbers were written."""
        clocks: Row = self.rows(name, of=of)[0]
        return clocks

    @property
    def fading(self) -> bool:
        """Whether the newest measures are of a level that is not fully in."""
        return bool(self.measures) and not self.signals.phase(self.measures[-1])[1]

    @property
    def quality(self) -> tuple[str, Row, Row]:
        """The name, clocks and numbers of the measured distance; empty before 4 measures.

        Not the method's own estimate: a critic's distance rises while the critic gets better. None
        while a level fades in: the first images are those of the level before, and better.
        """
        if self.fading:
            return "", np.empty(0), np.empty(0)
        for name in ("frechet", "swd"):
            clocks, found = self.rows(name, of="measures")
            if len(found) >= LEAST // 2:
                return name, clocks, found
        return "", np.empty(0), np.empty(0)

    def own_falls_since(self, clock: float) -> bool:
        """Whether the method's own measure of its images fell, beyond chance, since so many images.

        Asked where the sliced Wasserstein distance has risen: it sees how brightness is spread
        before it sees shapes. Clothes by began got darker, and better by eye and by the Frechet
        distance, while it doubled. Where samples get more alike, too, it is right: digits got
        clearer, and three of four were ones (docs/methods/began.md).
        """
        if not self.signals.shows or self.quality[0] != "swd" or self._alike_since(clock):
            return False
        clocks, x = self.rows(self.signals.falls)
        return trend(blocks(x[clocks >= clock], BLOCKS)) < -SURE

    def _alike_since(self, clock: float) -> bool:
        """Whether samples have become more alike, by MS-SSIM, than they were at this clock."""
        clocks, alike, reals = self.rows("similarity", "similarity_reals", of="measures")
        before = alike[clocks <= clock]
        return len(before) > 0 and now(alike) - before[-1] > MORE_ALIKE * (1 - reals[-1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def now(x: Row) -> float:
    """The median of the last fifth of a row, at least of 3 numbers."""
    return float(np.median(x[-max(3, math.ceil(LATE * len(x))) :]))


def hardly_moved(x: Row) -> bool:
    """Whether a quality has never fallen by as much as 2 % in 16 measures or more."""
    return len(x) >= 2 * LEAST and fell(x) < HARDLY


def fell(x: Row) -> float:
    """By which share a quality fell to its lowest, from the highest that there was before."""
    return 1 - float(x.min()) / max(float(x[: int(x.argmin()) + 1].max()), 1e-12)


def last_within(x: Row, clocks: Row, level: float) -> int:
    """The clock of the last number that is at most a level; the first clock if none is."""
    within = np.flatnonzero(x <= level)
    return int(clocks[within[-1] if len(within) else 0])


def first_above(x: Row, clocks: Row, level: float) -> int:
    """Since when a row has stayed above a level: the clock of the first such number."""
    below = np.flatnonzero(x <= level)
    return int(clocks[min(below[-1] + 1 if len(below) else 0, len(x) - 1)])


def said(
    history: History, name: str, since: int, evidence: str, *, of: str = "", advice: str = ""
) -> Verdict:
    """A verdict, with this advice, the method's own where it has some `of` this kind, or ours."""
    advice = advice or history.signals.advice.get(name + of, ADVICE[name])
    return Verdict(name, since, evidence, advice)
