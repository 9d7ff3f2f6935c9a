"""The verdict on made-up histories: each sickness is named, and health is called none."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from poise.config import name_of
from poise.history import ADVICE, BLOCKS, SURE, WELL
from poise.methods import BEGAN, GAN, METHODS, WGAN, WGANGP, Progressive
from poise.monitor import judge, much_worse, thinned
from poise.networks import NETWORKS
from poise.optim import OPTIMIZERS
from poise.options import _command, _leaves
from poise.presets import recipe
from poise.signals import BELOW, Signals, signals_of
from poise.trends import blocks, trend

Line = dict[str, Any]
LINES = 60
T = np.linspace(0, 1, LINES)
NOISE = np.random.default_rng(0).standard_normal((8, LINES))


def log(**columns: Any) -> list[Line]:
    """A log whose columns are those of a healthy run, but for those given."""
    healthy: dict[str, Any] = {
        "distance": 3 - 2 * T + 0.1 * NOISE[0],
        "loss_g": 1 + 0.3 * NOISE[1],
        "grad_c": 5 + NOISE[2],
        "grad_g": 3 + NOISE[3],
        "variety": np.minimum(1, 0.2 + T + 0.03 * NOISE[4]),
    }
    columns = {name: np.broadcast_to(value, LINES) for name, value in (healthy | columns).items()}
    return [
        {"drawn": 500 * (i + 1)} | {name: float(value[i]) for name, value in columns.items()}
        for i in range(LINES)
    ]


def measures(**columns: Any) -> list[Line]:
    """Measures of a healthy run, one for three lines of the log, but for those given."""
    healthy: dict[str, Any] = {
        "swd": 100 - 60 * T + 2 * NOISE[5],
        "similarity": 0.5 - 0.3 * T,
        "similarity_reals": 0.15,
        "dimension": 9 + NOISE[6],
        "dimension_reals": 8.0,
        "overfit": 0.02 * NOISE[6],
        "overfit_z": NOISE[7],
    }
    columns = {name: np.broadcast_to(value, LINES) for name, value in (healthy | columns).items()}
    return [
        {"drawn": 500 * (i + 1)} | {name: float(value[i]) for name, value in columns.items()}
        for i in range(2, LINES, 3)
    ]


LATER = np.clip((T - 0.4) / 0.3, 0, 1)  # 0 up to 12,000 images, 1 from 21,000 on
ROSE = np.where(T < 0.5, 100 - 100 * T, 60 + 60 * (T - 0.4))  # fell by half, then rose
PLAIN = Signals()
CASES: dict[str, tuple[str, list[Line], list[Line], Signals]] = {
    "learning": ("learning", log(), measures(), PLAIN),
    "converging": (
        "converging",
        log(),
        measures(swd=40 + 60 * np.exp(-9 * T) + NOISE[5]),
        PLAIN,
    ),
    "stalled": (
        "stalled",
        log(),
        measures(swd=np.where(T < 0.3, 100 - 200 * T, 44) + NOISE[5]),
        PLAIN,
    ),
    "nothing learned": ("stalled", log(), measures(swd=100 - T), PLAIN),
    "worse, by few measures": ("stalled", log(), measures(swd=ROSE)[3::4], PLAIN),
    "a little worse, surely": (
        "stalled",
        log(),
        measures(swd=np.where(T < 0.6, 100 - 50 * T, 70 + 20 * (T - 0.6)) + 0.3 * NOISE[5]),
        PLAIN,
    ),
    "the best is the last of few": ("learning", log(), measures(swd=100 - 60 * T**2)[4::5], PLAIN),
    "few measures without a trend": (
        "too early",
        log(),
        measures(swd=100 + 3 * NOISE[5])[::3],
        PLAIN,
    ),
    "fell early and slowly since": (
        "converging",
        log(),
        measures(swd=np.where(T < 0.1, 200 - 1000 * T, 60 - 3 * T) + NOISE[5]),
        PLAIN,
    ),
    "no images": ("too early", log()[:5], [], PLAIN),
    "variety goes": (
        "collapsing",
        log(variety=0.8 - 0.75 * LATER),
        measures(similarity=0.3 + 0.6 * LATER),
        PLAIN,
    ),
    "variety never came": ("collapsing", log(variety=0.05), measures(similarity=0.9), PLAIN),
    "variety rises below what it was": (
        "collapsing",
        log(variety=np.where(T < 0.3, 0.08, 0.02 + 0.05 * T)),
        measures(similarity=0.9),
        PLAIN,
    ),
    "variety begins to come": ("learning", log(variety=0.01 + 0.08 * T), measures(), PLAIN),
    "few ways": ("collapsing", log(), measures(dimension=9 - 7 * LATER), PLAIN),
    "fewer ways than the images and not half": (
        "learning",
        log(),
        measures(dimension=5 + 0.3 * NOISE[6]),
        PLAIN,
    ),
    "smooth samples of noisy images": (
        "learning",
        log(),
        measures(dimension=6 + 0.3 * NOISE[6], dimension_reals=25.0),
        PLAIN,
    ),
    "losses explode": ("diverging", log(loss_g=np.exp(9 * T)), measures(), PLAIN),
    "norm": ("diverging", log(penalty=20 * LATER), measures(), WGANGP().signals),
    "worse": ("diverging", log(), measures(swd=50 + 60 * LATER + NOISE[5]), PLAIN),
    "clip": ("clip saturated", log(clipped=0.97), measures(), WGAN().signals),
    "clip, nothing learned": (
        "clip saturated",
        log(clipped=0.5),
        measures(swd=100 - T),
        WGAN().signals,
    ),
    "half at the clip and well": ("learning", log(clipped=0.5), measures(), WGAN().signals),
    "k at 0": (
        "equilibrium lost",
        log(k=0.0, loss_x=0.1, loss_g=0.2, convergence=0.3),
        measures(),
        BEGAN(gamma=0.5).signals,
    ),
    "k long at 0 and the ratio a little off": (
        "equilibrium lost",
        log(k=0.3 * (T < 0.3), loss_x=0.1, loss_g=0.12 + 0.002 * NOISE[6], convergence=0.12),
        measures(),
        BEGAN(gamma=1.0).signals,
    ),
    "k lately at 0 and the ratio a little off": (
        "learning",
        log(k=0.3 * (T < 0.8), loss_x=0.1, loss_g=0.12 + 0.002 * NOISE[6], convergence=0.12),
        measures(),
        BEGAN(gamma=1.0).signals,
    ),
    "k at 0 and the ratio as it should be": (
        "learning",
        log(k=0.0, loss_x=0.1, loss_g=0.101 + 0.002 * NOISE[6], convergence=0.1),
        measures(),
        BEGAN(gamma=1.0).signals,
    ),
    "overfit": (
        "critic overfits",
        log(),
        measures(overfit=0.4 * LATER, overfit_z=9 * LATER),
        PLAIN,
    ),
    "held-out images scored higher, by far": (
        "critic overfits",
        log(),
        measures(overfit=-0.4 * LATER, overfit_z=-9 * LATER),
        PLAIN,
    ),
    "held-out images scored higher, as chance would": (
        "learning",
        log(),
        measures(overfit=-0.4 * LATER, overfit_z=-4 * LATER),
        PLAIN,
    ),
    "won": ("critic overpowers", log(distance=0.69 * LATER), measures(), GAN().signals),
    "fooled": ("generator overpowers", log(distance=-3 * T), measures(), PLAIN),
    "swings": (
        "oscillating",
        log(),
        measures(swd=60 + 20 * np.sin(30 * T)),
        PLAIN,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_state_is_named_from_its_signs(case: str) -> None:
    name, lines, measured, signals = CASES[case]
    verdict = judge(lines, measured, signals)
    assert verdict.name == name, verdict
    assert verdict.well == (name in WELL)
    assert any(letter.isdigit() for letter in verdict.evidence), "evidence is numbers"


@pytest.mark.parametrize("case", [name for name in CASES if CASES[name][0] not in WELL])
def test_it_says_since_when(case: str) -> None:
    name, lines, measured, signals = CASES[case]
    since = judge(lines, measured, signals).since
    late = {"variety goes", "few ways", "norm", "overfit", "worse", "won"}
    assert since <= 22_000, name
    assert since > 9_000 or case not in late, name


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_a_function_of_the_history_and_changes_none_of_it(case: str) -> None:
    _, lines, measured, signals = CASES[case]
    before = repr((lines, measured))
    assert judge(lines, measured, signals) == judge(lines, measured, signals)
    assert repr((lines, measured)) == before


def without(name: str) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: [{k: v for k, v in line.items() if k != name} for line in lines]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "damage",
    [
        without("variety"),
        without("swd"),
        without("overfit_z"),
        without("grad_c"),
        without("similarity_reals"),
        lambda lines: lines[::2],
        lambda lines: [{**line, "loss_g": "a word"} for line in lines],
        lambda lines: lines[:20] + lines[30:],
        lambda lines: [],
    ],
    ids=lambda damage: "",
)
def test_a_history_with_gaps_or_of_an_older_version_is_judged_by_what_is_there(
    case: str, damage: Callable[[list[Line]], list[Line]]
) -> None:
    _, lines, measured, signals = CASES[case]
    for verdict in (
        judge(damage(lines), measured, signals),
        judge(lines, damage(measured), signals),
        judge(damage(lines), damage(measured), signals),
    ):
        assert verdict.name in ADVICE


def spoilt(lines: list[Line]) -> list[Line]:
    """Every tenth line with nothing but its clock, and one more that was read as nan."""
    spoilt = [line if i % 10 else {"drawn": line["drawn"]} for i, line in enumerate(lines)]
    spoilt[1] = dict.fromkeys(spoilt[1], math.nan) | {"drawn": spoilt[1]["drawn"]}
    return spoilt


@pytest.mark.parametrize("case", [name for name in CASES if len(CASES[name][2]) >= 20])
def test_lines_that_are_lost_here_and_there_change_no_verdict(case: str) -> None:
    name, lines, measured, signals = CASES[case]
    assert judge(spoilt(lines), measured, signals).name == name
    assert judge(lines, spoilt(measured), signals).name == name
    assert judge(spoilt(lines), spoilt(measured), signals).name == name


def test_a_run_that_was_well_all_along_was_never_called_ill() -> None:
    lines, measured = log(), measures()
    for i in range(1, LINES):
        known = [m for m in measured if m["drawn"] <= lines[i]["drawn"]]
        assert judge(lines[: i + 1], known, PLAIN).well


def test_a_fall_is_from_the_highest_before_the_lowest_and_a_rise_after_it_is_told() -> None:
    measured = measures(swd=ROSE)[3::4]
    swd = [line["swd"] for line in measured]
    assert swd[1] == min(swd) < swd[0] < max(swd) == swd[-1]
    evidence = judge(log(), measured, PLAIN).evidence
    assert f"fell by {1 - swd[1] / swd[0]:.0%} to {swd[1]:.4g} at image 12,000" in evidence
    assert evidence.endswith(f"and is {swd[3]:.4g} now")  # the median of the last 3


def test_five_measures_that_only_rise_after_the_lowest_are_surely_worse_and_four_are_not() -> None:
    """Of five numbers one of 120 orders only rises; of four, one of 24.

    Not with the lowest itself, which is below all others whatever they do.
    """
    measured = measures(swd=np.where(T < 0.75, 100 - 60 * T, 55 + 250 * (T - 0.747)))
    swd = [line["swd"] for line in measured]
    assert swd[14:] == sorted(swd[14:])
    assert swd[14] == min(swd)
    assert judge(log(), measured, PLAIN).name == "diverging"
    assert judge(log(), measured[:-1], PLAIN).name == "stalled"


def test_what_follows_the_lowest_does_not_rise_because_the_lowest_is_below_it() -> None:
    """Of five numbers 5 of 120 orders rise as much as these; with the lowest, 6 of 720."""
    falling, after = [100.0 - 4 * k for k in range(12)], [51.0, 52.0, 53.0, 55.0, 54.0]
    seen = [
        {"drawn": 2_000 * (k + 1), "swd": swd} for k, swd in enumerate([*falling, 50.0, *after])
    ]
    assert judge(log(), seen, PLAIN).name == "converging"
    seen[-1]["swd"] = 56.0
    assert judge(log(), seen, PLAIN).name == "stalled"


def test_a_rise_of_the_sliced_distance_while_began_gets_better_is_no_divergence() -> None:
    """The two disagree, and it is said; a better distance, or no fall of M, leaves no doubt."""
    balanced = {"k": 0.3, "loss_x": 0.1, "loss_g": 0.1 + 0.001 * NOISE[6]}
    better = log(convergence=0.2 - 0.1 * T + 0.002 * NOISE[1], **balanced)
    same = log(convergence=0.2 + 0.002 * NOISE[1], **balanced)
    rose, signals = measures(swd=50 + 60 * LATER + NOISE[5]), BEGAN(gamma=1.0).signals
    verdict = judge(better, rose, signals)
    assert verdict.name == "stalled"
    assert verdict.evidence.endswith("while convergence goes on falling")
    assert "--measure-by frechet" in verdict.advice
    assert judge(same, rose, signals).name == "diverging"
    nearer = [line | {"frechet": line["swd"]} for line in rose]
    assert judge(better, nearer, signals).name == "diverging"
    assert judge(better, rose, PLAIN).name == "diverging"
    alike = measures(swd=50 + 60 * LATER + NOISE[5], similarity=0.2 + 0.3 * LATER)
    assert judge(better, alike, signals).name == "diverging"


def test_noise_alone_is_no_learning_and_does_not_oscillate() -> None:
    """Of flat rows with 4 % of noise, as between looks at healthy runs, at any length."""
    noise = np.random.default_rng(1)
    for n in (5, 10, 20, 100, 400):
        rows = 50 * (1 + 0.04 * noise.standard_normal((100, n)))
        measured = [[{"drawn": 100 * (i + 1), "swd": x} for i, x in enumerate(row)] for row in rows]
        names = Counter(judge(log(), each, PLAIN).name for each in measured)
        assert names["learning"] + names["converging"] <= 12, (n, names)
        assert not names["oscillating"], (n, names)


def test_swings_of_a_long_run_are_seen_however_often_it_was_measured() -> None:
    for n in (20, 100, 400):
        clock = np.linspace(0, 1, n)
        swd = 60 + 20 * np.sin(30 * clock) + NOISE[0].std() * np.cos(77 * clock)
        measured = [{"drawn": i + 1, "swd": float(x)} for i, x in enumerate(swd)]
        assert judge(log(), measured, PLAIN).name == "oscillating", n


def test_the_evidence_of_learning_is_tested_against_noise() -> None:
    verdict = judge(log(), measures(), PLAIN)
    rows = [line["swd"] for line in measures()]
    z = trend(blocks(np.array(rows), BLOCKS))
    assert verdict.evidence.endswith(f"(a trend of {-z:.1f} standard errors)")
    assert z < -SURE


def test_without_measures_nothing_is_said_of_progress_but_sicknesses_are_named() -> None:
    """A critic's own distance rises while the critic gets better."""
    for distance in (3 * T, np.where(T < 0.2, 10 * T, 2 - T), 0.1 * NOISE[0]):
        assert judge(log(distance=distance), [], PLAIN).name == "too early"
    assert judge(log(variety=0.8 - 0.75 * LATER), [], PLAIN).name == "collapsing"


