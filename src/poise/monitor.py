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
from .trends import Row, blocks, jitter, trend

MOST = 400  # lines that are looked at: a verdict costs 20 ms
WAITED = 0.4  # of a history, without a new low: it has stalled
WORSE, NEVER = 1.25, 0.9  # times the best, and the first
LIKELY = 1.64  # standard errors: 1 in 20 by chance, one-sided
FEW = 3  # measures that a median takes in: all of them are after the lowest
PLAIN = 3.0  # times the noise from measure to measure: a fall that was over early

LEARNS_NOTHING = "Start anew with another --lr, another --method or a wider --width."
ROSE = "Stop if it does not fall again: `sample` takes the best checkpoint. Try a lower --lr."
DISAGREE = (
    "Look at samples/: if they get better train on, for --measure-by frechet would say so; if not, "
    "stop: `sample` takes the best checkpoint."
)


def judge(log: Lines, measures: Lines, signals: Signals) -> Verdict:
    """What the lines of a run's log and measures say of it, oldest first.

    Lines may be missing and may lack numbers; what is not there is not judged.
    """
    level = of_this_level(log, signals)
    history = History(thinned(level), thinned(signals.of_this_phase(measures, log)), signals)
    if len(level) < LEAST:
        where = "log" if len(level) == len(log) else "log of this level"
        evidence = f"the {where} is too short, {len(level)} of {LEAST} lines"
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
    if not len(history.quality[2]):
        few = f"{len(history.measures)} measures are too few"
        fades = "while a level fades in its images do not compare"
        evidence = f"{fades if history.fading else few}; no sickness is seen"
        return said(history, "too early", int(history.log[0]["drawn"]), evidence)
    return _stalled(history) or _falling(history)


def _stalled(history: History) -> Verdict | None:
    """The distance never fell, or has risen since its lowest, or has not been below it for long."""
    name, clocks, x = history.quality
    place = int(x.argmin())
    low = f"{name} fell by {fell(x):.0%} to {x[place]:.4g}"
    if hardly_moved(x):
        evidence = f"{low} only: nothing is learned"
        return said(history, "stalled", int(clocks[0]), evidence, advice=LEARNS_NOTHING)
    since, waited = f"{low} at image {int(clocks[place]):,}", len(x) - 1 - place
    # Without the lowest itself, which is below all others whatever they do.
    if (waited >= FEW and now(x) > WORSE * x[place]) or trend(x[place + 1 :]) > SURE:
        evidence, advice = f"{since}, and is {now(x):.4g} now", ROSE
        if history.own_falls_since(clocks[place]):
            own = history.signals.falls
            evidence, advice = f"{evidence}, while {own} goes on falling", DISAGREE
        return said(history, "stalled", int(clocks[place]), evidence, advice=advice)
    if waited >= max(LEAST, WAITED * len(x)) and _lately(x) > -SURE:
        return said(history, "stalled", int(clocks[place]), f"{since}, and not below since")
    return None


def _falling(history: History) -> Verdict:
    """The distance falls, or slows down; or it cannot be told from noise whether it does."""
    name, clocks, x = history.quality
    z = trend(blocks(x, BLOCKS))
    if not _has_fallen(x, z):
        evidence = f"{name} between {x.min():.4g} and {x.max():.4g} in {len(x)} measures: no trend"
        return said(history, "too early", int(clocks[0]), evidence)
    evidence = (
        f"{name} fell by {fell(x):.0%} to {x.min():.4g} (a trend of {-z:.1f} standard errors)"
    )
    half = len(x) // 2
    if len(x) - half >= LEAST and _lately(x) > -SURE:
        return said(history, "converging", int(clocks[half]), f"{evidence}, ever slower")
    return said(history, "learning", int(clocks[0]), evidence)


def _lately(x: Row) -> float:
    """The trend of the second half."""
    return trend(blocks(x[len(x) // 2 :], BLOCKS))


def _has_fallen(x: Row, z: float) -> bool:
    """Whether a quality with this trend is lower than it was, beyond noise."""
    if len(x) < LEAST:  # so few cannot be surer
        return z < -LIKELY
    return z < -SURE or float(x[0]) - now(x) > PLAIN * jitter(x)
