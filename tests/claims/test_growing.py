from __future__ import annotations

import pytest

from poise.claims import growing
from poise.claims.claim import Pieces
from poise.methods import Progressive
from poise.size import Size, Stage


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that take seconds; what is asked there is less."""
    monkeypatch.setitem(growing.SIDES, "quick", [8, 32])
    monkeypatch.setattr(growing, "ASKED", 1.2)


def test_the_phases_are_those_of_the_paper_and_the_last_four_are_at_the_full_size() -> None:
    assert growing.phases_of(1024) == 20  # 12 million images, 600,000 a phase
    recipe = growing.recipe_of("growing", 32, 10 * 64)
    assert isinstance(recipe.method, Progressive)
    assert recipe.method.phases(640, Size(32, 32))[-1] == (5 * 64, 5 * 64)  # it fades in first


@pytest.mark.usefixtures("small")
def test_the_claim_holds_from_8_to_32_pixels() -> None:
    assert growing.CLAIM.run("quick", 0, Pieces()).passed


@pytest.mark.usefixtures("small")
def test_the_claim_fails_where_nothing_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progressive, "stage_after", lambda rule, drawn, last: Stage(last, 1.0))
    assert not growing.CLAIM.run("quick", 0, Pieces()).passed