def test_a_method_without_a_distance_is_judged_by_what_it_logs() -> None:
    bare = [{k: v for k, v in line.items() if k != "distance"} for line in log(loss_g=5_000.0)]
    assert judge(bare, [], PLAIN).name == "diverging"


def test_where_the_norm_of_the_critic_is_known_the_size_of_its_scores_is_no_sign() -> None:
    lines = log(loss_g=5_000.0, penalty=0.1)
    assert judge(lines, measures(), WGANGP().signals).name == "learning"


# Sliced Wasserstein distances of a progressive run on faces at 128x128 and the stage of each: as
# good as any at 8x8, in a leap at every level, and falling again.
GROWN = [92.7, 75.6, 110.5, 94.8, 166.7, 89.9, 135.1, 77.2, 151.6, 97.3, 88.0, 80.0]
STAGES = [0.17, 1.0, 1.34, 2.0, 2.83, 3.0, 3.6, 4.17, 4.83, 5.0, 5.0, 5.0]


def test_a_norm_that_is_held_may_be_large() -> None:
    """As that of 750 in a preset of progressive growing: the gradients of its weights are, too."""
    large = log(grad_c=2200 + 20 * NOISE[2], penalty=0.1)
    assert judge(large, measures(), Progressive(target=750.0).signals).name == "learning"
    grown = log(grad_c=np.where(T < 0.1, 20, 2200) + 5 * NOISE[2])
    assert judge(grown, measures(), PLAIN).name == "diverging"


