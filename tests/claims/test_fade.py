from __future__ import annotations

import pytest
import torch
from torch import Tensor

from poise.claims import fade
from poise.claims.claim import Pieces, Result
from poise.methods import Progressive
from poise.networks import growing
from poise.size import Size, Stage


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One doubling, from 4 to 8 pixels."""
    monkeypatch.setitem(fade.SIDE, "quick", 8)
    monkeypatch.setitem(fade.PHASE, "quick", 160)
    monkeypatch.setattr(fade, "IMAGES", 100)


def found() -> Result:
    return fade.CLAIM.run("quick", 0, Pieces())


def largest(result: Result, words: str) -> float:
    (value,) = (value for name, value in result.numbers.items() if words in name)
    return value


def test_a_curve_that_jumps_is_rough_and_one_that_moves_evenly_is_half_as_rough() -> None:
    assert fade.roughness([2.0, *[2.0] * 10, *[5.0] * 11]) == 1
    assert fade.roughness([0.0, *[3.0] * 21]) == 1
    assert fade.roughness([0.0, *map(float, range(21))]) == pytest.approx(0.5)


def test_the_same_reals_at_half_the_side_are_means_and_detail_is_what_is_lost() -> None:
    x = torch.tensor([[0.0, 2.0], [2.0, 0.0]]).repeat(4, 4).view(1, 1, 8, 8)
    assert torch.equal(fade.Same(x, 0)(1, Size(4, 4)), torch.ones(1, 1, 4, 4))
    assert fade.detail(x) == pytest.approx(1)
    assert fade.detail(torch.ones(1, 1, 4, 4)) == 0


def test_the_claim_holds_at_one_doubling() -> None:
    assert found().passed


def test_the_claim_fails_where_the_reals_do_not_fade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poise.methods.progressive.blended", lambda x, alpha: x)
    result = found()
    assert not result.passed
    assert largest(result, "the reals' detail") > fade.SMOOTH


def test_the_claim_fails_where_the_critic_ignores_alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = growing.Critic.forward

    def at_once(critic: growing.Critic, x: Tensor) -> Tensor:
        fading, critic.stage = critic.stage, Stage(critic.stage.level, 1.0)
        scores = forward(critic, x)
        critic.stage = fading
        return scores

    monkeypatch.setattr(growing.Critic, "forward", at_once)
    result = found()
    assert not result.passed
    assert largest(result, "at alpha 0") > fade.ROUNDING


def test_the_claim_fails_where_nothing_ever_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progressive, "stage_after", lambda *_: Stage(0, 1.0))
    assert not found().passed
