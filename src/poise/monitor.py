"""Whether a training is well, in words: its history in, a verdict out. Pure; numpy only.

Each rule looks at one way in which GANs fail and returns a verdict or nothing; the first that
speaks is heard, the gravest ones first. If none does, the trend of the measured distance decides
between learning, converging and stalled. A trend counts where chance would bring it once in a
hundred rows (trends.py). The thresholds were set on half of the trainings of
benchmarks/verdicts.py; docs/verdicts.md says how often they are right on the other half.
"""

from __future__ import annotations

from .history import BLOCKS, LEAST, SURE, History, Lines, Verdict, said
from .signals import Signals
from .symptoms import RULES
from .trends import blocks, trend


def judge(log: Lines, measures: Lines, signals: Signals) -> Verdict:
    """What the lines of a run's log and measures say of it, oldest first.

    Lines may be missing and may lack numbers; what is not there is not judged.
    """
    history = History(log, measures, signals)
    if len(history.column(signals.falls)) < LEAST:
        return said(history, "too early", 0, f"{len(log)} lines of the log are too few")
    for rule in RULES:
        verdict = rule(history)
        if verdict:
            return verdict
    return _progress(history)


def _progress(history: History) -> Verdict:
    """Learning, converging or stalled, by the trend of what falls as images get better."""
    name, clocks, x = history.quality
    half = x[len(x) // 2 :]
    z_all, z_late = trend(blocks(x, BLOCKS)), trend(blocks(half, BLOCKS))
    best, place = float(x.min()), int(x.argmin())
    fell = 1 - best / max(float(x.max()), 1e-12)
    evidence = f"{name} fell by {fell:.0%} to {best:.4g}"
    if z_late < -SURE or len(x) < LEAST:
        return said(history, "learning", int(clocks[0]), evidence)
    if z_all < -SURE and place >= 0.75 * (len(x) - 1):
        return said(history, "converging", int(clocks[len(x) // 2]), f"{evidence}, ever slower")
    evidence += f" at image {int(clocks[place]):,}, and not below since"
    return said(history, "stalled", int(clocks[place]), evidence)