def test_a_large_gradient_that_is_not_larger_than_it_was_is_no_divergence() -> None:
    """A sound perceptron at 64x64 began with 819 and went on with 1,400."""
    large = log(grad_c=np.where(T < 0.1, 819, 1400) + 50 * NOISE[2])
    assert judge(large, measures(), WGAN().signals).name == "learning"


def test_a_lost_ratio_is_mended_from_the_side_on_which_it_lies() -> None:
    """k at 0: the critic is ahead, and must be slower; k at 1: it cannot keep up."""
    signals = BEGAN(gamma=0.5, critic_rate=0.5).signals
    ahead = judge(log(k=0.0, loss_x=1.0, loss_g=0.9), measures(), signals)
    behind = judge(log(k=1.0, loss_x=1.0, loss_g=0.2), measures(), signals)
    assert ahead.name == behind.name == "equilibrium lost"
    assert "--gamma nearer to 1 than 0.5, a --critic-rate below 0.5" in ahead.advice
    assert "--gamma below 0.5, a --critic-rate above 0.5" in behind.advice


def test_a_distance_that_leaps_with_every_level_does_not_oscillate() -> None:
    signals = Signals(level="stage")
    clocks = [2_500 * (i + 1) for i in range(len(GROWN))]
    seen = [
        {"drawn": clock, "swd": swd, "stage": stage}
        for clock, swd, stage in zip(clocks, GROWN, STAGES, strict=True)
    ]
    stage = np.interp([500 * (i + 1) for i in range(LINES)], clocks, STAGES)
    assert judge(log(stage=stage), seen, signals).name == "too early"
    assert judge(log(), seen, Signals()).name == "oscillating"  # where nothing grows
    assert not much_worse(seen[:10], signals)
    assert much_worse(seen[:10], Signals())


