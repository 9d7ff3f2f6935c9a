"""The ways in which training fails, each with its signs in a run's history.

A rule returns a verdict or nothing. The thresholds stand beside their rules; they were set on half
of the trainings of benchmarks/verdicts.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .history import (
    BLOCKS,
    LEAST,
    SURE,
    WINDOW,
    History,
    Verdict,
    first_above,
    hardly_moved,
    last_within,
    now,
    said,
)
from .signals import BELOW
from .trends import blocks, smoothed, swings, trend

Rule = Callable[[History], Verdict | None]


def diverging(history: History) -> Verdict | None:
    """The critic is not held: the norm of its gradient, or its losses, grow beyond all measure."""
    unit = history.column(history.signals.unit)
    if len(unit) >= LEAST and now(unit) > UNIT:
        since = first_above(smoothed(unit, WINDOW), history.clocks(history.signals.unit), UNIT)
        norm = 1 + math.sqrt(now(unit))
        evidence = f"the critic's gradient has a norm of about {norm:.1f} times what is held"
        return said(history, "diverging", since, evidence)
    # A critic's scores have no fixed zero, and a large norm may be what is held: where its norm is
    # known neither losses nor the size of a gradient say anything. By itself that size never does:
    # it grows with pixels and weights (1,400 of a sound perceptron at 64x64, 800 at first).
    losses = () if len(unit) else ("loss_g", history.signals.falls)
    for name in (*losses, "grad_c"):
        x = np.abs(history.column(name))
        if len(x) < LEAST:
            continue
        reference = float(np.median(x[: max(4, len(x) // 4)]))
        grown = now(x) / max(reference, 1e-12)
        grows = grown > GROWN and now(x) > LARGE and trend(blocks(x, BLOCKS)) > SURE
        huge = now(x) > HUGE and (name != "grad_c" or now(x) > TENFOLD * x[0])
        if grows or huge:
            since = first_above(smoothed(x, WINDOW), history.clocks(name), min(HUGE, 3 * reference))
            evidence = f"{name} is {now(x):.3g}, {grown:.0f} times what it was at the start"
            return said(history, "diverging", since, evidence)
    return None


UNIT, HUGE, LARGE, GROWN, TENFOLD = 2.0, 1e3, 10.0, 30.0, 10.0


def collapsing(history: History) -> Verdict | None:
    """Images of the generator become alike."""
    clocks, variety = history.rows("variety")
    if len(variety) < 2 * LEAST:
        return None
    variety = smoothed(variety, WINDOW)
    peak = float(variety.max())
    lost = 1 - now(variety) / max(peak, 1e-9)
    if now(variety) >= POOR and not (lost > LOST and now(variety) < 2 * POOR):
        return None
    rises = trend(blocks(variety[len(variety) // 2 :], BLOCKS)) > SURE
    if rises and now(variety) >= HIGH * peak:
        return None  # it is only beginning to come
    _, alike, reals = history.rows("similarity", "similarity_reals", of="measures")
    if len(alike) and now(alike) - reals[-1] < ALIKE * (1 - reals[-1]):
        return None  # what is measured on more images does not agree
    evidence = f"samples have {now(variety):.0%} of the variety of the images"
    if lost <= LOST:
        return said(history, "collapsing", int(clocks[0]), evidence)
    since = last_within(-variety, clocks, -NEARLY * peak)
    evidence += f", {lost:.0%} less than up to image {since:,}"
    return said(history, "collapsing", since, evidence)


HIGH, NEARLY = 0.9, 0.8  # of the peak
POOR, LOST, ALIKE = 0.1, 0.75, 0.3


def narrowed(history: History) -> Verdict | None:
    """Images differ in fewer ways than the reals: what else is in a latent changes nothing."""
    clocks, ways, reals = history.rows("dimension", "dimension_reals", of="measures")
    if len(ways) < LEAST // 2 or now(ways) >= (enough := min(NARROW * reals[-1], WIDE)):
        return None
    since = first_above(-ways, clocks, -enough)
    evidence = (
        f"samples differ from those nearest to them in {now(ways):.1f} directions, the images in "
        f"{reals[-1]:.1f}"
    )
    return said(history, "collapsing", since, evidence)


NARROW = 0.5  # of the images' directions; both are known within a tenth from 128 of each kind
WIDE = 4.0  # directions that are no collapse: of noisy images smooth samples lack many more


def equilibrium(history: History) -> Verdict | None:
    """A controller that does not hold the ratio it should."""
    held, control = history.signals.held, history.signals.control
    if held is None:
        return None
    clocks, k, x, g = history.rows(control, "loss_x", "loss_g")
    if len(k) < 2 * LEAST:
        return None
    ratio = g / np.maximum(x, 1e-12)
    off, ends = abs(now(ratio) / held - 1), np.minimum(k, 1 - k) < AT_END
    stuck = off > SLIGHTLY and bool(ends[len(ends) // 2 :].all())
    if stuck or off > 2 * OFF or (off > OFF and min(now(k), 1 - now(k)) < AT_END):
        level = SLIGHTLY if stuck else OFF
        since = first_above(np.abs(smoothed(ratio, WINDOW) / held - 1), clocks, level)
        evidence = f"L(G) / L(x) is {now(ratio):.2f} and should be {held:g}; k is {now(k):.3f}"
        below = "" if now(ratio) > held else BELOW
        return said(history, "equilibrium lost", since, evidence, of=below)
    return None


OFF, SLIGHTLY = 0.25, 0.1  # of the ratio; the second if the controller has no hold for half the run
AT_END = 1e-3  # from 0 or 1


def clip(history: History) -> Verdict | None:
    """Weights of a clipped critic lie at its bound: nearly all, or many and nothing is learned."""
    clocks, share = history.rows(history.signals.clipped)
    _, _, x = history.quality
    level = MANY if hardly_moved(x) else SATURATED
    if len(share) < LEAST or now(share) < level:
        return None
    since = first_above(smoothed(share, WINDOW), clocks, level)
    evidence = f"{now(share):.0%} of the critic's weights lie at the bound"
    return said(history, "clip saturated", since, evidence)


SATURATED, MANY = 0.9, 0.4


def overfits(history: History) -> Verdict | None:
    """The critic knows its training images by heart: it tells them from held-out ones.

    It scores them higher, as a rule. Lower, by far more than chance can do, where held-out images
    are of kinds that it never met: nothing taught it what those are worth.
    """
    clocks, gap, z = history.rows("overfit", "overfit_z", of="measures")
    if len(gap) < LEAST // 2:
        return None
    side, level = (1, OVERFIT_Z) if now(z) > 0 else (-1, UNMET_Z)
    if side * now(z) < level or side * now(gap) < OVERFIT:
        return None
    since = first_above(side * smoothed(z, 3), clocks, level)
    where = "above" if side > 0 else "below"
    evidence = (
        f"the critic scores training images {where} held-out ones by {abs(now(gap)):.0%} of what "
        f"it finds between them and samples ({abs(now(z)):.0f} standard errors)"
    )
    return said(history, "critic overfits", since, evidence)


OVERFIT, OVERFIT_Z = 0.15, 2.33
UNMET_Z = 5.0  # standard errors: of 900 measures of healthy runs the furthest was 2.9


def overpowers(history: History) -> Verdict | None:
    """One player has won, and the other learns nothing from it."""
    name = history.signals.falls
    x, clocks = smoothed(history.column(name), WINDOW), history.clocks(name)
    if len(x) < LEAST:
        return None
    won = history.signals.won
    if won is not None and now(x) > WON * won:
        since = first_above(x, clocks, WON * won)
        evidence = f"{name} is {now(x):.3f} of at most {won:.3f}: every sample is told"
        return said(history, "critic overpowers", since, evidence)
    since = first_above(-x, clocks, 0.0)
    lasting = float((clocks > since).mean()) > LASTING
    if now(x) < -0.1 * float(np.abs(x).max()) and lasting:
        evidence = f"{name} is {now(x):.3g}, below 0: samples score above images"
        return said(history, "generator overpowers", since, evidence)
    return None


WON = 0.97  # of the most there can be
LASTING = 0.4  # of the history: at first the critic knows nothing yet


def worsening(history: History) -> Verdict | None:
    """Images get worse than they were, and go on to."""
    name, clocks, x = history.quality
    place = int(x.argmin()) if len(x) else 0
    if len(x) - place < LEAST // 2 or now(x) < WORSE * x[place]:
        return None
    if trend(x[place + 1 :]) < SURE and now(x) < 2 * x[place]:  # the lowest is below all others
        return None
    if history.own_falls_since(clocks[place]):
        return None  # the two disagree
    since = last_within(x, clocks, NEAR * x[place])
    evidence = f"{name} rose from {x[place]:.4g} to {now(x):.4g}"
    return said(history, "diverging", since, evidence)


WORSE, NEAR = 1.25, 1.1  # times the best


def oscillating(history: History) -> Verdict | None:
    """Quality goes up and down by much, again and again, and gets nowhere."""
    name, clocks, x = history.quality
    if len(x) < LEAST:
        return None
    means = blocks(x, TURNED)  # in a long row noise alone would turn often enough
    turns = swings(means, SWING * float(np.median(x)))
    if turns < TURNS or trend(blocks(x, BLOCKS)) < -SURE:
        return None
    evidence = f"{name} turned {turns} times by {SWING:.0%} or more and did not fall"
    return said(history, "oscillating", int(clocks[0]), evidence)


SWING, TURNS, TURNED = 0.15, 4, 20


RULES: tuple[Rule, ...] = (
    diverging,
    collapsing,
    narrowed,
    clip,
    equilibrium,
    overpowers,
    overfits,
    oscillating,
    worsening,
)
