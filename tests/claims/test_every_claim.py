"""Laws of every claim: it passes, or says why not; its picture can be drawn from what is kept."""

from __future__ import annotations

import io
import json

import pytest
import torch

from poise.claims import NAMES, claim_of
from poise.claims.claim import Pieces, Result


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_claim_passes_at_quick_scale_or_says_why_not(name: str) -> None:
    torch.set_num_threads(1)
    claim = claim_of(name)
    result = claim.run("quick", 0, Pieces())
    assert result.passed or "quick" in claim.fails, result.because
    assert bool(claim.fails) == bool(claim.failure)
    kept = json.loads(json.dumps([result.numbers, result.figure]))
    again = Result(kept[0], result.passed, result.because, kept[1])
    picture = io.BytesIO()
    claim.draw([again, again]).savefig(picture, format="png")
    assert picture.getvalue()[:4] == b"\x89PNG"