@pytest.mark.parametrize(
    ("stage", "level", "whole"), [(0.0, 0, True), (0.2, 1, False), (1.0, 1, True), (4.99, 5, False)]
)
def test_a_level_is_a_phase_once_while_it_fades_in_and_once_after(
    stage: float, level: int, whole: bool
) -> None:
    assert Signals(level="stage").phase({"stage": stage}) == (level, whole)
    assert Signals().phase({"stage": stage}) == (0, True)


def test_a_level_that_begins_is_judged_by_its_own_lines() -> None:
    signals = Signals(level="stage")
    stage = np.where(T < 0.75, 1.0, 2.0)
    lines, seen = log(loss_g=np.where(T < 0.75, 5_000.0, 1.0), stage=stage), measures(stage=stage)
    falls = measures(stage=2.0)
    assert judge(lines, falls, signals).name == "learning"
    assert judge(lines[:45], falls, signals).name == "diverging"
    assert judge(lines[:50], falls, signals).name == "too early"
    assert judge(lines, seen, signals).evidence.startswith("swd")
    assert "0 measures are too few" in judge(lines, seen[:14], signals).evidence


def test_while_a_level_fades_in_its_images_do_not_compare() -> None:
    """They begin as those of the level before, enlarged, and get worse before they get better."""
    signals, stage = Signals(level="stage"), 1 + 0.9 * T
    worse = measures(swd=76 + 44 * T, stage=stage)
    verdict = judge(log(stage=stage), worse, signals)
    assert verdict.name == "too early"
    assert verdict.evidence == (
        "while a level fades in its images do not compare; no sickness is seen"
    )
    assert not much_worse(worse, signals)
    settled = [line | {"stage": 2.0} for line in worse]
    assert judge(log(stage=2.0), settled, signals).name == "diverging"
    assert much_worse(settled, signals)
    narrow = measures(stage=stage, dimension=1.0)
    assert judge(log(stage=stage), narrow, signals).name == "collapsing"


