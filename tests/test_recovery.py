"""Which checkpoint a run goes back to, and how gently it learns from there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from poise.build import make_players
from poise.checkpoints import Checkpoints
from poise.data.prepared import Prepared
from poise.players import Players
from poise.recovery import began_at, begin_attempt, gentleness, last_good
from poise.run import Run
from poise.training import play

from .helpers import Told, tiny
from .small import Noise, small_config


def keep(run: Run, part: Checkpoints, *clocks: int) -> None:
    """Checkpoints of this run that hold nothing but their clock."""
    for drawn in clocks:
        part.save(drawn, {"drawn": torch.tensor(drawn)}, {"run": run.config.identity})


def chosen(run: Run, since: int, attempt: int, began: int = 0) -> int | None:
    good = last_good(run, since, attempt, began, Told().warn)
    return good.drawn if good else None


@pytest.fixture
def run(shapes: Prepared, tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", tiny(shapes))
    keep(run, run.checkpoints, 200, 300, 400)
    return run


@pytest.mark.parametrize(
    ("since", "attempt", "to"),
    [(500, 1, 400), (400, 1, 400), (399, 1, 300), (500, 2, 300), (500, 3, 200), (500, 9, 200)],
)
def test_it_is_the_newest_before_the_trouble_and_one_older_with_each_attempt(
    run: Run, since: int, attempt: int, to: int
) -> None:
    assert chosen(run, since, attempt) == to


def test_the_best_one_counts_even_where_the_last_ones_are_too_new(run: Run) -> None:
    keep(run, run.best, 120)
    assert chosen(run, 150, 1) == 120
    assert chosen(run, 250, 1) == 200
    assert chosen(run, 250, 2) == 120


def test_where_all_are_newer_the_oldest_is_taken_and_not_the_beginning(run: Run) -> None:
    assert chosen(run, 100, 1) == 200
    assert chosen(run, 100, 3) == 200


def test_what_an_attempt_that_began_ill_has_left_is_not_taken_for_good(run: Run) -> None:
    assert chosen(run, 100, 2, began=200) is None, "ill before image 200, from which it began"
    assert chosen(run, 250, 2, began=200) == 200, "well when it began"
    assert chosen(run, 100, 2, began=50) == 200, "well when it began, and that is not kept"
    keep(run, run.best, 90)
    assert chosen(run, 100, 2, began=200) == 90, "older than the trouble, whoever left it"


def test_where_none_is_kept_there_is_none(shapes: Prepared, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", tiny(shapes))
    assert chosen(run, 100, 1) is None


def test_a_damaged_one_is_passed_over_and_one_of_another_run_too(run: Run) -> None:
    for file in (run.checkpoints.folder / "000000400").iterdir():
        file.write_bytes(b"")
    assert chosen(run, 500, 1) == 300
    run.best.save(350, {"drawn": torch.tensor(350)}, {"run": "another"})
    assert chosen(run, 500, 1) == 300


def attempted(attempt: int, failed: int, good: int, *, ill: bool = False) -> Players:
    players = make_players(small_config())
    if attempt:
        begin_attempt(players, attempt, failed, good, ill=ill)
    return players


def test_the_rate_is_halved_until_the_place_is_passed_and_then_for_good_if_it_comes_again() -> None:
    def at(attempt: int, drawn: int) -> float:
        return gentleness(attempted(attempt, failed=700, good=400), drawn)

    assert [at(0, 500), at(0, 5_000)] == [1, 1]
    assert [at(1, 500), at(1, 999), at(1, 1_000), at(1, 5_000)] == [0.5, 0.5, 1, 1]
    assert [at(2, 500), at(2, 5_000)] == [0.25, 0.25]
    assert [at(3, 5_000)] == [0.125]


def test_after_an_attempt_that_began_ill_the_next_learns_like_the_first() -> None:
    players = attempted(3, failed=700, good=0, ill=True)
    assert [gentleness(players, drawn) for drawn in (0, 1_399, 1_400)] == [0.5, 0.5, 1]


def test_an_attempt_knows_where_it_began() -> None:
    assert began_at(attempted(0, 0, 0)) == 0
    assert began_at(attempted(2, failed=700, good=400)) == 400


def test_the_loop_learns_at_the_rate_of_its_attempt() -> None:
    config = small_config(images=24)
    rates = []
    for attempt in range(3):
        players = attempted(attempt, failed=700, good=400)
        next(play(config, players, Noise()))
        rates.append(players.rate)
    assert rates[1:] == pytest.approx([rates[0] / 2, rates[0] / 4])
