from __future__ import annotations

from pathlib import Path

import pytest
import torch

from poise.claims import curve
from poise.claims.images import image_set

from .broken import PENALTY, no_penalty


def follows(tmp_path: Path) -> float:
    """The correlation of WGAN-GP's estimate with the distance of its samples, at quick scale."""
    torch.set_num_threads(1)
    sizes = curve.SIZES["quick"]
    with image_set("shapes", sizes.options, tmp_path) as prepared:
        found = curve.read(prepared, "wgan-gp", "DCGAN", 0, sizes)
    skip = round(curve.SKIPPED * len(found["far"]))
    return curve.correlation(found["estimate"][skip:], found["far"][skip:])


@pytest.mark.slow
def test_the_estimate_follows_the_samples_and_without_its_penalty_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert follows(tmp_path) >= curve.FOLLOWS
    monkeypatch.setattr(PENALTY, no_penalty)
    assert follows(tmp_path) < curve.FOLLOWS


def test_the_correlation_is_of_ranks() -> None:
    assert curve.correlation([1.0, 2.0, 3.0, 4.0], [1.0, 10.0, 100.0, 1e9]) == pytest.approx(1)
    assert curve.correlation([1.0, 2.0, 3.0], [3.0, 2.0, -8.0]) == pytest.approx(-1)
    # Spearman by hand: 1 - 6 (1 + 1 + 0 + 0) / (4 (16 - 1))
    assert curve.correlation([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 3.0, 4.0]) == pytest.approx(0.8)