def test_a_method_has_advice_of_its_own_with_its_own_numbers() -> None:
    lines = log(penalty=20 * LATER)
    advice = judge(lines, measures(), WGANGP(penalty=7.5).signals).advice
    assert "--penalty than 7.5" in advice
    for name, kind in METHODS.items():
        known = {verdict.removesuffix(BELOW) for verdict in signals_of(kind()).advice}
        assert known <= set(ADVICE), name


@pytest.mark.parametrize("method", METHODS)
def test_every_option_that_advice_names_is_one_of_the_method(method: str) -> None:
    base = recipe(method)
    names = {
        "method": method,
        "preset": "default",
        "network": name_of(base.networks, NETWORKS),
        "optimizer": name_of(base.optimizer, OPTIMIZERS),
    }
    options = {name.replace("_", "-") for name in _leaves(_command(base, names))}
    for verdict, text in (ADVICE | dict(signals_of(base.method).advice)).items():
        assert set(re.findall(r"--([a-z][a-z0-9-]*)", text)) <= options, verdict


def test_a_method_that_says_nothing_of_its_numbers_is_judged_by_its_distance() -> None:
    assert signals_of(object()) == Signals()


def test_long_histories_are_thinned_evenly_and_end_with_the_newest_line() -> None:
    lines = [{"drawn": i} for i in range(1, 12_346)]
    few = thinned(lines)
    assert len(few) <= 400
    assert few[-1] == lines[-1]
    assert len({b["drawn"] - a["drawn"] for a, b in pairwise(few)}) == 1
    assert thinned(lines[:400]) == lines[:400]
    assert thinned([]) == []


def test_numbers_that_are_not_finite_do_not_break_it() -> None:
    assert judge(log(loss_g=math.nan), measures(), PLAIN).name in ADVICE
