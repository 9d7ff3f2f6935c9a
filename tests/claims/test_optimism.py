from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch.optim import Optimizer

from poise import optimistic
from poise.claims import optimism
from poise.claims.bilinear import ADAMS, GAMES, exact, radii, starts
from poise.claims.claim import Pieces, Result
from poise.descent import descend


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam for 1000 steps rather than 4000, enough to tell which radius is smaller; no rates."""
    monkeypatch.setitem(optimism.RATES, "quick", [])
    monkeypatch.setitem(optimism.ADAM_TRAVEL, "quick", 10.0)


def result() -> Result:
    return optimism.CLAIM.run("quick", 0, Pieces())


def spoil_last(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Let optimistic optimizers look back at the last update times a factor."""
    for kind in (optimistic.SGD, optimistic.Adam):
        # Not their base: PyTorch gives each class of optimizers a step of its own to be traced.
        monkeypatch.setattr(kind, "step", looking_back(kind.step, factor))


def looking_back(whole: Callable[[Any], None], factor: float) -> Callable[[Optimizer], None]:
    def step(self: Optimizer) -> None:
        for state in self.state.values():
            if "last" in state:
                state["last"] *= factor
        whole(self)

    return step


@pytest.mark.parametrize("eta", [0.02, 0.1])
def test_exact_radii_of_simultaneous_and_extragradient_play_are_their_closed_forms(
    eta: float,
) -> None:
    assert exact("simultaneous", 100, eta) == pytest.approx(math.sqrt(2) * (1 + eta**2) ** 50)
    shrunk = (1 - eta**2) ** 2 + eta**2  # |1 - eta^2 + i eta|^2
    assert exact("extragradient", 100, eta) == pytest.approx(math.sqrt(2) * shrunk**50)


@pytest.mark.parametrize("game", list(GAMES))
def test_every_start_is_played_as_if_it_were_alone(game: str) -> None:
    four = starts(4, seed=1)
    together = radii(GAMES[game], four, 0.1, 20)
    alone = radii(GAMES[game], four[:, 2:3], 0.1, 20)
    assert together[:, 2].tolist() == pytest.approx(alone[:, 0].tolist(), rel=1e-12)
    assert together[20, 0].item() == pytest.approx(exact(game, 20, 0.1), rel=1e-12)


def test_the_claim_passes_at_the_size_of_these_tests() -> None:
    found = result()
    assert found.passed, found.because


@pytest.mark.parametrize("factor", [-1.0, 0.0], ids=["of the wrong sign", "of 0"])
def test_the_claim_fails_where_optimism_looks_back_at_an_update(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_last(monkeypatch, factor)
    assert not result().passed


def test_the_claim_fails_where_descend_forgets_the_second_player(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poise.claims.bilinear.descend", lambda *moves: descend(*moves[:1]))
    assert not result().passed


def test_optimistic_adam_alone_can_fail_the_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADAMS, "optimistic adam", ADAMS["adam"])
    assert not result().passed
