"""When a measure has stopped falling."""

from __future__ import annotations

import copy

import pytest
import torch

from poise.build import make_players
from poise.plateau import Plateau
from poise.players import Players

from .small import small_config

PLATEAU = Plateau("m", window=10, patience=2)


def players() -> Players:
    return make_players(small_config(network="mlp"))


def stalls(values: list[float], batch: int = 5, of: Plateau = PLATEAU) -> list[int]:
    """The clocks at which it says so, for one value a step."""
    made = players()
    clocks = [batch * step for step in range(len(values))]
    return [
        clock
        for clock, value in zip(clocks, values, strict=True)
        if of.stalled(made, torch.tensor(value), clock)
    ]


def test_a_measure_that_stays_the_same_has_stalled_after_the_patience_and_again_after_it() -> None:
    # Readings are due at 10, 20, 30, ...; that of 10 is the first low, 20 and 30 are no new ones.
    assert stalls([1.0] * 15) == [30, 50, 70]


@pytest.mark.parametrize("batch", [1, 3, 10, 40])
def test_a_measure_that_falls_has_not_stalled_whatever_the_batch(batch: int) -> None:
    assert stalls([0.9**step for step in range(100)], batch) == []


def test_a_fall_of_less_than_the_gain_is_none() -> None:
    slow = [1 - 0.001 * step for step in range(15)]
    assert stalls(slow) == [30, 50, 70]
    assert stalls(slow, of=Plateau("m", 10, 2, gain=0.0005)) == []


def test_below_zero_as_above_lower_is_lower() -> None:
    assert stalls([-1.0] * 15) == [30, 50, 70]
    assert stalls([-(1.1**step) for step in range(40)]) == []


def test_while_it_rises_to_its_peak_nothing_has_stalled_and_then_the_lows_count_from_there() -> (
    None
):
    rising = [0.1 * step for step in range(20)]  # readings to 100 are each a new peak
    assert stalls(rising) == []
    assert stalls([*rising, *[1.5] * 10]) == [130]  # 110 is the first low, then two are none
    assert stalls([*rising, *[1.9 * 0.9**step for step in range(40)]]) == []


def test_noise_within_a_window_is_averaged_out() -> None:
    noisy = [0.95**step * (1.5 if step % 2 else 0.5) for step in range(60)]
    assert stalls(noisy) == []


def test_what_is_counted_comes_back_from_memory() -> None:
    values = [1.0] * 15
    for cut in range(15):
        first, second = players(), players()
        said = []
        for step, value in enumerate(values):
            made = first if step < cut else second
            if step == cut:
                second.memory = copy.deepcopy(first.memory)
            if PLATEAU.stalled(made, torch.tensor(value), 5 * step):
                said.append(5 * step)
        assert said == [30, 50, 70], cut


def test_forgetting_leaves_nothing_behind() -> None:
    made = players()
    for step in range(8):
        PLATEAU.stalled(made, torch.tensor(1.0), 5 * step)
    assert any(name.startswith("m.") for name in made.memory)
    PLATEAU.forget(made)
    assert made.memory == {}
