from __future__ import annotations

import pytest

from poise.claims import growing_quality
from poise.claims.claim import Pieces, Result
from poise.claims.growing_quality import reaching
from poise.methods import Progressive
from poise.size import Stage

FULL = {"seconds": [10.0, 20.0, 30.0], "swd": [100.0, 60.0, 40.0]}


def result(monkeypatch: pytest.MonkeyPatch, **found: object) -> Result:
    """The verdict on these curves."""
    monkeypatch.setattr(growing_quality, "trained", lambda arm, *_: found[arm.replace(" ", "_")])
    monkeypatch.setitem(growing_quality.SIDE, "quick", 8)
    monkeypatch.setitem(growing_quality.OF_SET, "quick", 40)
    return growing_quality.CLAIM.run("quick", 0, Pieces())


def test_the_time_to_a_distance_lies_on_a_straight_line_between_looks() -> None:
    assert reaching(FULL, 60) == 20
    assert reaching(FULL, 50) == 25
    assert reaching(FULL, 200) == 10
    assert reaching(FULL, 30) == float("inf")


def test_growing_must_be_faster_and_to_a_quality_that_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faster = {"seconds": [4.0, 8.0, 12.0], "swd": [100.0, 60.0, 40.0]}
    assert result(monkeypatch, growing=faster, full_size=FULL).passed
    assert not result(monkeypatch, growing=FULL, full_size=faster).passed
    noise = {"seconds": [10.0, 20.0, 30.0], "swd": [100.0, 99.0, 98.0]}
    assert not result(monkeypatch, growing=faster, full_size=noise).passed


def test_growing_gains_nothing_where_nothing_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progressive, "stage_after", lambda rule, drawn, last: Stage(last, 1.0))
    monkeypatch.setitem(growing_quality.SIDE, "quick", 8)
    monkeypatch.setitem(growing_quality.IMAGES, "quick", 320)
    curves = growing_quality.CLAIM.run("quick", 0, Pieces()).figure
    assert curves["growing"]["swd"] == curves["full size"]["swd"]
