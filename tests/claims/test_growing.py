from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from poise.claims import growing
from poise.claims.claim import Pieces
from poise.methods import Progressive
from poise.size import Size, Stage


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Counts the operations of products and convolutions, those of backward passes too."""

    count = 0

    def __torch_dispatch__(self, call: Any, _: Any, args: Any = (), more: Any = None) -> Any:
        out = call(*args, **(more or {}))
        if formula := flop_registry.get(call.overloadpacket):
            self.count += formula(*args, **(more or {}), out_val=out)
        return out


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sizes that take seconds, on a clock that counts operations: no machine's noise is in it.

    (On processor seconds, two equal trainings once came out 1.2 times as fast as each other.)
    """
    monkeypatch.setitem(growing.SIDES, "quick", [8, 32])
    monkeypatch.setitem(growing.REPEATS, "quick", 1)
    with Operations() as counted:  # type: ignore[no-untyped-call]
        clock = SimpleNamespace(process_time=lambda: float(counted.count))
        monkeypatch.setattr(growing, "time", clock)
        yield


def test_the_phases_are_those_of_the_paper_and_the_last_four_are_at_the_full_size() -> None:
    assert growing.phases_of(1024) == 20  # 12 million images, 600,000 a phase
    recipe = growing.recipe_of("growing", 32, 10 * 64)
    assert isinstance(recipe.method, Progressive)
    assert recipe.method.phases(640, Size(32, 32))[-1] == (5 * 64, 5 * 64)  # it fades in first


@pytest.mark.usefixtures("small")
def test_the_claim_holds_from_8_to_32_pixels() -> None:
    result = growing.CLAIM.run("quick", 0, Pieces())
    assert result.passed, result.because


@pytest.mark.usefixtures("small")
def test_the_claim_fails_where_nothing_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progressive, "stage_after", lambda rule, drawn, last: Stage(last, 1.0))
    result = growing.CLAIM.run("quick", 0, Pieces())
    assert not result.passed
    assert result.figure["factors"] == pytest.approx([1, 1], rel=0.05)
