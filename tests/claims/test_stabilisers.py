from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from poise.claims import stabilisers
from poise.claims.claim import Pieces, Result
from poise.claims.images import image_set
from poise.data.options import PrepareOptions
from poise.networks import growing


def verdict(monkeypatch: pytest.MonkeyPatch, arm: str, **changes: Any) -> Result:
    """The verdict where all is as claimed, but for one arm."""
    found: dict[str, dict[str, Any]] = {
        "all": {"speeds": [0.1, 0.2], "signals": [1, 2], "swd": 100.0, "variety": 0.9},
        "no equalized rate": {"speeds": [0.1, 2], "signals": [1, 9], "swd": 200.0, "variety": 0.5},
        "no pixelnorm": {"speeds": [0.1, 0.2], "signals": [1, 8], "swd": 150.0, "variety": 0.9},
        "no deviation": {"speeds": [0.1, 0.2], "signals": [1, 2], "swd": 120.0, "variety": 0.6},
    }
    found[arm] |= changes
    monkeypatch.setattr(stabilisers, "trained", lambda arm, *_: found[arm])
    monkeypatch.setattr(stabilisers, "OF_SET", 40)
    return stabilisers.CLAIM.run("quick", 0, Pieces())


def test_the_claim_can_pass_and_each_part_can_fail_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict(monkeypatch, "all").passed
    for arm, changes in (
        ("no equalized rate", {"speeds": [0.1, 0.5]}),
        ("no equalized rate", {"signals": [1, 3]}),
        ("no pixelnorm", {"signals": [1, 3]}),
        ("no deviation", {"variety": 0.85}),
        ("no deviation", {"swd": 99.0}),
    ):
        result = verdict(monkeypatch, arm, **changes)
        assert not result.passed
        assert result.because.count("NOT AS CLAIMED") == 1


def test_a_layers_speed_is_its_way_as_a_share_of_its_length() -> None:
    assert stabilisers.speeds([torch.tensor([3.0, 4.0])], [torch.tensor([3.0, 5.0])]) == [
        pytest.approx(0.2)
    ]


def test_images_that_are_all_alike_have_no_spread() -> None:
    assert stabilisers.spread(np.full((4, 2, 2, 1), 7, np.uint8)) == 0


def wider(folder: Path) -> float:
    """How many times as much speeds differ without the equalized rate, after 60 steps."""
    with image_set("shapes", PrepareOptions(size="8", limit=100), folder) as images:
        whole, without = (
            stabilisers.range_of(stabilisers.trained(arm, images, "quick", 0))
            for arm in ("all", "no equalized rate")
        )
    return without / whole


def test_speeds_differ_as_much_with_it_as_without_where_the_equalized_rate_does_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(stabilisers.IMAGES, "quick", 960)
    monkeypatch.setattr(stabilisers, "MEASURED", 40)
    assert wider(tmp_path) >= stabilisers.WIDER
    begin = growing.Weighted.__init__

    def scaled_once(
        layer: growing.Weighted, shape: tuple[int, ...], gain: float, **_: object
    ) -> None:
        begin(layer, shape, gain, equalized=False)

    monkeypatch.setattr(growing.Weighted, "__init__", scaled_once)
    assert wider(tmp_path) == pytest.approx(1)


def louder(folder: Path) -> float:
    """How many times as far the largest signal grows without pixelnorm."""
    with image_set("shapes", PrepareOptions(size="8", limit=100), folder) as images:
        whole, without = (
            max(stabilisers.trained(arm, images, "quick", 0)["signals"])
            for arm in ("all", "no pixelnorm")
        )
    return float(without / whole)


def test_signals_grow_as_far_with_it_as_without_where_pixelnorm_does_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(stabilisers.IMAGES, "quick", 1_600)
    monkeypatch.setattr(stabilisers, "MEASURED", 40)
    assert louder(tmp_path) > 1.2
    monkeypatch.setattr(growing, "pixelnorm", lambda a: a)
    assert louder(tmp_path) == pytest.approx(1)
