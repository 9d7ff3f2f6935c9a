from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from poise.claims import equilibrium
from poise.claims.claim import Pieces
from poise.methods import BEGAN
from poise.players import Losses, Players, Reals

GAMMA = 0.3
STEP = BEGAN.step


def alike(**changes: Any) -> dict[str, Any]:
    """What is found where all is as claimed with gamma .5."""
    curves = {"convergence": [4.0, 2.2, 2.1, 2.0], "k": [0.1] * 4}
    curves |= {"loss_x": [3.5, 2.1, 2.0, 1.9], "loss_g": [1.9, 1.0, 1.0, 0.95]}
    found = {"curves": curves, "swd": [9.0, 7.0, 6.0, 5.0], "near": [1.0] * 4, "k": [0.0, 0.2]}
    return found | {"similarity": 0.2, "error": 0.01} | changes


def test_a_fake_that_is_a_real_is_no_way_from_it_and_black_is_1_from_white() -> None:
    black, white = (np.full((2, 3, 3, 1), level, np.uint8) for level in (0, 255))
    assert equilibrium.infidelity(black, np.concatenate([white, black])) == 0
    assert equilibrium.infidelity(black, white) == pytest.approx(1)


def test_what_is_not_as_claimed_is_said() -> None:
    assert equilibrium.faults(0.5, alike()) == []
    assert "L(G) / L(x) is 0.500" in equilibrium.faults(0.7, alike())[0]
    assert "correlate by -1.00" in equilibrium.faults(0.5, alike(swd=[1.0, 2.0, 3.0, 4.0]))[0]
    for k in ([0.0, 0.0], [0.0, 1.2], [-0.1, 0.3]):
        assert "k went from" in equilibrium.faults(0.5, alike(k=k))[0]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One gamma and few images: enough for the ratio and for M's excess."""
    monkeypatch.setattr(equilibrium, "GAMMAS", [GAMMA])
    monkeypatch.setitem(equilibrium.IMAGES, "quick", 3_200)
    monkeypatch.setitem(equilibrium.MEASURED, "quick", 32)
    monkeypatch.setattr(equilibrium, "OF_SET", 500)


def found() -> str:
    """What is not as claimed."""
    result = equilibrium.CLAIM.run("quick", 0, Pieces())
    assert not result.passed  # with one gamma variety cannot grow
    return "; ".join(equilibrium.faults(GAMMA, result.figure["gammas"][0]))


def test_began_as_it_is_holds_the_ratio_and_m_comes_down_to_the_loss_of_reals() -> None:
    wrong = found()
    assert "L(G) / L(x)" not in wrong
    assert "M is above" not in wrong
    assert "k went" not in wrong


def test_the_claim_fails_where_k_goes_the_wrong_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def flipped(rule: BEGAN, players: Players, reals: Reals) -> Losses:
        k = players.memory.get("k", torch.zeros(()))
        told = STEP(rule, players, reals)
        balance = rule.gamma * told["loss_x"] - told["loss_g"]
        players.memory["k"] = (k - rule.lambda_k * balance).clamp(0, 1)
        return told | {"k": players.memory["k"]}

    monkeypatch.setattr(BEGAN, "step", flipped)
    assert "L(G) / L(x)" in found()


def test_the_claim_fails_where_k_is_not_fed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(rule: BEGAN, players: Players, reals: Reals) -> Losses:
        players.memory["k"] = torch.zeros(())
        return STEP(rule, players, reals)

    monkeypatch.setattr(BEGAN, "step", without)
    assert "L(G) / L(x)" in found()


def test_the_claim_fails_where_m_has_lambda_k_in_place_of_gamma(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mistaken(rule: BEGAN, players: Players, reals: Reals) -> Losses:
        told = STEP(rule, players, reals)
        off = (rule.lambda_k * told["loss_x"] - told["loss_g"]).abs()
        return told | {"convergence": told["loss_x"] + off}

    monkeypatch.setattr(BEGAN, "step", mistaken)
    assert "M is above L(x)" in found()
