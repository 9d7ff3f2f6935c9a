"""The loop: its clock, its rates, and what is due when."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.build import make_players
from poise.keeper import due
from poise.optim import Adam
from poise.training import play

from .small import Noise, small_config


@pytest.mark.parametrize("start", [0, 48])
def test_every_step_has_the_rate_of_its_moment_also_after_a_resume(start: int) -> None:
    config = small_config(images=96)
    recipe = dataclasses.replace(config.recipe, optimizer=Adam(1e-3, decay=120))
    config = dataclasses.replace(config, recipe=recipe)
    players = make_players(config)
    rates = []
    for before, _ in play(config, players, Noise(start)):
        of_both = {g["lr"] for o in (players.opt_g, players.opt_c) for g in o.param_groups}
        assert len(of_both) == 1
        rates.append((before, of_both.pop()))
    assert [before for before, _ in rates] == list(range(start, 96, 12))
    assert [rate for _, rate in rates] == pytest.approx(
        [1e-3 * (1 - before / 120) for before, _ in rates]
    )


def test_training_ends_with_the_first_step_that_reaches_the_images() -> None:
    config, reals = small_config(images=50), Noise()
    assert len(list(play(config, make_players(config), reals))) == 5  # of 12 images each
    assert reals.drawn == 60


@given(st.integers(1, 100), st.lists(st.integers(1, 300), min_size=1, max_size=20))
def test_a_chore_is_due_once_for_each_step_that_passes_a_multiple_of_its_interval(
    interval: int, steps: list[int]
) -> None:
    drawn = 0
    for step in steps:
        before, drawn = drawn, drawn + step
        passed = any(k % interval == 0 for k in range(before + 1, drawn + 1))
        assert due(interval, before, drawn) == passed
