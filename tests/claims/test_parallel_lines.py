from __future__ import annotations

import pytest

from poise.claims import parallel_lines
from poise.claims.claim import Pieces

from .broken import PENALTY, norm_over_the_batch


def test_the_claim_fails_where_the_norm_is_taken_over_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PENALTY, norm_over_the_batch)
    assert not parallel_lines.CLAIM.run("quick", 0, Pieces()).passed
