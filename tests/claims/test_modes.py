from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from poise.claims import modes
from poise.claims.claim import Pieces
from poise.claims.points import SETS, centres

from .broken import PENALTY, no_penalty


@pytest.mark.parametrize("on", ["8 Gaussians", "25 Gaussians"])
def test_all_modes_are_found_in_the_set_and_one_where_all_points_are_one(on: str) -> None:
    of = len(centres(on))
    even = modes.found_in(centres(on).repeat(10, 1), on)
    assert even == {"found": of, "of": of, "recognised": 1.0, "divergence": 0.0}
    one = modes.found_in(centres(on)[:1].repeat(10, 1), on)
    assert one["found"] == 1
    assert one["divergence"] == pytest.approx(math.log(of))
    reals = modes.found_in(SETS[on](2000, torch.Generator().manual_seed(0)), on)
    assert reals["found"] == of
    assert reals["recognised"] > 0.99


def test_a_blob_over_all_modes_is_not_recognised() -> None:
    noise = torch.Generator().manual_seed(0)
    blob = torch.rand(2000, 2, generator=noise) * 2 - 1
    assert modes.found_in(blob, "25 Gaussians")["recognised"] < modes.HALF


@pytest.mark.parametrize("on", ["8 Gaussians", "25 Gaussians"])
def test_one_mode_amid_noise_finds_and_recognises_all_and_is_not_even_enough(on: str) -> None:
    noise = torch.Generator().manual_seed(0)
    scattered = torch.rand(2000, 2, generator=noise) * 2 - 1
    points = torch.cat([centres(on)[:1].repeat(3000, 1), scattered])
    seen = modes.found_in(points, on)
    assert seen["found"] == seen["of"]
    assert seen["recognised"] > modes.HALF
    assert seen["divergence"] > modes.UNEVEN
    assert not modes.judged({on: dict.fromkeys(("gan", "wgan-gp"), seen)}, [on]).passed


def found(count: int, recognised: float = 0.9, divergence: float = 0.1) -> dict[str, Any]:
    return {"found": count, "of": 8, "recognised": recognised, "divergence": divergence}


def test_the_verdict_asks_for_all_modes_and_for_no_fewer_than_the_gan_finds() -> None:
    good = {"gan": found(5), "wgan": found(6), "wgan-gp": found(8)}
    assert modes.judged({"set": good}, ["set"]).passed
    for worse in (
        {"wgan": found(4)},
        {"wgan-gp": found(7)},
        {"wgan-gp": found(8, 0.4)},
        {"wgan-gp": found(8, 0.9, 0.6)},
    ):
        assert not modes.judged({"set": good | worse}, ["set"]).passed


def test_the_claim_holds_and_fails_where_the_penalty_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(modes.METHODS, True, ("gan", "wgan-gp"))
    assert modes.CLAIM.run("quick", 0, Pieces()).passed
    monkeypatch.setattr(PENALTY, no_penalty)
    assert not modes.CLAIM.run("quick", 0, Pieces()).passed
