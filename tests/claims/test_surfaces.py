from __future__ import annotations

import pytest
import torch

from poise.claims import surfaces
from poise.claims.claim import Pieces, Result
from poise.claims.points import GAP, SETS

from .broken import PENALTY, no_penalty


def run_small(monkeypatch: pytest.MonkeyPatch) -> Result:
    """One set, and a third of the updates."""
    torch.set_num_threads(1)
    monkeypatch.setattr(surfaces, "SETS", {"8 Gaussians": SETS["8 Gaussians"]})
    monkeypatch.setitem(surfaces.UPDATES, "quick", 200)
    return surfaces.CLAIM.run("quick", 0, Pieces())


@pytest.mark.parametrize("on", SETS)
def test_near_misses_lie_half_a_gap_from_a_real_point_and_off_the_set(on: str) -> None:
    hits, *ways = surfaces.near_misses(on, 0)
    assert len(hits) > surfaces.TRIED / 4
    for way in ways:
        apart = (way - hits).norm(dim=1)
        assert apart.allclose(torch.tensor(GAP[on] / 2), atol=1e-5)
        reals = SETS[on](2000, torch.Generator().manual_seed(99))
        assert surfaces.distance_to(reals, way).min() > GAP[on] / 8


def test_the_claim_holds_and_fails_where_the_penalty_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run_small(monkeypatch).passed
    monkeypatch.setattr(PENALTY, no_penalty)
    assert not run_small(monkeypatch).passed
