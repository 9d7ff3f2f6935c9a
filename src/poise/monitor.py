"""Whether a training is well, in words: its history in, a verdict out. Pure; numpy only.

Each rule looks at one way in which GANs fail and returns a verdict or nothing; the first that
speaks is heard, the gravest ones first. If none does, the trend of the measured distance decides
between learning, converging and stalled. A trend counts where chance would bring it once in a
hundred rows (trends.py). The thresholds were set on half of the trainings of
benchmarks/verdicts.py; docs/verdicts.md says how often they are right on the other half.
"""

from __future__ import annotations

from .history import BLOCKS, LEAST, SURE, History, Verdict, fell, hardly_moved, now, said
from .signals import Lines, Signals
from .symptoms import RULES
from .trends import blocks, trend

MOST = 400  # lines that are looked at: a verdict costs 20 ms
WAITED = 0.4  # of a history, without a new low: it has stalled
WORSE, NEVER = 1.25, 0.9  # times the best, and the first


def judge(log: Lines, measures: Lines, signals: Signals) -> Verdict:
    """What the lines of a run's log and measures say of it, oldest first.

    Lines may be missing and may lack numbers; what is not there is not judged.
    """
    level = of_this_level(log, signals)
    history = History(thinned(level), thinned(signals.of_last_phase(measures)), signals)
    if len(level) < LEAST:
        where = "log" if len(level) == len(log) else "log of this level"
        evidence = f"{len(level)} lines of the {where} are too few"
        return said(history, "too early", int(level[0]["drawn"]) if level else 0, evidence)
    for rule in RULES:
        verdict = rule(history)
        if verdict:
            return verdict
    return _progress(history)


def of_this_level(lines: Lines, signals: Signals) -> Lines:
    """The lines since the last level began to fade in: before it numbers meant something else."""
    if not signals.level or not lines:
        return lines
    levels = [signals.phase(line)[0] for line in lines]
    others = [i for i, level in enumerate(levels) if level != levels[-1]]
    return lines[others[-1] + 1 if others else 0 :]


def thinned(lines: Lines) -> Lines:
    """At most 400 of these, evenly spread, the newest among them."""
    step = -(-len(lines) // MOST)
    return lines[(len(lines) - 1) % step :: step] if step > 1 else lines


def much_worse(measures: Lines, signals: Signals) -> bool:
    """Whether measured images are far from the best that there were, or never got better."""
    _, _, x = History([], signals.of_last_phase(measures), signals).quality
    return len(x) >= LEAST and (now(x) > WORSE * x.min() or x.min() > NEVER * x[0])


def _progress(history: History) -> Verdict:
    """Learning, converging or stalled, by the trend of the measured distance."""
    name, clocks, x = history.quality
    if not len(x):
        evidence = f"{len(history.measures)} measures are too few; no sickness is seen"
        return said(history, "too early", int(history.log[0]["drawn"]), evidence)
    half = x[len(x) // 2 :]
    z_all, z_late = trend(blocks(x, BLOCKS)), trend(blocks(half, BLOCKS))
    best, place = float(x.min()), int(x.argmin())
    evidence = f"{name} fell by {fell(x):.0%} to {best:.4g}"
    if hardly_moved(x):
        return said(history, "stalled", int(clocks[0]), f"{evidence} only: nothing is learned")
    if now(x) > WORSE * best:  # too few measures since to say that it goes on
        evidence += f" at image {int(clocks[place]):,}, and is {now(x):.4g} now"
        return said(history, "stalled", int(clocks[place]), evidence)
    waited = len(x) - 1 - place
    if waited >= LEAST and waited >= WAITED * len(x) and z_late > -SURE:
        evidence += f" at image {int(clocks[place]):,}, and not below since"
        return said(history, "stalled", int(clocks[place]), evidence)
    if len(half) >= LEAST and z_all < -SURE and z_late > -SURE:
        return said(history, "converging", int(clocks[len(x) // 2]), f"{evidence}, ever slower")
    return said(history, "learning", int(clocks[0]), evidence)
