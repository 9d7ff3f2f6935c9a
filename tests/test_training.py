"""The loop: its clock, its rates, and what is due when."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poise.build import make_players
from poise.config import Config
from poise.errors import TrainingFailed
from poise.keeper import due
from poise.methods import METHODS, WGANGP
from poise.optim import Adam
from poise.players import Losses, Players, Reals
from poise.training import play

from .small import Noise, play_to, same, small_config


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


# --- memory runs out ------------------------------------------------------------------------------


class Cramped(WGANGP):
    """A method on a machine whose memory holds so many images at a time."""

    def step(self, players: Players, reals: Reals) -> Losses:
        n = players.fitting(self.batch)
        reals(n)  # some images are drawn before it is seen
        if n > ROOM[0]:
            raise OUT_OF_MEMORY[0]
        reals.drawn -= n
        return super().step(players, reals)


ROOM = [3]
OUT_OF_MEMORY: list[Exception] = []
KINDS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 1 TB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.06 GB)"),
    MemoryError(),
]


def cramped(error: Exception, room: int = 3, images: int = 60) -> Config:
    ROOM[0], OUT_OF_MEMORY[:] = room, [error]
    config = small_config(images=images)
    rule = Cramped(batch=8, n_critic=1)
    return dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, method=rule))


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
def test_when_memory_runs_out_batches_are_halved_and_no_image_is_left_out(
    error: Exception,
) -> None:
    config, reals = cramped(error), Noise()
    players = make_players(config)
    clocks = [before for before, _ in play(config, players, reals)]
    assert clocks == list(range(0, 60, 2))
    assert players.notes == [
        (0, "Memory ran out: batches are of 4 images from here."),
        (0, "Memory ran out: batches are of 2 images from here."),
    ]


def test_smaller_batches_outlast_a_resume() -> None:
    config, reals = cramped(KINDS[0], images=40), Noise()
    whole, cut, again = (make_players(config) for _ in range(3))
    play_to(config, 40, whole, Noise())
    play_to(config, 20, cut, reals)
    again.load(copy.deepcopy(cut.state()))
    play_to(config, 40, again, Noise(reals.drawn))
    assert same(whole.state(), again.state())


def test_where_not_even_one_image_fits_it_is_said_in_words() -> None:
    config = cramped(KINDS[0], room=0)
    with pytest.raises(TrainingFailed, match=r"ran out at 0 images, with 1 in a batch\. What"):
        next(play(config, make_players(config), Noise()))
    shared = make_players(config, rank=0, ranks=2)
    with pytest.raises(TrainingFailed, match="with 8 in a batch shared by 2 ranks"):
        next(play(config, shared, Noise(ranks=2)))


def test_what_grows_halves_the_batch_of_its_level() -> None:
    config = small_config("progressive")
    players, rule = make_players(config), config.recipe.method
    rule.step(players, Noise(50))
    players.make_room(KINDS[0], 50)
    players.fitting(rule.batch)
    players.make_room(KINDS[0], 50)
    assert [text for _, text in players.notes[-2:]] == [
        f"Memory ran out: batches are of {n} images from here." for n in (2, 1)
    ]


def test_an_error_that_smaller_batches_cannot_mend_is_raised_at_once() -> None:
    config = cramped(RuntimeError("shapes do not agree"))
    players = make_players(config)
    with pytest.raises(RuntimeError, match="shapes do not agree"):
        next(play(config, players, Noise()))
    assert players.notes == []


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_the_batches_that_fit(method: str) -> None:
    config, reals = small_config(method), Noise()
    players = make_players(config)
    players.memory["halvings"] = torch.tensor(1)
    config.recipe.method.step(players, reals)
    assert reals.drawn == 2 * getattr(config.recipe.method, "n_critic", 1)
